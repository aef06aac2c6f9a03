"""Rolling AIS against enumeration, along parameters that move."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgen.rbm import partition, rolling
from skgen.rbm.energy import RBMParameters


def test_a_new_belt_knows_log_z():
    """Its particles are exact draws, weighted by the ratio of known Z: no error."""
    bias = np.array([1.0, -2.0, 4.0])
    parameters = RBMParameters(np.zeros((3, 2)), bias, np.zeros(2))
    rng = np.random.default_rng(5)
    belt = rolling.new_belt(parameters, bias / 2, 3000, rng)
    particles = rolling.arrived(belt)
    estimate = partition.summarize(particles, bias / 2, "rolling")
    assert_allclose(estimate.value, partition.exact_log_partition(parameters).value)
    p = 1 / (1 + np.exp(-bias))
    error = np.sqrt(p * (1 - p) / len(particles.X))
    assert np.all(np.abs(particles.X.mean(axis=0) - p) < 4.5 * error)


@pytest.mark.parametrize("n_moves", [0, 50, 150, 400, 1000])
def test_a_third_of_the_belt_is_at_the_model(n_moves):
    rng = np.random.default_rng(4)
    parameters = RBMParameters(np.zeros((3, 2)), np.zeros(3), np.zeros(2))
    belt = rolling.new_belt(parameters, np.zeros(3), 90, rng)
    for _ in range(n_moves):
        belt = rolling.roll(belt, parameters, rng)
    # ln(1.5 / 1.33) / ln 1.5 = 29 % once stages grow with the moves, give or take
    assert 20 <= len(rolling.arrived(belt).X) <= 36
    assert np.all(belt.stage <= belt.n_stages + belt.n_stages // 2)
    assert np.all(belt.n_stages <= max(100, n_moves // 3))


def test_rolling_along_moving_parameters(model):
    """The parameters move from the base to the model while the belt rolls."""
    target, base_bias = model
    exact = partition.exact_log_partition(target).value
    start = RBMParameters(np.zeros((10, 8)), 2 * base_bias, np.zeros(8))
    scores = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        belt = rolling.new_belt(start, base_bias, 300, rng)
        for fraction in np.minimum(np.linspace(0, 1.2, 400), 1):
            between = (
                (1 - fraction) * begin + fraction * end
                for begin, end in zip(start, target)
            )
            belt = rolling.roll(belt, RBMParameters(*between), rng)
        particles = rolling.arrived(belt)
        estimate = partition.summarize(particles, base_bias, "rolling")
        assert estimate.std_error < 0.3
        scores.append((estimate.value - exact) / estimate.std_error)
    assert abs(np.mean(scores)) < 3 / np.sqrt(12)
    assert np.sqrt(np.mean(np.square(scores))) < 1.6
