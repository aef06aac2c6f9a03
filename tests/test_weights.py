"""Weights of rows, and fits that do not depend on the order of rows."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone

from skgen import BinaryRBM, VariationalAutoencoder
from skgen.hashing import row_keys
from skgen.weights import counted_rows, order_of_rows, shuffled_rows, typical_rows

RNG = np.random.default_rng(0)
NUMBERS = RNG.normal(size=(60, 3)) @ RNG.normal(size=(3, 3)) + [0, 5, -3]
BITS = (RNG.random((60, 6)) < 0.4).astype(np.float32)
COUNTS = RNG.integers(0, 4, 60)
FRAME = pd.DataFrame(
    {
        "size": NUMBERS[:, 0],
        "colour": RNG.choice(["red", "green", "blue"], 60),
        "count": RNG.integers(0, 9, 60),
    }
)
FRAME.loc[COUNTS.argmin(), "colour"] = "only in a row of weight 0"
FRAME.loc[::7, "size"] = np.nan
SMALL = {"hidden_layer_sizes": (8,), "max_iter": 4, "random_state": 0}
MODELS = {
    "rbm": (BinaryRBM(3, max_iter=4, random_state=0), BITS),
    "rbm, early stopping": (
        BinaryRBM(3, max_iter=4, early_stopping=True, random_state=0),
        BITS,
    ),
    "rbm, sparse": (BinaryRBM(3, max_iter=4, random_state=0), sparse.csr_array(BITS)),
    "rbm, frame": (
        BinaryRBM(3, max_iter=4, random_state=0),
        pd.DataFrame(BITS.astype(bool)).set_axis([*"abcdef"], axis=1),
    ),
    "vae": (VariationalAutoencoder(2, **SMALL), NUMBERS),
    "vae, all rows": (
        VariationalAutoencoder(2, early_stopping=False, **SMALL),
        NUMBERS,
    ),
    "vae, sparse": (VariationalAutoencoder(2, **SMALL), sparse.csr_array(BITS)),
    "vae, frame": (VariationalAutoencoder(2, **SMALL), FRAME),
}


def _rows(X, index):
    return X.iloc[index] if isinstance(X, pd.DataFrame) else X[index]


def _assert_same(one, other):
    for a, b in zip(_arrays(one), _arrays(other), strict=True):
        assert_array_equal(a, b)


def _arrays(model):
    state = model._state
    if isinstance(model, BinaryRBM):
        return [*state.average, *state.parameters, state.chains]
    return [p.numpy() for p in state.average.state_dict().values()]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_whole_weights_are_repeated_rows(name, method):
    model, X = MODELS[name]
    repeated = _rows(X, np.repeat(np.arange(60), COUNTS))
    model.fit(repeated)  # an earlier fit is forgotten
    for weights in (COUNTS, list(COUNTS), pd.Series(COUNTS), COUNTS / 1.0):
        one = clone(model)
        getattr(one, method)(X, sample_weight=weights)
        _assert_same(one, getattr(clone(model), method)(repeated))


@pytest.mark.parametrize("weights", [None, RNG.random(60) + 0.1])
@pytest.mark.parametrize("name", MODELS)
def test_the_order_of_rows_does_not_matter(name, weights):
    model, X = MODELS[name]
    shuffled = RNG.permutation(60)
    one = clone(model).fit(X, sample_weight=weights)
    weights = None if weights is None else weights[shuffled]
    other = clone(model).fit(_rows(X, shuffled), sample_weight=weights)
    _assert_same(one, other)


@pytest.mark.parametrize("name", MODELS)
def test_only_shares_of_other_weights_matter(name):
    model, X = MODELS[name]
    weights = RNG.random(60) * (COUNTS > 0)
    one = clone(model).fit(X, sample_weight=weights)
    _assert_same(one, clone(model).fit(X, sample_weight=1024 * weights))
    # rows of weight 0 are not there
    left = np.flatnonzero(COUNTS)
    _assert_same(one, clone(model).fit(_rows(X, left), sample_weight=weights[left]))


@pytest.mark.parametrize("scale", [0.37, 1, 190_000])
def test_weighted_rbm_has_the_weighted_mean(scale):
    """By maximum likelihood the mean of x is that of the weighted rows."""
    X = np.repeat([[0, 0], [0, 1], [1, 1]], 200, axis=0)
    weights = scale * np.repeat([1, 5, 2], 200)
    rbm = BinaryRBM(2, max_iter=100, negative_phase="exact", random_state=0)
    rbm.fit(X, sample_weight=weights)
    states = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    p = np.exp(rbm.score_samples(states))
    # 600 rows are as many as 8 of each batch in the running average of the last epochs
    assert_allclose(p @ states, [2 / 8, 7 / 8], atol=0.02)


@pytest.mark.parametrize("scale", [0.37, 1])
def test_weighted_vae_has_the_weighted_moments(scale):
    """A linear VAE ends at the moments of the weighted rows."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(2000, 2)) + np.repeat([[0, 0], [4, 2]], 1000, axis=0)
    weights = scale * np.repeat([3, 1], 1000)
    vae = VariationalAutoencoder(
        2, hidden_layer_sizes=(), noise_variance="feature", max_iter=20, random_state=0
    ).fit(X, sample_weight=weights)
    drawn = vae.sample(20_000, random_state=0)
    mean = np.average(X, axis=0, weights=weights)
    covariance = np.cov(X.T, aweights=weights)
    # rows that were trained on and drawn
    error = np.sqrt(covariance.diagonal() * (1 / 1800 + 1 / 20_000))
    assert np.all(np.abs(drawn.mean(axis=0) - mean) < 4 * error)
    assert_allclose(np.cov(drawn.T), covariance, rtol=4 * np.sqrt(2 / 1800))


