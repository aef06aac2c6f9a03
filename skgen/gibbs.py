"""Rows with gaps, filled in by any density of complete rows.

A cell is drawn from p(x_i | rest), which is proportional to the joint density, on a
grid of values that were seen. Cells of a row are drawn in turn (Gibbs sampling).

References
----------
Ritter, C. and Tanner, M. A. Facilitating the Gibbs sampler: the Gibbs stopper and the
griddy-Gibbs sampler. Journal of the American Statistical Association 87, 1992.
"""

from typing import NamedTuple

import numpy as np

_N_VALUES = 64  # by rank, and as many by value
_N_CHAINS = 4
_N_SWEEPS = 30, 10  # in all, and of these before the mean is taken
_MOST_ROWS = 2**16  # that are scored at once


class Grid(NamedTuple):
    """Values of a column, and the log width of the cell that each stands for."""

    values: np.ndarray
    log_widths: np.ndarray

    @classmethod
    def of(cls, x):
        """At most 128 of the observed values x: quantiles, and some evenly apart."""
        x = np.unique(x) if len(x) else np.zeros(1)
        by_rank = np.linspace(0, len(x) - 1, _N_VALUES).round().astype(int)
        by_value = np.searchsorted(x, np.linspace(x[0], x[-1], _N_VALUES))
        values = x[np.unique(np.concatenate([by_rank, by_value]))]
        if len(values) == 1:
            return cls(values, np.zeros(1))
        middles = (values[1:] + values[:-1]) / 2
        first, last = 2 * values[0] - middles[0], 2 * values[-1] - middles[-1]
        return cls(values, np.log(np.diff(np.concatenate([[first], middles, [last]]))))


def conditional_rows(log_density, grids, X, rng, *, means):
    """X with means, or draws, of p(missing | observed) in place of NaN.

    `log_density` takes complete rows; `grids` has a Grid for each column.
    """
    missing = np.isnan(X)
    rows = np.flatnonzero(missing.any(axis=1))
    if rows.size == 0:
        return X
    n_chains = _N_CHAINS if means else 1
    gaps = np.repeat(missing[rows], n_chains, axis=0)
    states = np.repeat(X[rows], n_chains, axis=0)
    for column, grid in enumerate(grids):
        places = np.flatnonzero(gaps[:, column])
        states[places, column] = rng.choice(grid.values, len(places))
    total, (n_sweeps, n_first) = np.zeros_like(states), _N_SWEEPS
    for sweep in range(n_sweeps):
        for column in np.flatnonzero(gaps.any(axis=0)):
            places = np.flatnonzero(gaps[:, column])
            grid = grids[column]
            shares = _conditional(log_density, states[places], column, grid)
            below = shares.cumsum(axis=1) < rng.random((len(places), 1))
            chosen = np.minimum(below.sum(axis=1), len(grid.values) - 1)
            states[places, column] = grid.values[chosen]
            if sweep >= n_first:
                total[places, column] += shares @ grid.values
    filled = states
    if means:
        filled = total.reshape(len(rows), n_chains, -1).mean(axis=1)
        filled /= n_sweeps - n_first
    X = X.copy()
    X[missing] = filled[missing[rows]]
    return X


def _conditional(log_density, states, column, grid):
    """Probabilities of the grid's values in a column given the rest of each row."""
    n, size = len(states), len(grid.values)
    scores = np.empty((n, size))
    step = max(1, _MOST_ROWS // size)
    for start in range(0, n, step):
        block = np.repeat(states[start : start + step], size, axis=0)
        block[:, column] = np.tile(grid.values, len(block) // size)
        scores[start : start + step] = log_density(block).reshape(-1, size)
    scores += grid.log_widths
    largest = scores.max(axis=1, keepdims=True)
    # a row that has no density says nothing
    shares = np.exp(scores - np.where(np.isfinite(largest), largest, 0))
    shares = np.where(np.isfinite(largest), shares, np.exp(grid.log_widths))
    return shares / shares.sum(axis=1, keepdims=True)
