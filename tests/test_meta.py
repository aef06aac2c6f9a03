"""Outliers, classes and gaps by a density, against closed forms."""

from unittest import SkipTest

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array, issparse
from scipy.stats import norm
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgen import BinaryRBM, VariationalAutoencoder
from skgen.meta import (
    DensityOutlierDetector,
    GenerativeClassifier,
    GenerativeImputer,
    _shuffled_columns,
)

X, Y = load_iris(return_X_y=True)
META = DensityOutlierDetector, GenerativeClassifier, GenerativeImputer
VAE = VariationalAutoencoder(
    2, hidden_layer_sizes=(8,), max_iter=20, early_stopping=False, random_state=0
)
SMALL = {"hidden_layer_sizes": (), "max_iter": 2}


@parametrize_with_checks(
    # the default starting points are refused where Array API dispatch is on
    [cls(GaussianMixture(init_params="random_from_data")) for cls in META]
    + [cls(KernelDensity()) for cls in META]
    + [
        DensityOutlierDetector(
            GaussianMixture(init_params="random_from_data"),
            relative_to="independent",
            random_state=0,
        )
    ]
    # an array of numbers and a frame of them have other likelihoods under "auto"
    + [cls(clone(VAE).set_params(likelihood="gaussian", **SMALL)) for cls in META]
)
def test_scikit_learn_check(estimator, check):
    try:
        check(estimator)
    except SkipTest as reason:
        pytest.fail(f"skipped: {reason}")


def test_the_threshold_is_a_quantile():
    x = np.random.default_rng(0).normal(size=(1000, 1))
    detector = DensityOutlierDetector(GaussianMixture(), contamination=0.05).fit(x)
    assert np.mean(detector.predict(x) == -1) == 0.05
    assert_allclose(
        detector.decision_function([[0.0]]) + detector.offset_,
        norm.logpdf(0, x.mean(), x.std()),
        rtol=1e-5,
    )
    assert_array_equal(detector.fit_predict(x), detector.predict(x))


def test_density_relative_to_independent_columns():
    """Of a Gaussian it is the joint log density less those of its columns."""
    rng = np.random.default_rng(0)
    x = rng.multivariate_normal([1, -2], [[1, 1.8], [1.8, 4]], size=20_000)
    density = GaussianMixture(reg_covar=0)
    detector = DensityOutlierDetector(
        density, relative_to="independent", random_state=0
    ).fit(x)
    rows = x[:1000]
    marginals = norm.logpdf(rows, x.mean(axis=0), x.std(axis=0)).sum(axis=1)
    expected = density.fit(x).score_samples(rows) - marginals
    # shuffled columns have a correlation of 1 / sqrt(n), by which log q is tilted
    z = (rows - x.mean(axis=0)) / x.std(axis=0)
    error = 5 * (np.abs(z.prod(axis=1)) + z.var() + 1) / np.sqrt(len(x))
    assert np.all(np.abs(detector.score_samples(rows) - expected) < error)
    # a rare value of one column is no outlier, a rare pair is one
    assert_array_equal(detector.predict([[5.0, 6.0], [2.0, -4.0]]), [1, -1])


@pytest.mark.parametrize(
    "container", [np.asarray, csr_array, pd.DataFrame, pl.from_numpy]
)
def test_columns_are_shuffled_one_by_one(container):
    x = np.random.default_rng(0).integers(0, 4, (500, 3)).astype(float)
    x[:, 2] = x[:, 1]
    rng = np.random.default_rng(1)
    shuffled = _shuffled_columns(container(x), None, rng)
    assert type(shuffled) is type(container(x))
    values = shuffled.toarray() if issparse(shuffled) else np.asarray(shuffled)
    assert_array_equal(np.sort(values, axis=0), np.sort(x, axis=0))
    assert abs(np.corrcoef(values[:, 1:].T)[0, 1]) < 5 / np.sqrt(500)
    some = np.isin(x[:, 0], [1, 2])
    drawn = _shuffled_columns(container(x), some.astype(float), rng)
    values = drawn.toarray() if issparse(drawn) else np.asarray(drawn)
    assert set(values[:, 0]) == {1, 2}


