"""AIS, reverse AIS and rolling AIS against enumeration, within their stated error."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import logsumexp

from skgen.rbm import annealing
from skgen.rbm.energy import RBMParameters, hidden_input
from skgen.rbm.mixture import log_joint, new_mixture
from skgen.rbm.partition import exact_log_partition
from skgen.rbm.samplers import exact_samples
from skgen.rbm.tempering import log_density
from tests.rbm.reference import all_states


def uneven_base(n_visible, n_parts=3):
    """A base that has nothing to do with any model."""
    rng = np.random.default_rng(7)
    weights = rng.dirichlet(np.ones(n_parts))
    return new_mixture(weights, rng.uniform(0.2, 0.8, (n_parts, n_visible)))


def test_base_model_is_exact():
    base = uneven_base(2, n_parts=1)
    visible_bias = base.log_odds[0].astype(float)
    parameters = RBMParameters(np.zeros((2, 3)), visible_bias, np.zeros(3))
    rng = np.random.default_rng(0)
    estimate, _ = annealing.annealed_log_partition(parameters, base, 5, 4, rng)
    assert_allclose(estimate.value, exact_log_partition(parameters).value, rtol=1e-7)
    assert estimate.std_error < 1e-7
    assert_allclose(estimate.effective_sample_size, 5)
    assert estimate[3:] == ("ais", -np.inf)


def test_a_copy_of_a_part_changes_nothing(model):
    """Parts that are all alike are one product, at every temperature."""
    parameters, _ = model
    product = uneven_base(10, n_parts=1)
    p = 1 / (1 + np.exp(-product.log_odds.astype(float)))
    copies = new_mixture(np.full(3, 1 / 3), np.repeat(p, 3, axis=0))
    X = exact_samples(parameters, 50, np.random.default_rng(0))
    inputs = hidden_input(parameters, X)
    joints = [log_joint(base, X) for base in (product, copies)]
    for beta in (0.0, 0.3, 1.0):
        betas = np.full(50, beta)
        one, three = (log_density(parameters, X, inputs, q, betas) for q in joints)
        assert_allclose(three, one, atol=1e-5)


def test_ais_stays_within_its_standard_error(model):
    parameters, base = model
    exact = exact_log_partition(parameters).value
    errors = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        estimate, _ = annealing.annealed_log_partition(
            parameters, base, n_chains=100, n_temperatures=200, rng=rng
        )
        assert 0 < estimate.std_error < 0.2
        assert estimate.effective_sample_size > 20
        errors.append((estimate.value - exact) / estimate.std_error)
    # 30 standard scores: the mean within 3 and the rms within 1.5 standard deviations
    assert abs(np.mean(errors)) < 3 / np.sqrt(30)
    assert 0.6 < np.sqrt(np.mean(np.square(errors))) < 1.5


def test_ais_weights_are_unbiased_however_few_the_steps(model):
    """E[w] = Z / Z_base from any base model in any number of steps, here three."""
    parameters, near = model
    exact = exact_log_partition(parameters).value
    for base, largest_error in ((near, 0.003), (uneven_base(10), 0.03)):
        estimate, _ = annealing.annealed_log_partition(
            parameters, base, 100_000, 3, np.random.default_rng(1)
        )
        assert abs(estimate.value - exact) < 4 * estimate.std_error
        assert estimate.std_error < largest_error
        assert estimate.effective_sample_size < 90_000


def test_reverse_ais_stays_within_its_standard_error(model):
    parameters, base = model
    exact = exact_log_partition(parameters).value
    errors = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        X = exact_samples(parameters, 100, rng)
        estimate = annealing.reverse_annealed_log_partition(
            parameters, base, X, 200, rng
        )
        assert estimate.method == "reverse_ais"
        assert 0 < estimate.std_error < 0.2
        errors.append((estimate.value - exact) / estimate.std_error)
    assert abs(np.mean(errors)) < 3 / np.sqrt(30)
    assert 0.6 < np.sqrt(np.mean(np.square(errors))) < 1.5


def test_log_z_lies_between_crude_forward_and_reverse_estimates(model):
    """With single particles in five steps: Jensen's inequality, on average."""
    parameters, _ = model
    base, n = uneven_base(10), 2000
    exact = exact_log_partition(parameters).value
    rng = np.random.default_rng(6)
    log_base = 8 * np.log(2)
    _, particles = annealing.annealed_log_partition(parameters, base, n, 5, rng)
    forward = log_base + particles.log_weight
    X = exact_samples(parameters, n, rng)
    particles = annealing.annealed_back(parameters, base, X, 5, rng)
    reverse = log_base - particles.log_weight
    assert forward.mean() + 4 * forward.std() / np.sqrt(n) < exact
    assert reverse.mean() - 4 * reverse.std() / np.sqrt(n) > exact


