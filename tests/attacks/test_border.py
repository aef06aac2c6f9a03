"""Every container gives what a float64 array gives, or an error that names the cell."""

import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csc_matrix, issparse

import skgen
from skgen import BinaryRBM, VariationalAutoencoder
from skgen.containers import as_numbers

NAN = np.nan
BITS = np.random.default_rng(0).integers(0, 2, (40, 3))
GAPS = np.where(np.random.default_rng(1).random(BITS.shape) < 0.2, NAN, BITS)
COLUMNS = ["a", "b", "c"]


def rbm(**parameters):
    return BinaryRBM(2, max_iter=1, random_state=0, **parameters)


def vae(**parameters):
    parameters = {"hidden_layer_sizes": (), "likelihood": "bernoulli"} | parameters
    return VariationalAutoencoder(1, max_iter=1, random_state=0, **parameters)


def cells(X, convert, missing=None):
    """The rows of X as lists of `convert`-ed cells, `missing` in place of NaN."""
    return [[missing if v != v else convert(v) for v in row] for row in X.tolist()]


def pandas_of(convert, dtype, missing=None):
    rows = {
        name: pd.Series([row[i] for row in cells(GAPS, convert, missing)], dtype=dtype)
        for i, name in enumerate(COLUMNS)
    }
    return pd.DataFrame(rows)


def arrow_of(convert, dictionary=False):
    columns = [pa.array(column) for column in zip(*cells(GAPS, convert))]
    if dictionary:
        columns = [column.dictionary_encode() for column in columns]
    return pa.table(dict(zip(COLUMNS, columns)))


def polars_of(convert, dtype=None):
    return pl.DataFrame(cells(GAPS, convert), schema=COLUMNS, orient="row").cast(
        dtype or {}
    )


