"""Monotone maps of columns: mass, units, the way back."""

import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.special import log_ndtr, ndtr

from skgen.marginals import cells_of, fit_marginal, quantile, value_at

RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=1000)
COLUMNS = {
    "normal": NORMAL,
    "heavy tails": RNG.standard_t(1, size=1000),
    "skewed": RNG.lognormal(1, 2, size=1000),
    "bounded": RNG.beta(0.5, 0.5, size=1000),
    "two humps": np.concatenate([NORMAL[:500] - 5, NORMAL[500:] + 5]),
    "many zeros": np.where(RNG.random(1000) < 0.6, 0.0, RNG.gamma(2, size=1000)),
    "prices": np.round(RNG.gamma(2, 5, size=1000), 2),
    "decimals": np.round(NORMAL, 1),
    "counts": RNG.poisson(3, size=1000).astype(float),
    "tens": 10.0 * RNG.poisson(30, size=1000),
    "rare value": np.array([0.0] * 999 + [5e8]),
    "binary": RNG.integers(2, size=1000).astype(float),
    "far away": NORMAL + 1e9,
    "few rows": np.array([1.5, 0.25, 7.0, 7.0, 3.0]),
    "two rows": np.array([3.0, 1.0]),
    "one value": np.full(10, 2.5),
    "zero": np.zeros(3),
}
POINTS = ["normal", "heavy tails", "skewed", "bounded", "two humps"]
GRIDS = ["prices", "decimals", "counts", "tens", "binary"]


def log_density(marginal, x):
    """log p(x) under standard normal scores."""
    low, high, measure = cells_of(marginal, x)
    with np.errstate(divide="ignore", invalid="ignore"):
        # both from the lower tail, where probabilities are small
        flip = low > 0
        low, high = np.where(flip, -high, low), np.where(flip, -low, high)
        cell = log_ndtr(high) + np.log1p(-np.exp(log_ndtr(low) - log_ndtr(high)))
    return np.where(low == high, stats.norm.logpdf(low), cell) + measure


@pytest.mark.parametrize("name", COLUMNS)
def test_values_come_back(name):
    x = COLUMNS[name]
    marginal = fit_marginal(x)
    low, high, _ = cells_of(marginal, x)
    assert np.all(low <= high)
    spread = np.ptp(x) or 1
    np.testing.assert_allclose(
        value_at(marginal, (low + high) / 2), x, rtol=1e-15, atol=1e-9 * spread
    )
    if name in GRIDS:  # without a rounding error
        assert np.array_equal(value_at(marginal, (low + high) / 2), x)


@pytest.mark.parametrize("name", POINTS)
def test_scores_are_nearly_normal(name):
    scores, same, _ = cells_of(fit_marginal(COLUMNS[name]), COLUMNS[name])
    assert np.array_equal(scores, same)
    # at most a row of each bin is on the wrong side of its edge
    assert stats.kstest(scores, "norm").statistic < 2 / np.sqrt(len(scores))
    assert abs(scores.std() - 1) < 0.1


@pytest.mark.parametrize("name", ["prices", "decimals", "counts", "tens", "binary"])
def test_the_cells_of_a_grid_hold_all_mass(name):
    x = COLUMNS[name]
    marginal = fit_marginal(x)
    grid = marginal.low + marginal.step * np.arange(-20, 30 + np.ptp(x) / marginal.step)
    low, high, measure = cells_of(marginal, grid)
    np.testing.assert_allclose(low[1:], high[:-1], rtol=0, atol=1e-9)
    np.testing.assert_allclose(measure, -np.log(marginal.step))
    tails = ndtr(low[0]) + ndtr(-high[-1])
    assert (ndtr(high) - ndtr(low)).sum() + tails == pytest.approx(1)
    # what repeats often keeps its share of the rows
    values, counts = np.unique(x, return_counts=True)
    often = counts > 60
    low, high, _ = cells_of(marginal, values[often])
    shares = counts[often] / len(x)
    np.testing.assert_allclose(ndtr(high) - ndtr(low), shares, atol=0.01)


def test_integers_count_the_numbers_in_a_cell():
    counts = fit_marginal(COLUMNS["counts"], whole=True)
    assert np.exp(log_density(counts, np.arange(-60, 90.0))).sum() == pytest.approx(1)
    even = fit_marginal(2.0 * COLUMNS["counts"], whole=True)
    assert even.step == 2
    assert np.exp(log_density(even, np.arange(-60, 90.0))).sum() == pytest.approx(1)


