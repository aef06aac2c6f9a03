"""The units in which networks see numbers: columns of mean 0 and deviation 1.

They are taken off and put back in float64. What is left is well within the precision of
float32, in which networks are trained, whatever the offset and the scale of a column.
A log density in these units is larger by log(scale) of every observed column.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from skgen.validation import holds_missing, row_blocks, rows_as_float

_LARGEST_DEVIATION = 1e150  # its square is the variance


class Moments(NamedTuple):
    """Of the observed values of each column: their number, mean and deviation."""

    n: np.ndarray
    mean: np.ndarray
    std: np.ndarray


class Units(NamedTuple):
    """Networks see (x - center) / scale; float64 arrays of shape (n_features,)."""

    center: np.ndarray
    scale: np.ndarray

    @classmethod
    def of_data(cls, n_features):
        """Those in which the data are."""
        return cls(np.zeros(n_features), np.ones(n_features))

    def enter(self, X):
        """Dense rows in these units, float64."""
        with np.errstate(over="ignore"):
            return (X - self.center) / self.scale

    def leave(self, X):
        """Rows in these units as rows of data; they stay as they are if units agree."""
        return X if self._are_those_of_data() else X * self.scale + self.center

    def rows(self, X):
        """All rows of X, dense or CSR, in these units, in float32.

        A CSR matrix stays one if no column has a center.
        """
        if self._are_those_of_data():
            return X
        if sparse.issparse(X) and not self.center.any():
            data = (X.data / self.scale[X.indices]).astype(np.float32)
            return sparse.csr_matrix((data, X.indices, X.indptr), shape=X.shape)
        rows = np.empty(X.shape, np.float32)
        with np.errstate(over="ignore"):
            for block in row_blocks(X.shape[0], 4 * X.shape[1]):
                rows[block] = self.enter(rows_as_float(X, block, np.float64))
        return rows

    def log_volume(self, X):
        """Sum of log(scale) over the observed columns of each row, (n_samples,)."""
        log_scale = np.log(self.scale)
        if not holds_missing(X):
            return np.broadcast_to(log_scale.sum(), X.shape[:1])
        blocks = (np.isnan(X[rows]) for rows in row_blocks(*X.shape))
        sums = [np.where(block, 0, log_scale).sum(axis=1) for block in blocks]
        return np.concatenate(sums)

    def _are_those_of_data(self):
        return not self.center.any() and bool(np.all(self.scale == 1))


def moments_of(X):
    """The moments of all rows of X, dense with NaN or CSR, in float64.

    A column of equal values has exactly that mean and a deviation of 0.
    """
    return _sparse_moments(X) if sparse.issparse(X) else _dense_moments(X)


def merged(one, other):
    """The moments of two sets of rows together."""
    n = one.n + other.n
    share = other.n / np.maximum(n, 1)
    distance = other.mean - one.mean
    within = np.hypot(np.sqrt(1 - share) * one.std, np.sqrt(share) * other.std)
    between = np.sqrt(share * (1 - share)) * distance
    return Moments(n, one.mean + share * distance, np.hypot(within, between))


def check_observed(moments, n_rows):
    """Raise ValueError for a column without any observed value."""
    if not moments.n.all():
        raise ValueError(
            f"X has no observed value in column {int(np.argmin(moments.n))} of the "
            f"{n_rows} rows that are trained on: drop it, or hold out fewer rows."
        )


def _dense_moments(X):
    n, first = np.zeros(X.shape[1]), _first_values(X)
    total, span = np.zeros_like(first), np.zeros_like(first)
    with np.errstate(over="ignore", invalid="ignore"):
        for block in _blocks(X):
            # less a value of the column nothing is lost to a large offset
            rest = block - first
            n += (~np.isnan(rest)).sum(axis=0)
            total += np.nansum(rest, axis=0)
            span = np.fmax(span, np.fmax.reduce(np.abs(rest), axis=0))
        n_seen = np.maximum(n, 1)
        mean, unit = first + total / n_seen, np.where(span > 0, span, 1)
        # by the span, for squares of small or large numbers are no numbers
        squares = sum(np.nansum(((b - mean) / unit) ** 2, axis=0) for b in _blocks(X))
        std = np.where(span > 0, unit * np.sqrt(squares / n_seen), 0)
    return _checked(Moments(n, mean, std))


def _sparse_moments(X):
    n, columns = np.full(X.shape[1], float(X.shape[0])), X.shape[1]
    values = X.data.astype(np.float64)
    span = np.zeros(columns)
    np.maximum.at(span, X.indices, np.abs(values))
    unit = np.where(span > 0, span, 1)
    values /= unit[X.indices]
    mean = np.bincount(X.indices, values, columns) / n
    n_zeros = n - np.bincount(X.indices, minlength=columns)
    rest = np.bincount(X.indices, (values - mean[X.indices]) ** 2, columns)
    std = np.sqrt((rest + n_zeros * mean**2) / n)
    return _checked(Moments(n, unit * mean, unit * std))


def _checked(moments):
    fits = np.isfinite(moments.mean) & (moments.std < _LARGEST_DEVIATION)
    if not fits.all():
        raise ValueError(
            f"X has values too far apart for float64 in column {int(np.argmin(fits))}: "
            f"divide them by a constant."
        )
    return moments


def _blocks(X):
    for rows in row_blocks(X.shape[0], 4 * X.shape[1]):  # there are copies of each
        yield rows_as_float(X, rows, np.float64)


def _first_values(X):
    """The first observed value of each column, float64; 0 if there is none."""
    first = np.full(X.shape[1], np.nan)
    for block in _blocks(X):
        for column in np.flatnonzero(np.isnan(first)):
            seen = ~np.isnan(block[:, column])
            first[column] = block[np.argmax(seen), column]  # NaN if there is none
        if not np.isnan(first).any():
            break
    return np.nan_to_num(first)
