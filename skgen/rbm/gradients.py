"""The likelihood gradient of an RBM: positive phase minus negative phase.

    grad log P(x) = -grad F(x) + E_{x ~ P}[grad F(x)]

Each phase is the mean of the statistics x, h and x h' over an ensemble of weighted
(x, h) pairs; the phases differ only in where the pairs come from. The positive phase
takes the data and P(h | x); the negative phase a Gibbs chain that starts at the data
(CD), one that goes on from update to update (PCD), or all states (exact). Each phase
is averaged by its own count, so any number of rows and chains is unbiased.

With offsets (mu, lam) the gradient is that of the centred model, E depending on
x - mu and h - lam, mapped back to (W, a, b): better conditioned and independent of
which state of a unit is called 1.

References
----------
Hinton, G. E. Training products of experts by minimizing contrastive divergence.
Neural Computation 14, 2002 (CD).
Tieleman, T. Training restricted Boltzmann machines using approximations to the
likelihood gradient. ICML 2008 (PCD).
Melchior, J., Fischer, A. and Wiskott, L. How to center deep Boltzmann machines. JMLR
17, 2016 (offsets).
"""

from typing import NamedTuple

import numpy as np

from skgen.rbm.energy import RBMParameters, hidden_probability, visible_probability
from skgen.rbm.enumeration import log_state_weights, smaller_layer_last, states
from skgen.rbm.samplers import bernoulli, gibbs, sample_visible

_STATES_PER_BLOCK = 4096


class Offsets(NamedTuple):
    """What the centred model subtracts: mu, shape (M,), and lam, shape (N,)."""

    visible: np.ndarray
    hidden: np.ndarray


class Moments(NamedTuple):
    """Means of x - mu, h - lam and (x - mu)(h - lam)' over an ensemble."""

    visible: np.ndarray
    hidden: np.ndarray
    product: np.ndarray


def moments(X, H, offsets, weights=None, out=None):
    """Moments of an ensemble of (x, h) pairs.

    Parameters
    ----------
    X : ndarray of shape (n, M)
    H : ndarray of shape (n, N)
        States or, to reduce the variance, P(h | x).
    offsets : Offsets
    weights : ndarray of shape (n,), default=None
        Probabilities of the pairs; None: 1/n each.
    out : ndarray of shape (M, N), default=None
        Memory for the product.

    Returns
    -------
    Moments

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.gradients import Offsets, moments
    >>> none = Offsets(np.zeros(2), np.zeros(1))
    >>> moments(np.eye(2), np.ones((2, 1)), none).product
    array([[0.5],
           [0.5]])
    """
    X, H = X - offsets.visible, H - offsets.hidden
    weights = np.full(len(X), 1 / len(X), X.dtype) if weights is None else weights
    weighted = weights[:, None] * H
    return Moments(weights @ X, weighted.sum(axis=0), np.matmul(X.T, weighted, out=out))


def difference(positive, negative, offsets):
    """The gradient: positive minus negative moments, mapped to (W, a, b).

    Parameters
    ----------
    positive, negative : Moments
        About the same offsets; the memory of ``positive.product`` is reused.
    offsets : Offsets

    Returns
    -------
    RBMParameters
        The direction in which the log-likelihood grows.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.gradients import Moments, Offsets, difference
    >>> data = Moments(np.ones(2), np.ones(1), np.ones((2, 1)))
    >>> model = Moments(np.zeros(2), np.ones(1), np.zeros((2, 1)))
    >>> difference(data, model, Offsets(np.zeros(2), np.zeros(1))).visible_bias
    array([1., 1.])
    """
    product = np.subtract(positive.product, negative.product, out=positive.product)
    return RBMParameters(
        product,
        positive.visible - negative.visible - product @ offsets.hidden,
        positive.hidden - negative.hidden - offsets.visible @ product,
    )


def persistent_chains(parameters, H, n_steps, rng):
    """Pairs (x, P(h | x)) of persistent chains after n_steps Gibbs steps, and new H.

    Parameters
    ----------
    parameters : RBMParameters
    H : ndarray of shape (n_chains, N)
        Hidden states in which the chains were left.
    n_steps : int
    rng : numpy.random.Generator

    Returns
    -------
    X : ndarray of shape (n_chains, M)
    probability : ndarray of shape (n_chains, N)
    H : ndarray of shape (n_chains, N)
        Hidden states from which to go on.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters
    >>> from skgen.rbm.gradients import persistent_chains
    >>> sure = RBMParameters(np.zeros((2, 1)), np.array([50.0, -50.0]), np.zeros(1))
    >>> persistent_chains(sure, np.zeros((1, 1)), 1, np.random.default_rng(0))[0]
    array([[1., 0.]])
    """
    X = gibbs(parameters, sample_visible(parameters, H, rng), n_steps - 1, rng)
    probability = hidden_probability(parameters, X)
    return X, probability, bernoulli(probability, rng)


def exact_moments(parameters, offsets):
    """Moments under the model itself, by enumeration of the smaller layer.

    Parameters
    ----------
    parameters : RBMParameters
    offsets : Offsets

    Returns
    -------
    Moments

    Raises
    ------
    ValueError
        If the smaller layer is too large, naming the limit.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters
    >>> from skgen.rbm.gradients import Offsets, exact_moments
    >>> parameters = RBMParameters(np.zeros((2, 1)), np.zeros(2), np.zeros(1))
    >>> exact_moments(parameters, Offsets(np.zeros(2), np.zeros(1))).visible
    array([0.5, 0.5])
    """
    small, turned = smaller_layer_last(parameters)
    about = Offsets(offsets.hidden, offsets.visible) if turned else offsets
    log_weights = log_state_weights(small)
    weights = np.exp(log_weights - log_weights.max())
    weights = (weights / weights.sum()).astype(small.weights.dtype)
    total = Moments(*(np.zeros_like(array) for array in (*small[1:], small.weights)))
    for start in range(0, weights.size, _STATES_PER_BLOCK):
        block = np.arange(start, min(start + _STATES_PER_BLOCK, weights.size))
        H = states(block, small.hidden_bias.size).astype(weights.dtype)
        X = visible_probability(small, H)
        for sum_, part in zip(total, moments(X, H, about, weights[block])):
            sum_ += part
    if turned:
        return Moments(total.hidden, total.visible, total.product.T)
    return total


def log_likelihood_gradient(parameters, X):
    """Exact gradient of the mean of log P(x) over the rows of X.

    Parameters
    ----------
    parameters : RBMParameters
        A model whose smaller layer can be enumerated.
    X : ndarray of shape (n_samples, M)
        States, 0/1.

    Returns
    -------
    RBMParameters

    Raises
    ------
    ValueError
        If the smaller layer is too large, naming the limit.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters
    >>> from skgen.rbm.gradients import log_likelihood_gradient
    >>> parameters = RBMParameters(np.zeros((2, 1)), np.zeros(2), np.zeros(1))
    >>> log_likelihood_gradient(parameters, np.ones((1, 2))).visible_bias
    array([0.5, 0.5])
    """
    none = Offsets(*(np.zeros_like(bias) for bias in parameters[1:]))
    positive = moments(X, hidden_probability(parameters, X), none)
    return difference(positive, exact_moments(parameters, none), none)
