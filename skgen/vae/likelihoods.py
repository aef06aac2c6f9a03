"""Likelihoods p(x | h): what the outputs of a decoder mean.

A decoder emits ``n_outputs`` unconstrained numbers for each row. A likelihood turns
them into the parameters of a distribution over rows, and gives log-probabilities (in
nats), means and samples. To add a likelihood, add a subclass of :class:`Likelihood`.
"""

import abc
import copy
import itertools
from numbers import Real

import numpy as np
import torch
from torch import nn
from torch.nn import functional

_LOG_2_PI = float(np.log(2 * np.pi))
_MAX_LOG_VARIANCE = 14.0  # noise from 1e-3 to 1e3 units: the constants stay finite
_SMALLEST_MEAN = 1e-3  # at the start, of binary columns and counts that are all zero
_CEILING = 10.0  # of rates, times a large count
NOISE_VARIANCES = ("scalar", "feature", "heteroscedastic")
"""The ways to learn the noise variance of a Gaussian."""


class Likelihood(nn.Module, abc.ABC):
    """Base class: a distribution p(x | h) over rows of n_features values.

    A subclass must define three methods: ``terms`` (log p of each value), ``mean`` and
    ``sample``. It may also override

    - ``build``, if a feature takes several outputs of the decoder (set ``n_outputs``),
      or if the likelihood learns parameters of its own (make them there);
    - ``standardize``, if its values may be shifted and scaled;
    - ``start``, which chooses the first outputs so that training starts near the data;
    - ``outside_support``, with the attributes ``demand`` and ``remedy``, if some values
      are impossible;
    - ``log_prob``, the sum of ``terms``, or ``surrogate``, a stand-in for it in
      training, if there is a faster way.

    Examples
    --------
    Waiting times x >= 0 with rate exp(output):

    >>> import torch
    >>> from skgen.vae.likelihoods import Likelihood
    >>> class Exponential(Likelihood):
    ...     def terms(self, outputs, X):
    ...         return outputs - torch.exp(outputs) * X
    ...     def mean(self, outputs):
    ...         return torch.exp(-outputs)
    ...     def sample(self, outputs, generator):
    ...         draws = torch.empty_like(outputs).exponential_(generator=generator)
    ...         return draws * self.mean(outputs)
    >>> likelihood = Exponential().build(n_features=2)
    >>> likelihood.log_prob(torch.zeros(1, 2), torch.tensor([[1.0, 2.0]]))
    tensor([-3.])
    """

    n_outputs = 0
    """Numbers that the decoder emits for each row; set by ``build``."""

    demand, remedy = "", ""
    """What X has to be, and what to do if it is not, for the message of ``check``."""

    @abc.abstractmethod
    def terms(self, outputs, X):
        """Contribution of each column to log p(x | h), shape (..., n_features)."""

    @abc.abstractmethod
    def mean(self, outputs):
        """E[x | h], shape (..., n_features)."""

    @abc.abstractmethod
    def sample(self, outputs, generator):
        """A draw x ~ p(x | h), shape (..., n_features)."""

    def build(self, n_features):
        """A copy for rows of n_features values: by default one output for each."""
        built = copy.deepcopy(self)
        built.n_outputs = n_features
        return built

    def standardize(self, mean, std):
        """Choose units: all methods are then given (x - center) / scale.

        ``score_samples`` and the like take account of it. By default X stays as it is.

        Parameters
        ----------
        mean, std : ndarray of shape (n_features,)
            Moments of the columns, float64.

        Returns
        -------
        center, scale : ndarray of shape (n_features,)
        """
        return np.zeros_like(mean), np.ones_like(std)

    def start(self, mean, std):
        """Where training starts.

        Parameters
        ----------
        mean, std : tensor of shape (n_features,)
            Moments of the columns, in the units that ``standardize`` chose.

        Returns
        -------
        input_scale : tensor of shape (n_features,)
            The encoder sees (x - mean) / input_scale.
        shift : tensor of shape (n_outputs,)
            The outputs are shift + (what the decoder's network returns).
        """
        return torch.ones_like(mean), mean.new_zeros(self.n_outputs)

    def rescale(self, ratio, mean, std, fresh):
        """Change to units larger by `ratio`, and forget `fresh` columns.

        The moments are in the new units. Returns a factor and a shift of the outputs.
        """
        one = ratio.new_ones(self.n_outputs)
        return one, torch.zeros_like(one)

    def log_prob(self, outputs, X):
        """log p(x | h) in nats; the shape of `outputs` without its last axis."""
        return self.terms(outputs, X).sum(dim=-1)

    def surrogate(self, outputs, X):
        """What training differentiates: any function with the gradient of log_prob."""
        return self.log_prob(outputs, X)

    def outside_support(self, X):
        """A mask of impossible values of the ndarray X; NaN may be among them."""
        return np.zeros(X.shape, dtype=bool)

    def check(self, X, first_row=0, columns=None):
        """Raise ValueError at the first value of X outside the support.

        For the message, `first_row` is the number of the first row, and `columns` are
        the numbers of the columns. NaN, a missing entry, is in every support.
        """
        bad = self.outside_support(X)
        if bad.any() and np.any(bad := bad & ~np.isnan(X)):
            row, column = np.unravel_index(np.argmax(bad), bad.shape)
            raise ValueError(
                f"{self.demand}, got {X[row, column].item()} at row {first_row + row}, "
                f"column {columns[column] if columns else column}: {self.remedy}."
            )

    def _plain_parameters(self):
        return {}


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

    def __init__(self, noise_variance="scalar"):
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
        constant = (log_variance + _LOG_2_PI).expand_as(mean).sum(dim=-1)
        return -0.5 * (squares.sum(dim=-1) + constant)

    def terms(self, outputs, X):
        mean, log_variance = self._moments(outputs)
        squares = (X - mean).square() * torch.exp(-log_variance)
        return -0.5 * (squares + log_variance + _LOG_2_PI)

    def mean(self, outputs):
        return self._moments(outputs)[0]

    def sample(self, outputs, generator):
        mean, log_variance = self._moments(outputs)
        noise = torch.empty_like(mean).normal_(generator=generator)
        return mean + torch.exp(0.5 * log_variance) * noise

    def variance(self):
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


