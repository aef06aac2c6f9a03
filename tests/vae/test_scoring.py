"""Estimates of log p(x) against models whose likelihood is known."""

import itertools
import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.stats import multivariate_normal
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.preprocessing import StandardScaler

from skgen import VariationalAutoencoder
from skgen.vae import scoring
from skgen.vae.likelihoods import Bernoulli
from skgen.vae.missing import ObservedEntries
from skgen.vae.networks import Autoencoder
from skgen.vae.priors import GaussianMixture
from skgen.vae.proposals import quasi_random_draws, standardized
from tests.vae.test_bounds import VARIANCE, LinearGaussian

HIDDEN = {"hidden_layer_sizes": (32,), "max_iter": 6, "random_state": 0}


@pytest.fixture(scope="module")
def known():
    return LinearGaussian()


def adaptive(model, X, n_draws=128, most_draws=512, **options):
    draws = quasi_random_draws(2 * most_draws, model.n_components, seed=0)
    return scoring.adaptive_estimate(model, X, draws, n_draws, most_draws, **options)


def nonlinear(n_latents=1, n_features=5, gain=1.0):
    """A Bernoulli model with a curved decoder and an encoder that knows nothing."""
    generator = torch.Generator().manual_seed(0)
    decoder = torch.nn.Sequential(
        torch.nn.Linear(n_latents, 8), torch.nn.Tanh(), torch.nn.Linear(8, n_features)
    ).double()
    for parameter in decoder.parameters():
        parameter.data.normal_(0, gain, generator=generator)
    encoder = torch.nn.Linear(n_features, 2 * n_latents).double()
    for parameter in encoder.parameters():
        parameter.data.zero_()
    likelihood = Bernoulli().build(n_features)
    return Autoencoder(encoder, decoder, likelihood, n_latents).requires_grad_(False)


def test_a_linear_model_is_exact_whatever_its_encoder(known):
    """Also of the observed entries of a row, by 128 draws that all count."""
    model = known.model(mean_shift=40.0, std_factor=0.1)
    X = known.X.copy()
    X[0, 1:], X[1, :2], X[2] = np.nan, np.nan, np.nan
    covariance = known.W @ known.W.T + VARIANCE * np.eye(4)
    expected = np.zeros(6)
    for row, x in enumerate(X):
        if (seen := ~np.isnan(x)).any():
            part = covariance[np.ix_(seen, seen)]
            gaussian = multivariate_normal(known.c[seen], part)
            expected[row] = gaussian.logpdf(x[seen])
    estimate, proposal = adaptive(ObservedEntries(model), torch.from_numpy(X))
    assert_allclose(estimate.log_likelihood.numpy(), expected, atol=1e-7)
    assert_allclose(estimate.effective_size.numpy(), 128)
    precision = np.eye(2) + known.W.T @ known.W / VARIANCE  # of a whole row
    covariance = proposal.root[-1] @ proposal.root[-1].T
    assert_allclose(covariance.numpy(), np.linalg.inv(precision), atol=1e-7)


def test_against_numerical_integration():
    """A nonlinear decoder with one latent dimension: log p(x) on a fine grid."""
    model, X = nonlinear(gain=2.0), torch.eye(5, dtype=torch.float64)
    grid = torch.linspace(-9, 9, 20_001, dtype=torch.float64)[:, None]
    log_prior = -0.5 * grid.square().sum(dim=1) - 0.5 * math.log(2 * math.pi)
    log_joint = model.likelihood.log_prob(model.decoder(grid)[:, None], X)
    log_joint += log_prior[:, None] + math.log(18 / 20_000)
    exact = torch.logsumexp(log_joint, dim=0).numpy()
    draws = quasi_random_draws(2**15, 1, seed=1)
    _, proposal = adaptive(model, X)
    for estimate in (
        scoring.estimate_by(model, X, proposal, draws),
        scoring.estimate_by_prior(model, X, draws),
    ):
        assert_allclose(estimate.log_likelihood.numpy(), exact, atol=0.005)


def test_the_direct_approach_is_within_its_error(known):
    X = torch.from_numpy(known.X)
    draws = quasi_random_draws(2**16, 2, seed=1)
    estimate = scoring.estimate_by_prior(known.model(), X, draws)
    error = np.sqrt(1 / estimate.effective_size.numpy())
    gap = estimate.log_likelihood.detach().numpy() - known.log_p
    assert np.all(np.abs(gap) < 4.5 * error) and error.max() < 0.1


@pytest.mark.parametrize("likelihood", ["bernoulli", "chow_liu"])
def test_the_direct_approach_is_a_distribution(likelihood):
    """Of one set of draws: probabilities add up, those of rows with gaps too."""
    rng = np.random.default_rng(0)
    X = (rng.random((200, 1)) < rng.random((200, 5))).astype(float)
    vae = VariationalAutoencoder(
        2, likelihood=likelihood, max_iter=5, random_state=0
    ).fit(X)
    rows = np.array(list(itertools.product([0.0, 1.0], repeat=5)))
    settings = {"n_samples": 2**10, "proposal": "prior", "random_state": 0}
    log_p = vae.log_likelihood(rows, **settings)
    assert_allclose(np.exp(log_p).sum(), 1)
    gaps = rng.random(rows.shape) < 0.5
    with_gaps = vae.log_likelihood(np.where(gaps, np.nan, rows), **settings)
    for row, gap, log_marginal in zip(rows, gaps, with_gaps):
        same = (rows == row)[:, ~gap].all(axis=1)
        assert_allclose(log_marginal, np.logaddexp.reduce(log_p[same]), atol=1e-9)


