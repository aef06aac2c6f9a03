import numpy as np
import pytest

from skgen.rbm.energy import RBMParameters
from tests.rbm.reference import BruteForce

N_VISIBLE, N_HIDDEN = 5, 4


@pytest.fixture
def parameters():
    """A model with strong, asymmetric couplings."""
    rng = np.random.default_rng(0)
    return RBMParameters(
        rng.normal(0, 2, (N_VISIBLE, N_HIDDEN)),
        rng.normal(0, 1, N_VISIBLE),
        rng.normal(0, 1, N_HIDDEN),
    )


@pytest.fixture
def brute_force(parameters):
    return BruteForce(parameters)
