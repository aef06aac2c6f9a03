"""The binary-binary restricted Boltzmann machine and the functions behind it."""

from skgen.rbm.estimator import BinaryRBM

__all__ = ["BinaryRBM"]
