"""Bounds on and estimates of log p(x): everything from one tensor of log-weights.

    log w_i = log p(x | h_i) + log p(h_i) - log q(h_i | x),   h_i ~ q(h | x)
    ELBO    = E[log w]                  <= log p(x)
    IWAE_k  = E[log (1/k) sum_i w_i]    nondecreasing in k, towards log p(x)

With the prior as the proposal log w_i = log p(x | h_i), the direct approach.

References
----------
Kingma, D. P. and Welling, M. Auto-encoding variational Bayes. ICLR 2014.
Burda, Y., Grosse, R. and Salakhutdinov, R. Importance weighted autoencoders. ICLR 2016.
Tucker, G. et al. Doubly reparameterized gradient estimators for Monte Carlo objectives.
ICLR 2019.
"""

import math

import torch

from skgen.vae.priors import log_normal

_VALUES_PER_CHUNK = 2**23  # 32 MB of float32 for the widest tensor


def elbo_terms(model, X, noise, surrogate=False):
    """Reconstruction E_q[log p(x | h)] and KL[q(h | x) || p(h)] of each row.

    Parameters
    ----------
    model : Autoencoder
    X : tensor of shape (n, n_features)
    noise : tensor of shape (n, n_components) or (k, n or 1, n_components)
        Standard normal draws: one for each row, or k to be averaged over.
    surrogate : bool, default=False
        Instead of the reconstruction, what is cheaper and has the same gradient.

    Returns
    -------
    tensor, tensor of shape (n,)
        Nats; the ELBO is the first less the second.

    Examples
    --------
    >>> import torch
    >>> from skgen.vae.bounds import elbo_terms
    >>> from skgen.vae.likelihoods import Bernoulli
    >>> from skgen.vae.networks import Autoencoder
    >>> linear = torch.nn.Linear
    >>> model = Autoencoder(linear(3, 4), linear(2, 3), Bernoulli().build(3), 2)
    >>> elbo_terms(model, torch.zeros(5, 3), torch.zeros(1, 1, 2))[0].shape
    torch.Size([5])
    """
    mean, log_std = model.posterior(X)
    H = mean + torch.exp(log_std) * noise
    likelihood = model.likelihood
    log_prob = likelihood.surrogate if surrogate else likelihood.log_prob
    reconstruction = log_prob(model.decode(H), X)
    kl = model.prior.kl(H, mean, log_std, model.posterior)
    if noise.ndim == 3:
        reconstruction = reconstruction.mean(dim=0)
        kl = kl.mean(dim=0) if kl.ndim == 2 else kl
    return reconstruction, kl


def log_weights(model, X, noise, proposal="encoder", doubly=False):
    """Log importance weights, shape (k, n).

    With `doubly`, the weights are those whose gradient, weighted by their normalised
    values, is the doubly reparameterised one: q is held fixed where it is evaluated,
    and what reaches the encoder through h is weighted once more.

    Parameters
    ----------
    model : Autoencoder
    X : tensor of shape (n, n_features)
    noise : tensor of shape (k, n or 1, n_components)
        Standard normal draws; with the prior as the proposal, draws from the prior.
    proposal : {"encoder", "prior"}, default="encoder"
    doubly : bool, default=False

    Examples
    --------
    >>> import torch
    >>> from skgen.vae.bounds import log_weights
    >>> from skgen.vae.likelihoods import Bernoulli
    >>> from skgen.vae.networks import Autoencoder
    >>> linear = torch.nn.Linear
    >>> model = Autoencoder(linear(3, 4), linear(2, 3), Bernoulli().build(3), 2)
    >>> log_weights(model, torch.zeros(5, 3), torch.zeros(7, 1, 2)).shape
    torch.Size([7, 5])
    """
    if proposal == "prior":
        return model.likelihood.log_prob(model.decode(noise), X)
    mean, log_std = model.posterior(X)
    H = mean + torch.exp(log_std) * noise
    if doubly:
        mean, log_std = mean.detach(), log_std.detach()
    log_p = model.likelihood.log_prob(model.decode(H), X) + model.log_prior(H)
    weights = log_p - log_normal(H, mean, log_std)
    if doubly and H.requires_grad:
        normalized = torch.softmax(weights.detach(), dim=0)
        H.register_hook(lambda gradient: gradient * normalized[..., None])
    return weights


def log_mean_weight(weights):
    """log (1/k) sum_i w_i from log-weights of shape (k, n), shape (n,).

    Examples
    --------
    >>> import torch
    >>> from skgen.vae.bounds import log_mean_weight
    >>> log_mean_weight(torch.zeros(4, 2))
    tensor([0., 0.])
    """
    return torch.logsumexp(weights, dim=0) - math.log(weights.shape[0])


@torch.no_grad()
def log_likelihood(model, X, noise, proposal="encoder", width=1):
    """Importance-sampled log p(x) of each row, in chunks of bounded memory.

    Parameters
    ----------
    model : Autoencoder
    X : tensor of shape (n, n_features)
    noise : tensor of shape (k, n_components)
        Standard normal draws, or draws from the prior, that all rows share.
    proposal : {"encoder", "prior"}, default="encoder"
    width : int, default=1
        Of the widest layer, for the size of the chunks.

    Returns
    -------
    tensor of shape (n,)
        Nats.

    Examples
    --------
    >>> import torch
    >>> from skgen.vae.bounds import log_likelihood
    >>> from skgen.vae.likelihoods import Bernoulli
    >>> from skgen.vae.networks import Autoencoder
    >>> linear = torch.nn.Linear
    >>> model = Autoencoder(linear(3, 4), linear(2, 3), Bernoulli().build(3), 2)
    >>> log_likelihood(model, torch.zeros(5, 3), torch.zeros(7, 2)).shape
    torch.Size([5])
    """
    n_samples = noise.shape[0]
    samples = max(1, min(n_samples, _VALUES_PER_CHUNK // width))
    rows = max(1, _VALUES_PER_CHUNK // (width * samples))
    # written into memory that is there: small tensors that stay, allocated between
    # large ones that go, leave holes into which the next large one does not fit
    sums = X.new_full((X.shape[0],), -torch.inf)
    for part, total in zip(X.split(rows), sums.split(rows)):
        for some in noise.split(samples):
            weights = log_weights(model, part, some[:, None], proposal)
            torch.logaddexp(total, torch.logsumexp(weights, dim=0), out=total)
    return sums - math.log(n_samples)
