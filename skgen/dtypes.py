"""Tables as plain values for JSON, and back: kinds, dtypes, categories and maps."""

import importlib
from contextlib import suppress

import narwhals.stable.v2 as nw
import numpy as np

from skgen.marginals import Marginal
from skgen.table import TICKS, Column, Table

_PLAIN = str, int, float, bool
_ARGUMENTS = {
    "Datetime": ("time_unit", "time_zone"),
    "Duration": ("time_unit",),
    "Enum": ("categories",),
    "Decimal": ("precision", "scale"),
}
_NAMES = (
    *_ARGUMENTS,
    *(f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64, 128)),
    *("Float32", "Float64", "Boolean", "String", "Categorical", "Date", "Object"),
)


def table_to_plain(table):
    """A table as JSON takes it; ValueError where it cannot be saved."""
    if table is None:
        return None
    columns = [_column_to_plain(column) for column in table.columns]
    return {"columns": columns, "library": table.library, "mixed": table.mixed}


def table_from_plain(plain):
    """The table that :func:`table_to_plain` was given."""
    if plain is None:
        return None
    library = plain["library"]
    if library not in ("pandas", "polars", "pyarrow", "modin", "cudf"):
        raise ValueError(f"'library' is {library!r}, which has no data frames")
    columns = tuple(map(_column_from_plain, plain["columns"]))
    table = Table(columns, library, plain["mixed"])
    complete = not table.mixed or not any(map(_is_incomplete, columns))
    if type(table.mixed) is not bool or not complete:
        raise ValueError("'table' lacks the map of a column")
    return table


def _is_incomplete(column):
    return column.categories is None and column.marginal is None


def _column_to_plain(column):
    plain = column._asdict() | {"dtype": _dtype_to_plain(column.dtype)}
    _check_dtype(plain["dtype"], column)
    plain["name"] = _checked(column.name, "name", column.name)
    if column.categories is not None:
        plain["categories"] = _categories(column.categories, column.name)
    if column.marginal is not None:
        plain["marginal"] = [np.asarray(part).tolist() for part in column.marginal]
    return plain


def _check_dtype(plain, column):
    """Raise ValueError for a dtype that a file does not hold or give back."""
    with suppress(TypeError, ValueError, AttributeError, NotImplementedError):
        if _dtype_from_plain(plain) == column.dtype:
            return
    raise ValueError(
        f"the column {column.name!r} has the dtype {column.dtype}, which cannot be "
        f"saved without pickle: use joblib.dump."
    )


def _column_from_plain(plain):
    column = Column(**plain)
    if column.ticks not in (None, *TICKS) or type(column.origin) is not int:
        raise ValueError(f"the column {column.name!r} has no valid origin")
    dtype = _dtype_from_plain(column.dtype)
    marginal, categories = column.marginal, column.categories
    if marginal is not None:
        marginal = Marginal(
            *(np.asarray(p, float) if isinstance(p, list) else p for p in marginal)
        )
        edges, scores = marginal.edges, marginal.scores
        rises = len(edges) > 1 and all((np.diff(p) > 0).all() for p in (edges, scores))
        if edges.shape != scores.shape or not rises:
            raise ValueError(f"the map of the column {column.name!r} does not increase")
    if categories is not None:
        categories = tuple(categories)
    return column._replace(dtype=dtype, marginal=marginal, categories=categories)


def _dtype_to_plain(dtype):
    if isinstance(dtype, nw.dtypes.DType):
        name = type(dtype).__name__
        arguments = {a: getattr(dtype, a) for a in _ARGUMENTS.get(name, ())}
        if "categories" in arguments:
            arguments["categories"] = _categories(dtype.categories, "Enum")
        return [name, arguments]
    if str(dtype) == "category":
        categories = _categories(dtype.categories.tolist(), "category")
        values = str(dtype.categories.dtype)
        return {"categories": categories, "ordered": dtype.ordered, "values": values}
    return str(dtype)


def _dtype_from_plain(plain):
    if isinstance(plain, list):
        name, arguments = plain
        if name not in _NAMES:
            raise ValueError(f"{name!r} is no dtype of a column")
        dtype = getattr(nw, name)
        return dtype(**arguments) if arguments else dtype()
    pandas = importlib.import_module("pandas")
    if isinstance(plain, str):
        return pandas.api.types.pandas_dtype(plain)
    categories = pandas.Index(plain["categories"], dtype=plain["values"])
    return pandas.CategoricalDtype(categories, plain["ordered"])


def _categories(categories, name):
    return [_checked(category, "category", name) for category in categories]


def _checked(value, what, name):
    value = value.item() if isinstance(value, np.generic) else value
    if not isinstance(value, _PLAIN):
        raise ValueError(
            f"the column {name!r} has the {what} {value!r}, which cannot be saved "
            f"without pickle: use joblib.dump."
        )
    return value