@pytest.mark.parametrize("model", [BinaryRBM(), VariationalAutoencoder()])
@pytest.mark.parametrize(
    "weights, message",
    [
        ([1, -2, 1], "sample_weight has -2.0 at row 1"),
        ([1, 2], "shape"),
        ([0, 0, 0], "non-zero"),
        ([1, np.nan, 1], "NaN"),
        ([1, np.inf, 1], "infinity"),
        ([[1], [1], [1]], "1D"),
    ],
)
def test_bad_weights(model, weights, message):
    for method in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=message):
            method([[0, 1], [1, 0], [1, 1]], sample_weight=weights)


def test_typical_rows():
    """A row is there as often as its share says, rounded up or down."""
    rng = np.random.default_rng(0)
    weights = rng.exponential(size=50)
    expected = 50 * weights / weights.sum()
    total = np.zeros(50)
    for _ in range(2000):
        found = typical_rows(np.arange(50), weights, rng)
        counts = np.bincount(found, minlength=50)
        assert np.all(np.abs(counts - expected) < 1 + 1e-9)
        assert np.bincount(shuffled_rows(np.empty((50, 1)), weights, rng)).sum() == 50
        total += counts
    error = np.sqrt((expected % 1) * (1 - expected % 1) / 2000)
    assert np.all(np.abs(total / 2000 - expected) < 4.5 * error + 1e-9)


def test_counted_rows():
    rows, weights = counted_rows(np.array([2.0, 0, 1]), np.array([2, 0, 1]))
    assert_array_equal(rows, [2, 0, 0])
    assert weights is None
    for many in ([2.5, 0, 1], [2e6, 0, 1e5]):  # as many rows as there are
        rows, weights = counted_rows(np.array(many))
        assert_array_equal(rows, [0, 2])
        assert_array_equal(weights, [many[0], many[2]])


@pytest.mark.parametrize("gaps", [False, True])
def test_order_of_rows(gaps):
    X = np.where(RNG.random((200, 7)) < 0.5, 0, RNG.exponential(size=(200, 7)))
    X[:, 2] += 1
    assert_array_equal(order_of_rows(sparse.csr_array(X)), order_of_rows(X))
    if gaps:
        X[RNG.random((200, 7)) < 0.1] = np.nan
    shuffled = RNG.permutation(200)
    ordered = X[order_of_rows(X)]
    assert_array_equal(ordered, X[shuffled][order_of_rows(X[shuffled])])
    for same in (
        np.asfortranarray(X),
        X.astype(np.float32),
        1e9 + 3600 * X,
        np.log1p(X) * [1, 2, 3, 4, 5, 6, 7],
    ):
        assert_array_equal(order_of_rows(same), order_of_rows(X))


def test_keys_of_bits_differ():
    bits = ((np.arange(2**16)[:, None] >> np.arange(16)) & 1).astype(np.uint8)
    assert len(np.unique(row_keys(bits))) == 2**16
    order = order_of_rows(bits)
    assert_array_equal(order, order_of_rows(sparse.csr_array(bits)))
    assert_array_equal(order, order_of_rows(bits.astype(float)))


def test_weights_near_the_largest_number():
    model, X = MODELS["vae"]
    weights = RNG.random(60)
    one = clone(model).fit(X, sample_weight=weights * 2.0**1023)
    _assert_same(one, clone(model).fit(X, sample_weight=weights))
    whole = clone(model).fit(X, sample_weight=np.full(60, 2.0**1023))
    _assert_same(whole, clone(model).fit(X, sample_weight=np.full(60, 0.5)))
