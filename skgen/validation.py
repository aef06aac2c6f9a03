"""Checks of what a user passes: parameters, X, hidden values, random states.

No other module imports private names of scikit-learn.
"""

import warnings
from collections.abc import Callable
from functools import partial
from numbers import Integral, Real

import numpy as np
from scipy import sparse
from sklearn import get_config
from sklearn.base import _fit_context as _checked_fit
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection._search import BaseSearchCV as BaseSearchCV
from sklearn.utils import _safe_indexing as _safe_indexing
from sklearn.utils import check_random_state, check_scalar, gen_batches
from sklearn.utils._metadata_requests import _routing_enabled as _routing_enabled
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import (
    _check_sample_weight,
    _num_samples,
    check_array,
    validate_data,
)

from skgen.containers import as_frame, as_numbers
from skgen.hashing import uniforms
from skgen.sources import as_source, as_table, is_dask
from skgen.typing import Method
from skgen.views import View, changed

# scikit-learn has no types: without this one `fit` would lose its own
_fit_context: Callable[..., Callable[[Method], Method]] = _checked_fit

_FINITE = Interval(Real, None, None, closed="neither")
# parameters that mean the same in BinaryRBM and VariationalAutoencoder
SHARED_CONSTRAINTS = {
    "n_components": [Interval(Integral, 1, None, closed="left")],
    "learning_rate": [Interval(Real, 0, None, closed="neither")],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
    "averaging": [Interval(Real, 0, 1, closed="left")],
    "binarize": [_FINITE, StrOptions({"sample"}), None],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "max_time": [Interval(Real, 0, None, closed="neither"), None],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
    "tol": [Interval(Real, 0, None, closed="left")],
    "warm_start": ["boolean"],
    "verbose": ["verbose"],
    "random_state": ["random_state"],
}

_SCALE = (
    "scale X for binarize='sample', as sklearn.preprocessing.MinMaxScaler(clip=True) "
    "does"
)

_BINARISE = "binarise X first or set binarize to a threshold"

# Several arrays as wide as a block live at once, so a block of float64 takes 1/64 of
# the working memory: 2**21 values at scikit-learn's default of 1024 MiB.
_BYTES_PER_VALUE = 64 * 8


def as_generator(random_state):
    """A NumPy Generator from an int, a RandomState or None (fresh entropy)."""
    if random_state is None or isinstance(random_state, Integral):
        return np.random.default_rng(random_state)
    legacy = check_random_state(random_state)
    return np.random.default_rng(legacy.randint(2**32, size=4, dtype=np.uint32))


def float_dtype(dtype):
    """Dtype of results: float32 where it holds every value of `dtype`, else float64."""
    fits = np.result_type(dtype, np.float32) == np.float32
    return np.dtype(np.float32 if fits else np.float64)


