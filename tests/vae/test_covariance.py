"""Correlated noise against multivariate normal distributions."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.distributions import MultivariateNormal

from skgen import VariationalAutoencoder
from skgen.vae.likelihoods import ColumnLikelihood, FullGaussian

N = 4
LIKELIHOOD = FullGaussian().build(N)
GENERATOR = torch.Generator().manual_seed(0)
SIZE = LIKELIHOOD.n_outputs
OUTPUTS = torch.randn(3, SIZE, generator=GENERATOR, dtype=torch.float64)
X = torch.randn(3, N, generator=GENERATOR, dtype=torch.float64)
OBSERVED = torch.tensor([[1, 0, 1, 0], [0, 1, 1, 1], [0, 0, 0, 1]]).bool()


def normal(outputs):
    """The distribution by its equations: each column is regressed on those before."""
    mean, log_variance, values = outputs.split([N, N, N * (N - 1) // 2])
    covariance, place = torch.zeros(N, N).double(), 0
    for i in range(N):
        a = values[place : place + i]
        place += i
        covariance[i, :i] = covariance[:i, i] = a @ covariance[:i, :i]
        covariance[i, i] = a @ covariance[:i, :i] @ a + log_variance[i].exp()
    return MultivariateNormal(mean, covariance)


def test_density():
    expected = [normal(o).log_prob(x) for o, x in zip(OUTPUTS, X)]
    assert_allclose(LIKELIHOOD.log_prob(OUTPUTS, X), expected)
    all_pairs = LIKELIHOOD.log_prob(OUTPUTS[:, None], X)
    assert_allclose(all_pairs.diagonal(), expected)


def marginal(p, mask):
    return MultivariateNormal(p.mean[mask], p.covariance_matrix[mask][:, mask])


def test_density_of_observed_entries():
    expected = [
        marginal(normal(o), mask).log_prob(x[mask])
        for o, x, mask in zip(OUTPUTS, X, OBSERVED)
    ]
    filled = X.where(OBSERVED, 7)
    actual = LIKELIHOOD.observed_log_prob(OUTPUTS, filled, OBSERVED)
    assert_allclose(actual, expected)
    nothing = torch.zeros_like(OBSERVED)
    assert_allclose(LIKELIHOOD.observed_log_prob(OUTPUTS, X, nothing), 0, atol=1e-12)
    complete = LIKELIHOOD.observed_log_prob(OUTPUTS, X, ~nothing)
    assert_allclose(complete, LIKELIHOOD.log_prob(OUTPUTS, X))


def test_slopes_of_observed_entries():
    outputs = OUTPUTS.clone().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda o: LIKELIHOOD.observed_log_prob(o, X, OBSERVED), outputs
    )


def test_conditional_moments():
    rows, n_draws = X.where(OBSERVED, 7), 20_000
    means = LIKELIHOOD.conditional_mean(OUTPUTS, rows, OBSERVED)
    draws = LIKELIHOOD.conditional_sample(
        OUTPUTS.expand(n_draws, -1, -1), rows, OBSERVED, GENERATOR
    )
    for o, x, known, mean, draw in zip(OUTPUTS, X, OBSERVED, means, draws.unbind(1)):
        p, gaps = normal(o), ~known
        cross = p.covariance_matrix[gaps][:, known]
        within = p.covariance_matrix[known][:, known]
        weights = torch.linalg.solve(within, cross.T).T
        expected = p.mean[gaps] + weights @ (x[known] - p.mean[known])
        assert_allclose(mean[gaps], expected)
        assert_allclose(mean[known], x[known])
        covariance = p.covariance_matrix[gaps][:, gaps] - weights @ cross.T
        std = covariance.diagonal().sqrt()
        assert torch.all(
            (draw[:, gaps].mean(0) - expected).abs() < 4.5 * std / n_draws**0.5
        )
        sizes = torch.outer(std, std)
        error = ((draw[:, gaps] - expected).T.cov(correction=0) - covariance).abs()
        assert torch.all(error < 4.5 * (2 / n_draws) ** 0.5 * sizes)


def test_draws_have_the_covariance():
    draws = LIKELIHOOD.sample(OUTPUTS[:1].expand(50_000, -1), GENERATOR)
    p = normal(OUTPUTS[0])
    std = p.covariance_matrix.diagonal().sqrt()
    assert torch.all((draws.mean(0) - p.mean).abs() < 4.5 * std / 50_000**0.5)
    error = (draws.T.cov() - p.covariance_matrix).abs()
    assert torch.all(error < 4.5 * (2 / 50_000) ** 0.5 * torch.outer(std, std))


def test_new_units_are_the_same_distribution():
    ratio = torch.tensor([1.0, 10.0, 0.5, 3.0]).double()
    fresh = torch.zeros(N).bool()
    factor, shift = LIKELIHOOD.rescale(ratio, ratio, ratio, fresh)
    changed = LIKELIHOOD.log_prob(OUTPUTS * factor + shift, X / ratio)
    expected = LIKELIHOOD.log_prob(OUTPUTS, X) + ratio.log().sum()
    assert_allclose(changed, expected)
    fresh[1] = True
    factor, shift = LIKELIHOOD.rescale(ratio, X[0], ratio, fresh)
    p = normal(OUTPUTS[0] * factor + shift)
    assert_allclose(p.mean[1], X[0, 1])
    assert_allclose(p.covariance_matrix[1], [0, 1, 0, 0], atol=1e-12)


def correlated(n, rng):
    """Two groups of rows, in which the same columns have opposite correlations."""
    signs = rng.choice([-1.0, 1.0], n)
    x = rng.normal(size=n)
    rows = np.column_stack([x, signs * x + 0.1 * rng.normal(size=n), 3 * signs])
    rows[:, 2] += rng.normal(size=n)
    return rows


@pytest.mark.parametrize("gaps", [False, True])
def test_it_learns_correlations_that_depend_on_the_latent(gaps):
    rng = np.random.default_rng(0)
    rows, test = correlated(1500, rng), correlated(500, rng)
    if gaps:
        rows[rng.random(rows.shape) < 0.1] = np.nan
    scores = {}
    for noise in ("heteroscedastic", "full"):
        vae = VariationalAutoencoder(
            1, noise_variance=noise, max_iter=40, random_state=0
        ).fit(rows)
        scores[noise] = vae.score(test)
    # the entropy of the rows, with the group known, bounds the score
    assert scores["full"] > scores["heteroscedastic"] + 0.3
    assert vae.noise_variance_ is None


def test_missing_entries_follow_the_correlation():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 1))
    rows = np.hstack([x, -x]) + 0.1 * rng.normal(size=(600, 2))
    vae = VariationalAutoencoder(
        1, noise_variance="full", max_iter=20, random_state=0
    ).fit(rows)
    filled = vae.impute([[1.0, np.nan], [np.nan, 1.0]], return_mean=True)
    assert_allclose(filled, [[1, -1], [-1, 1]], atol=0.2)


def test_part_of_the_columns_beside_others():
    parts = [(FullGaussian(), [0, 2]), ("bernoulli", [1])]
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2)) @ [[1.0, 0.9], [0, 0.3]]
    rows = np.column_stack([x[:, 0], x[:, 0] > 0, x[:, 1]])
    vae = VariationalAutoencoder(
        1, likelihood=ColumnLikelihood(parts), max_iter=3, random_state=0
    ).fit(rows)
    rows[:5, 0] = np.nan
    assert np.isfinite(vae.score_samples(rows)).all()
    assert np.isfinite(vae.impute(rows[:5])).all()
    marginals = vae.score_samples(rows[:5])
    # p(x_1, x_2) is the integral of p(x) over x_0
    grid = np.linspace(-8, 8, 801)
    many = np.repeat(rows[:1], len(grid), axis=0)
    many[:, 0] = grid
    total = np.logaddexp.reduce(vae.score_samples(many)) + np.log(grid[1] - grid[0])
    assert_allclose(total, marginals[0], atol=0.05)
