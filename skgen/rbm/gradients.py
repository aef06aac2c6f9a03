"""The likelihood gradient of an RBM: positive phase minus negative phase.

    grad log P(x) = -grad F(x) + E_{x ~ P}[grad F(x)]

Each phase is the mean of the statistics x, h and x h' over an ensemble of (x, h) pairs;
the phases differ only in where the pairs come from. The positive phase takes the data
and P(h | x). The negative phase takes states x of the model, again with P(h | x): from
a Gibbs chain that starts at the data (CD), goes on from update to update (PCD) or is
tempered, or by enumeration of all states (exact). Each phase is averaged by its own
count, so the gradient is unbiased for any number of rows and chains. In code, both
phases are one ensemble in which the pairs of the negative phase have negative weights,
so that the gradient is a single product.

With offsets (mu, lam), E depends on x - mu and h - lam. The gradient of this centred
model is mapped back to (W, a, b). It is better conditioned than the plain gradient, and
does not depend on which state of a unit is called 1.

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
from numpy.typing import DTypeLike

from skgen.rbm.energy import RBMParameters, hidden_probability, visible_probability
from skgen.rbm.enumeration import log_state_weights, smaller_layer_last, states

_STATES_PER_BLOCK = 4096


class Offsets(NamedTuple):
    """What the centred model subtracts: mu, shape (M,), and lam, shape (N,)."""

    visible: np.ndarray
    hidden: np.ndarray


class Moments(NamedTuple):
    """Weighted sums of x - mu, h - lam and (x - mu)(h - lam)'."""

    visible: np.ndarray
    hidden: np.ndarray
    product: np.ndarray


def moments(
    X: np.ndarray,
    H: np.ndarray,
    offsets: Offsets,
    weights: np.ndarray,
    out: np.ndarray | None = None,
) -> Moments:
    """Sums of x - mu, h - lam and (x - mu)(h - lam)' over weighted (x, h) pairs.

    With v, q and s the sums of w x, w h and w,

        sum w (x - mu)(h - lam)' = sum w x h' - v lam' - mu (q - s lam)',

    so that two more rows of x and w h make a plain product the centred one.

    Parameters
    ----------
    X : ndarray of shape (n + 2, M)
        The last two rows are memory for centring.
    H : ndarray of shape (n + 2, N)
        States or, to reduce the variance, P(h | x). Overwritten.
    offsets : Offsets
    weights : ndarray of shape (n,)
        Probabilities of the pairs, or :func:`phase_weights`.
    out : ndarray of shape (M, N), default=None
        Memory for the product.

    Returns
    -------
    Moments
    """
    total = weights.sum()
    visible, hidden = weights @ X[:-2], weights @ H[:-2]
    hidden -= total * offsets.hidden
    H[:-2] *= weights[:, None]
    X[-2], H[-2] = visible, -offsets.hidden
    X[-1], H[-1] = offsets.visible, -hidden
    product = np.matmul(X.T, H, out=out)
    return Moments(visible - total * offsets.visible, hidden, product)


def phase_weights(
    n_rows: int, n_model: int, dtype: DTypeLike = np.float32
) -> np.ndarray:
    """Weights of rows of data followed by states of the model: 1/n_rows, -1/n_model.

    Moments with these weights are the positive minus the negative phase.
    """
    model = np.full(n_model, -1 / max(n_model, 1), dtype)
    return np.append(np.full(n_rows, 1 / n_rows, dtype), model)


def uncentred(difference: Moments, offsets: Offsets) -> RBMParameters:
    """The likelihood gradient in (W, a, b), as RBMParameters.

    `difference` holds the moments about `offsets`, positive minus negative phase.
    """
    visible, hidden, product = difference
    return RBMParameters(
        product, visible - product @ offsets.hidden, hidden - offsets.visible @ product
    )


def exact_moments(parameters: RBMParameters, offsets: Offsets) -> Moments:
    """Moments under the model itself, by enumeration of the smaller layer.

    Raises ValueError, naming the limit, if it has more than 20 units.
    """
    small, turned = smaller_layer_last(parameters)
    about = Offsets(*offsets[::-1]) if turned else offsets
    log_weights = log_state_weights(small)
    weights = np.exp(log_weights - log_weights.max())
    weights = (weights / weights.sum()).astype(small.weights.dtype)
    zero = np.zeros((), weights.dtype)
    total = Moments(zero, zero, zero)
    for start in range(0, weights.size, _STATES_PER_BLOCK):
        block = np.arange(start, min(start + _STATES_PER_BLOCK, weights.size))
        H = np.zeros((block.size + 2, small.hidden_bias.size), weights.dtype)
        H[:-2] = states(block, small.hidden_bias.size)
        X = visible_probability(small, H)
        total = Moments(*map(np.add, total, moments(X, H, about, weights[block])))
    if turned:
        return Moments(total.hidden, total.visible, total.product.T)
    return total


def log_likelihood_gradient(parameters: RBMParameters, X: np.ndarray) -> RBMParameters:
    """Exact gradient of the mean of log P(x) over the rows of X, as RBMParameters.

    Raises ValueError, naming the limit, if the smaller layer has more than 20 units.

    Examples
    --------
    At W = 0 it is the mean of the data minus the mean of the model, 1/2.

    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters
    >>> from skgen.rbm.gradients import log_likelihood_gradient
    >>> parameters = RBMParameters(np.zeros((2, 1)), np.zeros(2), np.zeros(1))
    >>> X = np.array([[0.0, 1.0], [1.0, 1.0]])
    >>> log_likelihood_gradient(parameters, X).visible_bias
    array([0. , 0.5])
    """
    none = Offsets(*(np.zeros_like(bias) for bias in parameters[1:]))
    weights = phase_weights(len(X), 0, parameters.weights.dtype)
    X = np.concatenate([X, np.zeros_like(X, shape=(2, X.shape[1]))])
    positive = moments(X, hidden_probability(parameters, X), none, weights)
    negative = exact_moments(parameters, none)
    return uncentred(Moments(*map(np.subtract, positive, negative)), none)
