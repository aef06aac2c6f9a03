"""Rows of mixed columns for the networks, and their likelihood.

A number becomes three columns: the lower and the upper score of its cell, which are
equal for a point, and its log measure (see :mod:`skgen.marginals`). Given h its score
is normal. log p is the log probability of the cell plus the log measure. A category
becomes one-hot columns. The order is: all lower scores, all upper ones, all measures,
then the categories one after another.
"""

from typing import NamedTuple

import numpy as np
import torch
from scipy.linalg import block_diag, null_space
from torch.nn import functional

from skgen.marginals import cells_of, value_at
from skgen.vae.likelihoods import Likelihood

_HALF_LOG_2_PI = 0.5 * float(np.log(2 * np.pi))
_LOG_SCALES = -6.0, 3.0  # of the normal that the score follows given h
_SMALLEST_SHARE = 1e-3  # of a category at the start
_SMALLEST_ROOT = 0.2  # of a share, by which a category is divided
_SCORES = np.linspace(-6, 6, 121)  # at which the inverse of a map is tabulated
# between these a cell is so narrow that its probability is a density times its width
_NARROW = {torch.float32: 1e-2, torch.float64: 1e-4}


class Layout(NamedTuple):
    """Where the columns of a table are in the rows that the networks see."""

    numbers: tuple
    """Which columns of the table are numbers."""
    categories: tuple
    """Which columns are categories."""
    sizes: tuple
    """How many categories each of these has."""

    @property
    def width(self):
        """Of the rows that the networks see."""
        return 3 * len(self.numbers) + sum(self.sizes)


def layout_of(table):
    """The layout of a table."""
    known = [column.categories for column in table.columns]
    return Layout(
        tuple(n for n, categories in enumerate(known) if categories is None),
        tuple(n for n, categories in enumerate(known) if categories is not None),
        tuple(len(categories) for categories in known if categories is not None),
    )


def encoded(table, values):
    """The rows that the networks see, float64, of a matrix of values.

    NaN stays NaN, in all columns of its value.
    """
    layout = layout_of(table)
    n_numbers, rows = len(layout.numbers), np.empty((len(values), layout.width))
    for place, number in enumerate(layout.numbers):
        column = table.columns[number]
        low, high, measure = cells_of(column.marginal, values[:, number])
        measure = np.where(np.isnan(low), np.nan, measure + column.log_unit)
        rows[:, place : 3 * n_numbers : n_numbers] = np.column_stack(
            [low, high, measure]
        )
    start = 3 * n_numbers
    for number, size in zip(layout.categories, layout.sizes):
        codes = values[:, number, np.newaxis]
        one_hot = np.where(np.isnan(codes), np.nan, codes == np.arange(size))
        rows[:, start : start + size] = one_hot
        start += size
    return rows


def decoded(table, rows):
    """The values of rows that the networks see; those of samples are scores alone."""
    layout = layout_of(table)
    n_numbers, values = len(layout.numbers), np.empty((len(rows), len(table.columns)))
    for place, number in enumerate(layout.numbers):
        score = (rows[:, place] + rows[:, place + n_numbers]) / 2
        values[:, number] = value_at(table.columns[number].marginal, score)
    return _with_codes(layout, rows, values)


def decoded_means(table, rows):
    """The values of conditional means: numbers, and the most probable categories."""
    layout = layout_of(table)
    values = np.empty((len(rows), len(table.columns)))
    for place, number in enumerate(layout.numbers):
        marginal = table.columns[number].marginal
        share, span = rows[:, place], marginal.high - marginal.low
        mean = marginal.low + share * span
        values[:, number] = np.clip(mean, marginal.low, marginal.high)
    return _with_codes(layout, rows, values)


def _with_codes(layout, rows, values):
    start = 3 * len(layout.numbers)
    for number, size in zip(layout.categories, layout.sizes):
        part = rows[:, start : start + size]
        values[:, number] = np.where(
            np.isnan(part).any(axis=1), np.nan, np.argmax(part, axis=1)
        )
        start += size
    return values


def linear_maps(layout, rows):
    """How linear features of rows come from them, and what they add to the outputs.

    Features have mean zero and unit variance: the middle of each number's cell and, of
    a category of n values, n - 1 uncorrelated contrasts (those of multiple
    correspondence analysis), with less variance if some values are rare. Of the
    outputs the first approximation is taken, in which a logit changes by the change of
    its probability over the probability.

    Returns arrays of shape (n_features, width) and (n_outputs, n_features).
    """
    n, sizes = len(layout.numbers), layout.sizes
    deviations = (rows[:, :n] + rows[:, n : 2 * n]).std(axis=0) / 2
    deviations = np.diag(np.where(deviations > 0, deviations, 1))
    inverse = np.linalg.inv(deviations)
    blocks_in = [np.hstack([inverse / 2, inverse / 2, np.zeros((n, n))])]
    blocks_out = [np.vstack([deviations, np.zeros((n, n))])]
    shares = rows[:, 3 * n :].mean(axis=0).clip(_SMALLEST_SHARE)
    for share in np.split(shares, np.cumsum(sizes)[:-1]):
        root = np.sqrt(share / share.sum())
        contrasts = null_space(root[np.newaxis])
        scaled = contrasts / np.maximum(root, _SMALLEST_ROOT)[:, np.newaxis]
        blocks_in.append(scaled.T)
        blocks_out.append(scaled)
    return block_diag(*blocks_in), block_diag(*blocks_out)


