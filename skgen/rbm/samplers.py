"""Sampling from an RBM: conditional draws, block Gibbs chains and exact draws.

Randomness is a ``numpy.random.Generator`` argument; states come back as 0.0 / 1.0 in
the dtype of the parameters, ready for the next matrix product.

References
----------
Geman, S. and Geman, D. Stochastic relaxation, Gibbs distributions, and the Bayesian
restoration of images. IEEE PAMI 6, 1984.
Rubin, D. B. Using the SIR algorithm to simulate posterior distributions. Bayesian
Statistics 3, 1988.
"""

import numpy as np

from skgen.rbm.energy import hidden_probability, visible_input, visible_probability
from skgen.rbm.enumeration import log_state_weights, smaller_layer_last, states

N_CHAINS = 5
"""Of a conditional mean: a single one may stay in one mode of many."""

_DRAWS_PER_BLOCK = 2**16  # with what they need, they fit a core's cache


def bernoulli(probability, rng, out=None):
    """Independent 0/1 draws with the given probabilities, in their dtype.

    x = 1 where u < p for a uniform u. Its first 16 bits decide, all but once in 65,536
    draws; only then are the others drawn: as exact as whole uniforms, in half the time.

    Parameters
    ----------
    probability : ndarray
        float32 or float64.
    rng : numpy.random.Generator
    out : ndarray, default=None
        Memory for the draws, C-contiguous; that of `probability` will do.

    Returns
    -------
    ndarray of the same shape and dtype

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.samplers import bernoulli
    >>> bernoulli(np.array([0.0, 1.0]), np.random.default_rng(0))
    array([0., 1.])
    """
    out = np.empty(probability.shape, probability.dtype) if out is None else out
    p, draws = probability.reshape(-1), out.reshape(-1)
    for start in range(0, p.size, _DRAWS_PER_BLOCK):
        block = slice(start, start + _DRAWS_PER_BLOCK)
        _draw(p[block], rng, draws[block])
    return out


