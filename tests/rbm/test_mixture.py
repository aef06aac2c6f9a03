"""Mixtures of products against brute force, and jumps between far modes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from scipy.stats import chisquare

from skgen.rbm import mixture
from skgen.rbm.energy import RBMParameters, hidden_input
from skgen.rbm.samplers import exact_samples, gibbs
from tests.rbm.reference import all_states, p_value, state_numbers


def test_log_joint_is_a_product_of_units(base, base_joint):
    log_joint = mixture.log_joint(base, all_states(5))
    assert_allclose(log_joint, np.log(base_joint), atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_probabilities_of_all_states_are_normalised(base, base_joint, dtype):
    log_probability = mixture.log_probability(base, all_states(5).astype(dtype))
    assert log_probability.dtype == dtype
    assert_allclose(log_probability, np.log(base_joint.sum(axis=1)), atol=1e-5)
    assert_allclose(np.exp(log_probability).sum(), 1, rtol=1e-5)


def test_log_sum_is_as_exact_for_large_terms():
    terms = np.log([[1.0, 2.0, 5.0], [3.0, 1.0, 0.5]])
    for shift in (0, -5000, 5000):
        total, shares = mixture.log_sum(terms + shift)
        assert_allclose(total - shift, np.log([8, 4.5]))
        assert_allclose(shares, np.exp(terms) / [[8], [4.5]])


def test_draws(base, base_joint):
    X = mixture.draw(base, 20_000, np.random.default_rng(0))
    assert X.dtype == np.float32
    assert p_value(X, base_joint.sum(axis=1)) > 1e-3
    # one product with the same marginals is told apart
    means = base_joint.sum(axis=1) @ all_states(5)
    product = np.prod(np.where(all_states(5) == 1, means, 1 - means), axis=1)
    assert p_value(X, product) < 1e-3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_drawn_parts(dtype):
    """Each row has its own probabilities; what is impossible is never drawn."""
    rng, n = np.random.default_rng(1), 10_000
    shares = np.array([[0.0, 0.1, 0.2, 0.7, 0.0], [0.3, 0.0, 0.0, 0.3, 0.4]], dtype)
    parts = mixture.drawn_parts(np.repeat(shares, n, axis=0), rng).reshape(2, n)
    for drawn, expected in zip(parts, shares):
        possible = expected > 0
        counts = np.bincount(drawn, minlength=5)
        assert counts[~possible].sum() == 0
        expected = expected[possible].astype(float)
        expected *= n / expected.sum()
        assert chisquare(counts[possible], expected).pvalue > 1e-3


# --- jumps


def jumped(parameters, base, X, rng):
    X, inputs = X.copy(), hidden_input(parameters, X)
    mixture.jump(parameters, base, X, inputs, rng)
    assert_allclose(inputs, hidden_input(parameters, X), atol=1e-12)
    return X


def test_a_jump_leaves_the_model_invariant(parameters, brute_force, base):
    rng = np.random.default_rng(2)
    X = exact_samples(parameters, 40_000, rng)
    moved = jumped(parameters, base, X, rng)
    assert p_value(moved, brute_force.visible) > 1e-3
    assert np.any(moved != X, axis=1).mean() > 0.02


def test_a_jump_has_the_kernel_by_brute_force(
    parameters, brute_force, base, base_joint
):
    """From the state that a jump leaves least often, and from others."""
    P, q = brute_force.visible, base_joint.sum(axis=1)
    for start in (P / q).argsort()[[31, 24, 16, 0]]:
        ratio = P * q[start] / (P[start] * q)
        expected = q * np.minimum(1, ratio)
        expected[start] += 1 - expected.sum()
        X = np.tile(brute_force.X[start], (20_000, 1))
        X = jumped(parameters, base, X, np.random.default_rng(3))
        assert p_value(X, expected) > 1e-3


def test_relaxed_chains_keep_the_distribution(parameters, brute_force, base):
    rng = np.random.default_rng(4)
    X = exact_samples(parameters, 30_000, rng)
    relaxed = mixture.relax(parameters, base, X, 5, rng)
    assert relaxed is X
    assert p_value(X, brute_force.visible) > 1e-3


def test_chains_find_a_mode_that_gibbs_sampling_never_finds():
    """Twenty units that agree, on one as often as on zero."""
    parameters = RBMParameters(
        np.full((20, 1), 10.0), np.full(20, -5.0), np.full(1, -100.0)
    )
    P = np.repeat([[0.02], [0.98], [0.5]], 20, axis=1)
    base = mixture.new_mixture(np.array([0.3, 0.3, 0.4]), P)
    rng, n = np.random.default_rng(6), 1000
    assert not np.any(gibbs(parameters, np.zeros((n, 20)), 60, rng).mean(axis=1) > 0.5)
    X = mixture.relax(parameters, base, np.zeros((n, 20)), 60, rng)
    share = np.mean(X.mean(axis=1) > 0.5)
    assert abs(share - 0.5) < 4.5 * 0.5 / np.sqrt(n)


# --- fits


def fitted(X, seed=0):
    marginals = (X.sum(axis=0) + 1) / (X.shape[0] + 2)
    return mixture.fit_mixture(X, marginals, np.random.default_rng(seed))


def mean_log_probability(base, X):
    return mixture.log_probability(base, X.astype(np.float64)).mean()


def halves(seed=0):
    """A hundred units that agree."""
    bits = np.random.default_rng(seed).integers(0, 2, (500, 1))
    return np.repeat(bits, 100, axis=1)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_two_far_clusters(seed):
    """Log-probability -log 2 but for units that might differ in one row of 800."""
    base = fitted(halves(), seed)
    score = mean_log_probability(base, halves(seed=1))
    assert -np.log(2) - 0.3 < score < -np.log(2) + 0.03
    drawn = mixture.draw(base, 5000, np.random.default_rng(0))
    assert abs(drawn.mean() - halves().mean()) < 0.05


def test_ten_blobs():
    """The model that made the rows is hardly better in new ones."""
    rng = np.random.default_rng(7)
    P = np.where(rng.random((10, 60)) < 0.5, 0.05, 0.95)
    true = mixture.new_mixture(np.full(10, 0.1), P)
    X, X_new = (mixture.draw(true, n, rng).astype(int) for n in (2000, 500))
    base = fitted(X)
    assert len(base.log_empty) >= 10
    best = mean_log_probability(true, X_new)
    assert best - 1 < mean_log_probability(base, X_new) < best + 0.1
    product = mixture.new_mixture(np.ones(1), X.mean(axis=0)[None])
    assert mean_log_probability(product, X_new) < best - 20


def test_weights_are_the_sizes_of_the_clusters():
    rng = np.random.default_rng(8)
    P = np.repeat([[0.1], [0.9]], 40, axis=1)
    X = mixture.draw(mixture.new_mixture(np.array([0.8, 0.2]), P), 2000, rng)
    drawn = mixture.draw(fitted(X), 5000, rng)
    share = np.mean(X.mean(axis=1) > 0.5)
    assert abs(np.mean(drawn.mean(axis=1) > 0.5) - share) < 0.03


def test_independent_units_are_one_product():
    X = np.random.default_rng(9).random((2000, 20)) < 0.3
    base = fitted(X.astype(int))
    assert base.log_odds.shape == (1, 20)


@pytest.mark.parametrize("n", [1, 2, 4, 5, 11])
def test_few_rows_are_one_product(n):
    X = halves()[:n]
    marginals = (X.sum(axis=0) + 1) / (n + 2)
    base = mixture.fit_mixture(X, marginals, np.random.default_rng(0))
    expected = mixture.new_mixture(np.ones(1), marginals[None])
    for array, wanted in zip(base, expected):
        assert_array_equal(array, wanted)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_csr_gives_the_same_mixture(dtype):
    X = np.random.default_rng(10).permutation(halves(), axis=1)[:, :20]
    X[:, 10:] ^= np.random.default_rng(11).integers(0, 2, (500, 1))
    X = X.astype(dtype)
    dense, sparse = fitted(X), fitted(csr_array(X))
    assert len(dense.log_empty) > 1
    for array, same in zip(dense, sparse):
        assert array.dtype == np.float32
        assert_array_equal(array, same)


def test_constant_columns():
    X = halves()
    X[:, :30], X[:, 30:60] = 0, 1
    base = fitted(X)
    assert all(np.isfinite(array).all() for array in base)
    assert np.isfinite(mixture.log_probability(base, X.astype(np.float32))).all()
    flipped = (1 - X[:50]).astype(np.float32)
    assert np.isfinite(mixture.log_probability(base, flipped)).all()
    for constant in (np.zeros((50, 3), int), np.ones((50, 3), int)):
        assert all(np.isfinite(array).all() for array in fitted(constant))


def test_the_rows_used_are_limited(monkeypatch):
    """By their size: of wide rows fewer are taken, and at least one."""
    taken = []

    def recorded(X, rows):
        taken.append(len(rows))
        return X[rows]

    monkeypatch.setattr(mixture, "dense_rows", recorded)
    for most_values in (10**6, 5000, 50):
        monkeypatch.setattr(mixture, "_MOST_VALUES", most_values)
        fitted(halves())
    assert taken == [500, 50, 1]


def test_far_clusters_have_draws_of_both(brute_force):
    """State by state, where all states can be counted."""
    X = brute_force.X[np.random.default_rng(12).choice([0, 31, 12], 600)]
    base = fitted(X.astype(int))
    drawn = state_numbers(mixture.draw(base, 3000, np.random.default_rng(13)))
    counts = np.bincount(drawn, minlength=32)[[0, 12, 31]]
    assert np.all(counts > 800)


def test_flattened_keeps_the_weights_and_scales_the_log_odds(base):
    X = all_states(5)
    same = mixture.flattened(base, 1)
    assert_allclose(mixture.log_joint(same, X), mixture.log_joint(base, X), rtol=1e-5)
    flat = mixture.flattened(base, 0)
    assert_allclose(np.exp(mixture.log_probability(flat, X)), 1 / 32, rtol=1e-5)
    half = np.exp(mixture.log_joint(mixture.flattened(base, 0.5), X)).sum(axis=0)
    weights = np.exp(mixture.log_joint(base, X)).sum(axis=0)
    assert_allclose(half, weights, rtol=1e-5)


@pytest.mark.parametrize("scale", [1, 0.5, 0.25])
def test_proposals_are_as_wide_as_the_model(scale):
    """A model that is a product, and a mixture of its cluster and a far one."""
    log_odds = 4.0 * np.random.default_rng(0).choice([-1, 1], 60)
    P = 1 / (1 + np.exp(-np.stack([log_odds, -log_odds])))
    base = mixture.new_mixture(np.full(2, 0.5), P)
    model = RBMParameters(np.zeros((60, 1)), scale * log_odds, np.zeros(1))
    rng = np.random.default_rng(1)
    X = exact_samples(model, 200, rng)
    found = mixture.within_reach(model, base, X, rng)
    assert_allclose(found.log_odds, scale * base.log_odds, rtol=1e-6)
