"""Priors over the latents: p(h), its log-density and its draws.

A prior is a module, so its parameters are trained with the networks. Called as
``prior(encode)`` it answers with a distribution that has ``log_prob(H)``,
``kl(H, mean, log_std)``, ``sample(shape, generator)``, and ``transport``, which turns
given normal and uniform numbers into draws. ``encode`` maps rows to the
mean and log standard deviation of q(h | x). Only ``VampPrior`` uses it, once per call.

References
----------
Tomczak, J. M. and Welling, M. VAE with a VampPrior. AISTATS 2018.
Dinh, L., Sohl-Dickstein, J. and Bengio, S. Density estimation using Real NVP. ICLR 2017
(affine couplings).
"""

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

N_PARTS = 100
"""Number of Gaussians in a mixture, and of pseudo-inputs."""
_N_COUPLINGS = 6
_WIDTH = 64  # of the hidden layer of a coupling
_LARGEST_STRETCH = 2.0  # log of what one coupling scales a latent by


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
        return _standard_normal(shape, generator)

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
            log_density = _mixture_log_density(*map(_full_precision, (rows, *self)))
        return log_density.reshape(H.shape[:-1])

    def kl(self, H, mean, log_std):
        """log q(h | x) - log p(h) at draws H from q: on average KL[q || p], nats."""
        return log_normal(H, mean, log_std) - self.log_prob(H)

    def sample(self, shape, generator):
        """Draws of the given shape, (n_samples, n_components)."""
        part = torch.multinomial(
            self.log_weights.exp(), shape[0], replacement=True, generator=generator
        )
        noise = _standard_normal(shape, generator)
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


def _full_precision(values):
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _standard_normal(shape, generator):
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
        self.means = nn.Parameter(_standard_normal(shape, generator))
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


class Coupling(nn.Module):
    """Scales and shifts one half of the latents by functions of the other half."""

    def __init__(self, n_components, is_even, generator):
        super().__init__()
        changes = torch.arange(n_components, device="cpu") % 2 == (not is_even)
        self.register_buffer("changes", changes, persistent=False)
        self.first = _linear(n_components, _WIDTH, generator)
        self.last = _linear(_WIDTH, 2 * n_components, None)

    def steps(self, H):
        """Log scales and shifts of the latents, 0 for those that stay."""
        # in full precision: what the couplings scale by adds up
        with torch.autocast(H.device.type, enabled=False):
            hidden = functional.silu(self.first(H.where(~self.changes, 0)))
            log_scale, shift = self.last(hidden).chunk(2, dim=-1)
        log_scale = _LARGEST_STRETCH * torch.tanh(log_scale / _LARGEST_STRETCH)
        return log_scale.where(self.changes, 0), shift.where(self.changes, 0)


def _linear(n_in, n_out, generator):
    """A linear layer with weights drawn by the generator, or zero without one."""
    settings = {"dtype": torch.float32, "device": "cpu"}
    layer = nn.utils.skip_init(nn.Linear, n_in, n_out, **settings)
    for parameter in layer.parameters():
        if generator is None:
            nn.init.zeros_(parameter)
        else:
            nn.init.uniform_(parameter, -(n_in**-0.5), n_in**-0.5, generator)
    return layer


class Flow(nn.Module):
    """N(0, I) taken through affine couplings, which change nothing at first."""

    def __init__(self, n_components, generator):
        super().__init__()
        self.couplings = nn.ModuleList(
            Coupling(n_components, k % 2 == 0, generator) for k in range(_N_COUPLINGS)
        )

    def forward(self, encode):
        return self

    def log_prob(self, H):
        """log p(h) of each row of H, nats."""
        H, log_volume = _full_precision(H), 0
        for coupling in self.couplings:
            log_scale, shift = coupling.steps(H)
            H = H * torch.exp(log_scale) + shift
            log_volume = log_volume + log_scale.sum(dim=-1)
        return Normal().log_prob(H) + log_volume

    def kl(self, H, mean, log_std):
        """log q(h | x) - log p(h) at draws H from q: on average KL[q || p], nats."""
        return log_normal(H, mean, log_std) - self.log_prob(H)

    def sample(self, shape, generator):
        """Draws of the given shape, (n_samples, n_components)."""
        return self.transport(_standard_normal(shape, generator), None)

    def transport(self, normal, uniform):
        """Draws made of standard normal numbers, shape (n_samples, n_components)."""
        H = normal
        for coupling in reversed(self.couplings):
            log_scale, shift = coupling.steps(H)
            H = (H - shift) * torch.exp(-log_scale)
        return H


def new_prior(name, n_components, n_features, generator):
    """The prior of this name; the pseudo-inputs of a VampPrior are zero."""
    if name == "mixture":
        return Mixture(n_components, generator)
    if name == "vamp":
        return VampPrior(
            torch.zeros(N_PARTS, n_features, dtype=torch.float32, device="cpu")
        )
    if name == "flow":
        return Flow(n_components, generator)
    return StandardNormal()