class TableLikelihood(Likelihood):
    """Scores of numbers that are normal given h, and categories.

    The decoder emits the mean and the log deviation of each score, and the logits of
    each category.
    """

    def __init__(self, table):
        super().__init__()
        self.layout = layout_of(table)
        marginals = [table.columns[number].marginal for number in self.layout.numbers]
        bends = np.reshape([_bends(m) for m in marginals], (-1, len(_SCORES)))
        # what follows from the table is not saved beside it
        self.register_buffer("bends", torch.from_numpy(bends).float(), persistent=False)
        groups, start = {}, 0
        for size in self.layout.sizes:
            groups.setdefault(size, []).append(list(range(start, start + size)))
            start += size
        for size, columns in groups.items():
            columns = torch.tensor(columns, device="cpu")
            self.register_buffer(f"of_{size}", columns, persistent=False)

    def build(self, n_features):
        built = super().build(n_features)
        built.n_outputs = 2 * len(self.layout.numbers) + sum(self.layout.sizes)
        return built

    def start(self, mean, std):
        n = len(self.layout.numbers)
        low, high = mean[:n], mean[n : 2 * n]
        share = mean[3 * n :].clamp(_SMALLEST_SHARE, 1 - _SMALLEST_SHARE)
        # the encoder adds both ends of a cell up, and does not see its measure
        ends, measure = mean.new_full((2 * n,), 2.0), mean.new_full((n,), torch.inf)
        deviation = (share * (1 - share)).sqrt().clamp(min=_SMALLEST_ROOT)
        input_scale = torch.cat([ends, measure, deviation])
        shift = torch.cat([(low + high) / 2, mean.new_zeros(n), share.log()])
        return input_scale, shift

    def terms(self, outputs, X):
        n = len(self.layout.numbers)
        mean, log_scale, logits = self._parts(outputs)
        scale = torch.exp(-log_scale)
        # split knows no pieces of length 0
        low, high, measure = X[..., :n], X[..., n : 2 * n], X[..., 2 * n : 3 * n]
        low, high = (low - mean) * scale, (high - mean) * scale
        cells = log_cell_probability(low, high, -log_scale)
        log_p = X[..., 3 * n :] * (logits - self._normalizers(logits))
        measure = measure.expand_as(cells)
        return torch.cat([cells, torch.zeros_like(cells), measure, log_p], dim=-1)

    def surrogate(self, outputs, X):
        return self.observed_surrogate(outputs, X, None)

    def observed_surrogate(self, outputs, X, observed):
        """A function with the gradient of log p(x_obs | h); the mask may be None."""
        n, values = len(self.layout.numbers), outputs.detach()
        mean, log_scale, logits = self._parts(values)
        scale = torch.exp(-log_scale)
        low, high = (X[..., :n] - mean) * scale, (X[..., n : 2 * n] - mean) * scale
        by_place, by_scale = _slopes_of_cell(low, high)
        is_free = log_scale == values[..., n : 2 * n]  # not cut off
        by_scale = by_scale.where(is_free, 0)
        share = torch.exp(logits - self._normalizers(logits))
        slope = torch.cat([by_place * scale, by_scale, X[..., 3 * n :] - share], dim=-1)
        if observed is not None:
            parts = observed[..., :n], observed[..., :n], observed[..., 3 * n :]
            slope = slope.where(torch.cat(parts, dim=-1), 0)
        return (outputs * slope).sum(dim=-1)

    def mean(self, outputs):
        """Means of numbers as shares of their range, and of categories."""
        mean, log_scale, logits = self._parts(outputs)
        scale = log_scale.exp()[..., None]
        places = (torch.from_numpy(_SCORES).to(outputs) - mean[..., None]) / scale
        # E[f(z)] of a piecewise linear f, by the integral of the normal distribution
        below = torch.special.ndtr(places)
        integral = places * below + torch.exp(-0.5 * places.square() - _HALF_LOG_2_PI)
        share = 1 + (scale * integral * self.bends).sum(dim=-1)
        rest = torch.zeros_like(share)
        probabilities = torch.exp(logits - self._normalizers(logits))
        return torch.cat([share, rest, rest, probabilities], dim=-1)

    def sample(self, outputs, generator):
        mean, log_scale, logits = self._parts(outputs)
        noise = torch.empty_like(mean).normal_(generator=generator)
        score = mean + log_scale.exp() * noise
        # the largest of logits plus Gumbel noise is a draw
        uniform = torch.empty_like(logits).uniform_(generator=generator)
        gumbel = logits - (-(uniform.clamp(min=1e-30).log())).log()
        one_hot = torch.zeros_like(logits)
        for group in self._groups():
            part = gumbel[..., group]
            largest = functional.one_hot(part.argmax(dim=-1), part.shape[-1])
            one_hot[..., group] = largest.to(logits)
        return torch.cat([score, score, torch.zeros_like(score), one_hot], dim=-1)

    def _parts(self, outputs):
        """Mean and log deviation of the scores, and the logits."""
        n = len(self.layout.numbers)
        mean, log_scale, logits = outputs.split([n, n, outputs.shape[-1] - 2 * n], -1)
        return mean, log_scale.clamp(*_LOG_SCALES), logits

    def _groups(self):
        """The logits of all categories of one size, (n_categories, size) each."""
        return [getattr(self, f"of_{size}") for size in sorted(set(self.layout.sizes))]

    def _normalizers(self, logits):
        """The log of the sum that each logit's category is divided by."""
        total = torch.empty_like(logits)
        for group in self._groups():
            sums = torch.logsumexp(logits[..., group], dim=-1, keepdim=True)
            total[..., group] = sums.expand(*sums.shape[:-1], group.shape[-1])
        return total