class Bernoulli(Likelihood):
    """Binary values: x_i = 1 with probability sigmoid(output_i), else 0.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.vae.likelihoods import Bernoulli
    >>> Bernoulli().check(np.array([[0, 1], [1, 0.5]]))
    Traceback (most recent call last):
        ...
    ValueError: A Bernoulli likelihood takes 0 and 1, got 0.5 at row 1, column 1: ...
    """

    demand, remedy = "A Bernoulli likelihood takes 0 and 1", "binarise X first"

    def outside_support(self, X):
        return (X != 0) & (X != 1)

    def start(self, mean, std):
        probability = mean.clamp(_SMALLEST_MEAN, 1 - _SMALLEST_MEAN)
        return torch.ones_like(mean), torch.logit(probability)

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
        shift = torch.log(mean.clamp(min=_SMALLEST_MEAN))
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
    large = (std.square() + mean.square()) / mean.clamp(min=_SMALLEST_MEAN)
    return float(torch.log(_CEILING * large.max().clamp(min=1)))


def _log_poisson_at_its_mean(count):
    """log p of counts x >= 1 at the rate x, by Stirling's series if x is not small."""
    small = count.clamp(max=10)
    exact = small * torch.log(small) - small - torch.lgamma(small + 1)
    series = (1 / 12 - count.square().reciprocal() / 360) / count
    stirling = -0.5 * (_LOG_2_PI + torch.log(count)) - series
    return torch.where(count > 10, stirling, exact)


class Categorical(Likelihood):
    """One category in one-hot columns: column i is the 1 with probability softmax_i.

    Examples
    --------
    The probabilities of the four categories sum to one:

    >>> import torch
    >>> from skgen.vae.likelihoods import Categorical
    >>> outputs = torch.tensor([[0.0, 1.0, -2.0, 0.5]])
    >>> Categorical().build(4).log_prob(outputs, torch.eye(4)).exp().sum()
    tensor(1.)
    """

    demand = "A categorical likelihood takes one-hot columns"
    remedy = "encode the category with sklearn.preprocessing.OneHotEncoder"
    outside_support = Bernoulli.outside_support

    def check(self, X, first_row=0, columns=None):
        super().check(X, first_row, columns)
        n_missing, n_columns = np.isnan(X).sum(axis=1), X.shape[1]
        partly = (n_missing > 0) & (n_missing < n_columns)
        if partly.any():
            raise ValueError(
                f"One-hot columns are missing together or not at all, got row "
                f"{first_row + int(np.argmax(partly))} with NaN in some of the columns "
                f"{list(columns or range(n_columns))}: set all of them to NaN."
            )
        totals = X.sum(axis=1)
        bad = (totals != 1) & (n_missing == 0)
        if bad.any():
            row = int(np.argmax(bad))
            raise ValueError(
                f"{self.demand}, got row {first_row + row} with {totals[row]:g} ones "
                f"among its {n_columns} columns: {self.remedy}."
            )

    def start(self, mean, std):
        shift = torch.log(mean.clamp(min=_SMALLEST_MEAN))
        return torch.ones_like(mean), shift

    def terms(self, outputs, X):
        return X * functional.log_softmax(outputs, dim=-1)

    def mean(self, outputs):
        return torch.softmax(outputs, dim=-1)

    def sample(self, outputs, generator):
        flat = torch.softmax(outputs, dim=-1).reshape(-1, outputs.shape[-1])
        drawn = torch.multinomial(flat, 1, generator=generator).squeeze(-1)
        one_hot = functional.one_hot(drawn, outputs.shape[-1])
        return one_hot.to(outputs.dtype).reshape(outputs.shape)


