"""Frames of mixed columns through the whole estimator."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import skgen
from skgen import BinaryRBM, VariationalAutoencoder

RNG = np.random.default_rng(0)
N = 200
COMPLETE = pd.DataFrame(
    {
        "float": RNG.normal(size=N),
        "price": np.round(RNG.gamma(2, 5, size=N), 2),
        "count": RNG.poisson(3, N),
        "Int64": pd.array(RNG.integers(100, size=N), dtype="Int64"),
        "flag": RNG.random(N) < 0.3,
        "boolean": pd.array(RNG.random(N) < 0.3, dtype="boolean"),
        "text": RNG.choice(["a", "b", "c"], N),
        "grade": pd.Categorical(RNG.choice(["x", "y"], N), ["z", "y", "x"], True),
        "day": pd.Timestamp("2020-01-01")
        + pd.to_timedelta(RNG.integers(99, size=N), "D"),
        "span": pd.to_timedelta(RNG.integers(99, size=N), "h"),
    }
)
FULL = ["count", "flag"]  # these dtypes of pandas hold no gaps
GAPS = COMPLETE.mask((RNG.random(COMPLETE.shape) < 0.1) & ~COMPLETE.columns.isin(FULL))


def quick(**parameters):
    parameters = {"n_components": 2, "max_iter": 3, "random_state": 0} | parameters
    return VariationalAutoencoder(**parameters)


@pytest.fixture(scope="module")
def fitted():
    return quick().fit(GAPS)


@pytest.fixture(scope="module")
def iris():
    bunch = load_iris(as_frame=True)
    species = pd.Categorical.from_codes(bunch.target, list(bunch.target_names))
    return bunch.data.assign(species=species)


def test_rare_categories_are_no_outliers():
    """Three rows of 3,000 do not get a factor of their own."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 3)) + rng.normal(size=(3000, 1))
    frame = pd.DataFrame(x, columns=["a", "b", "c"])
    frame["kind"] = np.where(x[:, 0] > 0, "up", "down")
    frame.loc[:2, "kind"] = "rare"
    frame["other"] = np.where(rng.random(3000) < 0.5, "x", "y")
    frame.loc[:2, "other"] = "seldom"
    model = quick(n_components=5, max_iter=1).fit(frame)
    assert np.abs(model.transform(frame[:3])).max() < 10
    assert model.elbo(frame[:3]).min() > -40


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_the_same_frame_comes_back(library, tmp_path):
    frame = GAPS if library == "pandas" else pl.from_pandas(GAPS)
    model = quick().fit(frame)
    samples, filled = model.sample(len(frame)), model.impute(frame, n_gibbs_steps=4)
    means = model.impute(frame, n_gibbs_steps=4, return_mean=True)
    for result in (samples, filled, means, model.reconstruct(frame)):
        assert type(result) is type(frame)
        assert list(result.columns) == list(frame.columns)
        assert list(result.dtypes) == list(frame.dtypes)
        as_pandas = result if library == "pandas" else result.to_pandas()
        assert not as_pandas.isna().any(axis=None)
    model.save(tmp_path / "vae")
    for copy in (skgen.load(tmp_path / "vae"), pickle.loads(pickle.dumps(model))):
        assert_array_equal(copy.score_samples(frame), model.score_samples(frame))
        assert copy.sample(5, random_state=1).equals(model.sample(5, random_state=1))
        copy.partial_fit(frame)


def test_what_is_observed_stays(fitted):
    filled = fitted.impute(GAPS, n_gibbs_steps=4)
    for name in GAPS.columns:
        seen = GAPS[name].notna()
        assert (filled[name][seen] == GAPS[name][seen]).all()


def test_scores_ignore_gaps_and_order_of_rows(fitted):
    scores = fitted.score_samples(GAPS)
    assert np.isfinite(scores).all()
    assert_allclose(fitted.score_samples(GAPS[::-1])[::-1], scores, rtol=1e-9)


def test_the_unit_of_a_column_shifts_the_score(iris):
    scaled = iris.assign(**{"petal width (cm)": 8 * iris["petal width (cm)"]})
    before, after = quick().fit(iris), quick().fit(scaled)
    shift = after.score_samples(scaled) - before.score_samples(iris)
    assert_allclose(shift, -np.log(8), rtol=1e-9)


def test_names_of_categories_change_nothing(iris):
    names = {"setosa": "A", "versicolor": "B", "virginica": "C"}
    renamed = iris.assign(species=iris["species"].cat.rename_categories(names))
    scores = quick().fit(iris).score_samples(iris)
    assert_array_equal(quick().fit(renamed).score_samples(renamed), scores)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_conditions_hold(iris, library):
    frame = iris if library == "pandas" else pl.from_pandas(iris)
    model = quick(max_iter=40).fit(frame)
    drawn = model.sample(50, given={"species": "setosa", "sepal width (cm)": 3.0})
    assert set(drawn["species"]) == {"setosa"}
    assert set(drawn["sepal width (cm)"]) == {3.0}
    # petals of this species are short
    assert drawn["petal length (cm)"].mean() < iris["petal length (cm)"].mean()
    rows = model.sample(given=frame[["species"]][:3])
    assert list(rows["species"]) == list(frame["species"][:3])
    with pytest.raises(ValueError, match="given has 3 rows"):
        model.sample(5, given=frame[["species"]][:3])
    with pytest.raises(
        ValueError, match=r"given has 'rose' at row 0, column 'species'"
    ):
        model.sample(given={"species": "rose"})


