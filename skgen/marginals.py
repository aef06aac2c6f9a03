"""Monotone maps that take the values of a column to nearly normal scores.

The map T of a column passes through points of its empirical distribution function,
T(x) = Phi^-1(F(x)), and is a monotone cubic between them. Beyond the range seen it goes
on as a straight line, so that a normal tail is left there. Whatever the marginal, heavy
tails, bounds, skew or several humps, its scores are nearly normal.

Values on a grid, such as integers and decimals, stand for cells as wide as the step of
the grid. So does a value that repeats in a column of otherwise different numbers. A
cell is an interval of scores, whose length carries the mass of the value. The density
within a cell is constant. All other values are points, with the density T'(x) times the
density of the score. All of it scales with the unit of the column.
"""

from typing import NamedTuple

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.special import ndtri

_MOST_BINS = 256
_PSEUDO_COUNT = 0.5  # rows in a gap between repeated values, and beyond the range
_LARGEST_DIVISOR = 10  # of the smallest distance of two values, to find their step
_LARGEST_RATIO = 1e7  # of the range to the step: finer numbers are continuous
_LARGEST_WHOLE = 2.0**50  # range of integers whose halves float64 holds
_TOLERANCE = 1e-3  # steps by which a value may be off the grid
_MOST_DECIMALS = 15
_N_HALVINGS = 60
_LARGEST = 1e300  # of which sums of a few are no overflow
_NARROWEST = 1e-5  # scores between the ends of a cell that float32 can tell apart


class Marginal(NamedTuple):
    """The map of one column: T(edges) = scores."""

    edges: np.ndarray
    scores: np.ndarray
    step: float
    """Of the grid that all values lie on, or 0."""
    repeated: np.ndarray
    """Values that repeat often, where there is no grid."""
    widths: np.ndarray
    """Of the cells of the repeated values."""
    low: float
    high: float
    """The range seen."""
    decimals: int
    """That write all values, or more than there are in a float64."""


def fit_marginal(values, *, whole=False, like=None):
    """The map of a column of finite numbers; `whole` says that they are integers.

    It has about as many bins as the square root of the number of values. If they are
    a part of others, whose map is `like`, they have the cells of these.
    """
    distinct, counts = np.unique(values, return_counts=True)
    if np.abs(distinct[[0, -1]]).max() > _LARGEST:
        raise ValueError(f"values beyond {_LARGEST}: divide them by a constant")
    target = len(values) / np.clip(int(np.sqrt(len(values))), 1, _MOST_BINS)
    is_atom, nearest = counts >= max(target, 2), _nearest(distinct)
    if like is None:
        step, repeated, widths = _own_cells(distinct, nearest, is_atom, whole)
    else:
        step, repeated, widths = like.step, like.repeated, like.widths
        nearest = np.fmin(nearest, like.high - like.low)
    half = np.full(len(distinct), step / 2)
    if not step:
        is_atom = np.isin(distinct, repeated)
        half[is_atom] = widths[np.searchsorted(repeated, distinct[is_atom])] / 2
    ends = np.where(half > 0, half, nearest / 2)[[0, -1]]
    edges, masses = _bins(distinct, counts, half, is_atom, target, ends)
    if not (np.diff(edges) > 0).all():
        raise ValueError(
            "values so close together that float64 can hardly tell them apart: "
            "subtract a constant, or multiply by one"
        )
    return Marginal(
        edges,
        _normal_scores(masses),
        float(step),
        repeated,
        widths,
        float(distinct[0]),
        float(distinct[-1]),
        _decimals(distinct),
    )


def cells_of(marginal, x):
    """Lower and upper score of the cell of each value, and its log measure.

    log p(x) is the log probability of the cell plus the log measure. If both scores are
    equal, the value is a point, and log p(x) the log density of the score plus the log
    measure. NaN stays NaN.
    """
    x = np.asarray(x, dtype=np.float64)
    middle, width = _cell(marginal, x)
    score, log_slope = _map(marginal)
    low, high = score(middle - width / 2), score(middle + width / 2)
    is_point, point = high - low < _NARROWEST, score(x)
    with np.errstate(divide="ignore"):
        measure = np.where(is_point, log_slope(x), -np.log(width))
    return np.where(is_point, point, low), np.where(is_point, point, high), measure


def value_at(marginal, score):
    """The value whose cell holds the score; beyond the range seen its nearest end."""
    x = np.clip(quantile(marginal, score), marginal.low, marginal.high)
    middle, width = _cell(marginal, x)
    x = np.where(width > 0, middle, x)
    return np.round(x, marginal.decimals) if marginal.decimals <= _MOST_DECIMALS else x


def quantile(marginal, score):
    """T^-1(score), which knows no cells and goes on beyond the range seen."""
    score = np.asarray(score, dtype=np.float64)
    edges, scores = _shares(marginal, marginal.edges), marginal.scores
    inside = PchipInterpolator(edges, scores)
    right = np.clip(np.searchsorted(scores, score), 1, len(scores) - 1)
    low, high = edges[right - 1], edges[right]
    for _ in range(_N_HALVINGS):
        middle = (low + high) / 2
        below = inside(middle) < score
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    excess = score - np.clip(score, scores[0], scores[-1])
    share = (low + high) / 2 + excess / (scores[-1] - scores[0])
    return marginal.edges[0] + share * _span(marginal)


