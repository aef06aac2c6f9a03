"""Annealed estimates of log Z against enumeration, within their own stated error."""

import numpy as np
from numpy.testing import assert_allclose

from skgen.rbm import partition
from skgen.rbm.energy import RBMParameters
from skgen.rbm.samplers import exact_samples
from skgen.rbm.tempering import new_ladder


def test_base_model_is_exact():
    base_bias = np.array([1.0, -2.0])
    parameters = RBMParameters(np.zeros((2, 3)), base_bias, np.zeros(3))
    rng = np.random.default_rng(0)
    estimate, _ = partition.annealed_log_partition(parameters, base_bias, 5, 4, rng)
    assert_allclose(estimate.value, partition.exact_log_partition(parameters).value)
    assert estimate.std_error < 1e-7
    assert_allclose(estimate.effective_sample_size, 5)


def test_ais_stays_within_its_standard_error(model):
    parameters, base_bias = model
    exact = partition.exact_log_partition(parameters).value
    errors = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        estimate, _ = partition.annealed_log_partition(
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
    exact = partition.exact_log_partition(parameters).value
    estimate, _ = partition.annealed_log_partition(
        parameters, np.zeros(10), 200_000, 3, np.random.default_rng(1)
    )
    assert abs(estimate.value - exact) < 4 * estimate.std_error
    assert estimate.effective_sample_size < 100_000


def test_reverse_ais_stays_within_its_standard_error(model):
    parameters, base_bias = model
    exact = partition.exact_log_partition(parameters).value
    errors = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        X = exact_samples(parameters, 100, rng)
        estimate = partition.reverse_annealed_log_partition(
            parameters, base_bias, X, 200, rng
        )
        assert 0 < estimate.std_error < 0.2
        errors.append((estimate.value - exact) / estimate.std_error)
    assert abs(np.mean(errors)) < 3 / np.sqrt(30)
    assert 0.6 < np.sqrt(np.mean(np.square(errors))) < 1.5


def test_log_z_lies_between_crude_forward_and_reverse_estimates(model):
    """With single particles in five steps: Jensen's inequality, on average."""
    parameters, _ = model
    exact = partition.exact_log_partition(parameters).value
    base_bias = np.zeros(10)
    rng = np.random.default_rng(6)
    _, particles = partition.annealed_log_partition(parameters, base_bias, 2000, 5, rng)
    log_base = 10 * np.log(2) + 8 * np.log(2)
    forward = log_base + particles.log_weight
    X = exact_samples(parameters, 2000, rng)
    reverse = np.array(
        [
            partition.reverse_annealed_log_partition(
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
    _, particles = partition.annealed_log_partition(
        parameters, base_bias, 20_000, 20, rng
    )
    expected = exact_samples(parameters, 20_000, rng)
    resampled = partition.resample(particles, 20_000, rng)
    # draws repeat particles, so their error is that of the effective sample size
    size = partition.summarize(particles, base_bias, "ais").effective_sample_size
    error = expected.std(axis=0) * np.sqrt(2 / size + 1 / 20_000)
    difference = np.abs(resampled.mean(axis=0) - expected.mean(axis=0))
    assert np.all(difference < 4.5 * error)


def test_standard_error_of_known_weights():
    rng = np.random.default_rng(3)
    estimates = []
    for _ in range(2000):
        particles = partition.Particles(
            None, np.zeros((50, 0)), None, None, rng.normal(0, 0.3, 50)
        )
        estimates.append(partition.summarize(particles, np.zeros(0), "ais"))
    values, errors, sizes, _ = zip(*estimates)
    # log-normal weights: E[w] = exp(0.3^2 / 2), n / ESS = E[w^2] / E[w]^2
    assert_allclose(np.mean(values), 0.3**2 / 2, atol=4 * 0.3 / np.sqrt(50 * 2000))
    assert_allclose(np.std(values), np.mean(errors), rtol=0.1)
    assert_allclose(np.mean(sizes), 50 / np.exp(0.3**2), rtol=0.02)


def test_bridges_along_a_ladder_stay_within_their_standard_error(model):
    parameters, base_bias = model
    exact = partition.exact_log_partition(parameters).value
    errors = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        ladder = new_ladder(np.zeros((20, 10)))
        estimate, ladder = partition.tempered_log_partition(
            parameters, base_bias, ladder, 200, rng
        )
        assert 0 < estimate.std_error < 0.2
        assert estimate.method == "tempered"
        errors.append((estimate.value - exact) / estimate.std_error)
    # standard errors of ten groups: the scores have the t distribution of 9 degrees
    assert abs(np.mean(errors)) < 3 * np.sqrt(9 / 7) / np.sqrt(30)
    assert 0.6 < np.sqrt(np.mean(np.square(errors))) < 1.7


def test_one_bridge_between_two_known_gaussians():
    """d(x) of N(0, 1) and e^c N(1, 1) is c + x - 1/2."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 100, 2, 100))
    shift = np.array([2.0, -3.0])[:, None]
    lower, upper = shift + x - 0.5, shift + (y + 1) - 0.5
    gains = partition._bennett(lower, upper)
    # 10,000 draws at either side; the variance of one is below 2
    assert np.all(np.abs(gains - shift[:, 0]) < 4 * np.sqrt(2 / 10_000))


def test_one_ladder_has_no_standard_error(model):
    parameters, base_bias = model
    for n_chains in (1, 3):
        ladder = new_ladder(np.zeros((n_chains, 10)))
        estimate, _ = partition.tempered_log_partition(
            parameters, base_bias, ladder, 10, np.random.default_rng(0)
        )
        assert np.isfinite(estimate.value)
        assert np.isfinite(estimate.std_error) == (n_chains > 1)