def test_conditions_of_arrays():
    X = np.repeat([[0.0, 0, 0], [1, 1, 1]], 50, axis=0)
    rbm = BinaryRBM(2, random_state=0).fit(X)
    drawn = rbm.sample(400, given={0: 1}, random_state=0)
    assert (drawn[:, 0] == 1).all()
    # the model's own P(x_1 = 1, x_2 = 1 | x_0 = 1)
    p = np.exp(rbm.score_samples([[1, i, j] for i in (0, 1) for j in (0, 1)]))
    p = p[3] / p.sum()
    error = np.sqrt(p * (1 - p) / len(drawn))
    assert abs(drawn.all(axis=1).mean() - p) < 4 * error
    rows = [[np.nan, 0, np.nan], [1, np.nan, np.nan]]
    drawn = rbm.sample(given=rows, random_state=0)
    assert drawn[0, 1] == 0 and drawn[1, 0] == 1
    vae = quick().fit(RNG.normal(size=(50, 3)))
    assert_array_equal(vae.sample(4, given={1: 0.25})[:, 1], np.full(4, 0.25))
    for model in (rbm, vae):
        with pytest.raises(ValueError, match="column 3: use the numbers of columns"):
            model.sample(given={3: 1})
        with pytest.raises(ValueError, match=r"given is 'a': pass a dict"):
            model.sample(given="a")
        with pytest.raises(ValueError, match=r"\[0, 1\] for the column 0: pass one"):
            model.sample(given={0: [0, 1]})


def test_rbm_of_a_frame_of_booleans(iris):
    frame = iris.drop(columns="species") > 3
    rbm = BinaryRBM(2, random_state=0).fit(frame)
    drawn = rbm.sample(20, given={"petal width (cm)": True}, random_state=0)
    assert drawn["petal width (cm)"].all()
    assert {dtype.kind for dtype in drawn.dtypes} == {"b"}
    assert_frame_equal(rbm.impute(frame), frame)


def test_a_conditional_is_a_difference(iris):
    """log p(a | b) = log p(a, b) - log p(b)."""
    model = quick(max_iter=40).fit(iris)
    gaps = iris.assign(species=None).astype(iris.dtypes)
    log_p = np.zeros(len(iris))
    for species in iris["species"].cat.categories:
        log_p += np.exp(
            model.score_samples(gaps.assign(species=pd.Categorical([species] * 150)))
            - model.score_samples(gaps)
        )
    assert_allclose(log_p, 1, atol=0.1)  # the probabilities of the species


def test_searches_and_pipelines(iris):
    grid = {"n_components": [1, 2]}
    search = GridSearchCV(quick(), grid, cv=2, n_jobs=2, error_score="raise").fit(iris)
    assert np.isfinite(search.best_score_)
    pipeline = make_pipeline(clone(search.best_estimator_)).fit(iris)
    assert list(skgen.sample_from(pipeline, 2).columns) == list(iris.columns)
    warm = quick(warm_start=True).fit(iris, X_val=iris[:20]).fit(iris)
    assert warm.n_iter_ == 6


def test_kinds_by_name():
    frame = pd.DataFrame({"code": [1, 5, 1, 5] * 20, "x": RNG.normal(size=80)})
    model = quick(likelihood={"code": "category"}).fit(frame)
    assert set(model.sample(50)["code"]) <= {1, 5}
    codes = frame[:2].assign(code=[1, 5], x=np.nan)
    assert np.exp(model.score_samples(codes)).sum() == pytest.approx(1, abs=0.02)
    with pytest.raises(ValueError, match="X is a ndarray: pass a frame"):
        quick(likelihood={"code": "category"}).fit(frame.to_numpy())


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": ["x", "y"] * 20}),
        pd.DataFrame({"a": [True, False] * 20, "b": ["x"] * 40}),
        pd.DataFrame({"a": np.full(20, 1.5)}),
        pd.DataFrame({"a": RNG.integers(2**52, 2**53, 50)}),
        pd.DataFrame({"a": [1.5], "b": ["x"]}),
        pd.DataFrame(RNG.normal(size=(30, 100))).add_prefix("c"),
    ],
    ids=["categories", "one category", "constant", "large", "one row", "wide"],
)
def test_unusual_frames(frame):
    model = quick().fit(frame)
    assert np.isfinite(model.score_samples(frame)).all()
    assert list(model.sample(3).dtypes) == list(frame.dtypes)
    assert model.impute(frame).equals(frame)


def test_errors_leave_no_model(iris):
    model = quick()
    with pytest.raises(ValueError, match="'species' without any observed value"):
        model.fit(iris.assign(species=None))
    assert not hasattr(model, "n_features_in_")
    model.fit(iris)
    other = iris.assign(species="rose")
    with pytest.raises(ValueError, match=r"X has 'rose' at row 0, column 'species'"):
        model.score(other)
    with pytest.raises(ValueError, match=r"X_val has 'rose' at row 0"):
        quick().fit(iris, X_val=other)
    with pytest.raises(ValueError, match="feature names"):
        model.score(iris[iris.columns[::-1]])
