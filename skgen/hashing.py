"""Hashes of rows: the same for a row, whatever stands beside it and in any container.

References
----------
Carter, J. L. and Wegman, M. N. Universal classes of hash functions. Journal of Computer
and System Sciences 18, 1979 (a linear hash of many words).
Steele, G., Lea, D. and Flood, C. Fast splittable pseudorandom number generators. OOPSLA
2014 (SplitMix64: the mixing function, and the sequence that a key starts).
"""

import numpy as np

_STEP = np.uint64(0x9E3779B97F4A7C15)
_ROUNDS = (30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)


def uniforms(values, rows, columns):
    """A number in [0, 1) for each entry of some rows, in float32.

    An entry is a float32 value above 0, its row and its column. The number follows from
    the column and from all entries of the row.
    """
    columns = columns.astype(np.uint64)
    words = _mixed(values.view(np.uint32) | columns << np.uint64(32))
    keys = np.zeros(rows.max(initial=0) + 1, np.uint64)
    np.add.at(keys, rows, words)
    words = _mixed(_mixed(keys)[rows] + columns * _STEP)
    return (words >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)


def row_keys(numbers):
    """A 64-bit number for each row of whole numbers >= 0, dense or CSR."""
    return numbers.astype(np.uint64) @ factors(numbers.shape[1])


def factors(n_columns):
    """Of the columns' numbers, whose sum is the key of a row."""
    return _mixed(np.arange(n_columns, dtype=np.uint64))


def _mixed(words):
    """SplitMix64's function of 64-bit words, each to a different one."""
    words = words + _STEP
    for shift, factor in _ROUNDS:
        words ^= words >> np.uint64(shift)
        words *= np.uint64(factor)
    return words
