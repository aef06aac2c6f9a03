"""Bounds against models whose likelihood is known."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.stats import multivariate_normal

from skgen.divergences import gaussian_kl_divergence
from skgen.vae import bounds
from skgen.vae.likelihoods import Gaussian
from skgen.vae.networks import Autoencoder
from skgen.vae.priors import gaussian_kl

VARIANCE = 0.5


def linear(weight, bias):
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0]).double()
    layer.weight.data = torch.from_numpy(weight)
    layer.bias.data = torch.from_numpy(bias)
    return layer


class LinearGaussian:
    """x = W h + c + noise: log p(x) and p(h | x) in closed form.

    The columns of W are orthogonal, so that the posterior is a diagonal Gaussian.
    """

    def __init__(self):
        rng = np.random.default_rng(0)
        Q, _ = np.linalg.qr(rng.normal(size=(4, 2)))
        self.W, self.c = Q * [1.5, 0.7], rng.normal(size=4)
        precision = 1 + (self.W**2).sum(axis=0) / VARIANCE
        self.std = 1 / np.sqrt(precision)
        self.encode = (self.W / VARIANCE / precision).T
        self.X = rng.normal(size=(6, 4))
        covariance = self.W @ self.W.T + VARIANCE * np.eye(4)
        self.log_p = multivariate_normal(self.c, covariance).logpdf(self.X)

    def model(self, mean_shift=0.0, std_factor=1.0):
        """With an encoder that is the posterior, or one that is off."""
        weight = np.vstack([self.encode, np.zeros((2, 4))])
        mean_bias = -self.encode @ self.c + mean_shift
        bias = np.concatenate([mean_bias, 2 * np.log(std_factor * self.std)])
        likelihood = Gaussian(noise_variance=VARIANCE).build(4).double()
        decoder = linear(self.W, self.c)
        return Autoencoder(linear(weight, bias), decoder, likelihood, 2).double()


@pytest.fixture(scope="module")
def known():
    return LinearGaussian()


def noise(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def test_exact_posterior_has_constant_weights(known):
    """q(h | x) = p(h | x): every single weight is p(x)."""
    X = torch.from_numpy(known.X)
    weights = bounds.log_weights(known.model(), X, noise(5, 6, 2)).detach().numpy()
    assert_allclose(weights, np.broadcast_to(known.log_p, (5, 6)), rtol=1e-6)


def test_gap_of_the_elbo_is_the_divergence_to_the_posterior(known):
    """log p(x) - KL[q(h | x) || p(h | x)] = ELBO, all three known."""
    X = torch.from_numpy(known.X)
    shift, factor = 0.3, 1.4
    model = known.model(shift, factor)
    gap = gaussian_kl_divergence(
        np.full(2, shift), factor * known.std, np.zeros(2), known.std
    )
    k = 200_000
    mean, log_std = model.posterior(X)
    H = mean + torch.exp(log_std) * noise(k, 1, 2)
    log_p = model.likelihood.log_prob(model.decoder(H), X)
    reconstruction, kl = bounds.elbo_terms(model, X, noise(k, 1, 2))
    error = log_p.std(dim=0) / math.sqrt(k)
    difference = reconstruction - kl - torch.from_numpy(known.log_p - gap)
    assert torch.all(difference.abs() < 4.5 * error)
    assert gap > 0.1


def test_kl_agrees_with_divergences():
    rng = np.random.default_rng(1)
    mean, std = rng.normal(size=(7, 3)), rng.uniform(0.2, 2, (7, 3))
    computed = gaussian_kl(torch.from_numpy(mean), torch.from_numpy(np.log(std)))
    assert_allclose(computed.numpy(), gaussian_kl_divergence(mean, std))


def doubly_reparameterized(model, X, noise):
    """Gradients of encoder and decoder as training takes them."""
    weights = bounds.log_weights(model, X, noise, doubly=True)
    normalized = torch.softmax(weights.detach(), dim=0)
    (normalized * weights).sum(dim=0).mean().backward()
    return gradients(model)


def plain(model, X, noise):
    bounds.log_mean_weight(bounds.log_weights(model, X, noise)).mean().backward()
    return gradients(model)


def gradients(model):
    return [
        np.concatenate([p.grad.numpy().ravel() for p in part.parameters()])
        for part in (model.encoder, model.decoder)
    ]


def test_doubly_reparameterized_gradient_has_no_variance_at_the_posterior(known):
    """Where q(h | x) = p(h | x) nothing is left for the encoder to gain."""
    X = torch.from_numpy(known.X)
    encoder, decoder = doubly_reparameterized(known.model(), X, noise(5, 6, 2))
    assert np.abs(encoder).max() < 1e-6 < np.abs(decoder).max()
    assert np.abs(plain(known.model(), X, noise(5, 6, 2))[0]).max() > 1e-2


def test_doubly_reparameterized_gradient_is_that_of_the_bound(known):
    X = torch.from_numpy(known.X)
    model = [0.5, 1.5]
    new, old = [], []
    for seed in range(400):
        draws = noise(8, 6, 2, seed=seed)
        new.append(doubly_reparameterized(known.model(*model), X, draws))
        old.append(plain(known.model(*model), X, draws))
    for index, part in enumerate(("encoder", "decoder")):
        a, b = (np.array([pair[index] for pair in pairs]) for pairs in (new, old))
        if part == "decoder":
            assert_allclose(a, b, rtol=1e-6, atol=1e-9)
            continue
        error = (a - b).std(axis=0) / np.sqrt(len(a))
        assert np.all(np.abs((a - b).mean(axis=0)) < 4.5 * error)
        assert a.var(axis=0).sum() < b.var(axis=0).sum()


def test_iwae_does_not_decrease_in_k(known):
    """Over nested groups of the same draws the inequality holds draw by draw."""
    X = torch.from_numpy(known.X)
    weights = bounds.log_weights(known.model(0.5, 1.5), X, noise(4096, 6, 2))
    values = []
    for k in (1, 2, 8, 64, 512, 4096):
        groups = torch.stack([bounds.log_mean_weight(g) for g in weights.split(k)])
        values.append(groups.mean(dim=0).detach().numpy())
    assert np.all(np.diff(values, axis=0) >= 0)
    # ELBO < log p(x), and the largest k has all but closed the gap
    assert np.all(values[0] < known.log_p - 0.1)
    assert_allclose(values[-1], known.log_p, atol=0.1)
