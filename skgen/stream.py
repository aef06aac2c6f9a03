"""Rows that come in blocks: what the first of them decide, and whether they are mixed.

The first block may be a single row, or of one class. So the first rows are gathered,
and with every block the model starts anew from all of them, until there are enough.
"""

import warnings
from typing import NamedTuple

import numpy as np
from scipy import sparse

_FEWEST_ROWS = 1000  # from which a model starts for good
_MOST_VALUES = 2**22  # of the rows that are gathered
_FAR = 3.0  # deviations, the root mean square over columns
_SHIFT = 5.0  # standard errors, the root mean square over columns


class Stream(NamedTuple):
    """The rows that a model has seen."""

    n_rows: int = 0
    is_sorted: bool = False
    """The user was warned that blocks differ."""
    gathered: np.ndarray | None = None
    """The rows so far, while there are few."""


def extended(stream, parts, gathers=True):
    """The stream after a block, the rows to train on, and whether the model starts.

    The block is a ``Split``. Dense rows without shares are gathered, if asked for.
    """
    is_first, X = stream.n_rows == 0, parts.X
    after = stream._replace(n_rows=stream.n_rows + X.shape[0], gathered=None)
    if not gathers or parts.weights is not None or not isinstance(X, np.ndarray):
        return after, parts, is_first
    if not is_first and stream.gathered is None:
        return after, parts, False
    rows = np.array(X) if is_first else np.concatenate([stream.gathered, X])
    if len(rows) < _FEWEST_ROWS and rows.size <= _MOST_VALUES:
        after = after._replace(gathered=rows)
    return after, parts._replace(X=rows, typical=rows), True


def warned_if_sorted(stream, X, mean, std):
    """The stream, after a warning if X differs from rows of this mean and deviation."""
    if stream.is_sorted:
        return stream
    n_before = min(stream.n_rows - X.shape[0], _FEWEST_ROWS)
    shift = _means(X) - mean
    variance = std**2 + 1 / X.shape[0] * (std > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = shift**2 / (variance * (1 / X.shape[0] + 1 / n_before))
    known = np.isfinite(squares)
    if not known.any() or squares[known].mean() <= _SHIFT**2:
        return stream
    warnings.warn(
        "The rows of this block differ from those before, as if they were sorted: "
        "shuffle all rows before you part them into blocks, or the model fits the last "
        "ones best.",
        RuntimeWarning,
        stacklevel=5,  # the caller of partial_fit
    )
    return stream._replace(is_sorted=True)


def warn_if_unlike(X, X_val):
    """Warn if X_val is far from X, some rows each, as if it were in other units."""
    if sparse.issparse(X) or sparse.issparse(X_val):
        return
    mean = _means(X)
    variance = _means((X - mean) ** 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = (_means(X_val) - mean) ** 2 / variance
    known = np.isfinite(squares)
    if known.any() and squares[known].mean() > _FAR**2:
        warnings.warn(
            "X_val is far from X, as if it were in other units. A Pipeline transforms "
            "it if it is made with transform_input=['X_val'].",
            RuntimeWarning,
            stacklevel=5,  # the caller of fit
        )


def _means(X):
    if sparse.issparse(X):
        return np.asarray(X.mean(axis=0)).ravel()
    n = (~np.isnan(X)).sum(axis=0)
    return np.nansum(X, axis=0, dtype=np.float64) / np.where(n, n, np.nan)
