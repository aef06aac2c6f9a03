"""Benchmarks: ``python -m benchmarks NAME`` prints a table and keeps it as JSON."""
