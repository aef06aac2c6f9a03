"""Priors against torch.distributions, against each other, and inside the model."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm
from sklearn.base import clone
from sklearn.datasets import load_iris
from torch import distributions

from skgen import VariationalAutoencoder
from skgen.vae import bounds, priors
from skgen.vae.flow import Flow
from skgen.vae.likelihoods import Gaussian
from skgen.vae.networks import Autoencoder


def mixture(n_components=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    prior = priors.Mixture(n_components, generator)
    with torch.no_grad():
        prior.log_stds.normal_(0, 0.5, generator=generator)
        prior.log_weights.normal_(0, 1, generator=generator)
    return prior.double()


def as_distribution(prior, encode=None):
    means, log_stds, log_weights = (part.detach() for part in prior(encode))
    parts = distributions.Independent(distributions.Normal(means, log_stds.exp()), 1)
    weights = distributions.Categorical(logits=log_weights)
    return distributions.MixtureSameFamily(weights, parts)


def draws(*shape, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def encode(X):
    """To two latents, of deviation 1/2."""
    return X[..., :2], torch.full_like(X[..., :2], np.log(0.5))


def test_normal():
    H = draws(5, 7, 3)
    standard = distributions.Normal(torch.zeros(()).double(), 1)
    assert_allclose(
        priors.StandardNormal()(encode).log_prob(H), standard.log_prob(H).sum(dim=-1)
    )


def test_mixture():
    H, prior = 2 * draws(5, 7, 2), mixture()
    log_p = prior(encode).log_prob(H).detach()
    assert_allclose(log_p, as_distribution(prior).log_prob(H))


def test_vamp_is_the_mixture_of_the_posteriors():
    H, prior = 2 * draws(6, 2), priors.VampPrior(draws(9, 4))
    expected = as_distribution(prior, encode).log_prob(H)
    assert_allclose(prior(encode).log_prob(H).detach(), expected)
    assert prior.inputs.requires_grad


@pytest.mark.parametrize("prior", [mixture(), priors.VampPrior(draws(9, 4))])
def test_draws_have_the_moments_of_the_prior(prior):
    n = 100_000
    with torch.no_grad():
        H = prior(encode).sample((n, 2), torch.Generator().manual_seed(2))
    expected = as_distribution(prior, encode)
    error = (expected.variance / n).sqrt()
    assert torch.all((H.mean(dim=0) - expected.mean).abs() < 4.5 * error)
    # the fourth moment of a mixture is unknown here: its estimate gives the error
    squares = (H - expected.mean).square()
    error = squares.std(dim=0) / n**0.5
    assert torch.all((squares.mean(dim=0) - expected.variance).abs() < 4.5 * error)


def flow(n_components=2):
    generator = torch.Generator().manual_seed(3)
    prior = Flow(n_components, generator)
    with torch.no_grad():
        for coupling in prior.couplings:
            for parameter in coupling.last.parameters():
                parameter.normal_(0, 0.2, generator=generator)
    return prior.double()


def test_a_flow_is_normal_at_first():
    H = draws(5, 7, 3)
    prior = Flow(3, torch.Generator()).double()
    assert_allclose(prior.log_prob(H).detach(), priors.Normal().log_prob(H))
    assert_array_equal(prior.transport(H, None).detach(), H)


@pytest.mark.parametrize("n_components", [1, 2, 5])
def test_density_of_a_flow(n_components):
    """By the Jacobian of the map from normal numbers, which autograd finds."""
    prior, normal = flow(n_components), draws(6, n_components)
    H = prior.transport(normal, None).detach()
    for one, h in zip(normal, H):
        jacobian = torch.autograd.functional.jacobian(
            lambda z: prior.transport(z[None], None)[0], one
        )
        expected = priors.Normal().log_prob(one) - torch.linalg.slogdet(jacobian)[1]
        assert_allclose(prior.log_prob(h).detach(), expected)


def test_density_of_a_flow_under_autocast():
    prior, H = flow().float(), draws(50, 2).float()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = H.bfloat16()
        assert_array_equal(prior.log_prob(H).detach(), _outside(prior, H))
        assert prior.log_prob(rounded).dtype == torch.float32


def _outside(prior, H):
    with torch.autocast("cpu", enabled=False):
        return prior.log_prob(H).detach()


def test_density_of_a_flow_adds_up_to_one():
    grid = torch.linspace(-25, 25, 1001, dtype=torch.float64)
    H = torch.cartesian_prod(grid, grid)
    total = flow().log_prob(H).detach().exp().sum() * (50 / 1000) ** 2
    assert total == pytest.approx(1, abs=1e-3)


def linear(n_in, n_out, seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return torch.nn.Linear(n_in, n_out).double()


def autoencoder(prior=None):
    likelihood = Gaussian(noise_variance=0.5).build(4).double()
    return Autoencoder(linear(4, 4, 0), linear(2, 4, 1), likelihood, 2, prior)


def test_a_mixture_that_is_normal_changes_nothing():
    prior = mixture()
    with torch.no_grad():
        for array in prior.parameters():
            array.zero_()
    X, noise = draws(6, 4), draws(3, 6, 2, seed=3)
    expected = bounds.log_weights(autoencoder(), X, noise).detach()
    assert_allclose(bounds.log_weights(autoencoder(prior), X, noise).detach(), expected)
    # the KL term is then an estimate of the closed form
    noise = draws(30_000, 1, 2, seed=4)
    _, kl = bounds.elbo_terms(autoencoder(), X, noise[:1])
    _, estimate = bounds.elbo_terms(autoencoder(prior), X, noise)
    mean, log_std = autoencoder().posterior(X)
    H = mean + log_std.exp() * noise
    log_prior = autoencoder().latent_prior().log_prob(H)
    terms = priors.log_normal(H, mean, log_std) - log_prior
    error = terms.std(dim=0) / len(noise) ** 0.5
    assert torch.all((estimate - kl).abs() < 4.5 * error)


def test_active_units_tell_a_collapsed_latent():
    """Rows of two kinds, which one latent tells apart, the rest of them being noise."""
    rng = np.random.default_rng(0)
    kinds = rng.random((2, 30)).round() * 0.8 + 0.1
    X = rng.random((6000, 30)) < kinds[rng.integers(0, 2, 6000)]
    vae = VariationalAutoencoder(
        4,
        hidden_layer_sizes=(32,),
        likelihood="bernoulli",
        n_iter_no_change=4,
        random_state=0,
    ).fit(X)
    assert vae.active_units_.sum() == 1
    # all of the rows: those held out for early stopping did not count
    variance = vae.transform(X).var(axis=0)
    assert_array_equal(vae.active_units_, variance > 0.01)


@pytest.mark.parametrize("prior", ["normal", "mixture", "vamp", "flow"])
@pytest.mark.parametrize("objective", ["elbo", "iwae"])
def test_estimator(prior, objective):
    X = load_iris().data
    vae = VariationalAutoencoder(
        2,
        hidden_layer_sizes=(16,),
        prior=prior,
        objective=objective,
        n_importance_samples=3,
        learning_rate=0.01,
        batch_size=10,
        max_iter=25,
        random_state=0,
    )
    vae.fit(X)
    columns = norm(X.mean(axis=0), X.std(axis=0)).logpdf(X).sum(axis=1)
    assert vae.score(X) > columns.mean() + 1
    encoder, direct = (
        vae.log_likelihood(X[::9], n_samples=20_000, proposal=proposal, random_state=1)
        for proposal in ("encoder", "prior")
    )
    assert abs(encoder.mean() - direct.mean()) < 0.05
    elbo, reconstruction, kl = vae.elbo(X, return_terms=True)
    assert_allclose(elbo, reconstruction - kl)
    sample = vae.sample(5000, random_state=0)
    assert np.all(np.abs(sample.mean(axis=0) - X.mean(axis=0)) < X.std(axis=0))
    again = pickle.loads(pickle.dumps(vae))
    assert_array_equal(again.score_samples(X), vae.score_samples(X))
    if objective == "elbo":
        assert_array_equal(clone(vae).fit(X).score_samples(X), vae.score_samples(X))
    with pytest.raises(ValueError, match="prior='"):
        vae.set_params(
            warm_start=True, prior="vamp" if prior == "normal" else "normal"
        ).fit(X)
