"""Bounds on log p(x), all of them from log importance weights:

    log w_i = log p(x | h_i) + log p(h_i) - log q(h_i | x),   h_i ~ q(h | x)
    ELBO    = E[log w]                  <= log p(x)
    IWAE_k  = E[log (1/k) sum_i w_i]    does not decrease in k, tends to log p(x)

Training maximises them. The functions take an ``Autoencoder`` or ``ObservedEntries``.

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


def elbo_terms(model, X, noise, surrogate=False):
    """Reconstruction E_q[log p(x | h)] and KL[q(h | x) || p(h)] of each row, nats.

    The standard normal noise has shape (n, n_components): one draw for each row, or
    (k, n or 1, n_components): k draws to average over. With `surrogate` a cheaper
    function that has the same gradient replaces the reconstruction.
    """
    mean, log_std = model.posterior(X)
    H = mean + torch.exp(log_std) * noise
    log_prob = model.likelihood.surrogate if surrogate else model.likelihood.log_prob
    reconstruction = log_prob(model.decode(H), X)
    kl = model.latent_prior().kl(H, mean, log_std)
    if noise.ndim == 3:
        reconstruction = reconstruction.mean(dim=0)
        kl = kl.mean(dim=0) if kl.ndim == 2 else kl
    return reconstruction, kl


def log_weights(model, X, noise, doubly=False):
    """Log importance weights of draws from the encoder, shape (k, n).

    The noise, shape (k, n or 1, n_components), is standard normal. With `doubly`, the
    gradient of the weights, averaged by their normalised values, is the doubly
    reparameterised one: the density q is held fixed, and the gradient that reaches the
    encoder through h is weighted once more.
    """
    mean, log_std = model.posterior(X)
    H = mean + torch.exp(log_std) * noise
    if doubly:
        mean, log_std = mean.detach(), log_std.detach()
    log_p = model.likelihood.log_prob(model.decode(H), X)
    log_p = log_p + model.latent_prior().log_prob(H)
    weights = log_p - log_normal(H, mean, log_std)
    if doubly and H.requires_grad:
        normalized = torch.softmax(weights.detach(), dim=0)
        H.register_hook(lambda gradient: gradient * normalized[..., None])
    return weights


def log_mean_weight(weights):
    """log (1/k) sum_i w_i of each row, from log-weights of shape (k, n)."""
    return torch.logsumexp(weights, dim=0) - math.log(weights.shape[0])