def _map(marginal):
    """T and the logarithm of its derivative, as functions of arrays."""
    # of shares of the range, for powers of large or small numbers are no numbers
    inside = PchipInterpolator(_shares(marginal, marginal.edges), marginal.scores)
    derivative = inside.derivative()
    slope = marginal.scores[-1] - marginal.scores[0]

    def score(x):
        share = _shares(marginal, x)
        within = np.clip(share, 0, 1)
        return inside(within) + slope * (share - within)

    def log_slope(x):
        share = _shares(marginal, x)
        within = np.clip(share, 0, 1)
        # a monotone cubic may be flat at a single point
        steep = np.maximum(derivative(within), 1e-9 * slope)
        return np.log(np.where(share == within, steep, slope)) - np.log(_span(marginal))

    return score, log_slope


def _shares(marginal, x):
    """Places of values in the range of the map, from 0 to 1 and beyond."""
    return (x - marginal.edges[0]) / _span(marginal)


def _span(marginal):
    return marginal.edges[-1] - marginal.edges[0]


def _cell(marginal, x):
    """Middle and width of each value's cell; the value itself and 0 for a point."""
    if marginal.step:
        origin, step = marginal.low, marginal.step
        return origin + np.floor((x - origin) / step + 0.5) * step, np.full_like(
            x, step
        )
    if marginal.repeated.size == 0:
        return x, np.zeros_like(x)
    bounds = (marginal.repeated[1:] + marginal.repeated[:-1]) / 2
    nearest = np.searchsorted(bounds, x)
    middle, width = marginal.repeated[nearest], marginal.widths[nearest]
    inside = np.abs(x - middle) <= width / 2
    return np.where(inside, middle, x), np.where(inside, width, 0.0)


def _own_cells(distinct, nearest, is_atom, whole):
    """The step of the grid, or 0, and then the repeated values and their widths."""
    step = _step(distinct, whole)
    if len(distinct) == 1:
        step = step or abs(distinct[0]) or 1.0
    if step:
        return step, distinct[:0], nearest[:0]
    return step, distinct[is_atom], nearest[is_atom]


def _bins(distinct, counts, half, is_atom, target, ends):
    """Edges of bins of about `target` rows, and rows in them and beyond both ends.

    A bin of its own holds each value that repeats often. Between two of them there is
    an empty bin. `ends` are the distances from the first edge to the first value, and
    from the last value to the last edge.
    """
    full = np.floor(np.cumsum(counts) / target + 1e-9)
    parted = (np.diff(full) > 0) | is_atom[1:] | is_atom[:-1]
    after = np.flatnonzero(parted)  # numbers of the last values of all bins but one
    sums = np.add.reduceat(counts, np.concatenate([[0], after + 1]))
    upper, lower = distinct[after] + half[after], distinct[after + 1] - half[after + 1]
    atom_below, atom_above = is_atom[after], is_atom[after + 1]
    # the bin beside one of a repeated value fills the gap between them
    middle = np.where(
        atom_below, upper, np.where(atom_above, lower, (upper + lower) / 2)
    )
    distance = distinct[after + 1] - distinct[after]
    gap = atom_below & atom_above & (lower - upper > 1e-6 * distance)
    kept = np.column_stack([np.full(len(after), True), gap])
    inner = np.column_stack([np.where(gap, upper, middle), lower])[kept]
    rows = np.column_stack([sums[:-1], np.full(len(after), _PSEUDO_COUNT)])[kept]
    edges = np.concatenate([[distinct[0] - ends[0]], inner, [distinct[-1] + ends[1]]])
    masses = [_PSEUDO_COUNT], rows, sums[-1:], [_PSEUDO_COUNT]
    return edges, np.concatenate(masses)


def _normal_scores(masses):
    """Phi^-1 of the shares of the rows below each edge, exact in both tails."""
    below = np.cumsum(masses)[:-1] / masses.sum()
    above = np.cumsum(masses[::-1])[-2::-1] / masses.sum()
    return np.where(below < 0.5, ndtri(below), -ndtri(above))


def _nearest(distinct):
    """Distance of each value to its nearest neighbour."""
    gaps = np.diff(distinct)
    return np.fmin(np.append(gaps, np.inf), np.insert(gaps, 0, np.inf))


def _step(distinct, whole):
    """The step of the grid on which all values lie, or 0."""
    gaps = np.diff(distinct)
    if whole and gaps.sum() < _LARGEST_WHOLE:
        return float(np.gcd.reduce(gaps.astype(np.int64))) if gaps.size else 1.0
    if gaps.size == 0 or gaps.sum() > _LARGEST_RATIO * gaps.min():
        return 0.0
    if gaps.min() < _LARGEST_DIVISOR * np.finfo(np.float64).tiny:
        return 0.0
    for divisor in range(1, _LARGEST_DIVISOR + 1):
        steps = (distinct - distinct[0]) / (gaps.min() / divisor)
        if np.abs(steps - np.rint(steps)).max() < _TOLERANCE:
            return (distinct[-1] - distinct[0]) / np.rint(steps[-1])
    return 0.0


def _decimals(distinct):
    for decimals in range(_MOST_DECIMALS + 1):
        if np.array_equal(np.round(distinct, decimals), distinct):
            return decimals
    return _MOST_DECIMALS + 1
