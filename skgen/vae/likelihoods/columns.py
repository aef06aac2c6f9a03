"""Likelihoods by name, and different ones for different columns."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from skgen.vae.likelihoods.autoregressive import Autoregressive
from skgen.vae.likelihoods.base import Likelihood
from skgen.vae.likelihoods.binary import Bernoulli
from skgen.vae.likelihoods.categorical import Categorical
from skgen.vae.likelihoods.covariance import FullGaussian
from skgen.vae.likelihoods.gaussian import Gaussian
from skgen.vae.likelihoods.poisson import Poisson
from skgen.vae.likelihoods.tree import ChowLiu


class ColumnLikelihood(Likelihood):
    """Different likelihoods for different columns, independent given h.

    Parameters
    ----------
    parts : list of (likelihood, columns)
        A name ("gaussian", "bernoulli", "chow_liu", "autoregressive", "poisson",
        "categorical") or a Likelihood, and the numbers of its columns. Every column
        belongs to exactly one part.

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

    def __init__(self, parts: Sequence[tuple[Any, Sequence[int] | np.ndarray]]) -> None:
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

    def prepare(self, X):
        for member, part in zip(self.members, self.columns):
            member.prepare(X[:, part])

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

    def observed_log_prob(self, outputs, X, observed):
        return sum(
            m.observed_log_prob(o, X[..., c], observed[..., c])
            for m, o, c in self._split(outputs)
        )

    def observed_surrogate(self, outputs, X, observed):
        return sum(
            m.observed_surrogate(o, X[..., c], observed[..., c])
            for m, o, c in self._split(outputs)
        )

    def mean(self, outputs):
        return self._join(m.mean(o) for m, o, _ in self._split(outputs))

    def conditional_mean(self, outputs, X, observed):
        return self._join(
            m.conditional_mean(o, X[..., c], observed[..., c])
            for m, o, c in self._split(outputs)
        )

    def conditional_sample(self, outputs, X, observed, generator):
        return self._join(
            m.conditional_sample(o, X[..., c], observed[..., c], generator)
            for m, o, c in self._split(outputs)
        )

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

    def _n_weights(self, n_features):
        return sum(as_likelihood(k)._n_weights(len(part)) for k, part in self.parts)

    def _plain_parameters(self):
        parts = [
            [likelihood_to_plain(likelihood), np.asarray(columns).tolist()]
            for likelihood, columns in self.parts
        ]
        return {"parts": parts}


NAMES = {
    "gaussian": Gaussian,
    "bernoulli": Bernoulli,
    "chow_liu": ChowLiu,
    "autoregressive": Autoregressive,
    "poisson": Poisson,
    "categorical": Categorical,
}
"""The likelihoods that have a name."""

_IN_FILES = NAMES | {"full_gaussian": FullGaussian, "columns": ColumnLikelihood}


def as_likelihood(
    likelihood: str | Likelihood, noise_variance: str | float = "scalar"
) -> Likelihood:
    """The Likelihood with this name, or the Likelihood given."""
    if isinstance(likelihood, Likelihood):
        return likelihood
    if likelihood == "gaussian":
        full = noise_variance == "full"
        return FullGaussian() if full else Gaussian(noise_variance)
    if likelihood not in NAMES:
        raise ValueError(
            f"likelihood must be one of {sorted(NAMES)} or a Likelihood, got "
            f"{likelihood!r}."
        )
    return NAMES[likelihood]()


def holds_counts(likelihood: Likelihood) -> bool:
    """Whether some columns have Poisson's likelihood."""
    return any(isinstance(part, Poisson) for part in likelihood.modules())


def likelihood_to_plain(likelihood: str | Likelihood) -> Any:
    """A name, or a Likelihood as [name, parameters], for JSON.

    ValueError on a class that is not one of this package.
    """
    if not isinstance(likelihood, Likelihood):
        return likelihood
    for name, kind in _IN_FILES.items():
        if type(likelihood) is kind:
            return [name, likelihood._plain_parameters()]
    raise ValueError(f"{type(likelihood).__name__} is not a likelihood of skgen")


def likelihood_from_plain(plain: Any) -> str | Likelihood:
    """The name or Likelihood that :func:`likelihood_to_plain` was given."""
    if isinstance(plain, str):
        return plain
    name, parameters = plain
    if name == "columns":
        parts = [(likelihood_from_plain(a), b) for a, b in parameters["parts"]]
        return ColumnLikelihood(parts)
    if name not in _IN_FILES:
        raise ValueError(f"{name!r} is not a likelihood of skgen")
    return _IN_FILES[name](**parameters)
