"""Sampling from an RBM: conditional draws, block Gibbs chains and exact draws.

Randomness is a ``numpy.random.Generator`` argument; states come back as 0.0 / 1.0 in
the dtype of the parameters, ready for the next matrix product.

References
----------
Geman, S. and Geman, D. Stochastic relaxation, Gibbs distributions, and the Bayesian
restoration of images. IEEE PAMI 6, 1984.
"""

import numpy as np

from skgen.rbm.energy import hidden_probability
from skgen.rbm.enumeration import log_state_weights, smaller_layer_last, states

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
