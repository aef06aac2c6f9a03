"""Models between a base model and an RBM, and parallel tempering along them.

The base is a mixture of products q(x) = sum_k q(x, k), with a uniform hidden layer. The
part k takes part in the path, so that a Gibbs step of (h, k) given x, then x given
(h, k), leaves the models between invariant:

    f_beta(x) = exp(beta a.x) prod_j (1 + exp(beta (b_j + x'W_:j)))
                K^-beta sum_k q(x, k)^(1 - beta)

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
from skgen.rbm.mixture import draw, drawn_parts, log_joint, log_sum
from skgen.rbm.samplers import bernoulli

N_TEMPERATURES = 10  # of parallel tempering, base and model included

_SWAP_RATE_SHARE = 0.02  # of the newest swaps in their mean, after 50 attempts


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
    """A ladder at equal steps of beta; X, (n_chains, M), starts every temperature."""
    beta = np.linspace(0, 1, N_TEMPERATURES).astype(X.dtype)
    X = np.repeat(X[None], N_TEMPERATURES, axis=0)
    return Ladder(X, beta, np.ones(N_TEMPERATURES - 1), 0)


def sweep(ladder, parameters, base, rng):
    """Swap states of neighbours, then make one Gibbs step at every temperature.

    A swap of x at beta_k with y at beta_k+1 is accepted with probability
    min(1, f_k(y) f_k+1(x) / (f_k(x) f_k+1(y))). Pairs with even and with odd k take
    turns, which lets states travel along the ladder instead of diffusing.
    """
    X, beta, _, n_sweeps = ladder
    n_levels, n_chains, n_visible = X.shape
    rows = X.reshape(-1, n_visible)
    inputs, joint = hidden_input(parameters, rows), log_joint(base, rows)
    lower = np.arange(n_sweeps % 2, n_levels - 1, 2)
    order = np.arange(n_levels * n_chains).reshape(n_levels, n_chains)
    accepted = _swaps(ladder, lower, parameters, inputs, joint, rng)
    low, high = order[lower], order[lower + 1]
    order[lower], order[lower + 1] = np.where(accepted, (high, low), (low, high))
    order, betas = order.ravel(), np.repeat(beta, n_chains)
    parts = drawn_parts(path_terms(joint[order], betas)[1], rng)
    tempered_step(parameters, base, inputs[order], parts, betas, rng, out=rows)
    X[0] = draw(base, n_chains, rng)  # a Gibbs step would stay in its part
    return ladder._replace(n_sweeps=n_sweeps + 1)


def _swaps(ladder, lower, parameters, inputs, joint, rng):
    """Which chains of each pair of temperatures (k, k + 1), k in lower, swap."""
    differences = _differences(ladder, lower, parameters, inputs, joint)
    probability = np.exp(np.minimum(differences[0] - differences[1], 0))
    share = max(_SWAP_RATE_SHARE, 1 / (ladder.n_sweeps // 2 + 1))  # equal at first
    rates = ladder.swap_rates
    rates[lower] += share * (probability.mean(axis=1) - rates[lower])
    return rng.random(probability.shape) < probability


def _differences(ladder, lower, parameters, inputs, joint):
    """log f_k+1(x) - log f_k(x) of pairs (k, k + 1) with k in `lower`.

    For the states at k and for those at k + 1, shape (2, n_pairs, n_chains).
    """
    n_levels, n_chains, _ = ladder.X.shape
    at_level = [
        array.reshape(n_levels, n_chains, -1) for array in (ladder.X, inputs, joint)
    ]
    betas = [np.repeat(ladder.beta[level], n_chains) for level in (lower, lower + 1)]
    differences = []
    for level in (lower, lower + 1):
        X, *rest = (a[level].reshape(-1, a.shape[-1]) for a in at_level)
        low, high = (log_density(parameters, X, *rest, beta) for beta in betas)
        differences.append((high - low).reshape(-1, n_chains))
    return np.stack(differences)


def respaced(ladder):
    """The ladder with its temperatures moved to where swaps are equally likely.

    Rejections between two temperatures add up along the ladder. The new temperatures
    divide their cumulated sum, interpolated in beta, into equal parts, which are the
    rejections to be expected there.
    """
    rejected = np.append(0, np.cumsum(1 - ladder.swap_rates + 1e-3))
    equal = np.linspace(0, rejected[-1], rejected.size)
    beta = np.interp(equal, rejected, ladder.beta).astype(ladder.beta.dtype)
    expected = np.full_like(ladder.swap_rates, ladder.swap_rates.mean())
    return ladder._replace(beta=beta, swap_rates=expected)


def tempered_step(parameters, base, inputs, parts, beta, rng, out=None):
    """Visible states after one Gibbs step that leaves f_beta invariant, also in `out`.

    `inputs`, b + x'W of the states to be moved, is overwritten; `parts` are draws of k
    given x at `beta`, one for each row.
    """
    beta = beta[:, None]
    inputs *= beta
    H = logistic(inputs)
    H = bernoulli(H, rng, out=H)
    log_odds = visible_input(parameters, H, out)
    log_odds *= beta
    log_odds += (1 - beta) * base.log_odds[parts]
    probability = logistic(log_odds)
    return bernoulli(probability, rng, out=probability)


def path_terms(joint, beta):
    """log sum_k q(x, k)^(1 - beta) K^-beta of each row, and P(k | x) at beta."""
    total, shares = log_sum((1 - beta)[:, None] * joint)
    return total - beta * np.log(joint.shape[1]), shares


def log_density(parameters, X, inputs, joint, beta):
    """log f_beta(x) of each row of X, with `beta` per row.

    `inputs` is b + x'W, `joint` is log q(x, k).
    """
    return model_term(parameters, X, inputs, beta) + path_terms(joint, beta)[0]


def model_term(parameters, X, inputs, beta):
    """The part of log f_beta(x) that the base has no share in."""
    return beta * (X @ parameters.visible_bias) + softplus_sum(beta[:, None] * inputs)
