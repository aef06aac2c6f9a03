"""binarize="sample": a row of probabilities has a likelihood, that of one draw."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csc_matrix, csr_array, csr_matrix
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skgen import BinaryRBM, VariationalAutoencoder
from skgen.validation import drawn, probabilities

NAN = np.nan
GREY = load_digits().data[:200, 8:24] / 16


def rbm(**parameters):
    return BinaryRBM(2, binarize="sample", max_iter=2, random_state=0, **parameters)


def vae(**parameters):
    parameters = {"likelihood": "bernoulli", "hidden_layer_sizes": ()} | parameters
    return VariationalAutoencoder(
        1, binarize="sample", max_iter=2, random_state=0, **parameters
    )


@pytest.mark.parametrize("make", [rbm, vae])
def test_search_over_grey_rows(make):
    pipeline = make_pipeline(MinMaxScaler(clip=True), make())
    name = pipeline.steps[-1][0]
    search = GridSearchCV(pipeline, {f"{name}__n_components": [1, 3]}, cv=2)
    search.fit(load_digits().data[:200, 8:24])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.score(search.best_estimator_[0].inverse_transform(GREY)) < 0


@pytest.mark.parametrize("make", [rbm, vae])
@pytest.mark.parametrize("container", [np.asarray, csr_matrix])
def test_rounding_is_no_error(make, container):
    X = GREY.copy()
    X[0, 0], X[1, 1] = 1 + 2**-52, -(2**-52)
    clipped, X_given = container(X.clip(0, 1)), container(X)
    exact, rounded = make().fit(clipped), make().fit(X_given)
    assert_array_equal(rounded.score_samples(X_given), exact.score_samples(clipped))
    assert_array_equal(rounded.transform(X_given), exact.transform(clipped))
    X[3, 2] = 1.001
    message = r"X must lie in \[0, 1\], got 1\.001 at row 3, column 2: .*clip=True"
    for method in (make().fit, exact.transform, exact.score_samples):
        with pytest.raises(ValueError, match=message):
            method(container(X))


@pytest.mark.parametrize("dtype, value", [("f2", 1.01), ("f4", 1.0001), ("f8", 1)])
def test_rounding_is_that_of_the_dtype(dtype, value):
    X = np.array([[NAN, value, -0.0]], dtype)
    assert_array_equal(probabilities(X), [[NAN, 1, 0]])
    with pytest.raises(ValueError, match=r"got 1\.5"):
        probabilities(np.array([[1.5]], dtype))


@pytest.mark.parametrize("make", [rbm, vae])
def test_a_row_has_one_score(make):
    model = make().fit(GREY)
    expected = model.score_samples(GREY)
    order = np.random.default_rng(0).permutation(len(GREY))
    assert_allclose(model.score_samples(GREY[order]), expected[order], rtol=1e-12)
    alone = [model.score_samples(GREY[[i]])[0] for i in range(5)]
    assert_allclose(alone, expected[:5], rtol=1e-12)
    for container in (csr_array, csc_matrix, np.asfortranarray, np.float32):
        assert_allclose(model.score_samples(container(GREY)), expected, rtol=2e-4)
    assert_allclose(model.score_samples(drawn(GREY)), expected, rtol=2e-4)


def test_all_of_an_rbm_is_of_the_same_draw():
    model = rbm().fit(GREY)
    X = drawn(GREY).astype(float)
    H = np.zeros((len(X), 2))
    for method in (model.free_energy, model.pseudo_log_likelihood):
        assert_array_equal(method(GREY), method(X))
    assert_array_equal(model.energy(GREY, H), model.energy(X, H))
    assert_array_equal(model.log_joint(GREY, H), model.log_joint(X, H))
    steps = {"n_steps": 1, "random_state": 0}
    assert_array_equal(model.gibbs(GREY, **steps), model.gibbs(X, **steps))
    assert not np.allclose(model.transform(GREY), model.transform(X))


def test_all_of_a_vae_is_of_the_same_draw():
    model = vae().fit(GREY)
    X = drawn(GREY).astype(float)
    assert_array_equal(model.elbo(GREY), model.elbo(X))
    assert_array_equal(model.log_likelihood(GREY), model.log_likelihood(X))
    assert not np.allclose(model.transform(GREY), model.transform(X))


def test_the_learning_curve_is_the_score():
    model = rbm(averaging=0).fit(GREY, X_val=GREY[:50])
    score = model.history_.validation_log_likelihood[-1]
    assert_allclose(score, model.score(GREY[:50]), rtol=1e-5)


@pytest.mark.parametrize("make", [rbm, vae])
def test_missing_entries_stay_missing(make):
    model = make().fit(GREY)
    X = GREY.copy()
    X[0, 3] = X[1, 5] = NAN
    filled = model.impute(X)
    assert_array_equal(filled[~np.isnan(X)], X[~np.isnan(X)])
    assert {filled[0, 3], filled[1, 5]} <= {0, 1}
    draws = drawn(X)
    assert_array_equal(np.isnan(draws), np.isnan(X))
    zeros = drawn(np.nan_to_num(X))  # the other entries' draw is that of what is known
    assert_array_equal(draws[~np.isnan(X)], zeros[~np.isnan(X)])


def test_draws_have_their_probabilities():
    rng = np.random.default_rng(0)
    X = rng.choice([0.0, 0.03, 0.5, 0.9, 1.0], size=(20_000, 12))
    X[:, 0] = rng.random(len(X))
    draws = drawn(X)
    assert draws.dtype == np.uint8
    assert not draws[X == 0].any() and draws[X == 1].all()
    for p in (0.03, 0.5, 0.9):
        some = draws[np.equal(X, p)]
        assert abs(some.mean() - p) < 4 * np.sqrt(p * (1 - p) / len(some))
    # neither columns nor neighbouring rows go together
    residual = draws - X
    residual /= residual.std(axis=0)
    both = np.hstack([residual[1:], residual[:-1]])
    correlation = both.T @ both / len(both)
    np.fill_diagonal(correlation, 0)
    assert np.abs(correlation).max() < 5 / np.sqrt(len(both))


def test_rows_that_differ_little_have_their_own_draws():
    X = np.full((2000, 8), 0.5, np.float32)
    X[:, 0] += np.arange(2000, dtype=np.float32) * 2**-20
    numbers = drawn(X) @ 2 ** np.arange(8)
    counts = np.bincount(numbers, minlength=256)
    expected = 2000 / 256
    assert abs(((counts - expected) ** 2 / expected).sum() - 255) < 5 * np.sqrt(510)


def test_the_order_of_columns_matters_and_explicit_zeros_do_not():
    X = np.full((1, 64), 0.5)
    X[0, :2] = 0.25, 0.75
    Y = X[:, [1, 0, *range(2, 64)]]
    assert not np.array_equal(drawn(X)[:, 2:], drawn(Y)[:, 2:])
    stored = csr_array((np.array([0.5, 0.0, 0.5]), [0, 1, 2], [0, 3]), shape=(1, 4))
    assert_array_equal(drawn(stored).toarray(), drawn(np.array([[0.5, 0, 0.5, 0]])))


@pytest.mark.parametrize("binarize", [0.5, None, "sample"])
def test_a_sparse_row_of_zeros_is_a_row(binarize):
    """It stores no value at all."""
    model = BinaryRBM(2, binarize=binarize, max_iter=2, random_state=0)
    model.fit((GREY > 0.5).astype(float))
    zeros = np.zeros((1, GREY.shape[1]))
    for method in (model.transform, model.score_samples):
        assert_array_equal(method(csr_array(zeros)), method(zeros))
