"""What every likelihood p(x | h) does, and what it may do better."""

import abc
import copy
from functools import partial
from typing import Self

import numpy as np
import torch
from torch import nn

from skgen.typing import Data

LOG_2_PI = float(np.log(2 * np.pi))
VALUES_PER_CHUNK = 2**20
"""In the widest tensor, which a processor's cache can hold."""

SMALLEST_MEAN = 1e-3  # at the start, of binary columns and counts that are all zero


class Likelihood(nn.Module, abc.ABC):
    """Base class: a distribution p(x | h) over rows of n_features values.

    A subclass must define three methods: ``terms`` (log p of each value, not their
    sum), ``mean`` and ``sample``. It may also override

    - ``build``, if a feature takes several outputs of the decoder (set ``n_outputs``),
      or if the likelihood learns parameters of its own (make them there);
    - ``standardize``, if its values may be shifted and scaled;
    - ``start``, which chooses the first outputs so that training starts near the data;
    - ``outside_support``, if some values are impossible. The attribute ``demand`` is
      the start of the error's sentence, such as "Waiting times must not be negative".
      ``remedy`` is its end, such as "leave such rows out";
    - ``log_prob``, the sum of ``terms``, or ``surrogate``, a stand-in for it in
      training, if there is a faster way;
    - ``observed_log_prob``, ``conditional_mean`` and ``conditional_sample``, if columns
      depend on one another given h;
    - ``log_prob_of_pairs``, if a product of matrices gives log p of many rows at many
      outputs;
    - ``prepare``, if rows tell more than the parameters of the networks.

    Training starts from a linear model for Gaussian noise and for frames alone. With a
    likelihood of your own, and few rows, try a `learning_rate` of 0.01.

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
    def terms(self, outputs: torch.Tensor, X: torch.Tensor) -> torch.Tensor:
        """Contribution of each column to log p(x | h), shape (..., n_features)."""

    @abc.abstractmethod
    def mean(self, outputs: torch.Tensor) -> torch.Tensor:
        """E[x | h], shape (..., n_features)."""

    @abc.abstractmethod
    def sample(
        self, outputs: torch.Tensor, generator: torch.Generator | None
    ) -> torch.Tensor:
        """A draw x ~ p(x | h), shape (..., n_features)."""

    def build(self, n_features: int) -> Self:
        """A copy for rows of n_features values: by default one output for each."""
        built = copy.deepcopy(self)
        built.n_outputs = n_features
        return built

    def prepare(self, X: Data) -> None:
        """Choose what is fixed in training from its rows, (n_samples, n_features).

        They are dense, with NaN at missing entries, or CSR.
        """

    def standardize(
        self, mean: np.ndarray, std: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
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

    def start(
        self, mean: torch.Tensor, std: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
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

    def rescale(
        self,
        ratio: torch.Tensor,
        mean: torch.Tensor,
        std: torch.Tensor,
        fresh: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Change to units larger by `ratio`, and forget `fresh` columns.

        The moments are in the new units. Returns a factor and a shift of the outputs.
        """
        one = ratio.new_ones(self.n_outputs)
        return one, torch.zeros_like(one)

    def log_prob(self, outputs: torch.Tensor, X: torch.Tensor) -> torch.Tensor:
        """log p(x | h) in nats; the shape of `outputs` without its last axis."""
        return self.terms(outputs, X).sum(dim=-1)

    def surrogate(self, outputs: torch.Tensor, X: torch.Tensor) -> torch.Tensor:
        """What training differentiates: any function with the gradient of log_prob."""
        return self.log_prob(outputs, X)

    def observed_log_prob(
        self, outputs: torch.Tensor, X: torch.Tensor, observed: torch.Tensor
    ) -> torch.Tensor:
        """log p(x_obs | h) in nats. `observed` is a mask of the shape of X.

        Missing entries of X hold any number that the likelihood supports.
        """
        terms = self.terms(outputs, X)
        return torch.where(observed, terms, torch.zeros_like(terms)).sum(dim=-1)

    def observed_surrogate(
        self, outputs: torch.Tensor, X: torch.Tensor, observed: torch.Tensor
    ) -> torch.Tensor:
        """What training differentiates where entries are missing."""
        return self.observed_log_prob(outputs, X, observed)

    def conditional_mean(
        self, outputs: torch.Tensor, X: torch.Tensor, observed: torch.Tensor
    ) -> torch.Tensor:
        """E[x | h, x_obs], (..., n_features); of independent columns it is E[x | h]."""
        return self.mean(outputs)

    def conditional_sample(
        self,
        outputs: torch.Tensor,
        X: torch.Tensor,
        observed: torch.Tensor,
        generator: torch.Generator | None,
    ) -> torch.Tensor:
        """A draw x ~ p(x | h, x_obs), shape (..., n_features)."""
        return self.sample(outputs, generator)

    def log_prob_of_pairs(
        self,
        outputs: torch.Tensor,
        X: torch.Tensor,
        observed: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """log p of each row of X, (n, n_features), at each of k outputs: (k, n), nats.

        With a mask of the shape of X, of its observed entries.
        """
        if observed is None:
            function = self.log_prob
        else:
            function = partial(self.observed_log_prob, observed=observed)
        size = max(1, VALUES_PER_CHUNK // X.numel())
        return torch.cat([function(o[:, None], X) for o in outputs.split(size)])

    def outside_support(self, X: np.ndarray) -> np.ndarray:
        """A mask of impossible values of the ndarray X; NaN may be among them."""
        return np.zeros(X.shape, dtype=bool)

    def check(
        self,
        X: np.ndarray,
        first_row: int = 0,
        columns: list[int] | None = None,
    ) -> None:
        """Raise ValueError at the first value of X outside the support.

        For the message, `first_row` is the number of the first row, and `columns` are
        the numbers of the columns. NaN, a missing entry, is in every support.
        """
        bad = self.outside_support(X)
        if bad.any() and np.any(bad := bad & ~np.isnan(X)):
            place = first_place(bad, first_row, columns)
            raise ValueError(
                f"{self.demand}, got {X[bad][0].item()} at {place}: {self.remedy}."
            )

    def _n_weights(self, n_features):
        """How many numbers a file holds because of it, at least."""
        return 0

    def _plain_parameters(self):
        return {}


def first_place(mask, first_row, columns):
    """Row and column of the first True in a mask, for the message of ``check``."""
    row, column = np.unravel_index(np.argmax(mask), mask.shape)
    return f"row {first_row + row}, column {columns[column] if columns else column}"
