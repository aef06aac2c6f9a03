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
