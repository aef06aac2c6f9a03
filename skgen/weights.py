"""Weights of rows: which rows a fit goes through, how often, and in which order."""

from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.model_selection import train_test_split

from skgen.hashing import factors, row_keys
from skgen.validation import row_blocks
from skgen.views import View

_MOST_COUNTED = 10, 10**6  # rows, for each row of X and in all


class Split(NamedTuple):
    """The rows of a fit."""

    X: object
    """To train on."""
    weights: object
    """Of the rows to train on, or None where all count the same."""
    typical: object
    """Rows to train on, each about as often as its weight says."""
    X_val: object
    """Typical rows that are held out, or None."""

    @property
    def every(self):
        """All rows, where `typical` may be some; of shares the typical ones."""
        return self.X if self.weights is None else self.typical


def split(X, weights, fraction, seed, *, in_order=False):
    """A random split of the rows of X, a fraction of which is held out.

    The order of the rows changes nothing, unless they are to stay `in_order`.
    """
    if isinstance(X, View):
        return _split_of_view(X, weights, fraction, seed)
    if weights is not None and not weights.all():
        X, weights = X[weights > 0], weights[weights > 0]
    rows = np.arange(X.shape[0]) if in_order else order_of_rows(X, weights)
    X_val, rng = None, np.random.default_rng(seed)
    if weights is not None:
        rows, weights = counted_rows(weights, rows)
    if fraction and len(rows) > 1:
        part, held_out = _held_out(len(rows), fraction, seed)
        chosen = typical_rows(rows[held_out], _part(weights, held_out), rng)
        X_val, rows, weights = X[chosen], rows[part], _part(weights, part)
    typical = None if weights is None else X[typical_rows(rows, weights, rng)]
    X = X[rows]
    return Split(X, weights, X if typical is None else typical, X_val)


def _split_of_view(X, weights, fraction, seed):
    """All weights are shares, and the order of the rows stays."""
    rng, held_out, X_val = np.random.default_rng(seed), None, None
    if weights is not None and np.all(weights == weights[0]):
        weights = None
    if fraction and X.shape[0] > 1:
        part, held_out = X.split(fraction, rng)
        rows = typical_rows(held_out, _part(weights, held_out), rng)
        X_val, X = X[np.sort(rows)], part
    if weights is None:
        return Split(X, None, X.sample(rng), X_val)
    weights = weights if held_out is None else np.delete(weights, held_out)
    rows = typical_rows(np.arange(X.shape[0]), weights, rng)
    n = min(len(rows), X.n_sampled)
    typical = X[np.sort(rng.choice(rows, n, replace=False))]
    return Split(X, weights, typical, X_val)


def counted_rows(weights, order=None):
    """Numbers of the rows that count, and their weights, or None where all have one.

    A whole weight is a count: it repeats the number of its row. Where that makes too
    many rows, or weights are not whole, they are shares. Rows come in the given order.
    """
    order = np.arange(len(weights)) if order is None else order
    weights, largest = weights[order], weights.max()
    per_row, in_all = _MOST_COUNTED
    most = max(per_row * len(order), in_all)
    is_whole = np.all(weights == np.rint(weights))
    if is_whole and np.sum(weights / largest) <= most / largest:
        return np.repeat(order, weights.astype(np.int64)), None
    return order[weights > 0], weights[weights > 0]


def typical_rows(rows, weights, rng):
    """As many of the rows, a row about as often as its share of the weights says."""
    if weights is None:
        return rows
    ends = np.cumsum(weights / weights.max())
    places = (np.arange(len(rows)) + rng.random()) * (ends[-1] / len(rows))
    found = np.searchsorted(ends, places, side="right")
    return rows[np.minimum(found, len(rows) - 1)]


def shuffled_rows(X, weights, rng):
    """Numbers of the rows of an epoch, or None where a view shuffles itself."""
    if isinstance(X, View) and weights is None:
        return None
    n_rows = X.shape[0]
    return rng.permutation(typical_rows(np.arange(n_rows), weights, rng))


def order_of_rows(X, weights=None):
    """An order of the rows of X that is the same however they are shuffled.

    It follows from the ranks of values in their columns, so that other units, or any
    monotone map of a column, do not change it.
    """
    binary = X.dtype == np.uint8  # 0/1, which are ranks already
    if sparse.issparse(X):
        data = X.data if binary else _ranks_of_entries(X)
        keys = row_keys(sparse.csr_array((data, X.indices, X.indptr), shape=X.shape))
    elif binary:
        keys = np.concatenate([row_keys(X[rows]) for rows in row_blocks(*X.shape)])
    else:
        keys = np.zeros(X.shape[0], np.uint64)
        for column, factor in zip(X.T, factors(X.shape[1])):
            keys += np.unique(column, return_inverse=True)[1].astype(np.uint64) * factor
    return np.lexsort((keys,) if weights is None else (weights, keys))


def _ranks_of_entries(X):
    """Ranks of the entries of a CSR matrix in their column, where a zero has rank 0.

    The first rank is 1, or 0 in a column without zeros.
    """
    order = np.lexsort((X.data, X.indices))
    values, columns = X.data[order], X.indices[order]
    begins = np.diff(columns, prepend=-1) > 0
    differs = begins.copy()
    differs[1:] |= values[1:] != values[:-1]
    count = np.cumsum(differs)
    has_zeros = np.bincount(columns, minlength=X.shape[1]) < X.shape[0]
    ranks = np.empty(len(order), np.uint64)
    ranks[order] = count - count[begins][np.cumsum(begins) - 1] + has_zeros[columns]
    return ranks


def _part(weights, rows):
    return None if weights is None else weights[rows]


def _held_out(n_rows, fraction, seed):
    """Numbers of rows to train on, and of a random fraction that is held out."""
    if np.ceil(fraction * n_rows) >= n_rows:
        raise ValueError(
            f"validation_fraction={fraction} of X with {n_rows} rows leaves none to "
            f"train on: lower it, or pass X_val."
        )
    return train_test_split(np.arange(n_rows), test_size=fraction, random_state=seed)
