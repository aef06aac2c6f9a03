"""Frames of odd dtypes, names and values: exact, saved whole, or refused by name."""

from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

import skgen
from skgen import BinaryRBM, VariationalAutoencoder
from skgen.dtypes import table_from_plain, table_to_plain
from skgen.marginals import cells_of, fit_marginal

RNG = np.random.default_rng(0)
N = 40
NUMBERS = RNG.normal(size=(N, 3)).round(3)
LARGE = 2**60 + 2 * RNG.integers(0, 1000, N) + 1


def vae(**parameters):
    options = {"n_components": 1, "hidden_layer_sizes": (4,), "max_iter": 1}
    options |= {"n_score_samples": 32, "random_state": 0} | parameters
    return VariationalAutoencoder(**options)


def beside_gaps(values, dtype=None):
    """A frame of the values, of which two are missing, and a column of numbers."""
    values = pd.Series(values, dtype=dtype)
    if values.dtype != np.int64:
        values[[3, 7]] = None
    return pd.DataFrame({"v": values, "x": NUMBERS[:, 0]})


NANOSECONDS = pd.Timestamp("2020-01-01") + pd.to_timedelta(
    RNG.integers(0, 10**17, N), "ns"
)
EXACT = {
    "int64": beside_gaps(LARGE),
    "Int64": beside_gaps(LARGE, "Int64"),
    "uint64": beside_gaps([2**64 - 1 - int(n) for n in LARGE % 997], "UInt64"),
    "ns": beside_gaps(NANOSECONDS),
    "zone": beside_gaps(NANOSECONDS.tz_localize("America/New_York")),
    "Decimal": beside_gaps([Decimal(int(n)) / 10 for n in LARGE % 99], object),
}
EXACT |= {
    "polars int": pl.from_pandas(EXACT["Int64"]),
    "polars ns": pl.from_pandas(EXACT["ns"]),
    "polars Decimal": pl.DataFrame({"v": EXACT["Decimal"]["v"].tolist()}),
    "polars Int128": pl.from_pandas(EXACT["Int64"]).cast({"v": pl.Int128}),
}


@pytest.mark.parametrize("kind", EXACT)
def test_observed_cells_stay_to_the_last_digit(kind, tmp_path):
    frame = EXACT[kind]
    model = vae().fit(frame)
    filled = model.impute(frame, n_gibbs_steps=2)
    assert list(filled.dtypes) == list(frame.dtypes)
    before, after = frame["v"].to_list(), filled["v"].to_list()
    seen = [not pd.isna(value) for value in before]
    assert [v for v, s in zip(before, seen) if s] == [
        v for v, s in zip(after, seen) if s
    ]
    low, high = (f(v for v, s in zip(before, seen) if s) for f in (min, max))
    assert all(low <= value <= high for value in model.sample(20)["v"].to_list())
    if "int" in kind.lower():
        rows = model.sample(2, given={"v": before[0]})
        assert rows["v"].to_list() == [before[0]] * 2
    model.save(tmp_path / "vae")
    loaded = skgen.load(tmp_path / "vae")
    assert_array_equal(loaded.score_samples(frame), model.score_samples(frame))


@pytest.mark.parametrize("offset", [2**53, 2**60, -(2**62)])
def test_an_offset_of_integers_changes_no_score(offset):
    frame = pd.DataFrame({"v": LARGE - 2**60, "x": NUMBERS[:, 0]})
    far = frame.assign(v=frame["v"] + offset)
    scores, expected = vae().fit(far).score_samples(far), vae().fit(frame)
    assert_allclose(scores, expected.score_samples(frame), rtol=1e-9)


def test_cells_narrower_than_rounding_are_points():
    """Seconds in nanoseconds are the same column in another unit."""
    values = RNG.integers(0, 10**9, 2000)
    cells = cells_of(fit_marginal(values * 10.0**9, whole=True), values * 10.0**9)
    fine = cells_of(fit_marginal(values * 10.0**9 + RNG.random(2000)), values * 1e9)
    for low, high, measure in (cells, fine):
        assert_array_equal(low, high)
        assert_allclose(measure.mean(), -np.log(1e18), atol=1.5)


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e150, 1e299])
def test_scales_of_a_column_of_a_frame(scale):
    frame, scaled = (pd.DataFrame({"v": NUMBERS[:, 0] * s}) for s in (1, scale))
    plain, model = vae().fit(frame), vae().fit(scaled)
    gain = plain.score_samples(frame) - model.score_samples(scaled)
    assert_allclose(gain, np.log(scale), rtol=1e-4)
    samples = model.sample(9)["v"] / scale
    assert_allclose(samples, plain.sample(9)["v"], atol=1e-3)


BAD = {
    "huge": ([1e301, 1, 2], "column 'v' with values beyond 1e.300: divide them"),
    "denormal": ([0, 5e-324, 1e-323] * 9, "column 'v' with values so close together"),
    "rounding": (1 + np.arange(30) * 2.3e-16, "column 'v' with values so close toget"),
}


@pytest.mark.parametrize("kind", BAD)
def test_columns_that_float64_does_not_hold(kind):
    values, message = BAD[kind]
    with pytest.raises(ValueError, match=message):
        vae().fit(pd.DataFrame({"v": values}))


UNSAVED = {
    "decimal": pd.Series([Decimal(1), Decimal(2)] * 9, dtype="object").astype(
        pd.ArrowDtype(pa.decimal128(10, 2))
    ),
    "dictionary": pd.Series(["a", "b"] * 9).astype(
        pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))
    ),
    "sparse": pd.Series([0.0, 1.0] * 9).astype(pd.SparseDtype("float", 0)),
    "float16": pa.array(np.arange(18, dtype=np.float16)),
}