def test_weights_back_are_unbiased_however_few_the_steps(model):
    """E[w] = Z_base / Z for exact draws from the model, in three steps."""
    parameters, base = model
    rng = np.random.default_rng(8)
    X = exact_samples(parameters, 50_000, rng)
    particles = annealing.annealed_back(parameters, base, X, 3, rng)
    assert np.all(particles.beta == 0)
    gain = 8 * np.log(2) - exact_log_partition(parameters).value
    weight = np.exp(particles.log_weight - gain)
    assert abs(weight.mean() - 1) < 4 * weight.std() / np.sqrt(len(X))
    assert 0.2 < weight.std() < 1


def test_weighted_particles_are_draws_from_the_model(model):
    parameters, base = model
    rng = np.random.default_rng(2)
    estimate, particles = annealing.annealed_log_partition(
        parameters, base, 100_000, 1, rng
    )
    assert np.all(particles.beta == 1)
    expected = exact_samples(parameters, 100_000, rng)
    weight = np.exp(particles.log_weight - particles.log_weight.max())
    means = weight @ particles.X / weight.sum()
    size = estimate.effective_sample_size
    error = expected.std(axis=0) * np.sqrt(1 / size + 1 / 100_000)
    assert np.all(np.abs(means - expected.mean(axis=0)) < 4.5 * error)
    # the weights make a difference
    means = particles.X.mean(axis=0)
    assert np.any(np.abs(means - expected.mean(axis=0)) > 6 * error)


def test_what_particles_remember_belongs_to_them(model):
    parameters, base = model
    rng = np.random.default_rng(9)
    particles = annealing.base_particles(parameters, base, 50, rng)
    beta = rng.random(50)
    particles = annealing.anneal(parameters, base, particles, beta, rng)
    X, inputs, joint, density, *_ = particles
    assert_allclose(inputs, hidden_input(parameters, X))
    assert_allclose(joint, log_joint(base, X))
    assert_allclose(density, log_density(parameters, X, inputs, joint, beta))
    assert_allclose(particles.beta, beta)


def known(log_weight):
    """Particles of a model without hidden units, with these log-weights."""
    inputs = np.zeros((log_weight.size, 0))
    return annealing.Particles(None, inputs, None, None, None, log_weight)


def test_standard_error_of_known_weights():
    rng = np.random.default_rng(3)
    estimates = [
        annealing.summarize(known(rng.normal(0, 0.3, 50)), "ais") for _ in range(2000)
    ]
    values, errors, sizes, _, _ = zip(*estimates)
    # log-normal weights: E[w] = exp(0.3^2 / 2), n / ESS = E[w^2] / E[w]^2
    assert_allclose(np.mean(values), 0.3**2 / 2, atol=4 * 0.3 / np.sqrt(50 * 2000))
    assert_allclose(np.std(values), np.mean(errors), rtol=0.1)
    assert_allclose(np.mean(sizes), 50 / np.exp(0.3**2), rtol=0.02)


def test_weights_back_estimate_the_inverse():
    log_weight = np.random.default_rng(3).normal(0, 0.3, 50)
    there = annealing.summarize(known(log_weight), "ais")
    back = annealing.summarize(known(log_weight), "reverse_ais", sign=-1)
    assert back == there._replace(value=-there.value, method="reverse_ais")


