import numpy as np
import pytest

from skgen.rbm.energy import RBMParameters
from skgen.rbm.mixture import new_mixture
from skgen.rbm.samplers import exact_samples
from tests.rbm.reference import BruteForce, all_states

N_VISIBLE, N_HIDDEN = 5, 4
BASE_WEIGHTS = np.array([0.5, 0.2, 0.3])


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
def base_probabilities():
    """P(x_i = 1) in each part of the base, which is no approximation of the model."""
    return np.random.default_rng(1).uniform(0.05, 0.95, (3, N_VISIBLE))


@pytest.fixture
def base(base_probabilities):
    return new_mixture(BASE_WEIGHTS, base_probabilities)


@pytest.fixture
def base_joint(base_probabilities):
    """q(x, k) of the base by brute force, shape (2^5, 3)."""
    X = all_states(N_VISIBLE)[:, None]
    P = base_probabilities
    return BASE_WEIGHTS * np.prod(np.where(X == 1, P, 1 - P), axis=2)


@pytest.fixture
def model():
    """10 visible and 8 hidden units, couplings up to 3, and a base near the model."""
    rng = np.random.default_rng(0)
    parameters = RBMParameters(
        rng.normal(0, 1.2, (10, 8)), rng.normal(0, 1, 10), rng.normal(0, 1, 8)
    )
    X = exact_samples(parameters, 10_000, rng)
    P = 0.7 * X.mean(axis=0) + 0.3 * X[:3]
    return parameters, new_mixture(BASE_WEIGHTS, P)
