"""Missing entries of an RBM: Gibbs chains with the observed entries held fixed.

In every function X holds states of shape (n_samples, M), with any number at the missing
entries; `missing` is a boolean mask of the same shape.

References
----------
Rubin, D. B. Using the SIR algorithm to simulate posterior distributions. Bayesian
Statistics 3, 1988 (where the chains start).
"""

import numpy as np

from skgen.rbm.energy import visible_input, visible_probability
from skgen.rbm.samplers import bernoulli, sample_hidden

N_CHAINS = 5  # of a conditional mean: a single one may stay in one mode of many


def conditional(parameters, X, missing, H, n_steps, rng):
    """X with its missing entries drawn from P(x_mis | x_obs), one chain per row.

    The chains start at rows of H, draws from P(h) of shape (n_draws, N).
    """
    H = likely_hidden(parameters, X, missing, H, rng)
    return clamped_gibbs(parameters, X, missing, H, n_steps, rng)[0]


def conditional_means(parameters, X, missing, H, n_steps, rng):
    """E[x | x_obs] at the missing entries, by ``N_CHAINS`` chains for each row."""
    X, missing = np.repeat(X, N_CHAINS, axis=0), np.repeat(missing, N_CHAINS, axis=0)
    H = likely_hidden(parameters, X, missing, H, rng)
    mean = clamped_gibbs(parameters, X, missing, H, n_steps, rng)[1]
    return mean.reshape(-1, N_CHAINS, X.shape[1]).mean(axis=1)


def clamped_gibbs(parameters, X, missing, H, n_steps, rng):
    """X with its missing entries drawn in the last step of a chain, and their means.

    A chain starts at each row of H. A step draws x_mis ~ P(x_mis | h), then
    h ~ P(h | x): the kernel leaves P(x_mis | x_obs) invariant. The mean is
    P(x_i = 1 | h), averaged over the second half of the steps.
    """
    burn_in = n_steps // 2
    total = np.zeros_like(X)
    for step in range(n_steps):
        probability = visible_probability(parameters, H)
        if step >= burn_in:
            total += probability
        X = np.where(missing, bernoulli(probability, rng, out=probability), X)
        H = sample_hidden(parameters, X, rng)
    return X, total / (n_steps - burn_in)


def likely_hidden(parameters, X, missing, H, rng):
    """For each row of X one of the rows of H, in proportion to P(x_obs | h).

    Where the rows of H are draws from P(h), this is a draw from P(h | x_obs). It is the
    more accurate, the more rows H has and the fewer entries are observed.
    """
    inputs = visible_input(parameters, H)
    observed = (~missing).astype(X.dtype)
    log_weight = (X * observed) @ inputs.T - observed @ np.logaddexp(0, inputs).T
    # the largest of log-weights with Gumbel noise is a draw by weight
    return H[np.argmax(log_weight + rng.gumbel(size=log_weight.shape), axis=1)]
