"""Rows of mixed columns: the way back, and a likelihood that adds up to one."""

import copy
import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose
from scipy import stats
from scipy.integrate import quad

from skgen.containers import as_frame
from skgen.table import read_table, values_of
from skgen.vae.tables import (
    TableLikelihood,
    _slopes_of_cell,
    decoded,
    decoded_means,
    encoded,
    layout_of,
    log_cell_probability,
)

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "s": RNG.choice(["a", "b", "c"], 200),
        "x": RNG.normal(size=200),
        "n": RNG.poisson(2, 200),
        "b": RNG.random(200) < 0.3,
        "zeros": np.where(RNG.random(200) < 0.5, 0, RNG.gamma(2, size=200)),
        "t": pd.to_datetime("2020-01-01")
        + pd.to_timedelta(RNG.integers(50, size=200), "D"),
    }
)
TABLE = read_table(as_frame(FRAME), {})
VALUES = values_of(TABLE, FRAME)
LIKELIHOOD = TableLikelihood(TABLE).build(layout_of(TABLE).width)
OUTPUTS = torch.from_numpy(RNG.normal(size=LIKELIHOOD.n_outputs) * 0.5)


def log_p(values):
    rows = torch.from_numpy(encoded(TABLE, np.asarray(values, dtype=float)))
    return LIKELIHOOD.log_prob(OUTPUTS, rows).numpy()


def with_column(name, values):
    """Rows that differ in one column."""
    rows = np.repeat(VALUES[:1], len(values), axis=0)
    rows[:, TABLE.names.index(name)] = values
    return rows


def log_rest(name):
    """log p of the columns of the first row but one."""
    likelihood, rows = LIKELIHOOD, torch.from_numpy(encoded(TABLE, VALUES[:1]))
    gaps = encoded(TABLE, with_column(name, [np.nan]))
    terms = likelihood.terms(OUTPUTS, rows).numpy()
    return np.where(np.isnan(gaps), 0, terms).sum()


def test_rows_come_back():
    rows = encoded(TABLE, VALUES)
    assert rows.shape == (200, layout_of(TABLE).width)
    np.testing.assert_allclose(decoded(TABLE, rows), VALUES, rtol=1e-12, atol=1e-9)


