"""Rows with missing entries, NaN: what is seen of them, and their likelihood.

log p(x_obs | h) is a sum over the observed entries, so every bound and estimate of
log p(x) becomes one of log p(x_obs) where the decoder's terms of the others are left
out. The encoder sees the column's mean in their place, a proposal as good as any for
what is a bound with every proposal.

References
----------
Mattei, P.-A. and Frellsen, J. MIWAE: deep generative modelling and imputation of
incomplete data sets. ICML 2019.
"""

import torch
from torch import nn

from skgen.validation import holds_missing


def observed_log_prob(likelihood, outputs, X, observed):
    """log p(x_obs | h), a sum over the observed entries.

    Parameters
    ----------
    likelihood : Likelihood
    outputs : tensor of shape (..., n_outputs)
        Of the decoder.
    X : tensor of shape (n, n_features)
        Missing entries hold any number of the support.
    observed : tensor of bool of shape (n, n_features)

    Returns
    -------
    tensor of shape (..., n)
        Nats.

    Examples
    --------
    >>> import torch
    >>> from skgen.vae.likelihoods import Bernoulli
    >>> from skgen.vae.missing import observed_log_prob
    >>> X, observed = torch.ones(1, 2), torch.tensor([[True, False]])
    >>> observed_log_prob(Bernoulli().build(2), torch.zeros(2), X, observed)
    tensor([-0.6931])
    """
    terms = likelihood.terms(outputs, X)
    return torch.where(observed, terms, torch.zeros_like(terms)).sum(dim=-1)


def for_rows(model, X):
    """The model as it is to be asked about rows X: as it is, unless some are NaN.

    Parameters
    ----------
    model : Autoencoder
    X : ndarray, CSR matrix or tensor

    Returns
    -------
    Autoencoder or OfObserved

    Examples
    --------
    >>> import torch
    >>> from skgen.vae.likelihoods import Bernoulli
    >>> from skgen.vae.missing import for_rows
    >>> from skgen.vae.networks import Autoencoder
    >>> linear = torch.nn.Linear
    >>> model = Autoencoder(linear(3, 4), linear(2, 3), Bernoulli().build(3), 2)
    >>> for_rows(model, torch.zeros(5, 3)) is model
    True
    """
    is_tensor = isinstance(X, torch.Tensor)
    # a sum needs no mask of the size of X
    missing = bool(X.sum().isnan()) if is_tensor else holds_missing(X)
    return OfObserved(model) if missing else model


class OfObserved(nn.Module):
    """An autoencoder of rows of which only some entries are observed, NaN elsewhere.

    It shares the networks of the one it is made of and takes its place in bounds.

    Examples
    --------
    >>> import torch
    >>> from skgen.vae.bounds import elbo_terms
    >>> from skgen.vae.likelihoods import Bernoulli
    >>> from skgen.vae.missing import OfObserved
    >>> from skgen.vae.networks import Autoencoder
    >>> linear = torch.nn.Linear
    >>> model = Autoencoder(linear(3, 4), linear(2, 3), Bernoulli().build(3), 2)
    >>> X = torch.tensor([[0.0, 1.0, torch.nan]])
    >>> elbo_terms(OfObserved(model), X, torch.zeros(1, 2))[0].isfinite().tolist()
    [True]
    """

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.prior = model.prior
        self.n_components = model.n_components
        self.log_prior = model.log_prior
        self.decode = model.decode

    @property
    def likelihood(self):
        """It has the ``log_prob`` and ``surrogate`` that bounds ask for."""
        return self

    def log_prob(self, outputs, X):
        """log p(x_obs | h), nats."""
        observed = ~torch.isnan(X)
        # a value that is no outlier: what overflows has no gradient, masked or not
        X = torch.where(observed, X, self.model.center)
        return observed_log_prob(self.model.likelihood, outputs, X, observed)

    surrogate = log_prob

    def posterior(self, X):
        """q(h | x) at the row with the columns' means in place of NaN."""
        return self.model.posterior(torch.where(torch.isnan(X), self.model.center, X))
