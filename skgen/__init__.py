"""Generative models as scikit-learn estimators."""

from typing import TYPE_CHECKING

from skgen import callbacks, divergences, meta, plotting, rbm
from skgen.comparison import compare
from skgen.persistence import load
from skgen.pipeline import sample_from
from skgen.rbm import BinaryRBM
from skgen.versions import show_versions

__version__ = "0.1.0"

__all__ = [
    "BinaryRBM",
    "VariationalAutoencoder",
    "callbacks",
    "compare",
    "divergences",
    "load",
    "meta",
    "plotting",
    "rbm",
    "sample_from",
    "show_versions",
]


if TYPE_CHECKING:  # a module with __getattr__ would have any name
    from skgen.vae import VariationalAutoencoder
else:

    def __getattr__(name):
        """Import the VAE, and torch with it, when it is first asked for."""
        if name == "VariationalAutoencoder":
            from skgen.vae import VariationalAutoencoder

            return VariationalAutoencoder
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