def row_blocks(n_rows, n_columns):
    """Slices of rows whose size follows scikit-learn's setting ``working_memory``."""
    n_bytes = get_config()["working_memory"] * 2**20
    return gen_batches(n_rows, max(1, int(n_bytes // (_BYTES_PER_VALUE * n_columns))))


def dense_rows(X, rows):
    """Some rows of a dense or CSR X as a dense array."""
    part = X[rows]
    return part.toarray() if sparse.issparse(part) else part


def rows_as_float(X, rows, dtype):
    """Some rows of a dense or CSR X as a dense array of a floating-point type."""
    return dense_rows(X, rows).astype(dtype)


def joined(parts, n_rows, dtype):
    """Parts of n_rows rows in one array; no more than one of them is in memory."""
    whole, start = None, 0
    for part in parts:
        if len(part) == n_rows:
            return part.astype(dtype, copy=False)
        if whole is None:
            whole = np.empty((n_rows, *part.shape[1:]), dtype)
        whole[start : start + len(part)] = part
        start += len(part)
    return whole


def in_dtype(X, dtype):
    """Floating-point samples in the dtype of the data, as near as it comes to them."""
    if dtype.kind == "b":
        return X > 0.5
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        # in float64 the limit of int64 is rounded up, out of its range
        fits = limits.max < 2**53
        high = limits.max if fits else np.nextafter(np.float64(limits.max), 0)
        return np.rint(X, dtype=np.float64).clip(limits.min, high).astype(dtype)
    limit = min(np.finfo(dtype).max, np.finfo(X.dtype).max)
    return X.clip(-limit, limit).astype(dtype)


def check_count(value, name, smallest):
    """The value, if it is a whole number of at least `smallest`."""
    return check_scalar(value, name, Integral, min_val=smallest)


def check_input(estimator, X, *, reset=False, missing=False, name="X", remedy=""):
    """X as a finite numeric array or CSR matrix, features checked against `estimator`.

    With `reset` this call defines the features; with `missing` a dense X may hold NaN.
    A further remedy ends the message about values that are not finite.
    """
    X = as_table(X)
    source = as_source(X)
    if source is not None:
        _check_not_empty(source, name)
        numbers, named = View(source), source.empty
    else:
        numbers = check_array(
            as_numbers(X, name),
            accept_sparse="csr",
            dtype=None,
            ensure_all_finite=False,
            estimator=estimator,
            input_name=name,
        )
        frame = as_frame(X, name)
        named = numbers if frame is None else X
    if name != "X" and numbers.shape[1] != estimator.n_features_in_:
        raise ValueError(
            f"{name} has {numbers.shape[1]} features, but {type(estimator).__name__} "
            f"is expecting {estimator.n_features_in_} features: pass the columns of X."
        )
    validate_data(estimator, named, reset=reset, skip_check_array=True)
    if sparse.issparse(numbers) and not numbers.has_canonical_format:
        numbers = numbers.copy()
        numbers.sum_duplicates()
    if source is not None:
        columns = getattr(estimator, "feature_names_in_", None)
    else:
        columns = None if frame is None else frame.columns
    _check_finite(numbers, name, estimator, missing, columns, remedy)
    return numbers


def check_weights(sample_weight, X):
    """The weights of the rows of X as float64, finite and at least 0, or None."""
    if sample_weight is None:
        return None
    source = as_source(X)
    rows = np.empty(_num_samples(X) if source is None else source.shape[0])
    weights = _check_sample_weight(sample_weight, rows, dtype=np.float64)
    if weights.min() < 0:
        row = int(np.argmax(weights < 0))
        raise ValueError(
            f"sample_weight has {weights[row]} at row {row}: weights are at least 0, "
            f"and a row of weight 0 is left out."
        )
    return weights


def check_features(estimator, X, *, reset=False):
    """Number and names of the columns of a frame, checked against `estimator`."""
    X = np.asarray(X, dtype=object) if isinstance(X, list) else as_table(X)
    validate_data(estimator, X, reset=reset, skip_check_array=True)


def check_is_frame(X, name="X"):
    """Raise ValueError for files and clusters, of which a table is not read."""
    if is_dask(X) or as_source(X) is not None:
        raise ValueError(
            f"{name} is {type(X).__name__}, but the model was fitted to a frame of "
            f"mixed columns: pass a frame of some of its rows at a time."
        )


def check_given(estimator, X):
    """Rows of conditions as a float64 array, which may hold NaN."""
    return with_missing(estimator, X, "given").astype(np.float64)


def holds_missing(X):
    """Whether X, whose other values are finite, is dense and has NaN."""
    may_hold = X.dtype.kind == "f" and not sparse.issparse(X)
    # the sum needs no mask of the size of X
    return may_hold and any(np.isnan(part.sum(dtype=np.float64)) for part in _parts(X))


def with_missing(estimator, X, name="X"):
    """A floating-point copy of a dense X, checked, which may hold NaN."""
    X = check_input(estimator, X, missing=True, name=name)
    if isinstance(X, View):
        X = X[:]
    if sparse.issparse(X):
        raise TypeError(
            "A sparse X cannot tell what is missing, its zeros are values: pass "
            "X.toarray(), with NaN where an entry is not known."
        )
    return X.astype(float_dtype(X.dtype))


def check_latent(estimator, H, n_components, name="H"):
    """Latent values as a finite float array of n_components columns."""
    floats, numbers = (np.float64, np.float32), as_numbers(H, name)
    H = check_array(numbers, dtype=floats, ensure_all_finite=False, input_name=name)
    _check_finite(H, name, estimator)
    if H.shape[1] != n_components:
        raise ValueError(
            f"{name} has {H.shape[1]} columns, but the model has {n_components} "
            f"components: pass what transform returns."
        )
    return H


def check_hidden(estimator, H, n_components, name="H"):
    """Hidden states or probabilities: latent values within [0, 1]."""
    H = check_latent(estimator, H, n_components, name)
    return probabilities(H, name, "pass hidden states or what transform returns")


def check_fills_in(X, binarize, columns=None):
    """Raise ValueError if gaps of a dense X cannot be filled in with 0 and 1.

    An observed value may have no meaning as 0 or 1. Under a threshold outside [0, 1)
    both have the same meaning.
    """
    if binarize is None:
        _check_binary(X, _BINARISE, columns=columns)
    if binarize == "sample":
        probabilities(X, columns=columns)
    if isinstance(binarize, Real) and not 0 <= binarize < 1:
        raise ValueError(
            f"impute fills in 0 and 1, of which binarize={binarize} would make the "
            f"same: fit and impute X > {binarize}, as 0 and 1, instead."
        )


def rows_with_gaps(X):
    """The numbers of the rows of a dense X that hold NaN."""
    parts = [
        rows.start + np.flatnonzero(np.isnan(X[rows]).any(axis=1))
        for rows in row_blocks(*X.shape)
    ]
    return np.concatenate(parts)


def probabilities(X, name="X", remedy=_SCALE, columns=None):
    """X within [0, 1], or ValueError for its first value outside.

    What rounding may have put outside, by the square root of its precision, is clipped.
    """
    slack = np.finfo(X.dtype).eps ** 0.5 if X.dtype.kind == "f" else 0
    claim = f"{name} must lie in [0, 1], got"

    def outside(values):
        return (values < -slack) | (values > 1 + slack)

    _refuse(X, outside, claim, remedy, columns)
    low, high = _range(X)
    if low >= 0 and high <= 1:
        return X
    if sparse.issparse(X):
        return X.maximum(0).minimum(1)
    return changed(X, lambda part: part.clip(0, 1), X.dtype)


def binarized(X, binarize, *, warn=False, name="X", columns=None):
    """X as 0/1, by the estimators' parameter `binarize`; under "sample" it is `drawn`.

    With `warn`, values outside [0, 1] under a threshold give a warning. `columns` are
    the names of the columns for errors, if they have names.
    """
    if binarize is None:
        return binary(X, _BINARISE, name, columns)
    if binarize == "sample":
        return drawn(probabilities(X, name, columns=columns))
    if sparse.issparse(X) and binarize < 0:
        raise ValueError(
            f"binarize={binarize} would turn the zeros of a sparse X into ones: use a "
            f"threshold >= 0, or pass X.toarray()."
        )
    if warn:
        _warn_outside_unit_interval(X, binarize)
    return _as_uint8(X, lambda values: values > binarize)


def binary(X, remedy, name="X", columns=None):
    """X as uint8, or ValueError for its first value that is not 0, 1 or NaN."""
    _check_binary(X, remedy, name, columns)
    return _as_uint8(X, lambda values: values != 0)


def _check_binary(X, remedy, name="X", columns=None):
    claim = f"{name} must hold only 0 and 1, got"
    _refuse(X, _is_not_binary, claim, remedy, columns)


def _is_not_binary(values):
    # NaN, which is not equal to itself, is for others to refuse
    return (values != 0) & (values != 1) & (values == values)


def drawn(X):
    """One fixed binary draw of each row of probabilities, dense or CSR, as uint8.

    It follows from the row itself, in float32, without what is missing. It is the same
    in any batch and container.
    """
    if sparse.issparse(X):
        rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
        return _as_uint8(X, lambda values: _drawn_entries(values, rows, X.indices))
    return _as_uint8(X, _drawn_rows)


def _drawn_rows(X):
    """Which entries of dense rows are drawn."""
    ones = np.empty(X.shape, bool)
    for rows in row_blocks(*X.shape):
        block = X[rows]
        if _is_not_binary(block).any():
            ones[rows] = _drawn_entries(block, *np.indices(block.shape, sparse=True))
        else:
            ones[rows] = block == 1
    return ones


def _drawn_entries(values, rows, columns):
    """Which entries are drawn; rows and columns are broadcast to the values."""
    values = values.astype(np.float32)
    rows, columns = (np.broadcast_to(n, values.shape) for n in (rows, columns))
    ones = values > 0  # others are no draws, and no part of the row's hash
    ones[ones] = uniforms(values[ones], rows[ones], columns[ones]) < values[ones]
    return ones


def _as_uint8(X, is_one):
    """Where `is_one` holds, as uint8, dense or CSR like X; float32 if X has NaN."""
    if not sparse.issparse(X):
        dtype = _dtype_of_bits(X)
        return changed(X, partial(_dense_bits, is_one=is_one, dtype=dtype), dtype)
    ones = type(X)((is_one(X.data).view(np.uint8), X.indices, X.indptr), shape=X.shape)
    if not ones.data.all():
        ones = ones.copy()  # eliminate_zeros would change the index arrays of X
        ones.eliminate_zeros()
    return ones


def _dtype_of_bits(X):
    return np.dtype(np.float32 if holds_missing(X) else np.uint8)


def _dense_bits(X, is_one, dtype):
    ones = is_one(X).view(np.uint8)
    return (
        ones if dtype == np.uint8 else np.where(np.isnan(X), np.float32(np.nan), ones)
    )


def _range(X):
    """The smallest and the largest value of X, NaN apart."""
    if sparse.issparse(X):
        return X.min(), X.max()
    parts = [
        (np.fmin.reduce(p, axis=None), np.fmax.reduce(p, axis=None)) for p in _parts(X)
    ]
    low, high = zip(*parts)
    return np.fmin.reduce(low), np.fmax.reduce(high)


def _parts(X):
    """A dense X itself, or a view by blocks of rows."""
    if not isinstance(X, View):
        return [X]
    return (X[rows] for rows in row_blocks(*X.shape))


def _check_not_empty(source, name):
    if 0 in source.shape:
        raise ValueError(
            f"{name} has shape {source.shape}: pass at least one row and one column."
        )


def _warn_outside_unit_interval(X, threshold):
    low, high = _range(X)
    # a threshold outside [0, 1) was chosen in the units of X
    if 0 <= threshold < 1 and (low < 0 or high > 1):
        warnings.warn(
            f"X has values from {low} to {high}, outside [0, 1]; those above "
            f"binarize={threshold} are taken as 1, all others as 0. Scale X, or set "
            f"binarize to a threshold in the units of X.",
            DataConversionWarning,
            stacklevel=8,  # the caller of fit or partial_fit
        )


def _check_finite(X, name, estimator, missing=False, columns=None, remedy=""):
    values = X.data if sparse.issparse(X) else X
    # a finite sum proves finite values without a mask of the size of X
    with np.errstate(all="ignore"):
        finite = values.dtype.kind != "f" or all(
            np.isfinite(part.sum(dtype=np.float64)) for part in _parts(values)
        )
    if not finite:
        is_bad = np.isinf if missing and X is values else lambda v: ~np.isfinite(v)
        remedy = (
            f"{type(estimator).__name__} needs finite numbers. Drop such rows or fill "
            f"them in first, for example with sklearn.impute.SimpleImputer{remedy}"
        )
        _refuse(X, is_bad, f"{name} contains", remedy, columns)


def _refuse(X, is_bad, claim, remedy, columns=None):
    """Raise ValueError with the first offending value, its row and its column.

    `columns` are the names of the columns of a frame.
    """
    values = X.data[:, np.newaxis] if sparse.issparse(X) else X
    if values.size == 0:  # a sparse X of zeros alone
        return
    for rows in row_blocks(*values.shape):
        block = values[rows]
        bad = is_bad(block)
        if bad.any():
            row, column = np.unravel_index(bad.argmax(), bad.shape)
            value = block[row, column]
            row += rows.start
            value = "NaN" if np.isnan(value) else value.item()
            if sparse.issparse(X):
                column = X.indices[row]
                row = np.searchsorted(X.indptr, row, side="right") - 1
            column = column if columns is None else repr(columns[column])
            place = f"row {row}, column {column}"
            raise ValueError(f"{claim} {value} at {place}: {remedy}.")
