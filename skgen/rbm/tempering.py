"""Models between a base model and an RBM, and parallel tempering along them.

The base is an RBM with weights 0 and visible biases a0; the models between have the
parameters (1 - beta) (0, a0, 0) + beta (W, a, b):

    f_beta(x) = exp((1 - beta) a0.x + beta a.x) prod_j (1 + exp(beta (b_j + x'W_:j)))

Annealed importance sampling goes along them once. Parallel tempering keeps chains at
all of them and swaps neighbours, so that a chain of the model itself can travel to the
base, where nothing holds it, and come back in another mode.

References
----------
Swendsen, R. H. and Wang, J.-S. Replica Monte Carlo simulation of spin-glasses. Physical
Review Letters 57, 1986.
Desjardins, G. et al. Tempered Markov chain Monte Carlo for training of restricted
Boltzmann machines. AISTATS 2010.
Syed, S. et al. Non-reversible parallel tempering: a scalable highly parallel MCMC
scheme. Journal of the Royal Statistical Society B 84, 2022 (alternating swaps, and
temperatures of equal rejection).
"""

from typing import NamedTuple

import numpy as np

from skgen.rbm.energy import hidden_input, logistic, softplus_sum, visible_input
from skgen.rbm.samplers import bernoulli

N_TEMPERATURES = 10
"""Temperatures of parallel tempering, base and model included."""

_RATE_OF_MEMORY = 0.02  # of the means of the swap rates, once there are 50 attempts


class Ladder(NamedTuple):
    """Chains of parallel tempering; X and swap_rates are updated in place.

    Attributes
    ----------
    X : ndarray of shape (N_TEMPERATURES, n_chains, M)
        Visible states, the base first and the model last.
    beta : ndarray of shape (N_TEMPERATURES,)
        Inverse temperatures, from 0 to 1.
    swap_rates : ndarray of shape (N_TEMPERATURES - 1,)
        Running means of the acceptance probabilities of swaps between neighbours.
    n_sweeps : int
    """

    X: np.ndarray
    beta: np.ndarray
    swap_rates: np.ndarray
    n_sweeps: int


def new_ladder(X):
    """A ladder at equal steps of beta, each of its temperatures starting at X.

    Parameters
    ----------
    X : ndarray of shape (n_chains, M)

    Returns
    -------
    Ladder

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.tempering import new_ladder
    >>> new_ladder(np.zeros((3, 2))).X.shape
    (10, 3, 2)
    """
    beta = np.linspace(0, 1, N_TEMPERATURES).astype(X.dtype)
    return Ladder(
        np.repeat(X[None], N_TEMPERATURES, axis=0), beta, np.ones(beta.size - 1), 0
    )


def sweep(ladder, parameters, base_bias, rng):
    """Swap states of neighbours, then make one Gibbs step at every temperature.

    A swap of x at beta_k with y at beta_k+1 is accepted with probability
    min(1, f_k(y) f_k+1(x) / (f_k(x) f_k+1(y))). Pairs with even and with odd k take
    turns, which lets states travel along the ladder instead of diffusing.

    Parameters
    ----------
    ladder : Ladder
    parameters : RBMParameters
    base_bias : ndarray of shape (M,)
        a0.
    rng : numpy.random.Generator

    Returns
    -------
    Ladder

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters
    >>> from skgen.rbm.tempering import new_ladder, sweep
    >>> sure = RBMParameters(np.zeros((2, 1)), np.array([50.0, -50.0]), np.zeros(1))
    >>> rng = np.random.default_rng(0)
    >>> sweep(new_ladder(np.zeros((1, 2))), sure, np.zeros(2), rng).X[-1]
    array([[1., 0.]])
    """
    X, beta, swap_rates, n_sweeps = ladder
    n_levels, n_chains, n_visible = X.shape
    rows = X.reshape(-1, n_visible)
    inputs = hidden_input(parameters, rows)
    lower = np.arange(n_sweeps % 2, n_levels - 1, 2)
    order = np.arange(n_levels * n_chains).reshape(n_levels, n_chains)
    accepted = _swaps(ladder, lower, parameters, base_bias, inputs, rng)
    pairs = order[lower], order[lower + 1]
    order[lower] = np.where(accepted, pairs[1], pairs[0])
    order[lower + 1] = np.where(accepted, pairs[0], pairs[1])
    column = np.repeat(beta, n_chains)[:, None]
    tempered_step(parameters, base_bias, inputs[order.ravel()], column, rng, out=rows)
    return Ladder(X, beta, swap_rates, n_sweeps + 1)