@pytest.mark.parametrize("kind", UNSAVED)
def test_a_file_that_could_not_be_loaded_is_not_written(kind, tmp_path):
    frame = {"v": UNSAVED[kind]}
    frame = pa.table(frame) if kind == "float16" else pd.DataFrame(frame)
    model = vae().fit(frame)
    with pytest.raises(ValueError, match=r"column 'v' has the dtype .*joblib"):
        model.save(tmp_path / "vae")
    assert not list(tmp_path.iterdir())


def test_categories_of_whole_numbers_and_floats_keep_their_types(tmp_path):
    categories = pd.Index([1, 2.5], dtype=object)
    column = pd.Categorical.from_codes([0, 1] * 9, categories)
    model = vae().fit(pd.DataFrame({"v": column, "x": NUMBERS[:18, 0]}))
    model.save(tmp_path / "vae")
    rows = skgen.load(tmp_path / "vae").sample(9)["v"]
    assert [type(v) for v in rows.cat.categories] == [int, float]


@pytest.mark.parametrize("names", [range(3), [1, 0, 2], [2.5, 1.5, 0.5]])
def test_conditions_by_names_that_are_no_text(names):
    frame = pd.DataFrame(NUMBERS, columns=names)
    model = vae().fit(frame)
    rows = model.sample(given=frame.iloc[:5, [1]])
    assert_array_equal(rows.iloc[:, 1], NUMBERS[:5, 1])
    assert rows.columns.equals(pd.Index(names))


@pytest.mark.parametrize(
    "series",
    [pl.Series([[1.0, 0.0]] * N, dtype=pl.Array(pl.Float64, 2)), [{"a": 1}] * N],
)
def test_cells_that_are_tables(series):
    frame = pl.DataFrame({"x": NUMBERS[:, 0] > 0, "v": series})
    for model in (BinaryRBM(1), vae(), vae(likelihood="gaussian")):
        with pytest.raises((ValueError, TypeError), match="column 'v'"):
            model.fit(frame)


def test_objects_of_polars_are_refused():
    frame = pl.DataFrame({"v": pl.Series([Decimal(1), Decimal(2)], dtype=pl.Object)})
    with pytest.raises(ValueError, match="column 'v' of dtype Object"):
        vae().fit(frame)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        pd.DataFrame(index=[0, 1]),
        pd.DataFrame({"a": []}),
        pl.DataFrame(),
        pa.table({"a": []}),
    ],
)
def test_empty_frames(frame):
    for model in (BinaryRBM(1), vae()):
        with pytest.raises(ValueError, match=r"X is a frame of shape .*at least one"):
            model.fit(frame)
    fitted = vae().fit(pd.DataFrame({"a": NUMBERS[:, 0]}))
    with pytest.raises(ValueError, match="given is a frame of shape"):
        fitted.sample(given=frame)


@pytest.mark.parametrize("X", [[], np.zeros((0, 1)), np.zeros((3, 0))])
def test_empty_arrays_for_a_model_of_a_frame(X):
    model = vae().fit(pd.DataFrame({"a": NUMBERS[:, 0]}))
    for method in (model.transform, model.impute, model.partial_fit):
        with (
            pytest.warns(UserWarning, match="feature names"),
            pytest.raises((ValueError, TypeError), match=r"feature|rows"),
        ):
            method(X)


@pytest.mark.parametrize("values", [["q"] * N, [True] * N])
def test_a_frame_of_one_category_alone(values):
    frame = pd.DataFrame({"v": values})
    model = vae().fit(frame)
    assert_allclose(model.score_samples(frame), 0, atol=1e-3)
    assert model.sample(3).equals(frame[:3])


@pytest.mark.parametrize("make", [BinaryRBM, vae])
@pytest.mark.parametrize("binarize", [None, "sample"])
def test_errors_of_states_name_the_column_of_a_frame(make, binarize):
    frame = pd.DataFrame({"a": [0.0, 1.0] * 9, "b": [1.0, 0.0] * 9})
    bad = frame.copy()
    bad.loc[4, "b"] = 3
    model = make(max_iter=1, binarize=binarize)
    if make is vae:
        model.set_params(likelihood="bernoulli")
    message = "X must .* got 3.0 at row 4, column 'b'"
    with pytest.raises(ValueError, match=message):
        model.fit(bad)
    model.fit(frame)
    with pytest.raises(ValueError, match=message):
        model.score_samples(bad)
    with pytest.raises(ValueError, match=f"X_val{message[1:]}"):
        model.fit(frame, X_val=bad)


@pytest.mark.parametrize("part", ["origin", "ticks"])
@pytest.mark.parametrize("value", ["x", 1.5, []])
def test_origins_and_units_of_a_file_are_checked(part, value):
    times = pl.Series(LARGE % 50).cast(pl.Datetime("us"))
    plain = table_to_plain(vae().fit(pl.DataFrame({"t": times}))._table)
    assert table_from_plain(plain) is not None
    plain["columns"][0][part] = value
    with pytest.raises(ValueError, match="column 't' has no valid origin"):
        table_from_plain(plain)


@pytest.mark.parametrize("likelihood", ["auto", "gaussian", "bernoulli"])
def test_autocast_around_changes_nothing(likelihood):
    frame = pd.DataFrame(NUMBERS > 0, columns=list("abc")).astype(float)
    expected = vae(likelihood=likelihood).fit(frame)
    with torch.autocast("cpu"):
        model = vae(likelihood=likelihood).fit(frame)
        scores, samples = model.score_samples(frame), model.sample(5)
    assert_array_equal(scores, expected.score_samples(frame))
    assert samples.equals(expected.sample(5))
