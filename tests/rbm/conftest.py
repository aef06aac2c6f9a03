import numpy as np
import pytest

from skgen.rbm.energy import RBMParameters
from skgen.rbm.samplers import exact_samples
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


@pytest.fixture
def model():
    """10 visible and 8 hidden units, couplings up to 3; its marginals as the base."""
    rng = np.random.default_rng(0)
    parameters = RBMParameters(
        rng.normal(0, 1.2, (10, 8)), rng.normal(0, 1, 10), rng.normal(0, 1, 8)
    )
    marginals = exact_samples(parameters, 10_000, rng).mean(axis=0)
    return parameters, np.log(marginals / (1 - marginals))
