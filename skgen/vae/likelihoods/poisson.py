"""Counts."""

import torch
from torch.nn import functional

from skgen.vae.likelihoods.base import LOG_2_PI, SMALLEST_MEAN, Likelihood

_CEILING = 10.0  # of rates, times a large count


class Poisson(Likelihood):
    """Counts: x_i = 0, 1, 2, ... with rate exp(output_i).

    ``standardize`` sets a ceiling, ten times a typical large count. Rates below it are
    exp(output). Larger outputs bend, and rates stay below e times the ceiling.

    Examples
    --------
    P(x = 0) is exp(-rate), here with a rate of 3:

    >>> import torch
    >>> from skgen.vae.likelihoods import Poisson
    >>> output = torch.log(torch.tensor([[3.0]]))
    >>> Poisson().build(1).log_prob(output, torch.zeros(1, 1))
    tensor([-3.])
    """

    demand, remedy = "A Poisson likelihood takes counts >= 0", "try 'gaussian'"

    def outside_support(self, X):
        return (X < 0) | (X % 1 != 0)

    def build(self, n_features):
        built = super().build(n_features)
        no_ceiling = torch.tensor(torch.inf, dtype=torch.float32, device="cpu")
        built.register_buffer("log_ceiling", no_ceiling)
        return built

    def standardize(self, mean, std):
        self.log_ceiling.fill_(_log_ceiling(*map(torch.from_numpy, (mean, std))))
        return super().standardize(mean, std)

    def rescale(self, ratio, mean, std, fresh):
        self.log_ceiling.clamp_(min=_log_ceiling(mean, std))
        return super().rescale(ratio, mean, std, fresh)

    def start(self, mean, std):
        shift = torch.log(mean.clamp(min=SMALLEST_MEAN))
        # a column of equal counts may differ in rows to come as much as others do
        largest = std.max() if std.any() else 1.0
        return std.where(std > 0, largest), shift

    def terms(self, outputs, X):
        # log p = log p at the rate x, less the deviance: no large terms that cancel
        count, log_rate = X.clamp(min=1), self._log_rate(outputs)
        distance = log_rate - torch.log(count)
        deviance = X * (torch.expm1(distance) - distance)
        some = _log_poisson_at_its_mean(count) - deviance
        return torch.where(X > 0, some, -torch.exp(log_rate))

    def mean(self, outputs):
        return torch.exp(self._log_rate(outputs))

    def sample(self, outputs, generator):
        return torch.poisson(self.mean(outputs), generator=generator)

    def _log_rate(self, outputs):
        """The outputs, bent above the ceiling: the slope falls, but never to zero."""
        above = functional.relu(outputs - self.log_ceiling)
        return torch.minimum(outputs, self.log_ceiling) + functional.softsign(above)


def _log_ceiling(mean, std):
    """log of ten times the mean count of an event, x weighted by x, in any column.

    It is at most ten times the largest count.
    """
    large = (std.square() + mean.square()) / mean.clamp(min=SMALLEST_MEAN)
    return float(torch.log(_CEILING * large.max().clamp(min=1)))


def _log_poisson_at_its_mean(count):
    """log p of counts x >= 1 at the rate x, by Stirling's series if x is not small."""
    small = count.clamp(max=10)
    exact = small * torch.log(small) - small - torch.lgamma(small + 1)
    series = (1 / 12 - count.square().reciprocal() / 360) / count
    stirling = -0.5 * (LOG_2_PI + torch.log(count)) - series
    return torch.where(count > 10, stirling, exact)
