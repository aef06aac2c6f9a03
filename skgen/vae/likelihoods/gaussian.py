"""Real values with normal noise."""

from numbers import Real

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from skgen.vae.likelihoods.base import LOG_2_PI, Likelihood

_MAX_LOG_VARIANCE = 14.0  # noise from 1e-3 to 1e3 units: the constants stay finite
NOISE_VARIANCES = ("scalar", "feature", "heteroscedastic")
"""The ways to learn the noise variance of a Gaussian."""


class Gaussian(Likelihood):
    """Real values: x_i ~ N(output_i, sigma_i^2), independent given h.

    Parameters
    ----------
    noise_variance : {"scalar", "feature", "heteroscedastic"} or float, default="scalar"
        sigma^2. "scalar": one, learned; "feature": one for each feature, learned;
        "heteroscedastic": one for each feature that depends on h, and that the decoder
        emits after the means; a number: fixed, in the units of X squared.

    ``standardize`` centres the columns. It scales each by its deviation, or all by one
    where they share a variance.

    Examples
    --------
    With sigma = 1 the density at the mean of two features is 1 / (2 pi):

    >>> import torch
    >>> from skgen.vae.likelihoods import Gaussian
    >>> gaussian = Gaussian(noise_variance=1.0).build(2)
    >>> gaussian.log_prob(torch.zeros(1, 2), torch.zeros(1, 2)).exp() * 2 * torch.pi
    tensor([1.0000])
    """

    def __init__(self, noise_variance: str | float = "scalar") -> None:
        super().__init__()
        self.noise_variance = noise_variance

    def extra_repr(self):
        return repr(self.noise_variance)

    def build(self, n_features):
        variance = self.noise_variance
        learned = isinstance(variance, str) and variance in NOISE_VARIANCES
        if not learned and not (isinstance(variance, Real) and 0 < variance < np.inf):
            raise ValueError(
                f"noise_variance must be one of {NOISE_VARIANCES} or a finite "
                f"positive number, got {variance!r}."
            )
        built = super().build(n_features)
        size = 1 if self._shares_a_unit() else n_features
        if variance == "heteroscedastic":
            built.n_outputs = 2 * n_features
        elif learned:
            zeros = torch.zeros(size, dtype=torch.float32, device="cpu")
            built.log_variance = nn.Parameter(zeros)
        else:
            log_variance = torch.full(
                (1,), float(np.log(variance)), dtype=torch.float32, device="cpu"
            )
            built.register_buffer("log_variance", log_variance)
        return built

    def standardize(self, mean, std):
        if not std.any():  # all rows are equal: only their size tells the unit
            std = np.abs(mean)
        if self._shares_a_unit():
            largest = std.max() or 1.0
            std = np.full_like(std, largest * np.sqrt(np.mean((std / largest) ** 2)))
        scale = np.where(std > 0, std, 1.0)
        if not isinstance(self.noise_variance, str):
            log_variance = np.log(self.noise_variance) - 2 * np.log(scale[0])
            self.log_variance.fill_(float(log_variance))
        return mean, scale

    def start(self, mean, std):
        log_ratios = 0, self.n_outputs - len(mean)
        return torch.ones_like(mean), functional.pad(mean, log_ratios)

    def rescale(self, ratio, mean, std, fresh):
        zero, smaller = torch.zeros_like(ratio), -2 * torch.log(ratio)
        factor, shift = 1 / ratio.where(~fresh, torch.inf), mean.where(fresh, 0)
        if self.noise_variance == "heteroscedastic":
            keep, smaller = (~fresh).to(ratio), smaller.where(~fresh, zero)
            return torch.cat([factor, keep]), torch.cat([shift, smaller])
        self.log_variance += smaller[: len(self.log_variance)]
        if self.noise_variance == "feature":
            self.log_variance[fresh] = 0
        elif self.noise_variance == "scalar":
            unknown = std.square().where(fresh, zero).mean()
            self.log_variance.copy_(torch.log(self.log_variance.exp() + unknown))
        return factor, shift

    def log_prob(self, outputs, X):
        mean, log_variance = self._moments(outputs)
        squares = (X - mean).square() * torch.exp(-log_variance)
        # once for each row of outputs: with X they may broadcast to many more
        constant = (log_variance + LOG_2_PI).expand_as(mean).sum(dim=-1)
        return -0.5 * (squares.sum(dim=-1) + constant)

    def terms(self, outputs, X):
        mean, log_variance = self._moments(outputs)
        squares = (X - mean).square() * torch.exp(-log_variance)
        return -0.5 * (squares + log_variance + LOG_2_PI)

    def mean(self, outputs):
        return self._moments(outputs)[0]

    def sample(self, outputs, generator):
        mean, log_variance = self._moments(outputs)
        noise = torch.empty_like(mean).normal_(generator=generator)
        return mean + torch.exp(0.5 * log_variance) * noise

    def variance(self) -> torch.Tensor | None:
        """sigma^2, (1,) or (n_features,), in its units; None if it depends on h."""
        if self.noise_variance == "heteroscedastic":
            return None
        return torch.exp(self._log_variance())

    def _shares_a_unit(self):
        """A single variance for all features means that they share a unit."""
        return self.noise_variance not in ("feature", "heteroscedastic")

    def _moments(self, outputs):
        """Mean and log sigma^2."""
        if self.noise_variance == "heteroscedastic":
            mean, log_variance = outputs.chunk(2, dim=-1)
            return mean, log_variance.clamp(-_MAX_LOG_VARIANCE, _MAX_LOG_VARIANCE)
        return outputs, self._log_variance()

    def _log_variance(self):
        if isinstance(self.noise_variance, str):
            return self.log_variance.clamp(min=-_MAX_LOG_VARIANCE)
        return self.log_variance

    def _plain_parameters(self):
        is_name = isinstance(self.noise_variance, str)
        variance = self.noise_variance if is_name else float(self.noise_variance)
        return {"noise_variance": variance}
