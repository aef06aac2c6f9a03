"""Gradients against finite differences and against each other."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgen.divergences import kl_divergence
from skgen.rbm import gradients
from skgen.rbm.energy import RBMParameters, hidden_probability
from skgen.rbm.gradients import Moments, Offsets
from skgen.rbm.samplers import exact_samples
from tests.rbm.reference import BruteForce, state_numbers


def finite_differences(function, parameters, step=1e-5):
    slopes = RBMParameters(*(np.zeros_like(array) for array in parameters))
    for slope, array in zip(slopes, parameters):
        for index in np.ndindex(array.shape):
            value = array[index]
            array[index] = value + step
            above = function(parameters)
            array[index] = value - step
            below = function(parameters)
            array[index] = value
            slope[index] = (above - below) / (2 * step)
    return slopes


def assert_same(gradient, expected, **tolerance):
    for array, expected_array in zip(gradient, expected):
        assert_allclose(array, expected_array, **tolerance)


@pytest.fixture
def data():
    return (np.random.default_rng(5).random((7, 5)) < 0.4).astype(float)


def mean_log_likelihood(parameters, X):
    return np.log(BruteForce(parameters).visible[state_numbers(X)]).mean()


def with_two_more_rows(X):
    return np.concatenate([X, np.full((2, X.shape[1]), np.nan)])


def test_moments_are_sums_over_centred_pairs():
    rng = np.random.default_rng(0)
    X, H, weights = rng.random((7, 3)), rng.random((7, 2)), rng.normal(size=5)
    offsets = Offsets(rng.random(3), rng.random(2))
    x, h = X[:5] - offsets.visible, H[:5] - offsets.hidden
    expected = (weights @ x, weights @ h, np.einsum("i,ij,ik->jk", weights, x, h))
    assert_same(gradients.moments(X, H, offsets, weights), expected, atol=1e-12)


def test_exact_gradient(parameters, data):
    expected = finite_differences(lambda p: mean_log_likelihood(p, data), parameters)
    computed = gradients.log_likelihood_gradient(parameters, data)
    assert_same(computed, expected, atol=1e-8)
    turned = gradients.log_likelihood_gradient(
        parameters.transposed(),
        exact_samples(parameters.transposed(), 3, np.random.default_rng(0)),
    )
    assert turned.weights.shape == parameters.weights.T.shape


def test_exact_moments_of_a_wide_layer(parameters):
    """The smaller layer is enumerated whichever it is."""
    none = Offsets(np.full(5, 0.3), np.full(4, 0.6))
    tall = gradients.exact_moments(parameters, none)
    wide = gradients.exact_moments(parameters.transposed(), Offsets(*none[::-1]))
    assert_allclose(wide.product.T, tall.product, atol=1e-12)
    assert_allclose(wide.hidden, tall.visible, atol=1e-12)


def test_exact_moments_over_several_blocks(parameters, monkeypatch):
    none = Offsets(np.zeros(5), np.zeros(4))
    whole = gradients.exact_moments(parameters, none)
    monkeypatch.setattr(gradients, "_STATES_PER_BLOCK", 3)
    assert_allclose(gradients.exact_moments(parameters, none).product, whole.product)


def test_minimal_divergence_is_maximal_likelihood(parameters, data):
    """-grad KL[data || model] is the gradient of the mean log-likelihood."""
    empirical = np.bincount(state_numbers(data), minlength=32) / len(data)

    def divergence(parameters):
        return kl_divergence(empirical, BruteForce(parameters).visible)

    descent = finite_differences(lambda p: -divergence(p), parameters)
    ascent = gradients.log_likelihood_gradient(parameters, data)
    assert_same(ascent, descent, atol=1e-8)


def test_centred_gradient_is_that_of_the_centred_model(parameters, data):
    """Finite differences in W, a', b' of E = -(x-mu)'W(h-lam) - a'.x - b'.h.

    The same model in the usual parameters has a = a' - W lam and b = b' - W'mu.
    """
    mu, lam = np.linspace(0.2, 0.8, 5), np.linspace(0.3, 0.9, 4)
    W, a, b = parameters

    def usual(centred):
        return RBMParameters(
            centred.weights,
            centred.visible_bias - centred.weights @ lam,
            centred.hidden_bias - centred.weights.T @ mu,
        )

    centred = RBMParameters(W.copy(), a + W @ lam, b + W.T @ mu)
    slopes = finite_differences(lambda c: mean_log_likelihood(usual(c), data), centred)
    step = 1e-6
    moved = usual(RBMParameters(*(c + step * s for c, s in zip(centred, slopes))))
    expected = RBMParameters(*((m - p) / step for m, p in zip(moved, parameters)))

    offsets = Offsets(mu, lam)
    weights = gradients.phase_weights(len(data), 0, float)
    X = with_two_more_rows(data)
    P = hidden_probability(parameters, X)
    positive = gradients.moments(X, P, offsets, weights)
    negative = gradients.exact_moments(parameters, offsets)
    difference = Moments(*map(np.subtract, positive, negative))
    computed = gradients.uncentred(difference, offsets)
    assert_same(computed, expected, atol=1e-6)


@pytest.mark.parametrize("n_rows, n_chains", [(7, 20_000), (3, 40_000)])
def test_phases_are_averaged_each_by_its_own_count(parameters, data, n_rows, n_chains):
    """With chains drawn from the model the estimate is unbiased for any counts."""
    rng = np.random.default_rng(6)
    data = data[:n_rows]
    offsets = Offsets(np.linspace(0.2, 0.8, 5), np.linspace(0.3, 0.9, 4))
    X = exact_samples(parameters, n_chains, rng)
    both = with_two_more_rows(np.concatenate([data, X]))
    P = hidden_probability(parameters, both)
    weights = gradients.phase_weights(n_rows, n_chains, float)
    difference = gradients.moments(both, P, offsets, weights)
    # the gradient of the centred model is another, but that of W is mapped back to
    # that of the usual one by the offsets and the differences of the means
    usual = difference.product + np.outer(difference.visible, offsets.hidden)
    usual += np.outer(offsets.visible, difference.hidden)
    exact = gradients.log_likelihood_gradient(parameters, data)
    error = (X[:, :, None] * hidden_probability(parameters, X)[:, None]).std(axis=0)
    assert np.all(np.abs(usual - exact.weights) <= 4.5 * error / np.sqrt(n_chains))
