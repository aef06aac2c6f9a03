"""What a decoder's output means: log-probability, mean and samples of p(x | h).

A decoder emits unconstrained numbers, ``n_outputs`` of them per row; a likelihood owns
the link that makes parameters of a distribution of them. Adding a likelihood is adding
a class here. Log-probabilities are in nats, summed over the features.
"""

import copy
import itertools
from numbers import Real

import numpy as np
import torch
from torch import nn
from torch.nn import functional

_LOG_2_PI = float(np.log(2 * np.pi))
_SMALLEST_LOG_RATIO = -14.0  # noise of a thousandth of the unit: constants stay finite
NOISE_VARIANCES = ("scalar", "feature", "heteroscedastic")
"""Names of the ways in which the noise variance of a Gaussian is learned."""

_SMALLEST_MEAN = 1e-3  # of binary columns and counts, where none was seen


class Likelihood(nn.Module):
    """Base class: a distribution p(x | h) over rows of `n_features` values.

    A subclass defines ``terms``, ``mean`` and ``sample``, and where the defaults do not
    serve the rest; learned parameters are torch parameters made in ``build``.

    Examples
    --------
    >>> from skgen.vae.likelihoods import Bernoulli
    >>> Bernoulli().build(3).n_outputs
    3
    """

    n_outputs = 0
    """Numbers per row that the decoder has to emit; set by ``build``."""

    def build(self, n_features):
        """A copy ready for rows of n_features values."""
        built = copy.deepcopy(self)
        built.n_outputs = n_features
        return built

    def start(self, mean, std):
        """Set own parameters from moments of the data, and choose units.

        Parameters
        ----------
        mean, std : tensor of shape (n_features,)
            Of the columns.

        Returns
        -------
        input_scale : tensor of shape (n_features,)
            Unit in which the encoder sees each column's deviation from its mean.
        shift, scale : tensor of shape (n_outputs,)
            Outputs are around `shift`, in units of `scale`.
        """
        one = torch.ones(self.n_outputs)
        return torch.ones_like(mean), torch.zeros(self.n_outputs), one

    def log_prob(self, outputs, X):
        """log p(x | h), shape of `outputs` without its last axis."""
        return self.terms(outputs, X).sum(dim=-1)

    def terms(self, outputs, X):
        """The share of each column in log p(x | h), shape (..., n_features)."""
        raise NotImplementedError

    def surrogate(self, outputs, X):
        """What training differentiates: any function with the gradient of log_prob."""
        return self.log_prob(outputs, X)

    def mean(self, outputs):
        """E[x | h], shape (..., n_features)."""
        raise NotImplementedError

    def sample(self, outputs, generator):
        """A draw x ~ p(x | h), shape (..., n_features)."""
        raise NotImplementedError

    def check(self, X, first_row=0, columns=None):
        """Raise ValueError naming the first cell of X outside the support.

        X is an array of some rows, the first of which is row `first_row`, and of all
        columns or of those with the numbers `columns`. NaN, a missing entry, is in any
        support.
        """


