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
from skgen.validation import row_blocks, rows_as_float

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


def observe(seen, parameters, X, rng):
    """The sample after the rows of X, and the lower bound of log Z.

    X is 0/1, dense or CSR. The bound is over the distinct rows of X and of the sample.
    """
    before = unpacked(seen, X.shape[1])
    packed, energies = [seen.packed], [free_energy(parameters, before)]
    for rows in row_blocks(X.shape[0], max(parameters.weights.shape)):
        block = rows_as_float(X, rows, np.float32)
        packed.append(_packed(block))
        energies.append(free_energy(parameters, block))
    packed, energies = np.concatenate(packed), np.concatenate(energies)
    priority = np.append(seen.priority, rng.random(X.shape[0]))
    kept = np.argsort(priority)[:MOST_ROWS]
    return SeenRows(priority[kept], packed[kept]), _bound(energies, packed)


def distinct_bound(energies, X):
    """The bound by the distinct rows of a dense or CSR X with these free energies."""
    blocks = row_blocks(X.shape[0], X.shape[1])
    packed = [_packed(rows_as_float(X, rows, np.float32)) for rows in blocks]
    return _bound(energies, np.concatenate(packed))


def _packed(X):
    return np.packbits(X.astype(np.uint8), axis=1)


def _bound(energies, packed):
    _, first = np.unique(packed, axis=0, return_index=True)
    return float(logsumexp(-energies[first]))
