"""The rows a model has seen, and the lower bound that they put under log Z.

Probabilities add up to at most 1, also those of the distinct rows of the data:

    log Z >= log sum over distinct rows of exp(-F(x))

An estimate of log Z below this bound is false, whatever its standard error is.
"""

import hashlib
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from skgen.rbm.energy import free_energy
from skgen.validation import row_blocks, rows_as_float

MOST_ROWS = 2000
"""Rows that are kept."""


class SeenRows(NamedTuple):
    """A sample of the distinct rows seen so far: those with the smallest hashes.

    Such a sample is uniform and does not depend on how the rows were split into calls.
    """

    hashes: np.ndarray
    """Increasing, uint64, shape (n,)."""
    packed: np.ndarray
    """The rows, eight features to a byte, uint8."""


def no_rows(n_features, n=0):
    """Memory for n rows."""
    n_bytes = -(-n_features // 8)
    return SeenRows(np.zeros(n, np.uint64), np.zeros((n, n_bytes), np.uint8))


def unpacked(seen, n_features):
    """The rows as float32, shape (n, n_features)."""
    return np.unpackbits(seen.packed, axis=1, count=n_features).astype(np.float32)


def observe(seen, parameters, X):
    """The sample with the rows of X in it, and the lower bound of log Z.

    The bound is over the distinct rows of X, 0/1 and dense or CSR, and of the sample.
    """
    n_features = X.shape[1]
    before = unpacked(seen, n_features)
    packed, energies = [seen.packed], [free_energy(parameters, before)]
    for rows in row_blocks(X.shape[0], max(parameters.weights.shape)):
        block = rows_as_float(X, rows, np.float32)
        packed.append(np.packbits(block.astype(np.uint8), axis=1))
        energies.append(free_energy(parameters, block))
    packed = np.concatenate(packed)
    hashes = np.concatenate([seen.hashes, _hashes(packed[len(before) :])])
    hashes, first = np.unique(hashes, return_index=True)
    bound = float(logsumexp(-np.concatenate(energies)[first]))
    kept = first[:MOST_ROWS]
    return SeenRows(hashes[:MOST_ROWS], packed[kept]), bound


def distinct_bound(energies, X):
    """The bound by the distinct rows of a dense or CSR X with these free energies."""
    dense = rows_as_float(X, slice(None), np.uint8)
    packed = np.packbits(dense, axis=1)
    _, first = np.unique(_hashes(packed), return_index=True)
    return float(logsumexp(-energies[first]))


def _hashes(packed):
    """Hashes of rows of bytes, the same in every process."""
    digests = (hashlib.blake2b(row.tobytes(), digest_size=8) for row in packed)
    return np.frombuffer(b"".join(d.digest() for d in digests), "<u8").astype(np.uint64)
