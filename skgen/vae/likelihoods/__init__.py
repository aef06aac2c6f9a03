"""Likelihoods p(x | h): what the outputs of a decoder mean.

A decoder emits ``n_outputs`` unconstrained numbers for each row. A likelihood turns
them into the parameters of a distribution over rows, and gives log-probabilities (in
nats), means and samples. To add a likelihood, add a subclass of :class:`Likelihood`.
"""

from skgen.vae.likelihoods.autoregressive import Autoregressive
from skgen.vae.likelihoods.base import Likelihood
from skgen.vae.likelihoods.binary import Bernoulli
from skgen.vae.likelihoods.categorical import Categorical
from skgen.vae.likelihoods.columns import (
    NAMES,
    ColumnLikelihood,
    as_likelihood,
    holds_counts,
    likelihood_from_plain,
    likelihood_to_plain,
)
from skgen.vae.likelihoods.covariance import FullGaussian
from skgen.vae.likelihoods.gaussian import NOISE_VARIANCES, Gaussian
from skgen.vae.likelihoods.poisson import Poisson
from skgen.vae.likelihoods.tree import ChowLiu

__all__ = [
    "NAMES",
    "NOISE_VARIANCES",
    "Autoregressive",
    "Bernoulli",
    "Categorical",
    "ChowLiu",
    "ColumnLikelihood",
    "FullGaussian",
    "Gaussian",
    "Likelihood",
    "Poisson",
    "as_likelihood",
    "holds_counts",
    "likelihood_from_plain",
    "likelihood_to_plain",
]
