"""The learning curve: numbers of every epoch, to which adding one more is cheap.

A curve is a tuple of arrays of shape (n_epochs, 2 + n_scores), float64, one after
another: number of the epoch, seconds, scores. No array is ever changed, so models and
their copies can share them. As long as the last array is not shorter than the one
before, the two are joined: there are few arrays, and every row is copied few times.
"""

import numpy as np

EMPTY = ()


def length(curve):
    """Epochs of the curve."""
    return sum(map(len, curve))


def lengthened(curve, seconds, scores):
    """The curve with one more epoch."""
    row = np.array([[length(curve) + 1, seconds, *scores]], np.float64)
    earlier, last = list(curve), row
    while earlier and len(earlier[-1]) <= len(last):
        last = np.concatenate([earlier.pop(), last])
    return *earlier, last


def as_history(curve, scores):
    """The curve as a recarray; `scores` is the NamedTuple class of its scores."""
    epoch, *rest = np.concatenate(curve).T
    names = ["epoch", "seconds", *scores._fields]
    return np.rec.fromarrays([epoch.astype(int), *rest], names=names)


def from_history(history):
    """The curve that `as_history` turns into this recarray."""
    return (np.stack([history[name] for name in history.dtype.names], axis=1),)