def _swaps(ladder, lower, parameters, base_bias, inputs, rng):
    """Which chains of each pair of temperatures (k, k + 1), k in lower, swap."""
    differences = _differences(ladder, lower, parameters, base_bias, inputs)
    gain = differences[0] - differences[1]
    probability = np.exp(np.minimum(gain, 0))
    share = max(_RATE_OF_MEMORY, 1 / (ladder.n_sweeps // 2 + 1))  # all alike at first
    rates = ladder.swap_rates
    rates[lower] += share * (probability.mean(axis=1) - rates[lower])
    return rng.random(probability.shape) < probability


def differences_of_neighbours(ladder, parameters, base_bias):
    """log f_k+1(x) - log f_k(x) for the states at k and for those at k + 1.

    Parameters
    ----------
    ladder : Ladder
    parameters : RBMParameters
    base_bias : ndarray of shape (M,)

    Returns
    -------
    ndarray of shape (2, N_TEMPERATURES - 1, n_chains)
        Nats.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters
    >>> from skgen.rbm.tempering import differences_of_neighbours, new_ladder
    >>> parameters = RBMParameters(np.zeros((2, 1)), np.full(2, 9.0), np.zeros(1))
    >>> ladder = new_ladder(np.ones((3, 2)))  # beta in steps of 1/9
    >>> differences_of_neighbours(ladder, parameters, np.zeros(2))[0, 0].round(6)
    array([2., 2., 2.])
    """
    inputs = hidden_input(parameters, ladder.X.reshape(-1, ladder.X.shape[-1]))
    lower = np.arange(len(ladder.beta) - 1)
    return _differences(ladder, lower, parameters, base_bias, inputs)


def _differences(ladder, lower, parameters, base_bias, inputs):
    n_levels, n_chains, n_visible = ladder.X.shape
    inputs = inputs.reshape(n_levels, n_chains, -1)

    def log_f(level, at):
        """log f of the states of `level` under the models of `at`."""
        beta = np.repeat(ladder.beta[at], n_chains)
        X = ladder.X[level].reshape(-1, n_visible)
        values = log_density(
            parameters, base_bias, X, inputs[level].reshape(beta.size, -1), beta
        )
        return values.reshape(-1, n_chains)

    upper = lower + 1
    return np.stack(
        [log_f(level, at=upper) - log_f(level, at=lower) for level in (lower, upper)]
    )


def respaced(ladder):
    """The ladder with its temperatures moved to where swaps are equally likely.

    The rejections between two temperatures add up along the ladder, so that the new
    temperatures divide their cumulated sum, interpolated in beta, into equal parts,
    which are the rejections to be expected there.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.tempering import new_ladder, respaced
    >>> ladder = new_ladder(np.zeros((3, 2)))
    >>> ladder.swap_rates[-1] = 0.1  # the others are 1
    >>> bool(respaced(ladder).beta[1] > 0.8)
    True
    """
    rejected = np.append(0, np.cumsum(1 - ladder.swap_rates + 1e-3))
    equal = np.linspace(0, rejected[-1], rejected.size)
    beta = np.interp(equal, rejected, ladder.beta).astype(ladder.beta.dtype)
    expected = np.full_like(ladder.swap_rates, ladder.swap_rates.mean())
    return ladder._replace(beta=beta, swap_rates=expected)


def tempered_step(parameters, base_bias, inputs, beta, rng, out=None):
    """One Gibbs step that leaves f_beta invariant: a draw of h, then of x given h.

    Parameters
    ----------
    parameters : RBMParameters
    base_bias : ndarray of shape (M,)
    inputs : ndarray of shape (n, N)
        b + x'W of the states to be moved; overwritten.
    beta : ndarray of shape (n, 1)
    rng : numpy.random.Generator
    out : ndarray of shape (n, M), default=None

    Returns
    -------
    ndarray of shape (n, M)
        Visible states, also in `out`.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters
    >>> from skgen.rbm.tempering import tempered_step
    >>> sure = RBMParameters(np.zeros((2, 1)), np.array([50.0, -50.0]), np.zeros(1))
    >>> rng, beta = np.random.default_rng(0), np.ones((1, 1))
    >>> tempered_step(sure, np.zeros(2), np.zeros((1, 1)), beta, rng)
    array([[1., 0.]])
    """
    inputs *= beta
    H = logistic(inputs)
    H = bernoulli(H, rng, out=H)
    log_odds = visible_input(parameters, H, out)
    log_odds *= beta
    log_odds += (1 - beta) * base_bias
    probability = logistic(log_odds)
    return bernoulli(probability, rng, out=probability)


def log_density(parameters, base_bias, X, inputs, beta):
    """log f_beta(x) for each row, `inputs` being b + x'W and `beta` one per row.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters
    >>> from skgen.rbm.tempering import log_density
    >>> parameters = RBMParameters(np.zeros((1, 1)), np.ones(1), np.zeros(1))
    >>> one, zero = np.ones((1, 1)), np.zeros((1, 1))
    >>> log_density(parameters, np.zeros(1), one, zero, np.array([0.5])) - np.log(2)
    array([0.5])
    """
    linear = (1 - beta) * (X @ base_bias) + beta * (X @ parameters.visible_bias)
    return linear + softplus_sum(beta[:, None] * inputs)