def _draw(p, rng, draws):
    bits = _random_words(rng, -(-p.size // 4)).view(np.uint16)[: p.size]
    below_2_16 = 2**16 * (1 - np.finfo(p.dtype).epsneg)  # so that p = 1 fits 16 bits
    leading = np.empty(p.size, np.uint16)
    np.multiply(p, p.dtype.type(below_2_16), out=leading, casting="unsafe")
    (ties,) = (bits == leading).nonzero()
    if ties.size:
        decided = rng.random(ties.size) + bits[ties] < p[ties] * 2.0**16
    np.less(bits, leading, out=draws)
    if ties.size:
        draws[ties] = decided


def _random_words(rng, size):
    """Words of 64 random bits."""
    if isinstance(rng.bit_generator, np.random.MT19937):  # its raw words have 32
        return rng.integers(2**64 - 1, size=size, dtype=np.uint64, endpoint=True)
    return rng.bit_generator.random_raw(size)


def sample_hidden(parameters, X, rng, out=None):
    """A draw h ~ P(h | x) for each row of X, shape (n_samples, N), also in `out`.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters
    >>> from skgen.rbm.samplers import sample_hidden
    >>> sure = RBMParameters(np.zeros((2, 1)), np.zeros(2), np.array([50.0]))
    >>> sample_hidden(sure, np.zeros((1, 2)), np.random.default_rng(0))
    array([[1.]])
    """
    probability = hidden_probability(parameters, X, out)
    return bernoulli(probability, rng, out=probability)


def sample_visible(parameters, H, rng, out=None):
    """A draw x ~ P(x | h) for each row of H, shape (n_samples, M), also in `out`.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters
    >>> from skgen.rbm.samplers import sample_visible
    >>> sure = RBMParameters(np.zeros((2, 1)), np.array([50.0, -50.0]), np.zeros(1))
    >>> sample_visible(sure, np.zeros((1, 1)), np.random.default_rng(0))
    array([[1., 0.]])
    """
    return sample_hidden(parameters.transposed(), H, rng, out)


def gibbs(parameters, X, n_steps, rng):
    """X after n_steps of block Gibbs sampling, h ~ P(h | x) then x ~ P(x | h).

    The kernel leaves P(x) invariant and converges to it from anywhere.

    Parameters
    ----------
    parameters : RBMParameters
    X : ndarray of shape (n_samples, M)
        Where the chains start.
    n_steps : int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n_samples, M)

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters
    >>> from skgen.rbm.samplers import gibbs
    >>> sure = RBMParameters(np.zeros((2, 1)), np.array([50.0, -50.0]), np.zeros(1))
    >>> gibbs(sure, np.zeros((1, 2)), 3, np.random.default_rng(0))
    array([[1., 0.]])
    """
    for _ in range(n_steps):
        X = sample_visible(parameters, sample_hidden(parameters, X, rng), rng)
    return X


def conditional(parameters, X, missing, H, n_steps, rng):
    """X with its missing entries drawn from P(x_mis | x_obs), by a chain for each row.

    Parameters
    ----------
    parameters : RBMParameters
    X : ndarray of shape (n_samples, M)
        States; missing entries hold any number.
    missing : ndarray of bool of shape (n_samples, M)
    H : ndarray of shape (n_draws, N)
        Draws from P(h), of which :func:`likely_hidden` chooses where chains start.
    n_steps : int
        Of :func:`clamped_gibbs`, at least 1.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n_samples, M)

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters
    >>> from skgen.rbm.samplers import conditional
    >>> sure = RBMParameters(np.zeros((2, 1)), np.array([50.0, -50.0]), np.zeros(1))
    >>> X, missing, H = np.ones((1, 2)), np.array([[True, False]]), np.zeros((1, 1))
    >>> conditional(sure, X, missing, H, 3, np.random.default_rng(0))
    array([[1., 1.]])
    """
    H = likely_hidden(parameters, X, missing, H, rng)
    return clamped_gibbs(parameters, X, missing, H, n_steps, rng)[0]


def conditional_means(parameters, X, missing, H, n_steps, rng):
    """E[x | x_obs] by ``N_CHAINS`` chains for each row, at the missing entries.

    Arguments and shape of the result as in :func:`conditional`.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters
    >>> from skgen.rbm.samplers import conditional_means
    >>> even = RBMParameters(np.zeros((2, 1)), np.zeros(2), np.zeros(1))
    >>> X, missing, H = np.ones((1, 2)), np.ones((1, 2), bool), np.zeros((1, 1))
    >>> conditional_means(even, X, missing, H, 3, np.random.default_rng(0))
    array([[0.5, 0.5]])
    """
    X, missing = np.repeat(X, N_CHAINS, axis=0), np.repeat(missing, N_CHAINS, axis=0)
    H = likely_hidden(parameters, X, missing, H, rng)
    mean = clamped_gibbs(parameters, X, missing, H, n_steps, rng)[1]
    return mean.reshape(-1, N_CHAINS, X.shape[1]).mean(axis=1)


def clamped_gibbs(parameters, X, missing, H, n_steps, rng):
    """Block Gibbs chains of the missing entries, the observed ones held fixed.

    x_mis ~ P(x_mis | h), then h ~ P(h | x): the kernel leaves P(x_mis | x_obs)
    invariant.

    Parameters
    ----------
    parameters : RBMParameters
    X : ndarray of shape (n_samples, M)
        States; missing entries hold any number.
    missing : ndarray of bool of shape (n_samples, M)
    H : ndarray of shape (n_samples, N)
        Where the chains start.
    n_steps : int
        At least 1.
    rng : numpy.random.Generator

    Returns
    -------
    X : ndarray of shape (n_samples, M)
        With the missing entries drawn in the last step.
    mean : ndarray of shape (n_samples, M)
        P(x_i = 1 | h), averaged over the second half of the steps: at the missing
        entries an estimate of E[x_i | x_obs].

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters
    >>> from skgen.rbm.samplers import clamped_gibbs
    >>> sure = RBMParameters(np.zeros((2, 1)), np.array([50.0, -50.0]), np.zeros(1))
    >>> X, missing, H = np.ones((1, 2)), np.array([[True, False]]), np.zeros((1, 1))
    >>> X, mean = clamped_gibbs(sure, X, missing, H, 3, np.random.default_rng(0))
    >>> X, mean.round(6)
    (array([[1., 1.]]), array([[1., 0.]]))
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
    """For each row one of the rows of H, in proportion to P(x_obs | h).

    Where the rows of H are draws from P(h), that is a draw from P(h | x_obs), the
    better, the more of them there are and the fewer entries are observed.

    Parameters
    ----------
    parameters : RBMParameters
    X : ndarray of shape (n_samples, M)
        States; missing entries hold any number.
    missing : ndarray of bool of shape (n_samples, M)
    H : ndarray of shape (n_draws, N)
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n_samples, N)

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters
    >>> from skgen.rbm.samplers import likely_hidden
    >>> copies = RBMParameters(100 * np.eye(2), np.full(2, -50.0), np.zeros(2))
    >>> X, missing = np.array([[1.0, 0.0]]), np.array([[False, True]])
    >>> H, rng = np.array([[0.0, 1.0], [1.0, 1.0]]), np.random.default_rng(0)
    >>> likely_hidden(copies, X, missing, H, rng)
    array([[1., 1.]])
    """
    inputs = visible_input(parameters, H)
    observed = (~missing).astype(X.dtype)
    log_weight = (X * observed) @ inputs.T - observed @ np.logaddexp(0, inputs).T
    # the largest of log-weights with Gumbel noise is a draw by weight
    return H[np.argmax(log_weight + rng.gumbel(size=log_weight.shape), axis=1)]


def exact_samples(parameters, n_samples, rng):
    """Independent draws x ~ P(x): the smaller layer from its exact marginal.

    The other layer then follows from its conditional.

    Parameters
    ----------
    parameters : RBMParameters
        A model whose smaller layer can be enumerated.
    n_samples : int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n_samples, M)

    Raises
    ------
    ValueError
        If the smaller layer is too large, naming the limit.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters
    >>> from skgen.rbm.samplers import exact_samples
    >>> sure = RBMParameters(np.zeros((2, 1)), np.array([50.0, -50.0]), np.zeros(1))
    >>> exact_samples(sure, 1, np.random.default_rng(0))
    array([[1., 0.]])
    """
    small, turned = smaller_layer_last(parameters)
    log_weights = log_state_weights(small)
    cumulative = np.cumsum(np.exp(log_weights - log_weights.max()))
    uniform = rng.random(n_samples) * cumulative[-1]
    drawn = np.searchsorted(cumulative, uniform, side="right")
    H = states(drawn, small.hidden_bias.size).astype(small.weights.dtype)
    return H if turned else sample_visible(small, H, rng)