def test_unusual_combinations_of_a_frame():
    species = pd.Categorical.from_codes(Y, ["setosa", "versicolor", "virginica"])
    frame = load_iris(as_frame=True).data.assign(species=species)
    detector = DensityOutlierDetector(VAE, relative_to="independent", random_state=0)
    detector.fit(frame)
    other = frame.assign(species=np.roll(species, 50))
    assert detector.score_samples(other).mean() < detector.score_samples(frame).mean()


def test_a_gaussian_for_each_class_is_quadratic_discriminant_analysis():
    ours = GenerativeClassifier(GaussianMixture(reg_covar=0)).fit(X, Y)
    theirs = QuadraticDiscriminantAnalysis(store_covariance=True).fit(X, Y)
    # theirs has unbiased covariances, by 50 / 49
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=0.02)
    naive = GenerativeClassifier(GaussianMixture(covariance_type="diag", reg_covar=0))
    expected = GaussianNB(var_smoothing=0).fit(X, Y).predict_proba(X)
    assert_allclose(naive.fit(X, Y).predict_proba(X), expected, rtol=1e-6, atol=1e-12)


def test_priors():
    classifier = GenerativeClassifier(GaussianMixture(), priors=[0.5, 0.5, 0])
    assert not np.any(classifier.fit(X, Y).predict(X) == 2)
    for priors in ([0.5, 0.5], [0.5, 0.6, -0.1], [1, 1, 1]):
        with pytest.raises(ValueError, match="3 probabilities that sum to 1"):
            clone(classifier).set_params(priors=priors).fit(X, Y)


def test_a_class_that_cannot_be_fitted_is_named():
    with pytest.raises(ValueError, match=r"class 2 .* its 1 rows"):
        GenerativeClassifier(GaussianMixture(2)).fit(X[:101], Y[:101])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_classes_of_frames_with_gaps(library):
    """A class need not have seen every category, and gaps are summed out."""
    rng = np.random.default_rng(0)
    n = 300
    y = rng.integers(2, size=n)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n) + 3 * y,
            "text": np.where(y == 0, "a", rng.choice(["b", "c"], n)),
            "flag": y == 0,
        }
    )
    frame["text"] = frame.text.mask(rng.random(n) < 0.2)
    frame["x"] = frame.x.mask(rng.random(n) < 0.2)
    given = frame if library == "pandas" else pl.from_pandas(frame)
    classifier = GenerativeClassifier(VAE).fit(given, y)
    assert classifier.score(given, y) == 1
    alone = frame.assign(text=None, flag=None)
    alone = alone if library == "pandas" else pl.from_pandas(alone)
    known = ~frame.x.isna()
    assert np.mean((classifier.predict(alone) == y)[known]) > 0.9
    assert_array_equal(classifier.feature_names_in_, ["x", "text", "flag"])
    rows = frame.astype(object).to_numpy()
    with pytest.warns(UserWarning, match="valid feature names"):
        predicted = classifier.predict(rows)
    assert_array_equal(predicted, classifier.predict(given))
    unseen = frame.assign(text="z")
    with pytest.raises(ValueError, match="'z' at row 0, column 'text'"):
        classifier.predict(unseen if library == "pandas" else pl.from_pandas(unseen))


def correlated(n, rng, r=0.9):
    covariance = np.full((3, 3), r) + (1 - r) * np.eye(3)
    return rng.multivariate_normal(np.zeros(3), covariance, size=n), covariance


