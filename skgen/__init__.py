"""Generative models as scikit-learn estimators."""

from skgen import divergences, rbm
from skgen.rbm import BinaryRBM

__version__ = "0.1.0"

__all__ = ["BinaryRBM", "divergences", "rbm"]
