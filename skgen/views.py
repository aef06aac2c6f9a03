"""Rows that stay where they are: a large array, a memory map, files, a cluster.

Of a small X training has its own copy, in the form that the model takes. Of a large
one it has a `View`: blocks of rows are brought into that form when they are asked for,
and an epoch passes over blocks in random order, through a buffer that shuffles rows.
"""

import numpy as np
from scipy import sparse

LARGEST = 2**23
"""Values of an X of which there may be a copy."""
_BUFFERED = 2**22  # values in memory during an epoch
_CHUNKS = 64  # places that the rows of a buffer come from
_HELD_OUT = 10_000  # rows at most


class _DenseRows:
    """The rows of a CSR matrix as dense arrays."""

    def __init__(self, X):
        self.X = X
        self.shape, self.dtype = X.shape, X.dtype

    def __getitem__(self, index):
        return self.X[index].toarray()


class View:
    """Rows of `source`, which has a shape, a dtype and slices or sorted rows by [].

    Those of a CSR matrix are dense when they are asked for.
    `change` is applied to a block of rows. The rows `without` are left out.
    """

    def __init__(self, source, change=None, dtype=None, without=None):
        self.source = _DenseRows(source) if sparse.issparse(source) else source
        self.change = change or _unchanged
        self.without = np.empty(0, np.int64) if without is None else without
        self.dtype = np.dtype(dtype or source.dtype)
        self.shape = source.shape[0] - len(self.without), source.shape[1]
        # the number of rows before each left out that stay
        self._before = self.without - np.arange(len(self.without))

    @property
    def size(self):
        """How many values there are."""
        return self.shape[0] * self.shape[1]

    @property
    def n_sampled(self):
        """Rows that stand for all where there may be a copy of some."""
        return min(self.shape[0], max(1, _BUFFERED // self.shape[1]))

    def __getitem__(self, index):
        """Rows by a slice or by their numbers, in memory."""
        if isinstance(index, slice):
            start, stop, _ = index.indices(self.shape[0])
            first, last = self._numbers(np.array([start, max(start, stop - 1)]))
            rows = self.source[first : last + 1 if start < stop else first]
            return self.change(self._kept(first, rows))
        order = np.argsort(index, kind="stable")
        rows = self.source[self._numbers(index[order])]
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return self.change(rows[back])

    def _numbers(self, index):
        """Numbers in the source of the rows that are not left out."""
        return index + np.searchsorted(self._before, index, side="right")

    def _kept(self, start, part):
        """Rows of the source from `start` on, without those that are left out."""
        first, last = np.searchsorted(self.without, [start, start + part.shape[0]])
        if first == last:
            return part
        kept = np.ones(part.shape[0], bool)
        kept[self.without[first:last] - start] = False
        return part[kept]

    def map(self, change, dtype=None):
        """The same rows, changed once more."""
        before = self.change
        both = change if before is _unchanged else lambda part: change(before(part))
        return View(self.source, both, dtype or self.dtype, self.without)

    def sample(self, rng):
        """Some rows, as many as fit a buffer."""
        rows = rng.choice(self.shape[0], self.n_sampled, replace=False)
        return self[np.sort(rows)]

    def split(self, fraction, rng):
        """The rows to train on, and a fraction of at most 10,000 held-out rows."""
        n = self.shape[0]
        n_held_out = min(int(np.ceil(fraction * n)), _HELD_OUT)
        rows = np.sort(rng.choice(n, n_held_out, replace=False))
        return View(self.source, self.change, self.dtype, rows), rows

    def buffers(self, size, rng):
        """All rows in random order, in parts of a multiple of `size` rows in memory.

        The last part is what is left, at least `size` rows.
        """
        n_rows = max(2 * size, _BUFFERED // self.shape[1])
        waiting, n_waiting = [], 0
        for part in self._parts(n_rows, rng):
            waiting.append(part)
            n_waiting += part.shape[0]
            if n_waiting >= n_rows:
                rows = _shuffled(waiting, rng)
                whole = (n_waiting // size - 1) * size
                yield rows[:whole]
                waiting, n_waiting = [rows[whole:]], n_waiting - whole
        if n_waiting:
            yield _shuffled(waiting, rng)

    def _parts(self, n_rows, rng):
        """All rows in parts of neighbours, changed, the parts in random order."""
        if hasattr(self.source, "parts"):
            parts = self.source.parts(-(-n_rows // _CHUNKS), rng)
        else:
            n, length = self.source.shape[0], -(-n_rows // _CHUNKS)
            starts = rng.permutation(-(-n // length)) * length
            parts = ((start, self.source[start : start + length]) for start in starts)
        for start, part in parts:
            part = self._kept(start, part)
            if part.shape[0]:
                yield self.change(part)


def viewed(X):
    """A view of X if it holds many values, else X."""
    return X if isinstance(X, View) or _size(X) <= LARGEST else View(X)


def changed(X, change, dtype=None):
    """change(X) of a small X, and of a large one a view."""
    X = viewed(X)
    return X.map(change, dtype) if isinstance(X, View) else change(X)


def batches(X, order, starts, size, rng):
    """Parts of X, in memory, and which of their rows are a batch, for every batch.

    The order of the rows of a small X is given. That of a view is chosen on the way.
    """
    if order is not None:
        ends = [*starts[1:], len(order)]
        for start, end in zip(starts, ends):
            yield X, order[start:end]
        return
    n_left, part = len(starts), None
    for part in X.buffers(size, rng):
        for start in range(0, part.shape[0], size):
            n_left -= 1
            end = min(start + size, part.shape[0]) if n_left else part.shape[0]
            yield part, np.arange(start, end)
            if not n_left:
                return
    for _ in range(n_left):  # where other processes have more rows
        yield part, np.arange(0)


def _size(X):
    """How many values X holds; of a sparse X those that are not zero."""
    return X.nnz if sparse.issparse(X) else X.shape[0] * X.shape[1]


def _unchanged(part):
    return part


def _shuffled(parts, rng):
    rows = np.concatenate(parts)
    return rows[rng.permutation(len(rows))]
