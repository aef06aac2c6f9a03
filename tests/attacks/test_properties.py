"""Any table of numbers gives what its float64 array gives; all else a clear error.

Hypothesis searches over types, containers, layouts, shapes and values.
"""

import copy
import datetime
import functools
import pathlib
import tempfile
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import skgen
from skgen import BinaryRBM, VariationalAutoencoder
from skgen.containers import as_numbers

pytestmark = pytest.mark.filterwarnings("ignore:X has feature names")
few = settings(derandomize=True, deadline=None, max_examples=60, database=None)
NAMES = "abcdefgh"
INTEGERS = [f"{kind}{size}" for kind in ("int", "uint") for size in (8, 16, 32, 64)]
FLOATS = ["float16", "float32", "float64", "longdouble"]


def with_strides(X):
    return np.repeat(X, 2, axis=0)[::2, ::-1][:, ::-1]


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def with_explicit_zeros(X):
    """CSR with stored zeros, duplicates and unsorted columns."""
    rows, columns = np.indices(X.shape)
    data = np.concatenate([X.ravel(), np.zeros_like(X.ravel())])
    place = np.tile(rows.ravel(), 2), np.tile(columns.ravel()[::-1], 2)
    data[: X.size] = X[:, ::-1].ravel()
    return sparse.coo_array((data, place), shape=X.shape).tocsr()


def pandas_frame(X):
    return pd.DataFrame(X, columns=list(NAMES[: X.shape[1]]))


def polars_frame(X):
    return pl.DataFrame(dict(zip(NAMES, X.T)))


DENSE = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "strided": with_strides,
    "read-only": read_only,
    "list": lambda X: X.tolist(),
    "rows": lambda X: [tuple(row) for row in X],
    "masked": np.ma.masked_array,
    "pandas": pandas_frame,
}
SPARSE = {
    "csr_matrix": sparse.csr_matrix,
    "csr_array": sparse.csr_array,
    "csc": sparse.csc_matrix,
    "coo": sparse.coo_array,
    "lil": sparse.lil_matrix,
    "explicit zeros": with_explicit_zeros,
}


@st.composite
def containers(draw):
    """A function that converts a float64 array to another type and container."""
    dtype = draw(st.sampled_from(["bool", *INTEGERS, *FLOATS, "object"]))
    kinds = dict(DENSE)
    if dtype not in ("float16", "longdouble", "object"):
        kinds |= SPARSE
        kinds["polars"] = polars_frame
    container = kinds[draw(st.sampled_from(sorted(kinds)))]
    exact = draw(st.sampled_from([float, Fraction]))

    def convert(X):
        if dtype == "object":
            return container(np.vectorize(exact, otypes=[object])(X))
        return container(X.astype(dtype))

    return np.dtype(dtype), convert


def rbm(**parameters):
    return BinaryRBM(2, max_iter=1, random_state=0, **parameters)


def vae(**parameters):
    return VariationalAutoencoder(
        1,
        hidden_layer_sizes=(),
        max_iter=1,
        early_stopping=False,
        n_score_samples=32,
        random_state=0,
        **parameters,
    )


BERNOULLI = {"likelihood": "bernoulli"}
MODELS = {
    "rbm": (rbm, {}),
    "rbm, states": (rbm, {"binarize": None}),
    "rbm, probabilities": (rbm, {"binarize": "sample"}),
    "bernoulli": (vae, BERNOULLI),
    "bernoulli, probabilities": (vae, BERNOULLI | {"binarize": "sample"}),
    "gaussian": (vae, {"likelihood": "gaussian"}),
    "gaussian, features": (
        vae,
        {"likelihood": "gaussian", "noise_variance": "feature"},
    ),
    "poisson": (vae, {"likelihood": "poisson"}),
}


def values(name, dtype):
    """Numbers that the model takes and the type holds."""
    if name.startswith("gaussian"):
        low, high, parts = (-3 if dtype.kind != "u" else 0), 3, 8
    else:
        low, high, parts = 0, (3 if name == "poisson" else 1), 8
    if dtype.kind == "b":
        low, high = 0, 1
    grey = "probabilities" in name or name.startswith("gaussian")
    if dtype.kind in "biu" or not grey:
        parts = 1
    return st.integers(low * parts, high * parts).map(lambda i: i / parts)


@st.composite
def cases(draw):
    name = draw(st.sampled_from(sorted(MODELS)))
    dtype, convert = draw(containers())
    n_rows, n_columns = draw(st.integers(1, 9)), draw(st.integers(1, 5))
    cells = st.lists(
        values(name, dtype),
        min_size=n_rows * n_columns,
        max_size=n_rows * n_columns,
    )
    return name, np.reshape(draw(cells), (n_rows, n_columns)), dtype, convert


def made(name):
    make, parameters = MODELS[name]
    return make(**parameters)


@settings(few, max_examples=150)
@given(case=cases())
def test_any_table_of_numbers(case):
    name, X, dtype, convert = case
    given_X = convert(X)
    before = copy.deepcopy(given_X)
    expected, model = made(name).fit(X), made(name).fit(given_X)
    close = {"rtol": 1e-3, "atol": 1e-3}
    np.testing.assert_allclose(model.transform(given_X), expected.transform(X), **close)
    scores = model.score_samples(given_X)
    np.testing.assert_allclose(scores, expected.score_samples(X), **close)
    sample, real = as_numbers(model.sample(5)), expected.sample(5)
    if dtype.kind in "biu":  # rounded
        assert np.all(np.abs(sample - real.clip(sample.min(), sample.max())) < 0.501)
    else:
        np.testing.assert_allclose(sample, real, **close)
    with tempfile.TemporaryDirectory() as folder:
        model.save(pathlib.Path(folder) / "model")
        loaded = skgen.load(pathlib.Path(folder) / "model")
    np.testing.assert_array_equal(loaded.transform(given_X), model.transform(given_X))
    np.testing.assert_array_equal(loaded.score_samples(given_X), scores)
    np.testing.assert_array_equal(as_numbers(loaded.sample(5)), sample)
    # what was given is as it was
    np.testing.assert_array_equal(as_numbers_dense(given_X), as_numbers_dense(before))


