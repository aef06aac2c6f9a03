"""Energies, free energies and conditional probabilities of a binary-binary RBM.

With visible units x in {0, 1}^M, hidden units h in {0, 1}^N and parameters a, b, W::

    E(x, h) = -(a.x + b.h + x'Wh)         P(x, h) = exp(-E(x, h)) / Z

All functions take arrays X of shape (n_samples, M) and H of shape (n_samples, N), one
configuration per row. Energies and log-probabilities are in nats. Arrays keep the dtype
of the arguments; sums over units are accumulated in float64.

References
----------
Smolensky, P. Information processing in dynamical systems: foundations of harmony
theory. Parallel Distributed Processing 1, MIT Press, 1986.
Hinton, G. E. A practical guide to training restricted Boltzmann machines. In Neural
Networks: Tricks of the Trade, Springer, 2012.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike
from scipy.special import expit

# (1 + e^-|x|) <= 2, so a product of this many stays below the largest float32
_FACTORS_PER_LOG = 64


class RBMParameters(NamedTuple):
    """Parameters of an RBM with M visible and N hidden units, all log-odds.

    Attributes
    ----------
    weights : ndarray of shape (M, N)
        W.
    visible_bias : ndarray of shape (M,)
        a.
    hidden_bias : ndarray of shape (N,)
        b.
    """

    weights: np.ndarray
    visible_bias: np.ndarray
    hidden_bias: np.ndarray

    def transposed(self) -> "RBMParameters":
        """The same model with the roles of the two layers exchanged."""
        return RBMParameters(self.weights.T, self.hidden_bias, self.visible_bias)

    def astype(self, dtype: DTypeLike) -> "RBMParameters":
        """A copy in another floating-point type."""
        return RBMParameters(*(array.astype(dtype) for array in self))


def energy(parameters: RBMParameters, X: np.ndarray, H: np.ndarray) -> np.ndarray:
    """Energy of joint configurations, E(x, h) = -(a.x + b.h + x'Wh).

    It is linear in h: probabilities in place of states give the expected energy.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters, energy
    >>> parameters = RBMParameters(np.ones((2, 1)), np.zeros(2), np.zeros(1))
    >>> energy(parameters, np.array([[1.0, 1.0]]), np.array([[1.0]]))
    array([-2.])
    """
    coupling = np.einsum("ij,ij->i", X @ parameters.weights, H)
    return -(X @ parameters.visible_bias + H @ parameters.hidden_bias + coupling)


def free_energy(parameters: RBMParameters, X: np.ndarray) -> np.ndarray:
    """Free energy of visible configurations, with P(x) = exp(-F(x)) / Z.

    ``F(x) = -a.x - sum_j log(1 + exp(b_j + x'W_:j))``, in float64.

    Examples
    --------
    exp(-F(x)) is the sum of exp(-E(x, h)) over the states of h.

    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters, energy, free_energy
    >>> parameters = RBMParameters(np.ones((2, 1)), np.zeros(2), np.full(1, -0.5))
    >>> X = np.ones((2, 2))
    >>> total = np.exp(-energy(parameters, X, np.array([[0.0], [1.0]]))).sum()
    >>> np.allclose(np.exp(-free_energy(parameters, X)), total)
    True
    """
    linear = X @ parameters.visible_bias
    return -(linear + softplus_sum(hidden_input(parameters, X)))


def hidden_free_energy(parameters: RBMParameters, H: np.ndarray) -> np.ndarray:
    """Free energy of hidden configurations, with P(h) = exp(-F(h)) / Z.

    ``F(h) = -b.h - sum_i log(1 + exp(a_i + W_i:'h))``, in float64.
    """
    return free_energy(parameters.transposed(), H)


def hidden_probability(
    parameters: RBMParameters, X: np.ndarray, out: np.ndarray | None = None
) -> np.ndarray:
    """``P(h_j = 1 | x) = sigmoid(b_j + x'W_:j)``, shape (n_samples, N), also in `out`.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters, hidden_probability
    >>> parameters = RBMParameters(np.log([[3.0]]), np.zeros(1), np.zeros(1))
    >>> hidden_probability(parameters, np.array([[0.0], [1.0]]))
    array([[0.5 ],
           [0.75]])
    """
    return logistic(hidden_input(parameters, X, out))


def visible_probability(parameters: RBMParameters, H: np.ndarray) -> np.ndarray:
    """``P(x_i = 1 | h) = sigmoid(a_i + W_i:'h)``, shape (n_samples, M).

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters, visible_probability
    >>> parameters = RBMParameters(np.log([[3.0]]), np.zeros(1), np.zeros(1))
    >>> visible_probability(parameters, np.array([[0.0], [1.0]]))
    array([[0.5 ],
           [0.75]])
    """
    return hidden_probability(parameters.transposed(), H)


def log_conditional_hidden(
    parameters: RBMParameters, H: np.ndarray, X: np.ndarray
) -> np.ndarray:
    """log P(h | x) = sum_j log P(h_j | x) of whole configurations H, in float64.

    Examples
    --------
    Bayes' theorem: log P(h | x) = -E(x, h) + F(x).

    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters, energy, free_energy
    >>> from skgen.rbm.energy import log_conditional_hidden
    >>> parameters = RBMParameters(np.ones((2, 1)), np.zeros(2), np.full(1, -0.5))
    >>> X, H = np.array([[1.0, 0.0]]), np.ones((1, 1))
    >>> joint = -energy(parameters, X, H) + free_energy(parameters, X)
    >>> np.allclose(log_conditional_hidden(parameters, H, X), joint)
    True
    """
    inputs = hidden_input(parameters, X)
    return np.einsum("ij,ij->i", inputs, H) - softplus_sum(inputs)


def log_conditional_visible(
    parameters: RBMParameters, X: np.ndarray, H: np.ndarray
) -> np.ndarray:
    """log P(x | h) = sum_i log P(x_i | h) of whole configurations X, in float64."""
    return log_conditional_hidden(parameters.transposed(), X, H)


def pseudo_log_likelihood(parameters: RBMParameters, X: np.ndarray) -> np.ndarray:
    """Exact pseudo-log-likelihood of states X, sum_i log P(x_i | the other x).

    Flipping x_i moves the input of hidden unit j by d_ij = (1 - 2 x_i) W_ij, hence
    F(x) - F(x with x_i flipped) = (1 - 2 x_i) a_i + sum_j log(1 + p_j (e^d_ij - 1))
    with p_j = P(h_j = 1 | x). The time grows with n_samples * M * N.

    References
    ----------
    Besag, J. Statistical analysis of non-lattice data. The Statistician 24, 1975.

    Examples
    --------
    It is the log-likelihood where units are independent: here 1/2 and 3/4.

    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters, pseudo_log_likelihood
    >>> parameters = RBMParameters(np.zeros((2, 3)), np.log([1.0, 3.0]), np.zeros(3))
    >>> np.exp(pseudo_log_likelihood(parameters, np.ones((1, 2))))
    array([0.375])
    """
    inputs = hidden_input(parameters, X)
    unflipped = softplus_sum(inputs)
    total = np.zeros(len(X))
    for x_i, a_i, w_i in zip(X.T, parameters.visible_bias, parameters.weights):
        sign = 1 - 2 * x_i
        flipped = softplus_sum(inputs + sign[:, None] * w_i)
        total -= np.logaddexp(0, sign * a_i + flipped - unflipped)
    return total


def hidden_input(
    parameters: RBMParameters, X: np.ndarray, out: np.ndarray | None = None
) -> np.ndarray:
    """Log-odds of the hidden units given x, b + x'W, shape (n_samples, N)."""
    inputs = np.matmul(X, parameters.weights, out=out)
    inputs += parameters.hidden_bias
    return inputs


def visible_input(
    parameters: RBMParameters, H: np.ndarray, out: np.ndarray | None = None
) -> np.ndarray:
    """Log-odds of the visible units given h, a + Wh, shape (n_samples, M)."""
    return hidden_input(parameters.transposed(), H, out)


def logistic(x: np.ndarray) -> np.ndarray:
    """sigmoid(x), in place.

    For float32 the vectorised exponential is three times as fast as scipy's expit. An
    overflowing exponential gives the right limit, 0.
    """
    if x.dtype != np.float32:
        return expit(x, out=x)
    with np.errstate(over="ignore"):
        np.negative(x, out=x)
        np.exp(x, out=x)
        x += 1
        return np.reciprocal(x, out=x)


def softplus_sum(x: np.ndarray) -> np.ndarray:
    """sum_j log(1 + exp(x_j)) over the last axis, accumulated in float64.

    ``log(1 + e^x) = max(x, 0) + log(1 + e^-|x|)``. The bounded factors
    ``1 + e^-|x|`` are multiplied in groups, so that one logarithm serves many of them:
    five times as fast as logaddexp and no less accurate.
    """
    factors = np.abs(x)
    np.negative(factors, out=factors)
    np.exp(factors, out=factors)
    factors += 1
    groups = np.arange(0, x.shape[-1], _FACTORS_PER_LOG)
    products = np.multiply.reduceat(factors, groups, axis=-1)
    positive = np.maximum(x, 0, out=factors).sum(axis=-1, dtype=np.float64)
    return positive + np.log(products).sum(axis=-1, dtype=np.float64)