FRAMES = {
    "category": pandas_of(float, "category"),
    "category of int": pandas_of(int, "category"),
    "object": pandas_of(int, object),
    "object of bool": pandas_of(bool, object),
    "object of Decimal": pandas_of(Decimal, object),
    "object of Fraction": pandas_of(Fraction, object),
    "Int8": pandas_of(int, "Int8"),
    "boolean": pandas_of(bool, "boolean"),
    "Float32": pandas_of(float, "Float32"),
    "arrow in pandas": pandas_of(int, "int64[pyarrow]"),
    "polars int": polars_of(int),
    "polars bool": polars_of(bool),
    "polars Decimal": polars_of(Decimal),
    "arrow int": arrow_of(int),
    "arrow bool": arrow_of(bool),
    "arrow Decimal": arrow_of(Decimal),
    "arrow dictionary": arrow_of(int, dictionary=True),
    "arrow dictionary of float": arrow_of(float, dictionary=True),
}
WHOLE = {
    "category": pd.DataFrame(BITS, columns=COLUMNS, dtype="category"),
    "boolean": pd.DataFrame(BITS, columns=COLUMNS, dtype="boolean"),
    "sparse": pd.DataFrame(BITS, columns=COLUMNS).astype(pd.SparseDtype("int64", 0)),
    "mixed": pd.DataFrame(BITS, columns=COLUMNS).astype({"a": bool, "b": "category"}),
    "polars": pl.DataFrame(BITS, schema=COLUMNS),
    "arrow": pa.table(dict(zip(COLUMNS, BITS.T))),
    "list": BITS.tolist(),
    "list of Decimal": cells(BITS, Decimal),
    "object": BITS.astype(object),
    "Fraction": np.array(cells(BITS, Fraction), dtype=object),
    "longdouble": BITS.astype(np.longdouble),
    "big-endian": BITS.astype(">f4"),
    "csc": csc_matrix(BITS.astype(bool)),
    "masked": np.ma.masked_array(BITS, False),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_missing_entries_of_frames_are_nan(kind):
    numbers = as_numbers(FRAMES[kind])
    assert numbers.dtype.kind == "f"
    assert_array_equal(numbers, GAPS)


@pytest.mark.parametrize("kind", ["category", "object of bool", "polars Decimal"])
def test_a_frame_with_gaps_trains_the_model_of_the_array(kind, tmp_path):
    model, reference = vae().fit(FRAMES[kind]), vae().fit(GAPS)
    expected = reference.score_samples(GAPS)
    assert_array_equal(model.score_samples(FRAMES[kind]), expected)
    model.save(tmp_path / "vae")
    loaded = skgen.load(tmp_path / "vae")
    assert_array_equal(loaded.score_samples(FRAMES[kind]), expected)
    assert type(loaded.sample(3)) is type(FRAMES[kind])
    assert_array_equal(loaded.feature_names_in_, COLUMNS)
    row, column = np.argwhere(np.isnan(GAPS))[0]
    message = f"X contains NaN at row {row}, column '{COLUMNS[column]}': BinaryRBM need"
    new = rbm()
    with pytest.raises(ValueError, match=message):
        new.fit(FRAMES[kind])
    assert not hasattr(new, "n_features_in_")


@pytest.mark.parametrize("kind", WHOLE)
def test_containers_of_numbers(kind, tmp_path):
    X = WHOLE[kind]
    model, reference = rbm().fit(X), rbm().fit(BITS.astype(float))
    model.save(tmp_path / "rbm")
    loaded = skgen.load(tmp_path / "rbm")
    expected = reference.score_samples(BITS.astype(float))
    assert_allclose(loaded.score_samples(X), expected, rtol=1e-6)
    samples = loaded.sample(9)
    numbers = as_numbers(samples)
    numbers = numbers.toarray() if issparse(numbers) else numbers
    assert_array_equal(numbers, reference.sample(9))
    if kind in FRAMES or hasattr(X, "columns"):
        assert type(samples) is type(X)
    else:
        assert samples.dtype.kind in "biuf"


TODAY = datetime.date(2026, 1, 2)
BAD_CELLS = {
    "text": ("red", ValueError, "the text 'red' at {}: encode it"),
    "numeric text": ("1.5", ValueError, "the text '1.5' at {}"),
    "bytes": (b"red", ValueError, "the text b'red' at {}"),
    "date": (TODAY, ValueError, "the time 2026-01-02 at {}: "),
    "timestamp": (
        pd.Timestamp(TODAY),
        ValueError,
        "the time 2026-01-02 00:00:00 at {}: ",
    ),
    "complex": (1j, TypeError, "1j at {}: "),
    "dict": ({}, TypeError, "{{}} at {}: .*argument must be a string or a real number"),
    "list": ([1, 2], TypeError, r"\[1, 2\] at {}: "),
    "huge": (10**400, ValueError, "1000.* at {}: .*too large"),
}


@pytest.mark.parametrize("kind", BAD_CELLS)
@pytest.mark.parametrize("container", ["array", "frame"])
@pytest.mark.parametrize("make", [rbm, vae])
def test_a_bad_cell_is_named_before_training(kind, container, make):
    value, error, message = BAD_CELLS[kind]
    X = BITS.astype(object)
    X[4, 1] = value
    column = "column 1"
    if container == "frame":
        X, column = pd.DataFrame(X, columns=COLUMNS), "column 'b'"
    fitted = make().fit(BITS)
    before = fitted.score_samples(BITS)
    message = message.format(f"row 4, {column}")
    new = make()
    for call in (new.fit, new.partial_fit, fitted.transform, fitted.partial_fit):
        with pytest.raises(
            error, match=f"could not convert X to numbers, got {message}"
        ):
            call(X)
    with pytest.raises(
        error, match=f"could not convert X_val to numbers, .*row 4, {column}"
    ):
        fitted.fit(BITS, X_val=X)
    assert not hasattr(new, "n_features_in_")
    assert_array_equal(fitted.score_samples(BITS), before)


@pytest.mark.parametrize("value", [None, pd.NA])
@pytest.mark.parametrize("make", [rbm, vae])
def test_none_in_an_array(value, make):
    X = BITS.astype(object)
    X[4, 1] = value
    message = f"got {value} at row 4, column 1: write np.nan for a missing entry"
    for container in (X, X.tolist()):
        with pytest.raises(ValueError, match=message):
            make().fit(container)


@pytest.mark.parametrize(
    "X, message",
    [
        (np.full((3, 2), "a"), "the text 'a' at row 0, column 0"),
        ([[1, 2], [3, "red"]], "the text 'red' at row 1, column 1"),
        (np.full((3, 2), TODAY, "M8[D]"), "the time .* at row 0, column 0"),
        (pd.DataFrame({"t": pd.to_datetime([None, "2020"])}), "row 1, column 't'"),
        (pl.DataFrame({"t": [None, TODAY]}), "row 1, column 't'"),
        (pa.table({"s": [None, "a"]}), "the text 'a' at row 1, column 's'"),
        (pl.DataFrame({"c": ["u"]}, schema={"c": pl.Categorical}), "the text 'u' at"),
        (pd.DataFrame({"c": ["u", "v"]}, dtype="category"), "row 0, column 'c'"),
        ([[1, 2], [3]], "X is no table of numbers .*inhomogeneous.*rows of one length"),
        ({"a": 1}, "X is a dict, not a table: pass an array"),
        (pl.LazyFrame({"a": [1]}), r"X is a LazyFrame, not a table: .*collect\(\)"),
        (pd.DataFrame(BITS, columns=list("aba")), "'a' 2 times.*rename"),
    ],
)
@pytest.mark.parametrize("make", [rbm, vae])
def test_what_is_no_table_of_numbers(X, message, make):
    with pytest.raises((ValueError, TypeError), match=f"(?s){message}"):
        make().fit(X)


@pytest.mark.parametrize("dtype", [float, np.float32, int, bool, object])
def test_masks_are_missing_entries(dtype):
    mask = np.isnan(GAPS)
    X = np.ma.masked_array(BITS.astype(dtype), mask)
    assert_array_equal(as_numbers(X), GAPS)
    assert not np.isnan(X.data.astype(float)).any()
    assert_array_equal(vae().fit(X).score_samples(X), vae().fit(GAPS).score_samples(X))
    row, column = np.argwhere(mask)[0]
    with pytest.raises(
        ValueError, match=f"X contains NaN at row {row}, column {column}"
    ):
        rbm().fit(X)


@pytest.mark.parametrize(
    "make, value, message",
    [
        (rbm, "a", "could not convert X_val .* 'a' at row 7, column 2"),
        (rbm, NAN, "X_val contains NaN at row 7, column 2"),
        (vae, np.inf, "X_val contains inf at row 7, column 2"),
        (lambda: rbm(binarize=None), 3, "X_val must .* got 3.0 at row 7, column 2"),
        (lambda: vae(binarize=None), 3, "X_val must .* got 3.0 at row 7, column 2"),
        (lambda: rbm(binarize="sample"), 3, "X_val must lie in .* 3.0 at row 7, col"),
        (lambda: vae(likelihood="poisson"), -1, "X_val: .*got -1.0 at row 7, column 2"),
    ],
)
def test_bad_cells_of_held_out_rows(make, value, message):
    X_val = BITS.astype(object if value == "a" else float)
    X_val[7, 2] = value
    with pytest.raises(ValueError, match=message):
        make().fit(BITS, X_val=X_val)
    with pytest.raises(ValueError, match=r"X_val has 2 features, but .* expecting 3"):
        make().fit(BITS, X_val=BITS[:, :2])


@pytest.mark.parametrize("make", [rbm, vae])
def test_inverse_transform_has_the_name_that_scikit_learn_gives(make):
    model = make().fit(BITS)
    H = model.transform(BITS)
    assert_array_equal(model.inverse_transform(X=H), model.reconstruct(BITS))
    assert_array_equal(
        model.inverse_transform(pd.DataFrame(H)), model.reconstruct(BITS)
    )
    with pytest.raises(ValueError, match="X contains NaN at row 0, column 0"):
        model.inverse_transform(np.full_like(H, NAN))
    assert not hasattr(model, "set_inverse_transform_request")


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.int8, np.float16])
def test_samples_stay_within_the_dtype(dtype):
    limits = np.finfo(dtype) if dtype == np.float16 else np.iinfo(dtype)
    X = np.full((40, 2), limits.max, dtype)
    X[::2] -= limits.max // dtype(8)
    model = vae(likelihood="gaussian").fit(X)
    samples = model.sample(200)
    assert samples.dtype == dtype
    assert samples.min() > limits.max // dtype(2)
    assert np.isfinite(samples.astype(float)).all()