def test_a_row_does_not_depend_on_others():
    """Neither on the rows beside it nor on how many are decoded at a time."""
    model = nonlinear(3, 30)
    X = (torch.rand(40, 30, generator=torch.Generator().manual_seed(1)) < 0.5).double()
    whole, _ = adaptive(model, X)
    sizes = whole.effective_size
    assert sizes.min() < 256 < sizes.max()  # some rows got 512 draws
    alone = [adaptive(model, row)[0].log_likelihood for row in X[:12].split(1)]
    assert_allclose(torch.cat(alone), whole.log_likelihood[:12], rtol=1e-10)
    pieces, _ = adaptive(model, X, width=2**17)
    assert_allclose(pieces.log_likelihood, whole.log_likelihood, rtol=1e-10)


def test_transported_draws_are_those_of_the_prior():
    means = torch.tensor([[-2.0, 1.0], [3.0, 0.0]])
    mixture = GaussianMixture(
        means, means.new_zeros(2, 2), torch.tensor([0.25, 0.75]).log()
    )
    draws = quasi_random_draws(2**12, 2, seed=0)
    H = mixture.transport(draws.normal.float(), draws.prior_part.float())
    assert_allclose(H.mean(dim=0), 0.25 * means[0] + 0.75 * means[1], atol=0.02)
    between = 0.25 * 0.75 * (means[1] - means[0]).square()
    assert_allclose(H.var(dim=0), 1 + between, rtol=0.02)


def test_standardized_draws():
    normal = standardized(quasi_random_draws(16, 3, seed=0).normal)
    assert_allclose(normal.mean(dim=0), np.zeros(3), atol=1e-12)
    assert_allclose(normal.square().mean(dim=0), np.ones(3))
    assert torch.isfinite(standardized(quasi_random_draws(1, 3, seed=0).normal)).all()


def data(name):
    if name == "digits":
        return load_digits().data[::4] / 16
    load = {"cancer": load_breast_cancer, "diabetes": load_diabetes}[name]
    return StandardScaler().fit_transform(load().data[:300])


@pytest.mark.parametrize(
    "name, parameters",
    [
        ("digits", {}),
        ("digits", {"likelihood": "bernoulli", "n_components": 4}),
        ("cancer", {"noise_variance": "feature"}),
        ("cancer", {"prior": "mixture", "n_components": 3}),
        ("cancer", {"prior": "vamp", "n_components": 3}),
        ("diabetes", {"noise_variance": "heteroscedastic", "n_components": 3}),
        ("diabetes", {"hidden_layer_sizes": (), "n_components": 5}),
    ],
)
def test_scores_are_those_of_many_draws(name, parameters):
    """And they are not below the ELBO, and 0 where nothing is observed."""
    X = data(name)
    vae = VariationalAutoencoder(**HIDDEN | parameters).fit(X)
    X = X[:50]
    score = vae.score_samples(X)
    many, ess = vae.log_likelihood(X, n_samples=10_000, return_ess=True)
    assert np.mean(np.abs(score - many) < 0.1) >= 0.99
    assert vae.elbo(X).mean() <= score.mean() + 1e-6
    assert np.all(ess > 100) and np.all(ess < 10_000.5)
    nothing = np.full_like(X[:1], np.nan)
    assert vae.score_samples(nothing) == 0
    assert vae.log_likelihood(nothing, proposal="prior") == 0


def test_rows_with_gaps_of_a_linear_model():
    X = data("cancer")
    vae = VariationalAutoencoder(10, hidden_layer_sizes=(), random_state=0).fit(X)
    mean = vae.inverse_transform(np.zeros((1, 10)))[0]
    loadings = vae.inverse_transform(np.eye(10)) - mean
    covariance = loadings.T @ loadings + vae.noise_variance_ * np.eye(30)
    X = np.where(np.random.default_rng(0).random(X.shape) < 0.5, np.nan, X)[:150]
    expected = []
    for x in X:
        seen = ~np.isnan(x)
        part = covariance[np.ix_(seen, seen)]
        expected.append(multivariate_normal(mean[seen], part).logpdf(x[seen]))
    assert_allclose(vae.score_samples(X), expected, atol=1e-3)
    as_float32 = vae.score_samples(X.astype(np.float32))
    assert_allclose(as_float32, expected, atol=0.02)


def test_an_outlier_is_scored_like_any_row():
    """The encoder, far from what it has seen, is no guide to the posterior."""
    X = data("cancer")
    vae = VariationalAutoencoder(4, **HIDDEN).fit(X)
    strange = X[:5] * 20
    score = vae.score_samples(strange)
    estimates = [
        vae.log_likelihood(strange, n_samples=2**13, random_state=seed)
        for seed in range(3)
    ]
    assert_allclose(score, np.mean(estimates, axis=0), atol=0.1)
    assert np.mean(score - vae.elbo(strange)) > 20
