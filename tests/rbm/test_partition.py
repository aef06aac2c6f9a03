"""log Z from both ends against closed forms and enumeration, and its lower bound."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgen.rbm import partition
from skgen.rbm.annealing import LogPartition
from skgen.rbm.energy import RBMParameters
from skgen.rbm.mixture import new_mixture
from skgen.rbm.samplers import exact_samples
from tests.rbm.reference import BruteForce


@pytest.fixture
def base():
    return new_mixture(np.array([0.3, 0.7]), np.array([[0.2] * 5, [0.6] * 5]))


def test_exact_log_partition(parameters, brute_force):
    estimate = partition.exact_log_partition(parameters)
    assert_allclose(estimate.value, brute_force.log_partition)
    assert estimate[1:] == (0.0, np.inf, "exact", -np.inf)


@pytest.mark.parametrize("n_forward, n_backward", [(400, 400), (400, 100), (50, 400)])
def test_works_of_two_gaussians_are_joined(n_forward, n_backward):
    """Log-weights N(c - s^2/2, s^2) from the base imply N(-c - s^2/2, s^2) back."""
    c, s, scores = 3.0, 1.5, []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        forward = rng.normal(c - s**2 / 2, s, n_forward)
        backward = rng.normal(-c - s**2 / 2, s, n_backward)
        gain, std_error = partition._joined(forward, backward)
        scores.append((gain - c) / std_error)
    assert abs(np.mean(scores)) < 0.3 + 3 / np.sqrt(100)
    assert 0.8 < np.std(scores) < 1.2


def test_a_bracket_stays_within_its_standard_error(parameters, brute_force, base):
    scores, covered = [], 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        starts = [exact_samples(parameters, 50, rng) for _ in range(2)]
        found = partition.bracket(parameters, base, starts, -np.inf, 30, rng)
        assert found.method == "bracket"
        assert found.low <= found.value <= found.high
        assert_allclose(found.effective_sample_size, found.std_error**-2)
        covered += found.low < brute_force.log_partition < found.high
        scores.append((found.value - brute_force.log_partition) / found.std_error)
    assert covered >= 39  # three standard errors
    assert abs(np.mean(scores)) < 3 / np.sqrt(40)
    assert 0.7 < np.std(scores) < 1.3


def far_modes():
    """20 units that agree, on one of them with log-odds 2, and log Z by enumeration."""
    parameters = RBMParameters(
        np.full((20, 1), 6.0), np.full(20, -3.0), np.full(1, -58)
    )
    exact = partition.exact_log_partition(parameters).value
    return parameters, exact


def test_rows_in_a_mode_that_the_base_never_finds():
    """Annealing alone misses it; the bracket holds it, and does not vouch for less."""
    parameters, exact = far_modes()
    zeros = new_mixture(np.ones(1), np.full((1, 20), 0.01))
    rng = np.random.default_rng(0)
    ones = np.ones((50, 20))
    forward, _ = partition.annealed_log_partition(parameters, zeros, 100, 20, rng)
    assert forward.value < exact - 1
    found = partition.bracket(parameters, zeros, [ones], -np.inf, 20, rng)
    assert found.low < exact < found.high
    assert not found.reliable


def test_a_base_that_knows_both_modes_is_relied_upon():
    parameters, exact = far_modes()
    both = new_mixture(np.full(2, 0.5), np.repeat([[0.05], [0.95]], 20, axis=1))
    rng = np.random.default_rng(0)
    starts = [exact_samples(parameters, 100, rng)]
    found = partition.bracket(parameters, both, starts, -np.inf, 100, rng)
    assert found.reliable
    assert abs(found.value - exact) < 4 * found.std_error


def test_nothing_is_reported_below_the_lower_bound(parameters, brute_force, base):
    bound = brute_force.log_partition + 5
    rng = np.random.default_rng(0)
    starts = [exact_samples(parameters, 100, rng)]
    found = partition.bracket(parameters, base, starts, bound, 30, rng)
    assert found.lower_bound == bound
    assert bound <= found.low <= found.value <= found.high
    assert found.value > bound
    ais = LogPartition(1.0, 0.1, 50.0, "ais")
    assert partition.bounded(ais, 2.0).value > 2
    assert partition.bounded(ais, 2.0).lower_bound == 2
    assert partition.bounded(ais, 0.5) == ais._replace(lower_bound=0.5)


def test_brute_force_of_far_modes_is_what_they_are_meant_to_be():
    """The mode of ones holds e^2 times the probability of the mode of zeros."""
    parameters, _ = far_modes()
    small = RBMParameters(
        parameters.weights[:4], parameters.visible_bias[:4], parameters.hidden_bias
    )
    hidden = BruteForce(small).hidden
    assert hidden.shape == (2,)
