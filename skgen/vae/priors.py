"""Priors over the latents: what p(h) is, its log-density and its draws.

A prior is a module, so that what it learns is trained with the networks:

- ``StandardNormal``: N(0, I), with the KL divergence in closed form;
- ``Mixture``: a mixture of diagonal Gaussians, every part of it learned;
- ``VampPrior``: the mixture of the encoder's posteriors of learned pseudo-inputs.

References
----------
Tomczak, J. M. and Welling, M. VAE with a VampPrior. AISTATS 2018.
"""

import math

import torch
from torch import nn

N_PARTS = 100
"""Gaussians of a mixture, or pseudo-inputs."""


def log_normal(H, mean, log_std):
    """log N(h | mean, diag std^2), summed over the last axis, nats.

    Examples
    --------
    >>> import torch
    >>> from skgen.vae.priors import log_normal
    >>> log_normal(torch.zeros(1), torch.zeros(1), torch.zeros(1))
    tensor(-0.9189)
    """
    scaled = (H - mean) * torch.exp(-log_std)
    log_density = -0.5 * (scaled.square() + math.log(2 * math.pi)) - log_std
    return log_density.sum(dim=-1)


def gaussian_kl(mean, log_std):
    """KL[N(mean, std^2) || N(0, I)], summed over the last axis, nats.

    Examples
    --------
    >>> import torch
    >>> from skgen.vae.priors import gaussian_kl
    >>> gaussian_kl(torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2))
    tensor([0.5000])
    """
    squares = mean.square() + torch.exp(2 * log_std)
    return 0.5 * (squares.sum(dim=-1) - mean.shape[-1]) - log_std.sum(dim=-1)


class StandardNormal(nn.Module):
    """N(0, I).

    Examples
    --------
    >>> import torch
    >>> from skgen.vae.priors import StandardNormal
    >>> StandardNormal()(torch.zeros(3, 2)).shape
    torch.Size([3])
    """

    def forward(self, H, encode=None):
        """log p(h) of every row of H, nats."""
        zero = torch.zeros((), device=H.device, dtype=H.dtype)
        return log_normal(H, zero, zero)

    def kl(self, H, mean, log_std, encode=None):
        """KL[q(h | x) || p(h)], nats; it needs no draws H from q."""
        return gaussian_kl(mean, log_std)

    def sample(self, shape, generator, encode=None):
        """Draws of the given shape, (n_samples, n_components)."""
        return torch.randn(shape, generator=generator)


class SumOfGaussians(nn.Module):
    """sum_k w_k N(h | m_k, diag s_k^2).

    A subclass has ``parts(encode)``: the means and log standard deviations, each of
    shape (n_parts, n_components), and the log-weights, of shape (n_parts,).
    """

    def forward(self, H, encode=None):
        """log p(h) of every row of H, nats."""
        parts = (H.reshape(-1, H.shape[-1]), *self.parts(encode))
        # -|h - m|^2 / 2 s^2 of all pairs by two products, which nearly cancel
        with torch.autocast(H.device.type, enabled=False):
            return self._log_density(*map(_full_precision, parts)).reshape(H.shape[:-1])

    def _log_density(self, rows, means, log_stds, log_weights):
        precision = torch.exp(-2 * log_stds)
        squares = rows.square() @ precision.T - 2 * rows @ (means * precision).T
        constant = (means.square() * precision + 2 * log_stds).sum(dim=-1)
        constant = constant + rows.shape[-1] * math.log(2 * math.pi)
        return torch.logsumexp(log_weights - 0.5 * (squares + constant), dim=-1)

    def kl(self, H, mean, log_std, encode=None):
        """log q(h | x) - log p(h) at draws H from q: KL[q || p] on average, nats."""
        return log_normal(H, mean, log_std) - self(H, encode)

    def sample(self, shape, generator, encode=None):
        """Draws of the given shape, (n_samples, n_components)."""
        means, log_stds, log_weights = self.parts(encode)
        part = torch.multinomial(
            log_weights.exp(), shape[0], replacement=True, generator=generator
        )
        noise = torch.randn(shape, generator=generator)
        return means[part] + torch.exp(log_stds[part]) * noise


def _full_precision(values):
    return values.to(torch.promote_types(values.dtype, torch.float32))


class Mixture(SumOfGaussians):
    """A mixture of Gaussians, all parts learned.

    Examples
    --------
    >>> import torch
    >>> from skgen.vae.priors import Mixture
    >>> Mixture(2, torch.Generator().manual_seed(0))(torch.zeros(3, 2)).shape
    torch.Size([3])
    """

    def __init__(self, n_components, generator):
        super().__init__()
        self.means = nn.Parameter(
            torch.randn((N_PARTS, n_components), generator=generator)
        )
        self.log_stds = nn.Parameter(torch.zeros(N_PARTS, n_components))
        self.log_weights = nn.Parameter(torch.zeros(N_PARTS))

    def parts(self, encode=None):
        """Means, log standard deviations and log-weights of the Gaussians."""
        return self.means, self.log_stds, torch.log_softmax(self.log_weights, dim=0)


class VampPrior(SumOfGaussians):
    """The equal mixture of q(h | u_k) over learned pseudo-inputs u_k.

    Examples
    --------
    >>> import torch
    >>> from skgen.vae.priors import VampPrior
    >>> prior = VampPrior(torch.zeros(5, 3))
    >>> H, encode = torch.zeros(4, 2), lambda X: (X[:, :2], X[:, :2])
    >>> prior(H, encode).shape
    torch.Size([4])
    """

    def __init__(self, rows):
        super().__init__()
        self.inputs = nn.Parameter(rows)

    def parts(self, encode=None):
        """Means, log standard deviations and log-weights of the Gaussians."""
        means, log_stds = encode(self.inputs)
        return means, log_stds, means.new_full((len(means),), -math.log(len(means)))
