"""Data frames in, data frames out: kinds of columns, codes of categories, dtypes.

A ``Table`` describes the columns of the frame that a model was fitted to. Between the
frame and the model stands a float64 matrix of a column for each of the frame's: numbers
as they are, times in ticks of their dtype, categories as their codes 0, 1, ..., and NaN
where nothing is known. Times and large integers are counted from an origin, for float64
holds no integers beyond 2**53.
"""

import reprlib
from collections.abc import Mapping
from decimal import Decimal
from numbers import Real
from typing import NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
from scipy import sparse

from skgen.containers import as_frame, as_numbers, floats_of
from skgen.marginals import Marginal, fit_marginal
from skgen.validation import in_dtype

KINDS = "number", "category"
"""What a column of a frame can hold."""
MOST_CATEGORIES = 1000
_TIMES = nw.Datetime, nw.Date, nw.Duration
_DISCRETE = nw.Boolean, nw.String, nw.Categorical, nw.Enum
TICKS = {"D": 1 / 86400, "s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_SPANS = "timedelta", "duration"
_NOT_A_TIME = np.iinfo(np.int64).min
_NOTHING_OBSERVED = (
    "{name} has the column {label!r} without any observed value: drop it."
)
_LARGEST_EXACT = 2**53  # integer of float64
_LARGEST_RANGE = 2**63  # of integers that are counted from an origin


class Column(NamedTuple):
    """A column of a frame, and how its values become numbers."""

    name: object
    dtype: object
    """The library's own dtype of pandas, else that of narwhals."""
    categories: tuple | None = None
    """Values with the codes 0, 1, ...; None for numbers."""
    origin: int = 0
    """Of times and of large integers: the tick or the number that is 0."""
    ticks: str | None = None
    """The unit of times, None for numbers."""
    marginal: Marginal | None = None
    """Of numbers, where a model takes their scores."""

    @property
    def is_whole(self):
        """Whether its dtype is one of integers."""
        if self.categories is not None:
            return False
        is_integer = getattr(self.dtype, "is_integer", None)  # of narwhals
        return is_integer() if is_integer else self.dtype.kind in "iu"

    @property
    def log_unit(self):
        """What makes the log density of ticks one of seconds."""
        return np.log(TICKS[self.ticks]) if self.ticks else 0.0


class Table(NamedTuple):
    """The columns of a frame."""

    columns: tuple
    library: str
    """The name of the frame's library, as narwhals has it."""
    mixed: bool
    """Whether columns have kinds of their own; if not, all are numbers."""

    @property
    def names(self):
        """Of the columns."""
        return [column.name for column in self.columns]


def read_table(frame, kinds, name="X"):
    """The table of a frame of mixed columns, from its dtypes and its values.

    `kinds` maps names of columns to "number" or "category" where the dtype misleads.
    """
    for column, kind in kinds.items():
        if column not in frame.columns:
            raise ValueError(
                f"likelihood names the column {column!r}, which {name} does not have: "
                f"its columns are {reprlib.repr(frame.columns)}."
            )
        if kind not in KINDS:
            raise ValueError(
                f"likelihood calls the column {column!r} {kind!r}: use one of {KINDS}."
            )
    columns = tuple(
        _read_column(series, label, kinds.get(label), name)
        for label, series in zip(frame.columns, frame.iter_columns())
    )
    return Table(columns, str(frame.implementation.value), mixed=True)


def read_numbers(frame):
    """The table of a frame of numbers, which keeps its names and dtypes alone."""
    columns = tuple(
        Column(label, _dtype_of(series))
        for label, series in zip(frame.columns, frame.iter_columns())
    )
    return Table(columns, str(frame.implementation.value), mixed=False)


def with_floats(table):
    """The table of float64 columns of the same names, unless it is a mixed one."""
    if table.mixed:
        return table
    is_pandas = table.library in ("pandas", "modin", "cudf")
    dtype = np.dtype(np.float64) if is_pandas else nw.Float64()
    return table._replace(columns=tuple(c._replace(dtype=dtype) for c in table.columns))


def values_of(table, X, name="X"):
    """The rows of X, a frame or an array of the same columns, as a float64 matrix."""
    if not table.mixed:
        return np.asarray(as_numbers(X, name), dtype=np.float64)
    frame = as_frame(X, name)
    if frame is None:
        frame = _as_columns(X, table, name)
    elif frame.columns != table.names:
        wrong = [a for a, b in zip(frame.columns, table.names) if a != b] or ["-"]
        raise ValueError(
            f"{name} has the columns {reprlib.repr(frame.columns)}, the first that "
            f"differs is {wrong[0]!r}: pass the columns {reprlib.repr(table.names)} in "
            f"this order."
        )
    parts = [
        _coded(column, series, name)
        for column, series in zip(table.columns, frame.iter_columns())
    ]
    return np.column_stack(parts)


def part_of(table, frame):
    """The table of some rows of what the table describes.

    It has the same categories and the same cells of numbers, so that the densities of
    several parts can be compared.
    """
    columns = []
    for column, values in zip(table.columns, values_of(table, frame).T):
        known = values[~np.isnan(values)]
        if known.size == 0:
            raise ValueError(_NOTHING_OBSERVED.format(name="X", label=column.name))
        if column.categories is None:
            marginal = fit_marginal(known, like=column.marginal)
            column = column._replace(marginal=marginal)
        columns.append(column)
    return table._replace(columns=tuple(columns))


def conditions_of(table, given, name="given"):
    """A float64 matrix of what is given, NaN elsewhere.

    `given` is a dict, which makes one row, or a frame of some of the columns.
    """
    if isinstance(given, Mapping):
        given = {column: [value] for column, value in given.items()}
        labels, n_rows = list(given), 1
    else:
        frame = as_frame(given, name)
        labels, n_rows = frame.columns, len(frame)
        given = dict(zip(labels, frame.iter_columns()))
    values = np.full((n_rows, len(table.columns)), np.nan)
    for label in labels:
        if label not in table.names:
            raise ValueError(
                f"{name} has the column {label!r}, which the model does not: its "
                f"columns are {reprlib.repr(table.names)}."
            )
        number = table.names.index(label)
        column, part = table.columns[number], given[label]
        if isinstance(part, list):
            part = _series(table, column, part, name)
        values[:, number] = _coded(column, part, name)
        broken = values[:, number] % 1 > 0
        if column.is_whole and broken.any():
            value = values[broken, number][0] + column.origin
            raise ValueError(
                f"{name} has {value} for the column {label!r}, which holds whole "
                f"numbers alone: round it."
            )
    return values


def frame_of(table, values, like=None):
    """The frame of a complete matrix, with the dtypes of the frame that was read.

    `like` is a frame of as many rows. Its index of pandas is kept, and so is what is
    observed in it.
    """
    seen = as_frame(like) if like is not None else None
    seen = [None] * len(table.columns) if seen is None else seen.iter_columns()
    # labels of pandas need not be text
    columns = [
        _decoded(column, part, table.library, series).alias(str(number)).to_frame()
        for number, (column, part, series) in enumerate(
            zip(table.columns, values.T, seen)
        )
    ]
    frame = nw.concat(columns, how="horizontal")
    native = frame.to_native()
    if frame.implementation.is_pandas_like() and hasattr(like, "index"):
        native.index = like.index
    if hasattr(native, "rename_columns"):
        return native.rename_columns([str(label) for label in table.names])
    native.columns = table.names
    return native


def _read_column(series, label, kind, name):
    native, series = _dtype_of(series), _in_utc(series)
    dtype, kind = series.dtype, kind or _kind_of(series, label, name)
    place = f"{name} has the column {label!r}"
    if series.is_null().all():
        raise ValueError(_NOTHING_OBSERVED.format(name=name, label=label))
    if kind == "category":
        categories = _categories_of(series)
        if len(categories) > MOST_CATEGORIES:
            raise ValueError(
                f"{place} of {len(categories)} categories, more than "
                f"{MOST_CATEGORIES}: drop it, or merge the rare ones."
            )
        return Column(label, native, categories)
    if isinstance(dtype, _DISCRETE) and not isinstance(dtype, nw.Boolean):
        raise ValueError(
            f"{place} of dtype {dtype}, which cannot be numbers: convert it to a dtype "
            f"of numbers first."
        )
    column = Column(label, native)
    if isinstance(dtype, _TIMES):
        ticks, unit = _ticks_of(series)
        known = ticks[ticks != _NOT_A_TIME]
        column = column._replace(origin=int(known.min()), ticks=unit)
    elif dtype.is_integer():
        known = series.drop_nulls()
        low, high = int(known.min()), int(known.max())
        if max(-low, high) > _LARGEST_EXACT and high - low < _LARGEST_RANGE:
            column = column._replace(origin=low)
    values = _coded(column, series, name)
    whole = dtype.is_integer() or column.ticks is not None
    try:
        marginal = fit_marginal(values[~np.isnan(values)], whole=whole)
    except ValueError as error:
        raise ValueError(f"{place} with {error}.") from error
    return column._replace(marginal=marginal)


def _kind_of(series, label, name):
    dtype = series.dtype
    if dtype.is_numeric() or isinstance(dtype, _TIMES):
        return "number"
    if isinstance(dtype, _DISCRETE):
        return "category"
    known = series.drop_nulls().to_list()
    if all(isinstance(value, bool | np.bool_) for value in known):
        return "category"
    is_pandas = series.implementation.is_pandas_like()
    # no cast of polars makes objects
    if is_pandas and all(isinstance(value, Real | Decimal) for value in known):
        return "number"
    others = [value for value in known if not isinstance(value, Real | str)]
    shown = f"got {reprlib.repr(others[0])}" if others else "got text beside numbers"
    raise ValueError(
        f"{name} has the column {label!r} of dtype {_dtype_of(series)}, {shown}: use "
        f"numbers, text, categories, booleans, datetimes or timedeltas, or drop it."
    )


def _dtype_of(series):
    is_pandas = series.implementation.is_pandas_like()
    return series.to_native().dtype if is_pandas else series.dtype


def _in_utc(series):
    """Times of pandas in UTC if their zone is one that narwhals does not know."""
    native = series.to_native()
    if not isinstance(series.dtype, nw.Unknown) or not hasattr(native, "dt"):
        return series
    if not hasattr(native.dt, "tz_convert"):
        return series
    return nw.from_native(native.dt.tz_convert("UTC"), series_only=True)


def _categories_of(series):
    """Those that the dtype declares, else the values seen, sorted."""
    if isinstance(series.dtype, nw.Enum):
        return tuple(series.dtype.categories)
    if isinstance(series.dtype, nw.Categorical) and hasattr(series.to_native(), "cat"):
        declared = getattr(series.to_native().cat, "categories", None)
        if declared is not None:  # that of polars are all that the process has seen
            return tuple(declared.tolist())
    known = series.drop_nulls().unique().to_list()
    known = {value for value in known if value == value}  # NaN of polars is no null
    return tuple(sorted(known))


def _is_gap(value):
    try:
        return bool(value != value)
    except TypeError:  # NA of pandas differs from nothing, and equals nothing
        return True


def _coded(column, series, name):
    """Float64 numbers, ticks or codes; NaN where nothing is known."""
    series = _in_utc(series)
    if column.categories is not None:
        return _codes_of(column, series, name)
    if column.ticks is None and column.origin and series.dtype.is_integer():
        integers = np.fromiter(series.to_list(), object, len(series))
        integers[series.is_null().to_numpy()] = np.nan
        return (integers - column.origin).astype(np.float64)
    if column.ticks is None:
        values = floats_of(series, name, column.name).astype(np.float64)
        if np.isinf(values).any():
            row = int(np.argmax(np.isinf(values)))
            raise ValueError(
                f"{name} contains {values[row]} at row {row}, column {column.name!r}: "
                f"use a finite number, or NaN if it is not known."
            )
        return values - column.origin
    if not isinstance(series.dtype, _TIMES):
        if series.is_null().all():
            return np.full(len(series), np.nan)
        raise ValueError(
            f"{name} has the column {column.name!r} of dtype {series.dtype}, which "
            f"held times of dtype {column.dtype}: convert it to that."
        )
    ticks, unit = _ticks_of(series)
    missing = ticks == _NOT_A_TIME
    if unit == column.ticks:
        values = (ticks - column.origin).astype(np.float64)
    else:
        values = ticks * (TICKS[column.ticks] / TICKS[unit]) - column.origin
    return np.where(missing, np.nan, values)


def _codes_of(column, series, name):
    codes = {category: code for code, category in enumerate(column.categories)}
    values = series.to_list()
    found = np.fromiter((codes.get(v, -1) for v in values), np.float64, len(values))
    found[series.is_null().to_numpy()] = np.nan
    for row in np.flatnonzero(found < 0):
        value = values[row]
        if value == value:  # NaN of polars is no null
            raise ValueError(
                f"{name} has {value!r} at row {row}, column {column.name!r}, which is "
                f"none of its {len(codes)} categories {reprlib.repr(list(codes))}: "
                f"write a missing value, or make the column a categorical dtype with "
                f"all categories before the rows are split."
            )
        found[row] = np.nan
    return found


def _ticks_of(series):
    """Times as int64, whose smallest stands for a missing one, and their unit."""
    if isinstance(series.dtype, nw.Date):
        series = series.cast(nw.Datetime("us"))
    values = series.to_numpy()
    return values.view(np.int64), np.datetime_data(values.dtype)[0]


def _decoded(column, values, backend, like=None):
    """A series of the column's dtype, with the numbers and times of `like` kept."""
    if column.ticks is not None:
        series = _times_of(column, values, backend)
    else:
        series = nw.new_series("", _values_of(column, values), backend=backend)
    series = _of_dtype(series, column.dtype)
    # floats are exact as they are; those of polars may hold NaN, which is no null
    inexact = column.categories is None and not series.dtype.is_float()
    if inexact and like is not None and like.dtype == series.dtype:
        series = _of_dtype(like.zip_with(~like.is_null(), series), column.dtype)
    return series


def _values_of(column, values):
    """Categories or numbers from their codes or differences."""
    if column.categories is not None:
        return [column.categories[code] for code in values.astype(np.intp)]
    if column.origin:
        return [round(value) + column.origin for value in values.tolist()]
    return _numbers_of(column.dtype, values)


def _numbers_of(dtype, values):
    """Numbers in the dtype of NumPy that is closest to one of a frame."""
    if isinstance(dtype, nw.Boolean) or str(dtype).startswith("bool"):
        return values > 0.5
    try:
        like = np.dtype(str(dtype).lower().removesuffix("[pyarrow]"))
    except (TypeError, ValueError):  # decimals, and categories that are numbers
        return values
    return in_dtype(values, like) if like.kind in "iuf" else values


def _times_of(column, values, backend):
    ticks = np.rint(values).astype(np.int64) + column.origin
    dtype = column.dtype
    is_span = isinstance(dtype, nw.Duration) or str(dtype).startswith(_SPANS)
    times = ticks.view(f"{'m8' if is_span else 'M8'}[{column.ticks}]")
    series = nw.new_series("", times, backend=backend)
    zone = getattr(dtype, "tz", None) or getattr(dtype, "time_zone", None)
    if zone is not None:
        series = series.dt.replace_time_zone("UTC").dt.convert_time_zone(str(zone))
    return _of_dtype(series, dtype)


def _of_dtype(series, dtype):
    if not series.implementation.is_pandas_like():
        return series if series.dtype == dtype else series.cast(dtype)
    return nw.from_native(series.to_native().astype(dtype), series_only=True)


def _as_columns(X, table, name):
    """An array of as many columns as a frame, for the methods of a fitted model."""
    X = np.asarray(X, dtype=object) if isinstance(X, list) else X
    shape = getattr(X, "shape", None)
    if shape is None or len(shape) != 2 or shape[1] != len(table.columns):
        raise ValueError(
            f"{name} has shape {shape}: pass a frame or an array of the "
            f"{len(table.columns)} columns {reprlib.repr(table.names)}."
        )
    if shape[0] == 0:
        raise ValueError(f"{name} has no rows: pass at least one.")
    X = X.toarray() if sparse.issparse(X) else np.asarray(X)
    parts = enumerate(table.columns)
    columns = {str(n): _series(table, c, X[:, n].tolist(), name) for n, c in parts}
    return nw.from_dict(columns, backend=table.library)


def _series(table, column, values, name):
    """A series of plain values for a column, without regard to its dtype."""
    values = [None if _is_gap(value) else value for value in values]
    try:
        return nw.new_series("", values, backend=table.library)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"{name} has values for the column {column.name!r} that are of no one "
            f"type: {error}"
        ) from error
