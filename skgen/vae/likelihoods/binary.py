"""Binary values."""

import torch
from torch.nn import functional

from skgen.vae.likelihoods.base import SMALLEST_MEAN, Likelihood


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
        probability = mean.clamp(SMALLEST_MEAN, 1 - SMALLEST_MEAN)
        return torch.ones_like(mean), torch.logit(probability)

    def terms(self, outputs, X):
        return X * outputs - functional.softplus(outputs)

    def surrogate(self, outputs, X):
        slope = X - torch.sigmoid(outputs.detach())  # no logarithms: half the time
        return (outputs * slope).sum(dim=-1)

    def log_prob_of_pairs(self, outputs, X, observed=None):
        normalizers = functional.softplus(outputs)
        if observed is None:
            return torch.addmm(-normalizers.sum(dim=-1, keepdim=True), outputs, X.T)
        return outputs @ X.where(observed, 0).T - normalizers @ observed.to(X).T

    def mean(self, outputs):
        return torch.sigmoid(outputs)

    def sample(self, outputs, generator):
        uniform = torch.empty_like(outputs).uniform_(generator=generator)
        return (uniform < torch.sigmoid(outputs)).to(outputs.dtype)
