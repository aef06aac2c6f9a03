"""One-hot columns."""

import numpy as np
import torch
from torch.nn import functional

from skgen.vae.likelihoods.base import SMALLEST_MEAN, Likelihood
from skgen.vae.likelihoods.binary import Bernoulli


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
        shift = torch.log(mean.clamp(min=SMALLEST_MEAN))
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
