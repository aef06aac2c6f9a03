"""A mixture of independent binary units: the base model of annealing and tempering.

q(x) = sum_k w_k prod_i p_ki^x_i (1 - p_ki)^(1 - x_i) is normalised, gives independent
draws at once, and is fitted to the rows in less time than an epoch takes. It has a part
for every cluster of the data, where a product of the marginals has none. Annealing that
starts from it finds the clusters, and its draws let a chain jump between them.

References
----------
Dempster, A. P., Laird, N. M. and Rubin, D. B. Maximum likelihood from incomplete data
via the EM algorithm. Journal of the Royal Statistical Society B 39, 1977.
Arthur, D. and Vassilvitskii, S. k-means++: the advantages of careful seeding. SODA
2007.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import logit
from sklearn.cluster import kmeans_plusplus

from skgen.rbm.energy import hidden_input, logistic, softplus_sum
from skgen.rbm.samplers import bernoulli, sample_visible
from skgen.validation import dense_rows

_MOST_VALUES = 2**22  # of the rows that are used
SCALES = 1, 0.7, 0.5, 0.35, 0.25  # of log-odds, for wider proposals
_TRIED_DRAWS = 100  # by which a scale is chosen
_MOST_PARTS = 128
_GROWTH = 4  # of the number of parts, from one mixture to the next
_SEED_ROWS = 1000  # that parts start from
_EM_STEPS = 8
_HELD_OUT = 5  # a row of five chooses the number of parts
_SMALLEST_GAIN = 0.01  # of the held-out rows, nats, that more parts must bring
_LARGEST_LOSS = 1.0  # nats below the best, after which no more parts are tried
_OWN_SHARE = 0.6  # of the row that a part starts from; the rest are the marginals
_PRIOR_ROWS = 0.1  # rows with the data's marginals, added to every part


class Mixture(NamedTuple):
    """A mixture of products of independent binary units.

    Attributes
    ----------
    log_weights : ndarray of shape (n_parts,)
        log w_k, float32.
    log_odds : ndarray of shape (n_parts, M)
        log p_ki - log(1 - p_ki), float32.
    log_empty : ndarray of shape (n_parts,)
        log w_k + sum_i log(1 - p_ki), float32: part k together with the empty row.
    """

    log_weights: np.ndarray
    log_odds: np.ndarray
    log_empty: np.ndarray


def new_mixture(weights, probabilities):
    """The mixture with these w_k, shape (K,), and p_ki, shape (K, M), in (0, 1)."""
    return _mixture(np.log(weights), logit(probabilities))


def _mixture(log_weights, log_odds):
    log_empty = log_weights - softplus_sum(log_odds)
    arrays = log_weights, log_odds, log_empty
    return Mixture(*(array.astype(np.float32, copy=False) for array in arrays))


def log_joint(mixture, X):
    """log q(x, k) of each row and part, shape (n_samples, n_parts)."""
    joint = X @ mixture.log_odds.T.astype(X.dtype, copy=False)
    joint += mixture.log_empty
    return joint


def log_sum(log_terms):
    """log sum_k exp(z_k) over the last axis, and the terms over their sum."""
    largest = log_terms.max(axis=-1, keepdims=True)
    shares = np.exp(log_terms - largest)
    total = shares.sum(axis=-1, keepdims=True)
    shares /= total
    return (largest + np.log(total))[..., 0], shares


def log_probability(mixture, X):
    """log q(x) of each row."""
    return log_sum(log_joint(mixture, X))[0]


def drawn_parts(shares, rng):
    """A part for each row of `shares`, probabilities of shape (n, n_parts)."""
    cumulated = np.cumsum(shares, axis=1)
    uniform = rng.random((len(shares), 1)) * cumulated[:, -1:]
    return np.minimum((cumulated <= uniform).sum(axis=1), shares.shape[1] - 1)


def draw(mixture, n, rng):
    """n independent rows from the mixture, in float32."""
    _, weights = log_sum(mixture.log_weights)
    parts = drawn_parts(np.broadcast_to(weights, (n, weights.size)), rng)
    return bernoulli(logistic(mixture.log_odds[parts]), rng)


def flattened(mixture, scale):
    """The mixture with all log-odds multiplied by `scale`, its weights unchanged."""
    return _mixture(mixture.log_weights, np.float32(scale) * mixture.log_odds)


def within_reach(parameters, mixture, X, rng):
    """The mixture flattened until its draws are as likely as possible to be accepted.

    While a model is learned it is wider than the data. X are draws from it, of which
    a hundred are used.
    """
    X = X[:_TRIED_DRAWS]
    candidates = [flattened(mixture, scale) for scale in SCALES]
    drawn = [draw(candidate, len(X), rng) for candidate in candidates]
    log_f = _log_f(parameters, np.concatenate([X, *drawn]))
    log_f, *rest = np.split(log_f.astype(np.float32), 1 + len(drawn))
    accepted = []
    for candidate, states, log_f_drawn in zip(candidates, drawn, rest):
        now = log_f - log_probability(candidate, X)
        then = log_f_drawn - log_probability(candidate, states)
        accepted.append(log_sum(np.minimum(then[:, None] - now, 0).ravel())[0])
    return candidates[np.argmax(accepted)]


def _log_f(parameters, X, inputs=None):
    """log P(x) up to a constant; `inputs` are b + x'W if known."""
    inputs = hidden_input(parameters, X) if inputs is None else inputs
    return X @ parameters.visible_bias + softplus_sum(inputs)


