"""A learned prior: N(0, I) taken through affine couplings, with an exact density.

References
----------
Dinh, L., Sohl-Dickstein, J. and Bengio, S. Density estimation using Real NVP. ICLR
2017.
"""

import torch
from torch import nn
from torch.nn import functional

from skgen.vae.networks import linear, zero_linear
from skgen.vae.priors import Normal, full_precision, log_normal, standard_normal

_N_COUPLINGS = 6
_WIDTH = 64  # of the hidden layer of a coupling
_LARGEST_STRETCH = 2.0  # log of what one coupling scales a latent by


class Coupling(nn.Module):
    """Scales and shifts one half of the latents by functions of the other half."""

    def __init__(self, n_components, is_even, generator):
        super().__init__()
        changes = torch.arange(n_components, device="cpu") % 2 == (not is_even)
        self.register_buffer("changes", changes, persistent=False)
        self.first = linear(n_components, _WIDTH, generator)
        self.last = zero_linear(_WIDTH, 2 * n_components)

    def steps(self, H):
        """Log scales and shifts of the latents, 0 for those that stay."""
        # in full precision: what the couplings scale by adds up
        with torch.autocast(H.device.type, enabled=False):
            hidden = functional.silu(self.first(H.where(~self.changes, 0)))
            log_scale, shift = self.last(hidden).chunk(2, dim=-1)
        log_scale = _LARGEST_STRETCH * torch.tanh(log_scale / _LARGEST_STRETCH)
        return log_scale.where(self.changes, 0), shift.where(self.changes, 0)


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
        H, log_volume = full_precision(H), 0
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
        return self.transport(standard_normal(shape, generator), None)

    def transport(self, normal, uniform):
        """Draws made of standard normal numbers, shape (n_samples, n_components)."""
        H = normal
        for coupling in reversed(self.couplings):
            log_scale, shift = coupling.steps(H)
            H = (H - shift) * torch.exp(-log_scale)
        return H
