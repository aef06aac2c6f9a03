"""What a report of a bug needs: versions, processors and threads."""

import importlib.metadata
import os
import platform

from threadpoolctl import threadpool_info

_PACKAGES = (
    "scikit-gen",
    "scikit-learn",
    "numpy",
    "scipy",
    "narwhals",
    "safetensors",
    "torch",
    "pandas",
    "polars",
    "pyarrow",
    "dask",
    "matplotlib",
)


def show_versions() -> None:
    """Print the versions of Python and of packages, and how many threads there are.

    Examples
    --------
    >>> import skgen
    >>> skgen.show_versions()  # doctest: +ELLIPSIS
    python: 3...
    """
    print(f"python: {platform.python_version()}")
    print(f"platform: {platform.platform()}, {os.cpu_count()} processors")
    for package in _PACKAGES:
        print(f"{package}: {_version(package)}")
    for pool in threadpool_info():
        print(f"{pool['internal_api']}: {pool['num_threads']} threads")


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
