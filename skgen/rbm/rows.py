"""The rows a model has seen, and the lower bound that they put under log Z.

The probabilities of the distinct rows of the data add up to at most 1. Therefore

    log Z >= log sum over distinct rows of exp(-F(x)).

An estimate of log Z below this bound is false, whatever its standard error is.

References
----------
Vitter, J. S. Random sampling with a reservoir. ACM Transactions on Mathematical
Software 11, 1985.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from skgen.rbm.energy import free_energy
from skgen.validation import dense_rows, row_blocks, rows_as_float

MOST_ROWS = 2000
"""Rows that are kept."""


class SeenRows(NamedTuple):
    """A random sample of the rows seen so far, those with the lowest priorities."""

    priority: np.ndarray
    """Uniform in [0, 1), shape (n,)."""
    packed: np.ndarray
    """The rows, eight features to a byte, uint8."""


def no_rows(n_features, n=0):
    """Memory for n rows."""
    return SeenRows(np.zeros(n), np.zeros((n, -(-n_features // 8)), np.uint8))


def unpacked(seen, n_features):
    """The rows as float32, shape (n, n_features)."""
    return np.unpackbits(seen.packed, axis=1, count=n_features).astype(np.float32)


def observe(seen, X, rng):
    """The sample after the rows of X, which are 0/1, dense or CSR."""
    packed = np.concatenate([seen.packed, _packed(X)])
    priority = np.append(seen.priority, rng.random(X.shape[0]))
    # a stable sort is fast, for the earlier ones are in order
    kept = np.argsort(priority, kind="stable")[:MOST_ROWS]
    return SeenRows(priority[kept], packed[kept])


def lower_bound(seen, parameters, X=None):
    """The bound of log Z by the distinct rows of the sample and of X, dense or CSR."""
    n_features = len(parameters.visible_bias)
    packed, energies = seen.packed, free_energy(parameters, unpacked(seen, n_features))
    if X is None:
        return _bound(energies, packed)
    energies = [energies]
    for rows in row_blocks(X.shape[0], max(parameters.weights.shape)):
        block = rows_as_float(X, rows, np.float32)
        energies.append(free_energy(parameters, block))
    return _bound(np.concatenate(energies), np.concatenate([packed, _packed(X)]))


def distinct_bound(energies, X):
    """The bound by the distinct rows of a dense or CSR X with these free energies."""
    return _bound(energies, _packed(X))


def _packed(X):
    """All rows, eight features to a byte."""
    blocks = row_blocks(X.shape[0], X.shape[1])
    bits = (dense_rows(X, rows).astype(np.uint8) for rows in blocks)
    return np.concatenate([np.packbits(part, axis=1) for part in bits])


def _bound(energies, packed):
    _, first = np.unique(packed, axis=0, return_index=True)
    return float(logsumexp(-energies[first]))