def test_gaps_stay_gaps():
    gaps = np.where(RNG.random(VALUES.shape) < 0.3, np.nan, VALUES)
    rows = encoded(TABLE, gaps)
    np.testing.assert_allclose(decoded(TABLE, rows), gaps, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("name, n_values", [("s", 3), ("b", 2)])
def test_probabilities_of_categories_add_up_to_one(name, n_values):
    total = np.exp(log_p(with_column(name, range(n_values)))).sum()
    assert np.log(total) == pytest.approx(log_rest(name))


def test_probabilities_of_integers_add_up_to_one():
    total = np.exp(log_p(with_column("n", range(-60, 100)))).sum()
    assert np.log(total) == pytest.approx(log_rest("n"))


@pytest.mark.parametrize("name", ["x", "zeros"])
def test_densities_integrate_to_one(name):
    marginal = TABLE.columns[TABLE.names.index(name)].marginal
    span = marginal.high - marginal.low
    ends = marginal.low - 3 * span, marginal.high + 3 * span

    def density(x):
        return np.exp(log_p(with_column(name, [x]))[0] - log_rest(name))

    parts = [ends[0], *marginal.edges, ends[1]]
    total = sum(quad(density, a, b)[0] for a, b in itertools.pairwise(parts))
    assert total == pytest.approx(1, abs=1e-5)


def test_the_density_of_times_is_per_second():
    day = 86400 * 10**6
    days = with_column("t", np.arange(-200, 400) * day)
    total = (np.exp(log_p(days)) * 86400).sum()
    assert np.log(total) == pytest.approx(log_rest("t"))


def test_samples_follow_the_probabilities():
    n_samples = 20_000
    generator = torch.Generator().manual_seed(0)
    rows = LIKELIHOOD.sample(OUTPUTS.expand(n_samples, -1), generator).numpy()
    values = decoded(TABLE, rows)
    for name in ("s", "b", "n"):
        column = values[:, TABLE.names.index(name)]
        low, high = VALUES[:, TABLE.names.index(name)].min(), column.max()
        seen = np.arange(low, high + 1)
        p = np.exp(log_p(with_column(name, seen)) - log_rest(name))
        if name == "n":  # what lies beyond the range seen becomes its end
            beyond = np.arange(-60, 100)
            all_p = np.exp(log_p(with_column(name, beyond)) - log_rest(name))
            p[0], p[-1] = all_p[beyond <= low].sum(), all_p[beyond >= high].sum()
        counts = [np.sum(column == value) for value in seen]
        assert stats.chisquare(counts, n_samples * p / p.sum()).pvalue > 1e-3
    zeros = values[:, TABLE.names.index("zeros")]
    marginal = TABLE.columns[TABLE.names.index("zeros")].marginal
    p = np.exp(log_p(with_column("zeros", [0.0])) - log_rest("zeros"))
    p = (p * marginal.widths).item()
    assert abs(np.mean(zeros == 0) - p) < 4 * np.sqrt(p * (1 - p) / n_samples) + 0.003


def test_means_of_numbers_and_the_likeliest_category():
    generator = torch.Generator().manual_seed(0)
    drawn = decoded(
        TABLE, LIKELIHOOD.sample(OUTPUTS.expand(20_000, -1), generator).numpy()
    )
    means = decoded_means(TABLE, LIKELIHOOD.mean(OUTPUTS[None]).numpy())[0]
    for name in ("x", "zeros", "n"):
        column = drawn[:, TABLE.names.index(name)]
        error = column.std() / np.sqrt(len(column))
        # cells and the tabulated map round it by a little
        assert abs(means[TABLE.names.index(name)] - column.mean()) < 5 * error + 0.02
    shares = np.bincount(drawn[:, 0].astype(int), minlength=3)
    assert means[0] == shares.argmax()


CENTERS = [0.0, 0.3, -2.0, 5.0, -9.0, 30.0]
WIDTHS = [1e-6, 1e-4, 5e-3, 0.05, 0.5, 3.0, 20.0]


@pytest.mark.parametrize("dtype, rtol", [(torch.float64, 1e-6), (torch.float32, 5e-4)])
@pytest.mark.parametrize("center", CENTERS)
@pytest.mark.parametrize("width", WIDTHS)
def test_log_probability_of_a_cell(center, width, dtype, rtol):
    low, high = center - width / 2, center + width / 2
    # the integral of the density, in units of its largest value
    peak = np.clip(0, low, high)
    inside = quad(
        lambda z: np.exp(-0.5 * (z**2 - peak**2)), low, high, epsabs=0, limit=200
    )[0]
    expected = np.log(inside) - 0.5 * peak**2 - 0.5 * np.log(2 * np.pi)
    ends = torch.tensor([low, high], dtype=torch.float64)
    if dtype == torch.float32:
        width32 = (ends[1].float() - ends[0].float()).item()
        if abs(width32 - width) > 1e-3 * width:
            pytest.skip("the cell is narrower than float32 can tell")
    found = log_cell_probability(ends[0].to(dtype), ends[1].to(dtype)).item()
    assert found == pytest.approx(expected, rel=rtol, abs=rtol)


def test_gradients_are_finite():
    low = torch.tensor([-50.0, -1.0, 0.0, 0.0, 8.0, 0.5, 1e3])
    for width in (0.0, 1e-7, 1e-2, 1.0, 100.0):
        low = low.detach().requires_grad_()
        slope = torch.zeros(len(low), requires_grad=True)
        log_cell_probability(low, low + width, slope).sum().backward()
        assert low.grad.isfinite().all()
        assert slope.grad.isfinite().all()


@pytest.mark.parametrize("gaps", [False, True])
def test_surrogate_has_the_gradient_of_log_prob(gaps):
    likelihood = copy.deepcopy(LIKELIHOOD).double()
    rows = torch.from_numpy(encoded(TABLE, VALUES))
    outputs = 3 * torch.randn(
        (len(rows), likelihood.n_outputs), generator=torch.Generator().manual_seed(0)
    )
    outputs = outputs.double().requires_grad_()  # some log deviations are cut off
    observed = torch.ones_like(rows, dtype=bool)
    if gaps:
        values = np.where(RNG.random(VALUES.shape) < 0.3, np.nan, VALUES)
        observed = torch.from_numpy(~np.isnan(encoded(TABLE, values)))
    functions = (
        likelihood.observed_surrogate(outputs, rows, observed),
        likelihood.observed_log_prob(outputs, rows, observed),
    )
    slopes = [torch.autograd.grad(f.sum(), outputs)[0] for f in functions]
    assert_allclose(*slopes, rtol=1e-9, atol=1e-9)
    if not gaps:
        plain = likelihood.surrogate(outputs, rows)
        assert_allclose(torch.autograd.grad(plain.sum(), outputs)[0], slopes[0])


@pytest.mark.parametrize("width", [0, 1e-6, 1e-3, 0.02, 1.0, 30.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_slopes_of_a_cell(width, dtype):
    """Far out they stay finite; elsewhere they are those that autograd finds."""
    low = torch.linspace(-40, 40, 81, dtype=torch.float64) - width / 2
    place = torch.zeros_like(low, requires_grad=True)
    log_scale = torch.zeros_like(low, requires_grad=True)
    ends = [(end - place) * torch.exp(-log_scale) for end in (low, low + width)]
    log_cell_probability(*ends, -log_scale).sum().backward()
    found = _slopes_of_cell(low.to(dtype), (low + width).to(dtype))
    # a float32 cell of 1e-6 at 40 is a point, as its score is all that is known
    rtol = {torch.float64: 1e-6, torch.float32: 2e-3}[dtype]
    for mine, theirs in zip(found, (place.grad, log_scale.grad)):
        assert mine.isfinite().all()
        assert_allclose(mine.double(), theirs, rtol=rtol, atol=rtol)
