"""Priors over the latents: p(h), its log-density and its draws.

A prior is a module, so its parameters are trained with the networks. Called as
``prior(encode)`` it answers with a distribution that has ``log_prob(H)``,
``kl(H, mean, log_std)``, ``sample(shape, generator)``, and ``transport``, which turns
given normal and uniform numbers into draws. ``encode`` maps rows to the
mean and log standard deviation of q(h | x). Only ``VampPrior`` uses it, once per call.

References
----------
Tomczak, J. M. and Welling, M. VAE with a VampPrior. AISTATS 2018.
"""

import math
from typing import NamedTuple

import torch
from torch import nn

N_PARTS = 100
"""Number of Gaussians in a mixture, and of pseudo-inputs."""


def log_normal(H, mean, log_std):
    """log N(h | mean, diag std^2), summed over the last axis, nats."""
    scaled = (H - mean) * torch.exp(-log_std)
    log_density = -0.5 * (scaled.square() + math.log(2 * math.pi)) - log_std
    return log_density.sum(dim=-1)


def gaussian_kl(mean, log_std):
    """KL[N(mean, diag std^2) || N(0, I)], summed over the last axis, nats."""
    squares = mean.square() + torch.exp(2 * log_std)
    return 0.5 * (squares.sum(dim=-1) - mean.shape[-1]) - log_std.sum(dim=-1)


class Normal:
    """The distribution N(0, I)."""

    def log_prob(self, H):
        """log p(h) of each row of H, nats."""
        zero = torch.zeros((), device=H.device, dtype=H.dtype)
        return log_normal(H, zero, zero)

    def kl(self, H, mean, log_std):
        """KL[q(h | x) || p(h)] in closed form, nats; the draws H are not needed."""
        return gaussian_kl(mean, log_std)

    def sample(self, shape, generator):
        """Draws of the given shape, (n_samples, n_components)."""
        return standard_normal(shape, generator)

    def transport(self, normal, uniform):
        """Draws made of standard normal numbers, shape (n_samples, n_components)."""
        return normal


class GaussianMixture(NamedTuple):
    """The distribution sum_k w_k N(h | mean_k, diag std_k^2).

    Means and log_stds have shape (n_parts, n_components), log_weights (n_parts,).
    """

    means: torch.Tensor
    log_stds: torch.Tensor
    log_weights: torch.Tensor

    def log_prob(self, H):
        """log p(h) of each row of H, nats."""
        rows = H.reshape(-1, H.shape[-1])
        # the two products for -|h - m|^2 / 2 s^2 nearly cancel: full precision
        with torch.autocast(H.device.type, enabled=False):
            log_density = _mixture_log_density(*map(full_precision, (rows, *self)))
        return log_density.reshape(H.shape[:-1])

    def kl(self, H, mean, log_std):
        """log q(h | x) - log p(h) at draws H from q: on average KL[q || p], nats."""
        return log_normal(H, mean, log_std) - self.log_prob(H)

    def sample(self, shape, generator):
        """Draws of the given shape, (n_samples, n_components)."""
        part = torch.multinomial(
            self.log_weights.exp(), shape[0], replacement=True, generator=generator
        )
        noise = standard_normal(shape, generator)
        return self.means[part] + torch.exp(self.log_stds[part]) * noise

    def transport(self, normal, uniform):
        """Draws made of standard normal numbers and of uniform ones, (n_samples,)."""
        ends = self.log_weights.exp().cumsum(dim=0)
        part = torch.searchsorted(ends, uniform).clamp(max=len(ends) - 1)
        return self.means[part] + torch.exp(self.log_stds[part]) * normal


def _mixture_log_density(rows, means, log_stds, log_weights):
    precision = torch.exp(-2 * log_stds)
    squares = rows.square() @ precision.T - 2 * rows @ (means * precision).T
    constant = (means.square() * precision + 2 * log_stds).sum(dim=-1)
    constant = constant + rows.shape[-1] * math.log(2 * math.pi)
    return torch.logsumexp(log_weights - 0.5 * (squares + constant), dim=-1)


def full_precision(values):
    """The values in float32 at least."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def standard_normal(shape, generator):
    """Standard normal numbers, float32."""
    settings = {"dtype": torch.float32, "device": generator.device}
    return torch.randn(shape, generator=generator, **settings)


class StandardNormal(nn.Module):
    """The prior N(0, I), which has no parameters."""

    def forward(self, encode):
        return Normal()


class Mixture(nn.Module):
    """A mixture of Gaussians whose means, deviations and weights are learned."""

    def __init__(self, n_components, generator):
        super().__init__()
        shape = N_PARTS, n_components
        self.means = nn.Parameter(standard_normal(shape, generator))
        self.log_stds = nn.Parameter(torch.zeros_like(self.means))
        self.log_weights = nn.Parameter(self.means.new_zeros(N_PARTS))

    def forward(self, encode):
        log_weights = torch.log_softmax(self.log_weights, dim=0)
        return GaussianMixture(self.means, self.log_stds, log_weights)


class VampPrior(nn.Module):
    """The mixture of q(h | u_k), with equal weights, over learned pseudo-inputs u_k.

    The rows are the initial pseudo-inputs, shape (n_parts, n_features).
    """

    def __init__(self, rows):
        super().__init__()
        self.inputs = nn.Parameter(rows)

    def forward(self, encode):
        means, log_stds = encode(self.inputs)
        log_weights = means.new_full((len(means),), -math.log(len(means)))
        return GaussianMixture(means, log_stds, log_weights)
