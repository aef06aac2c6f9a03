"""Rows with missing entries, NaN: the likelihood of their observed entries.

A likelihood knows log p(x_obs | h): where features are independent given h, it is a sum
over the observed entries. In its place every bound and estimate of log p(x) becomes one
of log p(x_obs). The encoder sees the column's mean in their place:
the bounds hold for any proposal, and this one is as good as others.

References
----------
Mattei, P.-A. and Frellsen, J. MIWAE: deep generative modelling and imputation of
incomplete data sets. ICML 2019.
"""

import torch
from torch import nn

from skgen.validation import holds_missing


def observed_entries(model, X):
    """The model itself if the rows X are complete, else ``ObservedEntries`` of it."""
    is_tensor = isinstance(X, torch.Tensor)
    # a sum needs no mask of the size of X
    missing = bool(X.sum().isnan()) if is_tensor else holds_missing(X)
    return ObservedEntries(model) if missing else model


class ObservedEntries(nn.Module):
    """Takes an autoencoder's place in bounds where rows have missing entries, NaN.

    It shares the networks and is its own likelihood, the one of the observed entries.
    """

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.n_components = model.n_components
        self.latent_prior = model.latent_prior
        self.decode = model.decode

    @property
    def likelihood(self):
        return self

    def log_prob(self, outputs, X):
        """log p(x_obs | h), nats."""
        return self.model.likelihood.observed_log_prob(outputs, *self._filled(X))

    def log_prob_of_pairs(self, outputs, X):
        """log p(x_obs | h) of each row of X at each row of outputs, (k, n), nats."""
        return self.model.likelihood.log_prob_of_pairs(outputs, *self._filled(X))

    def surrogate(self, outputs, X):
        """A function with the gradient of log p(x_obs | h)."""
        return self.model.likelihood.observed_surrogate(outputs, *self._filled(X))

    def posterior(self, X):
        """q(h | x) of the row with the columns' means in place of NaN."""
        return self.model.posterior(self._filled(X)[0])

    def _filled(self, X):
        """X with the columns' means in place of NaN, and what is observed of it."""
        observed = ~torch.isnan(X)
        # not an arbitrary filler: one that overflows has no gradient, masked or not
        return torch.where(observed, X, self.model.center), observed
