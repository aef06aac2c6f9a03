"""The bound of stacked RBMs against sums over all hidden states."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import logsumexp
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer

from skgen import BinaryRBM
from skgen.rbm import stacked_lower_bound
from skgen.rbm.energy import log_conditional_visible

STATES = np.array(list(itertools.product([0.0, 1.0], repeat=4)))


@pytest.fixture(scope="module")
def stack():
    rng = np.random.default_rng(0)
    X = np.repeat(rng.random((3, 4)).round(), 100, axis=0)
    flips = rng.random(X.shape) < 0.1
    layers = [
        BinaryRBM(n, binarize="sample", max_iter=30, random_state=0) for n in (3, 2, 2)
    ]
    return make_pipeline(*layers).fit(np.abs(X - flips))


def log_p(layers, X):
    """log P(x) of a deep belief network by enumeration."""
    first, *rest = layers
    if not rest:
        return first.score_samples(X)
    n = first.n_components
    hidden = np.array(list(itertools.product([0.0, 1.0], repeat=n)))
    prior, parameters = log_p(rest, hidden), first._parameters(np.float64)
    terms = [
        log_conditional_visible(parameters, X, np.tile(h, (len(X), 1))) for h in hidden
    ]
    return logsumexp(np.array(terms) + prior[:, np.newaxis], axis=0)


@pytest.mark.parametrize("n_layers", [1, 2, 3])
def test_the_bound_tends_to_the_likelihood_from_below(stack, n_layers):
    layers = [step for _, step in stack.steps[:n_layers]]
    exact = log_p(layers, STATES)
    assert_allclose(logsumexp(exact), 0, atol=1e-6)
    single = np.array(
        [
            stacked_lower_bound(layers, STATES, n_draws=1, random_state=seed)
            for seed in range(400)
        ]
    )
    error = single.std(axis=0) / 20
    assert np.all(single.mean(axis=0) <= exact + 4 * error + 1e-9)
    # the mean weight is P(x)
    weights = np.exp(single - exact)
    error = weights.std(axis=0) / 20
    assert np.all(np.abs(weights.mean(axis=0) - 1) <= 4 * error + 1e-6)
    many = stacked_lower_bound(layers, STATES, n_draws=2000, random_state=0)
    assert_allclose(many, exact, atol=0.1)


def test_a_pipeline_with_a_transformer_before_the_stack(stack):
    pipeline = make_pipeline(Binarizer(threshold=5), *(s for _, s in stack.steps))
    pipeline.fit(10 * STATES)
    one = stacked_lower_bound(pipeline, 10 * STATES, random_state=0)
    other = stacked_lower_bound(pipeline[1:], STATES, random_state=0)
    assert_allclose(one, other)


def test_what_is_no_stack(stack):
    with pytest.raises(TypeError, match=r"LogisticRegression.*BinaryRBM alone"):
        stacked_lower_bound([stack[0], LogisticRegression()], STATES)
    with pytest.raises(NotFittedError):
        stacked_lower_bound([stack[0], BinaryRBM(2)], STATES)
    with pytest.raises(ValueError, match="n_draws"):
        stacked_lower_bound(stack, STATES, n_draws=0)