def test_means_of_a_gaussian_are_its_regression():
    rng = np.random.default_rng(0)
    rows, _ = correlated(4000, rng)
    density = GaussianMixture(random_state=0)
    imputer = GenerativeImputer(density, random_state=0).fit(rows)
    mean, covariance = imputer.estimator_.means_[0], imputer.estimator_.covariances_[0]
    gaps = rows[:200].copy()
    gaps[:100, 2], gaps[100:, 1:] = np.nan, np.nan
    filled = imputer.transform(gaps)
    weights = np.linalg.solve(covariance[:2, :2], covariance[:2, 2])
    expected = mean[2] + (rows[:100, :2] - mean[:2]) @ weights
    inner = np.abs(expected) < 2  # the grid ends with the values seen
    assert_allclose(filled[:100, 2][inner], expected[inner], atol=0.03)
    expected = mean[1:] + np.outer(
        rows[100:200, 0] - mean[0], covariance[0, 1:] / covariance[0, 0]
    )
    error = filled[100:, 1:] - expected
    # 80 correlated draws of standard deviation 0.44
    assert np.sqrt(np.mean(error**2)) < 0.2
    assert abs(error.mean()) < 0.05
    assert_array_equal(filled[~np.isnan(gaps)], gaps[~np.isnan(gaps)])


def test_draws_have_the_spread_of_the_data():
    rng = np.random.default_rng(0)
    rows, covariance = correlated(3000, rng)
    gaps = rows.copy()
    gaps[:, 1:] = np.where(rng.random((3000, 2)) < 0.5, np.nan, rows[:, 1:])
    imputer = GenerativeImputer(
        GaussianMixture(random_state=0), method="draw", random_state=0
    )
    filled = imputer.fit_transform(gaps)
    # the standard error of a covariance of 3,000 rows is 0.026 at most
    assert_allclose(np.cov(filled.T), covariance, atol=0.1)
    assert set(filled[np.isnan(gaps)]) <= set(gaps[~np.isnan(gaps)])


def test_models_of_skgen_impute_by_themselves():
    frame = pd.DataFrame({"a": [0.0, 1.0, np.nan, 2.0] * 20, "b": list("xyxy") * 20})
    imputer = GenerativeImputer(VAE, random_state=0).fit(frame)
    filled = imputer.transform(frame)
    assert list(filled.dtypes) == list(frame.dtypes)
    assert not filled.isna().any(axis=None)
    bits = (np.random.default_rng(0).random((50, 4)) < 0.5).astype(float)
    imputer = GenerativeImputer(BinaryRBM(2, max_iter=2, random_state=0)).fit(bits)
    assert np.isfinite(imputer.transform([[np.nan, 0, 1, 1]])).all()


def test_no_complete_row():
    with pytest.raises(ValueError, match=r"no complete row, but KernelDensity"):
        GenerativeImputer(KernelDensity()).fit([[np.nan, 1], [1, np.nan]])


def test_no_density():
    for cls in META:
        with pytest.raises(TypeError, match="has no score_samples"):
            cls(StandardScaler()).fit(X, Y)


def test_searches_and_pipelines():
    pipeline = make_pipeline(StandardScaler(), GenerativeClassifier(KernelDensity()))
    grid = {"generativeclassifier__estimator__bandwidth": [0.01, 0.5]}
    search = GridSearchCV(pipeline, grid).fit(X, Y)
    assert search.best_params_["generativeclassifier__estimator__bandwidth"] == 0.5
    assert search.score(X, Y) > 0.95
    bits = make_pipeline(
        Binarizer(threshold=3), GenerativeClassifier(BinaryRBM(3, random_state=0))
    )
    assert bits.fit(X, Y).score(X, Y) > 0.5
    gaps = X.copy()
    gaps[::3, 1] = np.nan
    filling = make_pipeline(
        GenerativeImputer(GaussianMixture(), random_state=0), GaussianNB()
    )
    assert filling.fit(gaps, Y).score(gaps, Y) > 0.9