@pytest.mark.parametrize("name", ["normal", "bounded", "two humps", "many zeros"])
def test_a_density_integrates_to_one(name):
    x = COLUMNS[name]
    marginal = fit_marginal(x)
    tails = np.sort(quantile(marginal, np.array([-9.0, 9.0])))
    parts = np.concatenate([[tails[0]], marginal.edges, [tails[1]]])
    mass = sum(
        quad(lambda v: np.exp(log_density(marginal, np.array(v))), a, b)[0]
        for a, b in itertools.pairwise(parts)
    )
    assert mass == pytest.approx(1, abs=1e-6)


def test_a_value_that_repeats_keeps_its_mass():
    x = COLUMNS["many zeros"]
    marginal = fit_marginal(x)
    assert marginal.repeated.tolist() == [0]
    low, high, measure = cells_of(marginal, np.array([0.0]))
    assert ndtr(high) - ndtr(low) == pytest.approx(np.mean(x == 0), abs=0.01)
    smallest = x[x > 0].min()
    assert np.exp(-measure) == pytest.approx(smallest)  # half of it on either side
    scores = stats.norm.ppf((np.arange(10_000) + 0.5) / 10_000)
    drawn = value_at(marginal, scores)
    assert np.mean(drawn == 0) == pytest.approx(np.mean(x == 0), abs=0.01)
    assert drawn.min() == 0
    assert drawn.max() <= x.max()


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("unit", [2.54, 1e-7, 1e6])
def test_the_unit_shifts_the_log_density(name, unit):
    x = COLUMNS[name]
    if name in ("far away", "zero"):
        pytest.skip("x is rounded too much, or has no unit")
    before, after = fit_marginal(x), fit_marginal(unit * x)
    shift = log_density(after, unit * x) - log_density(before, x)
    np.testing.assert_allclose(shift, -np.log(unit), rtol=1e-6)
    for low, scaled in zip(cells_of(before, x)[:2], cells_of(after, unit * x)[:2]):
        np.testing.assert_allclose(low, scaled, atol=1e-6)


@pytest.mark.parametrize("name", COLUMNS)
def test_the_map_increases_beyond_the_range(name):
    marginal = fit_marginal(COLUMNS[name])
    spread = np.ptp(COLUMNS[name]) or 1.0
    x = np.linspace(marginal.low - spread, marginal.high + spread, 4001)
    low, _, measure = cells_of(marginal, x)
    assert np.all(np.diff(low) >= -1e-12)
    assert np.all(np.isfinite(measure))
    outside = np.array([-1e3, 1e3])
    assert value_at(marginal, outside).tolist() == [marginal.low, marginal.high]


@pytest.mark.parametrize("name", COLUMNS)
def test_quantiles_invert_the_map(name):
    marginal = fit_marginal(COLUMNS[name])
    scores = np.linspace(-6, 6, 1001)
    x = quantile(marginal, scores)
    assert np.all(np.diff(x) >= 0)
    points = marginal._replace(step=0.0, repeated=np.array([]), widths=np.array([]))
    atol = 1e-6 if name != "far away" else 1e-5
    np.testing.assert_allclose(cells_of(points, x)[0], scores, atol=atol)


def test_missing_values_stay_missing():
    low, high, _ = cells_of(fit_marginal(COLUMNS["prices"]), np.array([np.nan]))
    assert np.isnan(low).all() and np.isnan(high).all()
    assert np.isnan(value_at(fit_marginal(NORMAL), np.array([np.nan]))).all()


@pytest.mark.parametrize("part", [slice(None, 50), slice(7, 8), "positive"])
@pytest.mark.parametrize(
    "name", ["normal", "many zeros", "prices", "tens", "one value"]
)
def test_a_part_of_a_column_has_the_cells_of_the_whole(name, part):
    x = COLUMNS[name]
    whole = fit_marginal(x)
    rows = x[x > 0] if part == "positive" else x[part]
    marginal = fit_marginal(rows, like=whole)
    assert marginal.step == whole.step
    cells = [cells_of(m, x) for m in (marginal, whole)]
    are_points = [low == high for low, high, _ in cells]
    np.testing.assert_array_equal(*are_points)
    widths = [measure[~are_points[0]] for _, _, measure in cells]
    np.testing.assert_array_equal(*widths)
    if marginal.step:
        return
    ends = np.sort(quantile(marginal, np.array([-9.0, 9.0])))
    bounds = marginal.repeated + np.array([[-0.5], [0.5]]) * marginal.widths
    edges = np.unique(np.concatenate([ends, marginal.edges, bounds.ravel()]))
    mass = sum(
        quad(lambda v: np.exp(log_density(marginal, np.array(v))), a, b)[0]
        for a, b in itertools.pairwise(edges)
    )
    assert mass == pytest.approx(1, abs=1e-6)