def log_cell_probability(low, high, log_slope=0.0):
    """log P(low < z <= high) of a standard normal z.

    Where both are equal it is the log density plus `log_slope`.
    """
    width, middle = high - low, (low + high) / 2
    is_point, narrow = width <= 0, width < _NARROW[width.dtype]
    tilt = (middle * width / 2).abs()
    # the density falls over a cell as exp(-middle * t - t^2 / 2)
    small = tilt < 1e-2
    safe = torch.where(small, torch.ones_like(tilt), tilt)
    log_sinhc = torch.where(
        small,
        tilt.square() / 6,
        safe + torch.log1p(-torch.exp(-2 * safe)) - torch.log(2 * safe),
    )
    ones = torch.ones_like(width)
    log_width = torch.log(torch.where(is_point, ones, width))
    log_width = torch.where(
        is_point, torch.as_tensor(log_slope, device=width.device).to(width), log_width
    )
    density = -0.5 * middle.square() - _HALF_LOG_2_PI
    narrow_cell = density + log_width + log_sinhc - width.square() / 24
    # both from the lower tail, where probabilities are small
    flip = middle > 0
    upper = torch.where(narrow, ones, torch.where(flip, -low, high))
    lower = torch.where(narrow, -ones, torch.where(flip, -high, low))
    log_upper, log_lower = torch.special.log_ndtr(upper), torch.special.log_ndtr(lower)
    wide_cell = log_upper + torch.log1p(-torch.exp(log_lower - log_upper))
    return torch.where(narrow, narrow_cell, wide_cell)


def _slopes_of_cell(low, high):
    """Slopes of log P((low - a) / b < z <= (high - a) / b) in a and log b, at (0, 0).

    Of a point they are those of its log density.
    """
    width, middle = high - low, (low + high) / 2
    log_p = log_cell_probability(low, high)
    below = torch.exp(-0.5 * low.square() - _HALF_LOG_2_PI - log_p)
    above = torch.exp(-0.5 * high.square() - _HALF_LOG_2_PI - log_p)
    # a narrow cell: coth(t) - 1 / t, with which the density tilts, is t / 3 for small t
    tilt = middle * width / 2
    small = tilt.abs() < 1e-2
    safe = torch.where(small, torch.ones_like(tilt), tilt)
    tilted = torch.where(small, tilt / 3, 1 / torch.tanh(safe) - 1 / safe)
    by_middle = middle - tilted * width / 2
    by_width = tilt * tilted - width.square() / 12 + 1
    narrow = width < _NARROW[width.dtype]
    by_place = torch.where(narrow, by_middle, below - above)
    by_scale = low * below - high * above
    by_scale = torch.where(narrow, middle * by_middle - by_width, by_scale)
    return by_place, by_scale


def _bends(marginal):
    """Changes of the slope of the tabulated values, as shares of the range.

    The last change is to a slope of 0.
    """
    values = value_at(marginal, _SCORES)
    shares = (values - marginal.low) / ((marginal.high - marginal.low) or 1.0)
    slopes = np.diff(shares) / (_SCORES[1] - _SCORES[0])
    return np.diff(slopes, prepend=0, append=0)