@pytest.mark.parametrize("as_frame", [False, True])
def test_an_rbm_learns_from_complete_rows_and_fills_the_others_in(as_frame):
    bits = np.repeat(np.random.default_rng(0).random((200, 2)) < 0.5, 2, axis=1)
    gaps = np.where(np.arange(4) == np.arange(200)[:, None] % 8, np.nan, bits)
    gaps = pd.DataFrame(gaps).add_prefix("bit") if as_frame else gaps
    rbm = BinaryRBM(4, max_iter=5, random_state=0)
    imputer = GenerativeImputer(rbm, random_state=0)
    filled = np.asarray(imputer.fit_transform(gaps))
    rbm.fit(bits[np.arange(200) % 8 >= 4])
    expected = rbm.impute(np.asarray(gaps), return_mean=True, random_state=0)
    assert_array_equal(filled, expected)


@pytest.mark.parametrize("scale", [1, 0.3])
def test_the_threshold_is_that_of_the_weighted_rows(scale):
    weights = 1 + np.arange(len(X)) % 3
    repeated = np.repeat(X, weights, axis=0)
    detector = DensityOutlierDetector(KernelDensity(), contamination=0.2)
    offset = clone(detector).fit(X, sample_weight=scale * weights).offset_
    scores = np.sort(clone(detector).fit(repeated).score_samples(repeated))
    # between two neighbouring rows, or on one of them
    place = 0.2 * (len(scores) - 1)
    low, high = scores[int(place) - 1], scores[int(place) + 2]
    assert low - 1e-9 <= offset <= high + 1e-9
    if scale == 1:
        assert_allclose(offset, clone(detector).fit(repeated).offset_)


@pytest.mark.parametrize("routing", [False, True])
def test_weights_reach_the_density(routing):
    """A density of weights 0 and 1 is that of the rows with weight 1."""
    weights = np.arange(len(X)) % 2
    some = weights == 1
    with config_context(enable_metadata_routing=routing):
        density = KernelDensity()
        if routing:
            density.set_fit_request(sample_weight=True)
        for cls in META:
            model = cls(density)
            args = (X, Y) if cls is GenerativeClassifier else (X,)
            weighted = clone(model).fit(*args, sample_weight=weights + 1e-12)
            alone = clone(model).fit(*(part[some] for part in args))
            for one, other in zip(
                getattr(weighted, "estimators_", None) or [weighted.estimator_],
                getattr(alone, "estimators_", None) or [alone.estimator_],
            ):
                assert_allclose(one.score_samples(X), other.score_samples(X), rtol=1e-6)


def test_classes_of_a_frame_share_their_cells():
    """One value off the grid of the others does not decide between equal classes."""
    rng = np.random.default_rng(0)
    x = 10.0 * rng.poisson(5, 400)
    y = np.arange(400) % 2
    x[1] = 0.5
    frame = pd.DataFrame({"x": x, "ticks": 5 * rng.integers(0, 2, 400)})
    frame.loc[y == 0, "ticks"] *= 2
    density = VariationalAutoencoder(
        1, hidden_layer_sizes=(), max_iter=2, random_state=0
    )
    classifier = GenerativeClassifier(density).fit(frame[["x"]], y)
    proba = classifier.predict_proba(frame[["x"]][2:])
    assert np.abs(proba[:, 0] - 0.5).mean() < 0.15
    classifier = GenerativeClassifier(density).fit(frame[["ticks"]], y)
    # 0 and 5 of one class, 0 and 10 of the other: P(0) is the same
    zero = classifier.predict_proba(pd.DataFrame({"ticks": [0]}))
    assert_allclose(zero, 0.5, atol=0.1)


@pytest.mark.parametrize("density", [BinaryRBM(2, max_iter=2), KernelDensity()])
def test_booleans_of_a_frame_stay_what_they_are(density):
    """A density of numbers takes them as 0 and 1."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.random((40, 3)) < 0.5).set_axis([*"abc"], axis=1)
    y, density = np.arange(40) % 2, clone(density)
    if isinstance(density, BinaryRBM):
        density.set_params(random_state=0)
    ours = GenerativeClassifier(density).fit(frame, y).predict_proba(frame)
    theirs = GenerativeClassifier(density).fit(frame.astype(float), y)
    expected = theirs.predict_proba(frame.astype(float))
    assert_allclose(ours, expected, rtol=1e-6)  # float32
