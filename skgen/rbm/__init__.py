"""The binary-binary restricted Boltzmann machine and the functions behind it."""

from skgen.rbm.estimator import BinaryRBM
from skgen.rbm.stack import stacked_lower_bound

__all__ = ["BinaryRBM", "stacked_lower_bound"]