def jump(parameters, mixture, X, inputs, rng):
    """Move the rows of X, draws from P(x), to draws from the mixture, in place.

    A draw x' in place of x is accepted with probability min(1, P(x') q(x) / (P(x)
    q(x'))): the jump leaves the model invariant, however far it is. `inputs` are
    b + x'W, and move along.
    """
    drawn = draw(mixture, len(X), rng).astype(X.dtype, copy=False)
    inputs_drawn = hidden_input(parameters, drawn)
    now = _log_f(parameters, X, inputs) - log_probability(mixture, X)
    then = _log_f(parameters, drawn, inputs_drawn) - log_probability(mixture, drawn)
    accepted = np.log1p(-rng.random(len(X))) < then - now
    X[accepted], inputs[accepted] = drawn[accepted], inputs_drawn[accepted]


def relax(parameters, mixture, X, n_steps, rng):
    """Chains with states X after n_steps, each a jump and a Gibbs step, in place."""
    for _ in range(n_steps):
        inputs = hidden_input(parameters, X)
        jump(parameters, mixture, X, inputs, rng)
        H = bernoulli(logistic(inputs), rng, out=inputs)
        sample_visible(parameters, H, rng, out=X)
    return X


def fit_mixture(X, marginals, rng):
    """The mixture with the number of parts that held-out rows of X prefer.

    X is 0/1, dense or CSR. The marginals P(x_i = 1) lie strictly between 0 and 1.
    """
    n = min(X.shape[0], max(1, _MOST_VALUES // X.shape[1]))
    rows = dense_rows(X, rng.permutation(X.shape[0])[:n]).astype(np.float32)
    n_held_out = n // _HELD_OUT
    held_out, rows = rows[:n_held_out], rows[n_held_out:]
    best = new_mixture(np.ones(1), marginals[None])
    if not n_held_out:
        return best
    best_score, n_parts = _mean_log_probability(best, held_out), 2
    while n_parts <= min(_MOST_PARTS, len(rows) // 5):
        mixture = _fitted(rows, n_parts, marginals, rng)
        score = _mean_log_probability(mixture, held_out)
        if score < best_score - _LARGEST_LOSS:
            break
        if score > best_score + _SMALLEST_GAIN:
            best, best_score = mixture, score
        n_parts *= _GROWTH
    return best


def _fitted(rows, n_parts, marginals, rng):
    """A mixture of n_parts by EM, from parts near rows that are far from each other."""
    n = len(rows)
    seed = int(rng.integers(2**31))
    seeds, _ = kmeans_plusplus(
        rows[:_SEED_ROWS], n_parts, n_local_trials=1, random_state=seed
    )
    P = np.clip(_OWN_SHARE * seeds + (1 - _OWN_SHARE) * marginals, 1e-3, 1 - 1e-3)
    mixture = new_mixture(np.full(n_parts, 1 / n_parts), P)
    for _ in range(_EM_STEPS):
        _, shares = log_sum(log_joint(mixture, rows))
        sizes = shares.sum(axis=0, dtype=np.float64)
        P = shares.T @ rows + _PRIOR_ROWS * marginals
        P = np.clip(P / (sizes + _PRIOR_ROWS)[:, None], 0.5 / n, 1 - 0.5 / n)
        mixture = new_mixture((sizes + 0.5) / (n + 0.5 * n_parts), P)
    return mixture


def _mean_log_probability(mixture, rows):
    return log_probability(mixture, rows).mean(dtype=np.float64)