class Gaussian(Likelihood):
    """N(x | mean, sigma^2).

    Parameters
    ----------
    noise_variance : str or float, default="scalar"
        sigma^2: "scalar", one learned; "feature", one learned for each feature;
        "heteroscedastic", one for each feature that depends on h, which the decoder
        emits after the mean; or a fixed number.

    Examples
    --------
    >>> import torch
    >>> from skgen.vae.likelihoods import Gaussian
    >>> gaussian = Gaussian(noise_variance=1.0).build(2)
    >>> round(float(gaussian.log_prob(torch.zeros(1, 2), torch.zeros(1, 2))), 3)
    -1.838
    """

    def __init__(self, noise_variance="scalar"):
        super().__init__()
        self.noise_variance = noise_variance

    def extra_repr(self):
        return repr(self.noise_variance)

    def build(self, n_features):
        named = self.noise_variance in NOISE_VARIANCES
        if not named and not (
            isinstance(self.noise_variance, Real) and self.noise_variance > 0
        ):
            raise ValueError(
                f"noise_variance must be one of {NOISE_VARIANCES} or a positive "
                f"number, got {self.noise_variance!r}."
            )
        built = super().build(n_features)
        size = 1 if self._shares_a_unit() else n_features
        unit = torch.zeros(size)
        if not named:
            unit += float(np.log(self.noise_variance))
        built.register_buffer("log_unit", unit)
        if self.noise_variance == "heteroscedastic":
            built.n_outputs = 2 * n_features
        elif named:
            built.log_ratio = nn.Parameter(torch.zeros(size))
        return built

    def start(self, mean, std):
        if self._shares_a_unit():
            scale = std.square().mean().sqrt()
            scale = torch.where(scale > 0, scale, 1.0).repeat(len(std))
        else:
            scale = torch.where(std > 0, std, 1.0)
        if isinstance(self.noise_variance, str):
            self.log_unit.copy_(2 * torch.log(scale[: len(self.log_unit)]))
        ratios = self.n_outputs - len(mean)
        zero, one = torch.zeros(ratios), torch.ones(ratios)
        return scale, torch.cat([mean, zero]), torch.cat([scale, one])

    def log_prob(self, outputs, X):
        mean, log_variance = self._parts(outputs)
        squared = (X - mean).square() * torch.exp(-log_variance)
        constant = (log_variance + _LOG_2_PI).expand_as(mean).sum(dim=-1)
        return -0.5 * (squared.sum(dim=-1) + constant)

    def terms(self, outputs, X):
        mean, log_variance = self._parts(outputs)
        squared = (X - mean).square() * torch.exp(-log_variance)
        return -0.5 * (squared + log_variance + _LOG_2_PI)

    def mean(self, outputs):
        return self._parts(outputs)[0]

    def sample(self, outputs, generator):
        mean, log_variance = self._parts(outputs)
        noise = torch.empty_like(mean).normal_(generator=generator)
        return mean + torch.exp(0.5 * log_variance) * noise

    def variance(self):
        """sigma^2, shape (1,) or (n_features,); None where it depends on h."""
        if self.noise_variance == "heteroscedastic":
            return None
        return torch.exp(self._log_variance())

    def _shares_a_unit(self):
        """One variance for all says that the features share a unit."""
        return self.noise_variance not in ("feature", "heteroscedastic")

    def _parts(self, outputs):
        """Mean and log sigma^2."""
        if self.noise_variance == "heteroscedastic":
            mean, log_ratio = outputs.chunk(2, dim=-1)
            bounds = _SMALLEST_LOG_RATIO, -_SMALLEST_LOG_RATIO
            return mean, self.log_unit + log_ratio.clamp(*bounds)
        return outputs, self._log_variance()

    def _log_variance(self):
        if isinstance(self.noise_variance, str):
            return self.log_unit + self.log_ratio.clamp(min=_SMALLEST_LOG_RATIO)
        return self.log_unit


class Bernoulli(Likelihood):
    """x_i = 1 with probability sigmoid(output_i).

    Examples
    --------
    >>> import torch
    >>> from skgen.vae.likelihoods import Bernoulli
    >>> Bernoulli().build(2).log_prob(torch.zeros(1, 2), torch.ones(1, 2))
    tensor([-1.3863])
    """

    def start(self, mean, std):
        share = mean.clamp(_SMALLEST_MEAN, 1 - _SMALLEST_MEAN)
        return torch.ones_like(mean), torch.logit(share), torch.ones_like(mean)

    def terms(self, outputs, X):
        return X * outputs - functional.softplus(outputs)

    def surrogate(self, outputs, X):
        slope = X - torch.sigmoid(outputs.detach())  # no logarithms: half the time
        return (outputs * slope).sum(dim=-1)

    def mean(self, outputs):
        return torch.sigmoid(outputs)

    def sample(self, outputs, generator):
        uniform = torch.empty_like(outputs).uniform_(generator=generator)
        return (uniform < torch.sigmoid(outputs)).to(outputs.dtype)

    def check(self, X, first_row=0, columns=None):
        demand, remedy = "a Bernoulli likelihood takes 0 and 1", "binarise X first"
        _refuse(X, (X != 0) & (X != 1), demand, remedy, first_row, columns)


