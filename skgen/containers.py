"""Numbers out of what users pass: arrays, lists, sparse matrices and data frames.

A missing entry of a frame or of a masked array becomes NaN. Text, times and all else
that is no number end in an error that names the cell. In an array None is an error too:
NumPy has NaN for what is missing.
"""

import datetime
import reprlib
from contextlib import suppress

import narwhals.stable.v2 as nw
import numpy as np
from narwhals.exceptions import DuplicateError
from scipy import sparse

from skgen.sources import as_table

_NO_NUMPY = nw.Decimal, nw.Int128, nw.UInt128
_TEXT = str, bytes
_TIMES = datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64
# NumPy would take them as numbers
_NOT_NUMBERS = *_TEXT, *_TIMES, type(None), np.complexfloating


def as_frame(X, name="X"):
    """X as a data frame of narwhals, or None if it is none."""
    if isinstance(X, np.ndarray | list) or sparse.issparse(X):
        return None
    X = as_table(X)
    try:
        frame = nw.from_native(X, eager_only=True, pass_through=True)
    except DuplicateError as error:
        raise ValueError(f"{name} is ambiguous: {error} Please rename them.") from error
    if not isinstance(frame, nw.DataFrame):
        return None
    if 0 in frame.shape:
        raise ValueError(
            f"{name} is a frame of shape {frame.shape}: pass at least one row and one "
            f"column."
        )
    return frame


def as_numbers(X, name="X"):
    """X as an array or sparse matrix of numbers; NaN is what a frame or mask lacks.

    An array that does not have two dimensions is for others to refuse.
    """
    frame = as_frame(X, name)
    if hasattr(X, "sparse") and frame is not None:
        X = X.sparse.to_coo()
    elif frame is not None:
        return _of_frame(frame, name)
    if not sparse.issparse(X):
        X = _masked_as_nan(X) if np.ma.isMaskedArray(X) else _as_array(X, name)
        if X.ndim == 2 and X.dtype.kind not in "biufc":
            return _as_floats(X, name)
    wide = X.dtype.kind == "f" and X.dtype.itemsize > 8
    return X.astype(np.float64) if wide or X.dtype.kind == "O" else X


def _of_frame(frame, name):
    dtypes = frame.schema.dtypes()
    if all(t.is_numeric() and not isinstance(t, _NO_NUMPY) for t in dtypes):
        return frame.to_numpy()
    columns = zip(frame.iter_columns(), frame.columns)
    return np.column_stack([floats_of(series, name, n) for series, n in columns])


def floats_of(series, name, column):
    """A series of narwhals as an array of numbers, NaN where it has a gap."""
    if isinstance(series.dtype, nw.Int128 | nw.UInt128):
        series = series.cast(nw.Float64())
    # to_numpy ignores the gaps of a dictionary of pyarrow
    if not isinstance(series.dtype, nw.Categorical | nw.Enum):
        values = series.to_numpy()
        # arrays of one length are a table of their own
        if values.dtype.kind in "biuf" and values.ndim == 1:
            return values
    values = np.fromiter(series.to_list(), object, len(series))
    values[series.is_null().to_numpy()] = np.nan
    return _as_floats(values, name, column)


def _masked_as_nan(X):
    values, mask = np.ma.getdata(X), np.ma.getmaskarray(X)
    if not mask.any():
        return values
    kind = values.dtype.kind
    values = values.astype(
        np.float64 if kind in "biu" else values.dtype if kind == "f" else object
    )
    values[mask] = np.nan
    return values


def _as_array(X, name):
    if isinstance(X, np.ndarray):
        return X
    try:
        values = np.asarray(X)
        if values.dtype.kind in "US" and isinstance(X, list | tuple):
            values = np.asarray(X, dtype=object)  # text is beside numbers, not they
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{name} is no table of numbers ({error}): pass rows of one length."
        ) from error
    if values.ndim == 0:
        raise TypeError(
            f"{name} is a {type(X).__name__}, not a table: pass an array, a sparse "
            f"matrix or a data frame; call collect() on a lazy one."
        )
    return values


def _as_floats(values, name, column=None):
    """Cells of any type as float64, or an error for the first that is no number.

    `values` is a table, or the column of a frame with this name.
    """
    if values.dtype.kind == "O":
        kinds = set(map(type, values.flat))
        if not any(issubclass(kind, _NOT_NUMBERS) for kind in kinds):
            with suppress(TypeError, ValueError, OverflowError):
                return values.astype(np.float64)
    for (row, *number), value in np.ndenumerate(values):
        place = f"row {row}, column {number[0] if number else repr(column)}"
        _check_cell(value, f"could not convert {name} to numbers, got", place)
    return values.astype(np.float64)


def _check_cell(value, claim, place):
    """Raise ValueError or TypeError if the value is no number."""
    if isinstance(value, _TEXT):
        plain = value.item() if isinstance(value, np.generic) else value
        raise ValueError(
            f"{claim} the text {reprlib.repr(plain)} at {place}: encode it first, for "
            f"example with sklearn.preprocessing.OneHotEncoder, or convert it to float."
        )
    if isinstance(value, _TIMES):
        raise ValueError(
            f"{claim} the time {value} at {place}: pass numbers, such as the days "
            f"since a fixed date."
        )
    if value is None or type(value).__name__ == "NAType":
        raise ValueError(
            f"{claim} {value} at {place}: write np.nan for a missing entry."
        )
    try:
        float(value.item() if isinstance(value, np.generic) else value)
    except (TypeError, ValueError, OverflowError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        shown = f"{reprlib.repr(value)} at {place}"
        raise kind(f"{claim} {shown}: {error}; pass a number.") from error
