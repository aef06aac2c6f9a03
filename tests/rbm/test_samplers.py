"""Samplers against exact distributions, by chi-squared tests at a fixed seed."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgen.rbm import samplers
from tests.rbm.reference import p_value


@pytest.mark.parametrize("turned", [False, True])
def test_exact_samples(parameters, brute_force, turned):
    rng = np.random.default_rng(0)
    model = parameters.transposed() if turned else parameters
    probability = brute_force.hidden if turned else brute_force.visible
    X = samplers.exact_samples(model, 20_000, rng)
    assert p_value(X, probability) > 1e-3


def test_a_wrong_distribution_is_rejected(parameters, brute_force):
    X = samplers.exact_samples(parameters, 20_000, np.random.default_rng(0))
    wrong = 0.95 * brute_force.visible + 0.05 / brute_force.visible.size
    assert p_value(X, wrong) < 1e-6


def test_gibbs_leaves_the_distribution_invariant(parameters, brute_force):
    rng = np.random.default_rng(1)
    start = rng.choice(len(brute_force.X), 20_000, p=brute_force.visible)
    X = samplers.gibbs(parameters, brute_force.X[start], 3, rng)
    assert p_value(X, brute_force.visible) > 1e-3
    assert not np.array_equal(X, brute_force.X[start])


def test_gibbs_kernel_from_one_state(parameters, brute_force):
    rng = np.random.default_rng(2)
    start = brute_force.X[7]
    kernel = brute_force.hidden_given_visible[7] @ brute_force.visible_given_hidden.T
    X = samplers.gibbs(parameters, np.tile(start, (20_000, 1)), 1, rng)
    assert p_value(X, kernel) > 1e-3


def test_conditional_draws(parameters, brute_force):
    rng = np.random.default_rng(3)
    H = samplers.sample_hidden(parameters, np.tile(brute_force.X[9], (20_000, 1)), rng)
    assert p_value(H, brute_force.hidden_given_visible[9]) > 1e-3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bernoulli(dtype):
    probability = np.linspace(0, 1, 11, dtype=dtype)
    n = 10_000
    draws = samplers.bernoulli(np.tile(probability, (n, 1)), np.random.default_rng(4))
    assert draws.dtype == dtype
    assert set(np.unique(draws)) == {0, 1}
    error = np.sqrt(probability * (1 - probability) / n)
    assert np.all(np.abs(draws.mean(axis=0) - probability) <= 4 * error)
    assert_allclose(draws[:, [0, -1]].mean(axis=0), [0, 1])


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937, np.random.Philox])
def test_bernoulli_of_any_bit_generator(bits):
    probability = np.full(100_000, 0.3, np.float32)
    draws = samplers.bernoulli(probability, np.random.Generator(bits(5)))
    assert abs(draws.mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 100_000)


def test_bernoulli_beyond_its_first_bits():
    """Probabilities below 2^-16 are decided by what is drawn after a tie."""
    probability = np.full(4_000_000, 2.0**-18, np.float32)
    n_ones = samplers.bernoulli(probability, np.random.default_rng(6)).sum()
    expected = probability.size * 2.0**-18
    assert abs(n_ones - expected) < 4 * np.sqrt(expected)


def test_bernoulli_when_all_draws_tie(monkeypatch):
    """The first 16 bits of 0.7 are 45,875 of 65,536; the rest of it is 0.2."""
    word = np.uint64(sum(45_875 << shift for shift in (0, 16, 32, 48)))
    monkeypatch.setattr(
        samplers, "_random_words", lambda rng, size: np.full(size, word)
    )
    draws = samplers.bernoulli(np.full(10_000, 0.7), np.random.default_rng(7))
    share = 0.7 * 65_536 - 45_875
    error = np.sqrt(share * (1 - share) / 10_000)
    assert abs(draws.mean() - share) < 4 * error