class Poisson(Likelihood):
    """Counts with rate exp(output).

    Examples
    --------
    >>> import torch
    >>> from skgen.vae.likelihoods import Poisson
    >>> Poisson().build(1).log_prob(torch.zeros(1, 1), torch.zeros(1, 1))
    tensor([-1.])
    """

    def start(self, mean, std):
        scale = torch.where(std > 0, std, 1.0)
        shift = torch.log(mean.clamp(min=_SMALLEST_MEAN))
        return scale, shift, torch.ones_like(mean)

    def terms(self, outputs, X):
        return X * outputs - torch.exp(outputs) - torch.lgamma(X + 1)

    def mean(self, outputs):
        return torch.exp(outputs)

    def sample(self, outputs, generator):
        return torch.poisson(torch.exp(outputs), generator=generator)

    def check(self, X, first_row=0, columns=None):
        bad = (X < 0) | (X % 1 != 0)
        demand, remedy = "a Poisson likelihood takes counts >= 0", "try 'gaussian'"
        _refuse(X, bad, demand, remedy, first_row, columns)


class Categorical(Likelihood):
    """One-hot columns: one of them is 1, with probability softmax(outputs).

    Examples
    --------
    >>> import torch
    >>> from skgen.vae.likelihoods import Categorical
    >>> Categorical().build(4).log_prob(torch.zeros(1, 4), torch.eye(4)[:1])
    tensor([-1.3863])
    """

    def start(self, mean, std):
        shift = torch.log(mean.clamp(min=_SMALLEST_MEAN))
        return torch.ones_like(mean), shift, torch.ones_like(mean)

    def terms(self, outputs, X):
        return X * functional.log_softmax(outputs, dim=-1)

    def mean(self, outputs):
        return torch.softmax(outputs, dim=-1)

    def sample(self, outputs, generator):
        flat = torch.softmax(outputs, dim=-1).reshape(-1, outputs.shape[-1])
        drawn = torch.multinomial(flat, 1, generator=generator).squeeze(-1)
        one_hot = functional.one_hot(drawn, outputs.shape[-1])
        return one_hot.to(outputs.dtype).reshape(outputs.shape)

    def check(self, X, first_row=0, columns=None):
        demand = "a categorical likelihood takes one-hot columns"
        remedy = "encode the category with sklearn.preprocessing.OneHotEncoder"
        _refuse(X, (X != 0) & (X != 1), demand, remedy, first_row, columns)
        _refuse_partly_missing(X, first_row, columns)
        totals = X.sum(axis=1)
        bad = (totals != 1) & ~np.isnan(totals)
        if bad.any():
            row = int(np.argmax(bad))
            raise ValueError(
                f"{demand.capitalize()}, got row {first_row + row} with "
                f"{totals[row]:g} ones among its {X.shape[1]} columns: {remedy}."
            )