def as_numbers_dense(X):
    numbers = as_numbers(X)
    return numbers.toarray() if sparse.issparse(numbers) else numbers


NO_NUMBERS = ["a", b"a", "1.5e", None, 1j, 10**400, datetime.date(2000, 1, 1), [1], {}]
CELLS = {name: [np.inf, -np.inf, *NO_NUMBERS] for name in MODELS}
for name in CELLS:
    if name.startswith("rbm"):
        CELLS[name] += [np.nan]
    if "probabilities" in name:
        CELLS[name] += [-0.5, 1.5, 255]
CELLS["rbm, states"] += [0.5, -1, 2]
CELLS["poisson"] += [0.5, -1]
TABLES = [
    "text",
    None,
    7,
    {},
    [],
    [[]],
    [1.0, 0.0],
    [[1.0, 0.0], [1.0]],
    [[[1.0]]],
    np.zeros(3),
    np.zeros((0, 3)),
    np.zeros((3, 0)),
    np.zeros((2, 2, 2)),
    np.zeros((2, 3), dtype=complex),
    np.array([["a", "b"]]),
    np.array([["2000-01-01"] * 3], dtype="datetime64[D]"),
    np.zeros(3, dtype=[("a", float)]),
    sparse.csr_array(np.zeros((2, 3), dtype=complex)),
    pl.DataFrame({"a": [1, 0]}).lazy(),
    pd.DataFrame([[1, 0, 1]], columns=["a", "b", "a"]),
    pd.DataFrame({"a": ["x", "y"]}),
    iter([[1, 0, 1]]),
    {1, 0},
    object(),
]
BITS = np.random.default_rng(0).integers(0, 2, (12, 3)).astype(float)


@functools.cache
def fitted(name):
    """A model that was fitted and has scored: nothing more is computed at first use."""
    model = made(name).fit(BITS)
    return model, model.score_samples(BITS)


METHODS = ["fit", "partial_fit", "transform", "score_samples", "score", "reconstruct"]


def assert_refused(name, method, X, message):
    """The call is an error of ours, and a model, new or fitted, is as it was."""
    model, scores = fitted(name)
    for one in [model] + [made(name)] * (method in ("fit", "partial_fit")):
        before = dict(vars(one))
        with pytest.raises((ValueError, TypeError), match=message):
            getattr(one, method)(X)
        assert vars(one).keys() == before.keys()
        assert all(vars(one)[key] is before[key] for key in before)
    np.testing.assert_array_equal(model.score_samples(BITS), scores)


@few
@given(data=st.data())
def test_any_cell_that_is_no_number(data):
    name = data.draw(st.sampled_from(sorted(MODELS)))
    value = data.draw(st.sampled_from(CELLS[name]))
    row, column = data.draw(st.integers(0, 11)), data.draw(st.integers(0, 2))
    method = data.draw(st.sampled_from(METHODS))
    states = name == "rbm, states" or method.endswith("fit") or "score" in method
    if isinstance(value, float | int) and abs(value) < 1000 and not states:
        method = "fit"  # grey levels have features
    rows = BITS.tolist()
    rows[row][column] = value
    is_float = isinstance(value, float | int) and value != 10**400
    choices = {"list": rows}
    if value is not None:  # in a frame it is what is missing
        columns = zip("abc", zip(*rows))
        dtype = float if is_float else object
        columns = {name: pd.Series(column, dtype=dtype) for name, column in columns}
        choices["pandas"] = pd.DataFrame(columns)
    if is_float:
        choices |= {"array": np.array(rows), "csr": sparse.csr_array(np.array(rows))}
    kind = data.draw(st.sampled_from(sorted(choices)))
    place = f"({column}|'{'abc'[column]}')"
    message = rf"(?s)at row {row}, column {place}.*: .*\w.*\.$"
    if isinstance(value, list | dict | complex) and kind == "list":
        message = r"\w"  # NumPy and scikit-learn see that first
    assert_refused(name, method, choices[kind], message)


@few
@given(data=st.data())
def test_anything_that_is_no_table(data):
    name = data.draw(st.sampled_from(sorted(MODELS)))
    X = data.draw(st.sampled_from(TABLES))
    assert_refused(name, data.draw(st.sampled_from(METHODS)), X, r"\w")


@few
@given(data=st.data())
def test_another_number_of_features(data):
    name = data.draw(st.sampled_from(sorted(MODELS)))
    n_columns = data.draw(st.sampled_from([1, 2, 4, 7]))
    X = data.draw(containers())[1](np.ones((3, n_columns)))
    method = data.draw(st.sampled_from([m for m in METHODS if m != "fit"]))
    model, scores = fitted(name)
    with pytest.raises(ValueError, match=rf"X has {n_columns} features, but .* is exp"):
        getattr(model, method)(X)
    np.testing.assert_array_equal(model.score_samples(BITS), scores)
