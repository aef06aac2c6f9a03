"""AIS, reverse AIS and rolling AIS against enumeration, within their stated error."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgen.rbm import annealing
from skgen.rbm.energy import RBMParameters
from skgen.rbm.partition import exact_log_partition
from skgen.rbm.samplers import exact_samples


def test_base_model_is_exact():
    base_bias = np.array([1.0, -2.0])
    parameters = RBMParameters(np.zeros((2, 3)), base_bias, np.zeros(3))
    rng = np.random.default_rng(0)
    estimate, _ = annealing.annealed_log_partition(parameters, base_bias, 5, 4, rng)
    assert_allclose(estimate.value, exact_log_partition(parameters).value)
    assert estimate.std_error < 1e-7
    assert_allclose(estimate.effective_sample_size, 5)


def test_ais_stays_within_its_standard_error(model):
    parameters, base_bias = model
    exact = exact_log_partition(parameters).value
    errors = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        estimate, _ = annealing.annealed_log_partition(
            parameters, base_bias, n_chains=100, n_temperatures=200, rng=rng
        )
        assert 0 < estimate.std_error < 0.2
        assert estimate.effective_sample_size > 20
        errors.append((estimate.value - exact) / estimate.std_error)
    # 30 standard scores: the mean within 3 and the rms within 1.5 standard deviations
    assert abs(np.mean(errors)) < 3 / np.sqrt(30)
    assert 0.6 < np.sqrt(np.mean(np.square(errors))) < 1.5


def test_ais_weights_are_unbiased_however_few_the_steps(model):
    """E[w] = Z / Z_base from any base model in any number of steps, here three."""
    parameters, _ = model
    exact = exact_log_partition(parameters).value
    estimate, _ = annealing.annealed_log_partition(
        parameters, np.zeros(10), 200_000, 3, np.random.default_rng(1)
    )
    assert abs(estimate.value - exact) < 4 * estimate.std_error
    assert estimate.effective_sample_size < 100_000


def test_reverse_ais_stays_within_its_standard_error(model):
    parameters, base_bias = model
    exact = exact_log_partition(parameters).value
    errors = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        X = exact_samples(parameters, 100, rng)
        estimate = annealing.reverse_annealed_log_partition(
            parameters, base_bias, X, 200, rng
        )
        assert 0 < estimate.std_error < 0.2
        errors.append((estimate.value - exact) / estimate.std_error)
    assert abs(np.mean(errors)) < 3 / np.sqrt(30)
    assert 0.6 < np.sqrt(np.mean(np.square(errors))) < 1.5


def test_log_z_lies_between_crude_forward_and_reverse_estimates(model):
    """With single particles in five steps: Jensen's inequality, on average."""
    parameters, _ = model
    exact = exact_log_partition(parameters).value
    base_bias = np.zeros(10)
    rng = np.random.default_rng(6)
    _, particles = annealing.annealed_log_partition(parameters, base_bias, 2000, 5, rng)
    log_base = 10 * np.log(2) + 8 * np.log(2)
    forward = log_base + particles.log_weight
    X = exact_samples(parameters, 2000, rng)
    reverse = np.array(
        [
            annealing.reverse_annealed_log_partition(
                parameters, base_bias, x[None], 5, rng
            ).value
            for x in X[:500]
        ]
    )
    assert forward.mean() + 4 * forward.std() / np.sqrt(2000) < exact
    assert reverse.mean() - 4 * reverse.std() / np.sqrt(500) > exact


def test_weighted_particles_are_draws_from_the_model(model):
    parameters, base_bias = model
    rng = np.random.default_rng(2)
    _, particles = annealing.annealed_log_partition(
        parameters, base_bias, 20_000, 20, rng
    )
    expected = exact_samples(parameters, 20_000, rng)
    resampled = annealing.resample(particles, 20_000, rng)
    # draws repeat particles, so their error is that of the effective sample size
    size = annealing.summarize(particles, base_bias, "ais").effective_sample_size
    error = expected.std(axis=0) * np.sqrt(2 / size + 1 / 20_000)
    difference = np.abs(resampled.mean(axis=0) - expected.mean(axis=0))
    assert np.all(difference < 4.5 * error)


def test_standard_error_of_known_weights():
    rng = np.random.default_rng(3)
    estimates = []
    for _ in range(2000):
        particles = annealing.Particles(
            None, np.zeros((50, 0)), None, None, rng.normal(0, 0.3, 50)
        )
        estimates.append(annealing.summarize(particles, np.zeros(0), "ais"))
    values, errors, sizes, _ = zip(*estimates)
    # log-normal weights: E[w] = exp(0.3^2 / 2), n / ESS = E[w^2] / E[w]^2
    assert_allclose(np.mean(values), 0.3**2 / 2, atol=4 * 0.3 / np.sqrt(50 * 2000))
    assert_allclose(np.std(values), np.mean(errors), rtol=0.1)
    assert_allclose(np.mean(sizes), 50 / np.exp(0.3**2), rtol=0.02)


# --- rolling AIS, along parameters that move


def test_new_rolling_particles_know_log_z():
    """They are exact draws, weighted by the ratio of known Z: no error."""
    bias = np.array([1.0, -2.0, 4.0])
    parameters = RBMParameters(np.zeros((3, 2)), bias, np.zeros(2))
    rng = np.random.default_rng(5)
    rolling = annealing.new_rolling(parameters, bias / 2, 3000, rng)
    particles = annealing.at_model(rolling)
    estimate = annealing.summarize(particles, bias / 2, "rolling")
    assert_allclose(estimate.value, exact_log_partition(parameters).value)
    p = 1 / (1 + np.exp(-bias))
    error = np.sqrt(p * (1 - p) / len(particles.X))
    assert np.all(np.abs(particles.X.mean(axis=0) - p) < 4.5 * error)


@pytest.mark.parametrize("n_moves", [0, 50, 150, 400, 1000])
def test_a_third_of_the_rolling_particles_is_at_the_model(n_moves):
    rng = np.random.default_rng(4)
    parameters = RBMParameters(np.zeros((3, 2)), np.zeros(3), np.zeros(2))
    rolling = annealing.new_rolling(parameters, np.zeros(3), 90, rng)
    for _ in range(n_moves):
        rolling = annealing.roll(rolling, parameters, rng)
    # ln(1.5 / 1.33) / ln 1.5 = 29 % once stages grow with the moves, give or take
    assert 20 <= len(annealing.at_model(rolling).X) <= 36
    assert np.all(rolling.stage <= rolling.n_stages + rolling.n_stages // 2)
    assert np.all(rolling.n_stages <= max(100, n_moves // 3))


def test_rolling_along_moving_parameters(model):
    """The parameters move from the base to the model while the particles roll."""
    target, base_bias = model
    exact = exact_log_partition(target).value
    start = RBMParameters(np.zeros((10, 8)), 2 * base_bias, np.zeros(8))
    scores = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        rolling = annealing.new_rolling(start, base_bias, 300, rng)
        for fraction in np.minimum(np.linspace(0, 1.2, 400), 1):
            between = (
                (1 - fraction) * begin + fraction * end
                for begin, end in zip(start, target)
            )
            rolling = annealing.roll(rolling, RBMParameters(*between), rng)
        particles = annealing.at_model(rolling)
        estimate = annealing.summarize(particles, base_bias, "rolling")
        assert estimate.std_error < 0.3
        scores.append((estimate.value - exact) / estimate.std_error)
    assert abs(np.mean(scores)) < 3 / np.sqrt(12)
    assert np.sqrt(np.mean(np.square(scores))) < 1.6