class ColumnLikelihood(Likelihood):
    """Different likelihoods for different columns, independent given h.

    Parameters
    ----------
    parts : list of (likelihood, columns)
        A name ("gaussian", "bernoulli", "poisson", "categorical") or a Likelihood, and
        the numbers of its columns. Every column belongs to exactly one part.

    Examples
    --------
    >>> from skgen.vae.likelihoods import ColumnLikelihood
    >>> mixed = ColumnLikelihood([("gaussian", [0, 1]), ("categorical", [2, 3, 4])])
    >>> mixed.build(5).n_outputs
    5
    """

    def __init__(self, parts):
        super().__init__()
        self.parts = parts

    def extra_repr(self):
        return repr(self.parts)

    def build(self, n_features):
        columns = [np.asarray(columns) for _, columns in self.parts]
        numbers = all(c.ndim == 1 and c.size and c.dtype.kind in "iu" for c in columns)
        if not numbers or (
            sorted(itertools.chain(*(c.tolist() for c in columns)))
            != list(range(n_features))
        ):
            raise ValueError(
                f"ColumnLikelihood must name each of {n_features} columns of X once, "
                f"in lists of column numbers, got "
                f"{[part for _, part in self.parts]}."
            )
        built = super().build(n_features)
        built.members = nn.ModuleList(
            as_likelihood(likelihood).build(len(part))
            for (likelihood, _), part in zip(self.parts, columns)
        )
        built.widths = [member.n_outputs for member in built.members]
        built.n_outputs = sum(built.widths)
        built.columns = [part.tolist() for part in columns]
        built.order = np.argsort(np.concatenate(columns)).tolist()
        return built

    def start(self, mean, std):
        input_scale, shifts, scales = torch.ones_like(mean), [], []
        for member, columns in zip(self.members, self.columns):
            units = member.start(mean[columns], std[columns])
            input_scale[columns] = units[0]
            shifts.append(units[1])
            scales.append(units[2])
        return input_scale, torch.cat(shifts), torch.cat(scales)

    def log_prob(self, outputs, X):
        return sum(
            member.log_prob(part, X[..., columns])
            for member, part, columns in self._split(outputs)
        )

    def terms(self, outputs, X):
        return self._join(
            member.terms(part, X[..., columns])
            for member, part, columns in self._split(outputs)
        )

    def surrogate(self, outputs, X):
        return sum(
            member.surrogate(part, X[..., columns])
            for member, part, columns in self._split(outputs)
        )

    def mean(self, outputs):
        return self._join(member.mean(part) for member, part, _ in self._split(outputs))

    def sample(self, outputs, generator):
        return self._join(
            member.sample(part, generator) for member, part, _ in self._split(outputs)
        )

    def check(self, X, first_row=0, columns=None):
        for member, part in zip(self.members, self.columns):
            member.check(X[:, part], first_row, part)

    def _split(self, outputs):
        return zip(self.members, outputs.split(self.widths, dim=-1), self.columns)

    def _join(self, parts):
        return torch.cat(list(parts), dim=-1)[..., self.order]


NAMES = {
    "gaussian": Gaussian,
    "bernoulli": Bernoulli,
    "poisson": Poisson,
    "categorical": Categorical,
}


def as_likelihood(likelihood, **parameters):
    """The Likelihood of a name, or the Likelihood given.

    Raises
    ------
    ValueError
        On another name.

    Examples
    --------
    >>> from skgen.vae.likelihoods import as_likelihood
    >>> as_likelihood("poisson")
    Poisson()
    """
    if isinstance(likelihood, Likelihood):
        return likelihood
    if likelihood not in NAMES:
        raise ValueError(
            f"likelihood must be one of {sorted(NAMES)} or a Likelihood, got "
            f"{likelihood!r}."
        )
    return NAMES[likelihood](**parameters)


def _refuse(X, bad, demand, remedy, first_row, columns):
    if bad.any() and np.any(bad := bad & ~np.isnan(X)):
        row, column = np.unravel_index(np.argmax(bad), bad.shape)
        raise ValueError(
            f"{demand[0].upper()}{demand[1:]}, got {X[row, column].item()} at row "
            f"{first_row + row}, column {columns[column] if columns else column}: "
            f"{remedy}."
        )


def _refuse_partly_missing(X, first_row, columns):
    """Raise ValueError naming the first row of which some columns only are NaN."""
    missing = np.isnan(X)
    partly = missing.any(axis=1) & ~missing.all(axis=1)
    if partly.any():
        columns = list(range(X.shape[1])) if columns is None else list(columns)
        raise ValueError(
            f"One-hot columns are missing together or not at all, got row "
            f"{first_row + int(np.argmax(partly))} with NaN in some of the columns "
            f"{columns}: set all of them to NaN where the category is not known."
        )