class ColumnLikelihood(Likelihood):
    """Different likelihoods for different columns, independent given h.

    Parameters
    ----------
    parts : list of (likelihood, columns)
        A name ("gaussian", "bernoulli", "poisson", "categorical") or a Likelihood, and
        the numbers of its columns. Every column belongs to exactly one part.

    Examples
    --------
    A measurement in column 0, and one of three categories in columns 1 to 3:

    >>> import torch
    >>> from skgen.vae.likelihoods import ColumnLikelihood
    >>> parts = [("gaussian", [0]), ("categorical", [1, 2, 3])]
    >>> likelihood = ColumnLikelihood(parts).build(4)
    >>> likelihood.mean(torch.zeros(1, 4))
    tensor([[0.0000, 0.3333, 0.3333, 0.3333]])
    """

    def __init__(self, parts):
        super().__init__()
        self.parts = parts

    def extra_repr(self):
        return repr(self.parts)

    def build(self, n_features):
        columns = [np.asarray(part) for _, part in self.parts]
        valid = all(c.ndim == 1 and c.size and c.dtype.kind in "iu" for c in columns)
        if not valid or sorted(itertools.chain(*columns)) != list(range(n_features)):
            raise ValueError(
                f"ColumnLikelihood must name each of {n_features} columns of X once, "
                f"in lists of column numbers, got {[part for _, part in self.parts]}."
            )
        built = super().build(n_features)
        built.members = nn.ModuleList(
            as_likelihood(kind).build(len(part)) for kind, part in self.parts
        )
        built.widths = [member.n_outputs for member in built.members]
        built.n_outputs = sum(built.widths)
        built.columns = [part.tolist() for part in columns]
        built.order = np.argsort(np.concatenate(columns)).tolist()
        return built

    def standardize(self, mean, std):
        members = zip(self.members, self.columns)
        units = [member.standardize(mean[part], std[part]) for member, part in members]
        center, scale = map(np.concatenate, zip(*units))
        return center[self.order], scale[self.order]

    def start(self, mean, std):
        members = zip(self.members, self.columns)
        starts = [member.start(mean[part], std[part]) for member, part in members]
        input_scale, shift = map(torch.cat, zip(*starts))
        return input_scale[self.order], shift

    def rescale(self, *moments):
        members = zip(self.members, self.columns)
        changes = [m.rescale(*(part[c] for part in moments)) for m, c in members]
        return tuple(map(torch.cat, zip(*changes)))

    def log_prob(self, outputs, X):
        return sum(m.log_prob(o, X[..., c]) for m, o, c in self._split(outputs))

    def terms(self, outputs, X):
        return self._join(m.terms(o, X[..., c]) for m, o, c in self._split(outputs))

    def surrogate(self, outputs, X):
        return sum(m.surrogate(o, X[..., c]) for m, o, c in self._split(outputs))

    def mean(self, outputs):
        return self._join(m.mean(o) for m, o, _ in self._split(outputs))

    def sample(self, outputs, generator):
        return self._join(m.sample(o, generator) for m, o, _ in self._split(outputs))

    def check(self, X, first_row=0, columns=None):
        for member, part in zip(self.members, self.columns):
            numbers = part if columns is None else [columns[number] for number in part]
            member.check(X[:, part], first_row, numbers)

    def _split(self, outputs):
        """Members, the outputs of each, and the numbers of its columns."""
        return zip(self.members, outputs.split(self.widths, dim=-1), self.columns)

    def _join(self, parts):
        """One tensor of the members' columns, in the order of X."""
        return torch.cat(list(parts), dim=-1)[..., self.order]

    def _plain_parameters(self):
        parts = [
            [likelihood_to_plain(likelihood), np.asarray(columns).tolist()]
            for likelihood, columns in self.parts
        ]
        return {"parts": parts}


NAMES = {
    "gaussian": Gaussian,
    "bernoulli": Bernoulli,
    "poisson": Poisson,
    "categorical": Categorical,
}
"""The likelihoods that have a name."""


def as_likelihood(likelihood, noise_variance="scalar"):
    """The Likelihood with this name, or the Likelihood given."""
    if isinstance(likelihood, Likelihood):
        return likelihood
    if likelihood == "gaussian":
        return Gaussian(noise_variance)
    if likelihood not in NAMES:
        raise ValueError(
            f"likelihood must be one of {sorted(NAMES)} or a Likelihood, got "
            f"{likelihood!r}."
        )
    return NAMES[likelihood]()


def holds_counts(likelihood):
    """Whether some columns have Poisson's likelihood."""
    return any(isinstance(part, Poisson) for part in likelihood.modules())


def likelihood_to_plain(likelihood):
    """A name, or a Likelihood as [name, parameters], for JSON.

    ValueError on a class that is not one of this module.
    """
    if not isinstance(likelihood, Likelihood):
        return likelihood
    for name, kind in (NAMES | {"columns": ColumnLikelihood}).items():
        if type(likelihood) is kind:
            return [name, likelihood._plain_parameters()]
    raise ValueError(f"{type(likelihood).__name__} is not a likelihood of skgen")


def likelihood_from_plain(plain):
    """The name or Likelihood that :func:`likelihood_to_plain` was given."""
    if isinstance(plain, str):
        return plain
    name, parameters = plain
    if name == "columns":
        parts = [(likelihood_from_plain(a), b) for a, b in parameters["parts"]]
        return ColumnLikelihood(parts)
    return as_likelihood(name, **parameters)
