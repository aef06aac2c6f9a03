"""Sampling from an RBM: conditional draws, block Gibbs chains and exact draws.

Randomness is a ``numpy.random.Generator`` argument. States come back as 0.0 / 1.0 in
the dtype of the parameters, ready for the next matrix product.

References
----------
Geman, S. and Geman, D. Stochastic relaxation, Gibbs distributions, and the Bayesian
restoration of images. IEEE PAMI 6, 1984.
"""

import numpy as np

from skgen.rbm.energy import RBMParameters, hidden_probability
from skgen.rbm.enumeration import log_state_weights, smaller_layer_last, states

_DRAWS_PER_BLOCK = 2**16  # with what they need, they fit a core's cache


def bernoulli(
    probability: np.ndarray, rng: np.random.Generator, out: np.ndarray | None = None
) -> np.ndarray:
    """Independent 0/1 draws with the given probabilities, float32 or float64.

    x = 1 where u < p for a uniform u. The first 16 bits of u decide, except once in
    65,536 draws; only then are the other bits drawn. This is as exact as whole
    uniforms, in half the time. `out` must be C-contiguous, and may be `probability`.
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
    p_of_ties = p[ties]  # a copy: `draws` may share the memory of p
    np.less(bits, leading, out=draws)
    draws[ties] = rng.random(ties.size) + bits[ties] < p_of_ties * 2.0**16


def _random_words(rng, size):
    """Words of 64 random bits."""
    if isinstance(rng.bit_generator, np.random.MT19937):  # its raw words have 32
        return rng.integers(2**64 - 1, size=size, dtype=np.uint64, endpoint=True)
    return rng.bit_generator.random_raw(size)


def sample_hidden(
    parameters: RBMParameters,
    X: np.ndarray,
    rng: np.random.Generator,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """A draw h ~ P(h | x) for each row of X, shape (n_samples, N), also in `out`."""
    probability = hidden_probability(parameters, X, out)
    return bernoulli(probability, rng, out=probability)


def sample_visible(
    parameters: RBMParameters,
    H: np.ndarray,
    rng: np.random.Generator,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """A draw x ~ P(x | h) for each row of H, shape (n_samples, M), also in `out`."""
    return sample_hidden(parameters.transposed(), H, rng, out)


def gibbs(
    parameters: RBMParameters, X: np.ndarray, n_steps: int, rng: np.random.Generator
) -> np.ndarray:
    """X after n_steps of block Gibbs sampling, h ~ P(h | x) then x ~ P(x | h).

    The kernel leaves P(x) invariant and converges to it from anywhere.

    Examples
    --------
    The chains forget a start where the two units never agree.

    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters
    >>> from skgen.rbm.samplers import gibbs
    >>> parameters = RBMParameters(np.full((2, 1), 4.0), np.full(2, -2.0), [-4.0])
    >>> X = np.tile([1.0, 0.0], (100_000, 1))
    >>> X = gibbs(parameters, X, 20, np.random.default_rng(0))
    >>> print((X[:, 0] == X[:, 1]).mean().round(2))
    0.79
    >>> print(round((1 + np.exp(-4)) / (1 + np.exp(-2)) ** 2, 2))  # in theory
    0.79
    """
    for _ in range(n_steps):
        X = sample_visible(parameters, sample_hidden(parameters, X, rng), rng)
    return X


def cumulative_weights(parameters: RBMParameters) -> np.ndarray:
    """Cumulated weights of all states of the smaller layer, the largest weight being 1.

    Raises ValueError, naming the limit, if that layer has more than 20 units.
    """
    log_weights = log_state_weights(smaller_layer_last(parameters)[0])
    return np.cumsum(np.exp(log_weights - log_weights.max()))


def exact_samples(
    parameters: RBMParameters,
    n_samples: int,
    rng: np.random.Generator,
    cumulative: np.ndarray | None = None,
) -> np.ndarray:
    """Independent draws x ~ P(x): the smaller layer from its exact marginal.

    The other layer then follows from its conditional. ``cumulative_weights`` are
    computed if they are not given, which takes most of the time.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters
    >>> from skgen.rbm.samplers import exact_samples
    >>> parameters = RBMParameters(np.zeros((2, 1)), np.log([3.0, 1 / 3]), np.zeros(1))
    >>> X = exact_samples(parameters, 100_000, np.random.default_rng(0))
    >>> X.mean(axis=0).round(2)
    array([0.75, 0.25])
    """
    if cumulative is None:
        cumulative = cumulative_weights(parameters)
    small, turned = smaller_layer_last(parameters)
    uniform = rng.random(n_samples) * cumulative[-1]
    drawn = np.searchsorted(cumulative, uniform, side="right")
    H = states(drawn, small.hidden_bias.size).astype(small.weights.dtype)
    return H if turned else sample_visible(small, H, rng)