def test_nearly_equal_weights_have_a_standard_error():
    """Rounding alone can make n / ESS less than one."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        log_weight = 50 + rng.normal(0, 1e-14, rng.integers(2, 100))
        estimate = annealing.summarize(known(log_weight), "ais")
        assert 0 <= estimate.std_error < 1e-7


# --- rolling AIS, along parameters that move


def test_new_rolling_particles_know_every_z_on_the_way(parameters, base, base_joint):
    """E[w] = Z_beta / Z_base at each particle's own beta."""
    rng = np.random.default_rng(5)
    rolling = annealing.new_rolling(parameters, base, 15_000, rng)
    particles, stages = rolling.particles, np.arange(150)
    assert_allclose(np.bincount(rolling.stage, minlength=150), 100)
    beta = 1 - (1 - np.minimum(stages / 100, 1)) ** 2
    assert_allclose(particles.beta, beta[rolling.stage])
    X = all_states(5)
    states = parameters, X, hidden_input(parameters, X), np.log(base_joint)
    log_z = [logsumexp(log_density(*states, np.full(32, b))) for b in beta]
    gain = np.array(log_z) - 4 * np.log(2)
    weight = np.exp(particles.log_weight - gain[rolling.stage])
    assert abs(weight.mean() - 1) < 4 * weight.std() / np.sqrt(weight.size)
    at_each = np.array([weight[rolling.stage == stage] for stage in stages])
    error = at_each.std(axis=1) / np.sqrt(100)
    assert np.all(np.abs(at_each.mean(axis=1) - 1) < 4.5 * error + 1e-5)


def test_new_rolling_particles_know_log_z(model):
    parameters, base = model
    exact, scores = exact_log_partition(parameters).value, []
    for seed in range(30):
        rolling = annealing.new_rolling(
            parameters, base, 300, np.random.default_rng(seed)
        )
        particles = annealing.at_model(rolling)
        assert particles.log_weight.size == 100
        estimate = annealing.summarize(particles, "rolling")
        scores.append((estimate.value - exact) / estimate.std_error)
    assert abs(np.mean(scores)) < 3 / np.sqrt(30)
    assert 0.6 < np.sqrt(np.mean(np.square(scores))) < 1.5


@pytest.mark.parametrize("n_moves", [0, 50, 150, 400, 1000])
def test_a_third_of_the_rolling_particles_is_at_the_model(n_moves):
    rng = np.random.default_rng(4)
    parameters = RBMParameters(np.zeros((3, 2)), np.zeros(3), np.zeros(2))
    base = uneven_base(3)
    rolling = annealing.new_rolling(parameters, base, 90, rng)
    for _ in range(n_moves):
        rolling = annealing.roll(rolling, parameters, base)
    # ln(1.5 / 1.33) / ln 1.5 = 29 % once stages grow with the moves, give or take
    assert 20 <= len(annealing.at_model(rolling).X) <= 36
    assert np.all(rolling.stage <= rolling.n_stages + rolling.n_stages // 2)
    assert np.all(rolling.n_stages <= max(100, n_moves // 3))


def test_rolling_along_moving_parameters(model):
    """The parameters move from a product to the model while the particles roll."""
    target, base = model
    exact = exact_log_partition(target).value
    bias = 2 * base.log_odds[0].astype(float)
    start = RBMParameters(np.zeros((10, 8)), bias, np.zeros(8))
    scores = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        rolling = annealing.new_rolling(start, base, 300, rng)
        for fraction in np.minimum(np.linspace(0, 1.2, 250), 1):
            between = (
                (1 - fraction) * begin + fraction * end
                for begin, end in zip(start, target)
            )
            rolling = annealing.roll(rolling, RBMParameters(*between), base)
        estimate = annealing.summarize(annealing.at_model(rolling), "rolling")
        assert estimate.std_error < 0.3
        scores.append((estimate.value - exact) / estimate.std_error)
    assert abs(np.mean(scores)) < 3 / np.sqrt(10)
    assert np.sqrt(np.mean(np.square(scores))) < 1.6
