"""Training state of an RBM and the stochastic gradient step that moves it.

References
----------
Polyak, B. and Juditsky, A. Acceleration of stochastic approximation by averaging. SIAM
Journal on Control and Optimization 30, 1992 (averaged parameters).
"""

import math
from typing import NamedTuple

import numpy as np

from skgen.fitting import averaging_share
from skgen.rbm.energy import RBMParameters, hidden_probability
from skgen.rbm.gradients import (
    Offsets,
    exact_moments,
    moments,
    phase_weights,
    uncentred,
)
from skgen.rbm.partition import flattened_base
from skgen.rbm.rolling import Belt, new_belt, roll
from skgen.rbm.samplers import bernoulli, gibbs, sample_hidden, sample_visible
from skgen.rbm.tempering import N_TEMPERATURES, Ladder, new_ladder, respaced, sweep
from skgen.validation import dense_rows

N_PARTICLES = 100
"""Particles of rolling AIS."""

_BELT_BUDGET = 0.08  # of the arithmetic of training
_OFFSET_RATE = 0.05  # of the running mean of the offsets, per update
_UPDATES_TO_SETTLE = 5  # decay and averaging cost passes over the weights
_LARGEST_LOG_ODDS = 1e3  # e^-1000 is zero even in float64


class Settings(NamedTuple):
    """How an update is made; the fields are parameters of ``BinaryRBM``."""

    batch_size: int
    momentum: float
    weight_decay: float
    n_gibbs_steps: int
    negative_phase: str
    centered: bool
    averaging: float


class TrainingState(NamedTuple):
    """All that training goes on from; its arrays are updated in place.

    Attributes
    ----------
    parameters : RBMParameters
        The last iterate, float32.
    velocity : RBMParameters
        Momentum.
    average : RBMParameters
        Running average of the iterates: the model.
    offsets : Offsets
        Running means of x and P(h | x) over the data.
    chains : ndarray of shape (n_chains, N)
        Hidden states of the persistent chains.
    ladder : Ladder or None
        Chains of parallel tempering, once it has been used.
    base_bias : ndarray of shape (M,)
        Of the base model of annealed importance sampling, float32.
    belt : Belt or None
        Rolling AIS; None where log Z is enumerated.
    n_updates : int
    rng : numpy.random.Generator
    """

    parameters: RBMParameters
    velocity: RBMParameters
    average: RBMParameters
    offsets: Offsets
    chains: np.ndarray
    ladder: Ladder | None
    base_bias: np.ndarray
    belt: Belt | None
    n_updates: int
    rng: np.random.Generator


def initial_state(marginals, n_components, n_chains, with_belt, rng):
    """State before the first update: the product of the data's marginals, W near 0.

    Parameters
    ----------
    marginals : ndarray of shape (M,)
        P(x_i = 1), strictly between 0 and 1.
    n_components, n_chains : int
    with_belt : bool
        Whether log Z is to be estimated by rolling AIS.
    rng : numpy.random.Generator

    Returns
    -------
    TrainingState

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.training import initial_state
    >>> rng = np.random.default_rng(0)
    >>> initial_state(np.full(3, 0.5), 2, 5, False, rng).parameters.visible_bias
    array([0., 0., 0.], dtype=float32)
    """
    base_bias = flattened_base(marginals)
    marginals = marginals.astype(np.float32)
    start = RBMParameters(
        np.zeros((base_bias.size, n_components), np.float32),
        2 * base_bias,
        np.zeros(n_components, np.float32),
    )
    belt = new_belt(start, base_bias, N_PARTICLES, rng) if with_belt else None
    start.weights[:] = rng.normal(0, 0.01, start.weights.shape)
    X = bernoulli(np.broadcast_to(marginals, (n_chains, marginals.size)), rng)
    return TrainingState(
        parameters=start,
        velocity=RBMParameters(*(np.zeros_like(array) for array in start)),
        average=RBMParameters(*(array.copy() for array in start)),
        offsets=Offsets(marginals, np.full(n_components, 0.5, np.float32)),
        chains=sample_hidden(start, X, rng),
        ladder=None,
        base_bias=base_bias,
        belt=belt,
        n_updates=0,
        rng=rng,
    )


def train_epoch(state, X, settings, learning_rates, resample=False):
    """One pass over the rows of X in shuffled mini-batches.

    Parameters
    ----------
    state : TrainingState
    X : ndarray or CSR matrix of shape (n_samples, M)
        0/1, or with `resample` the probabilities of 1.
    settings : Settings
    learning_rates : ndarray of shape (n_updates,)
        One for each batch.
    resample : bool, default=False
        Draw each row from its probabilities.

    Returns
    -------
    TrainingState

    Raises
    ------
    FloatingPointError
        If the parameters are no longer finite, or are beyond any log-odds of use.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.training import Settings, initial_state, train_epoch
    >>> state = initial_state(np.full(3, 0.5), 2, 5, True, np.random.default_rng(0))
    >>> settings = Settings(2, 0.0, 0.0, 1, "pcd", True, 0.99)
    >>> X = np.ones((4, 3), dtype=np.uint8)
    >>> train_epoch(state, X, settings, np.full(2, 0.1)).n_updates
    2
    """
    rng = state.rng
    rows = rng.permutation(X.shape[0])
    batches = np.split(rows, range(settings.batch_size, rows.size, settings.batch_size))
    n_chains = _chains_per_update(settings, len(state.chains), settings.batch_size)
    stride = _updates_per_move(settings, n_chains)
    if settings.negative_phase == "tempered" and state.ladder is None:
        X_start = sample_visible(state.parameters, state.chains, rng)
        state = state._replace(ladder=new_ladder(X_start))
    memory = new_memory(settings.batch_size + n_chains, state.parameters)
    n_settled, n_rolled = 0, state.n_updates
    with np.errstate(over="ignore", invalid="ignore"):  # answered by the check below
        for n_done, batch in enumerate(batches, start=1):
            X_batch = memory.X[: batch.size]
            X_batch[:] = dense_rows(X, batch)
            if resample:
                bernoulli(X_batch, rng, out=X_batch)
            rate = learning_rates[n_done - 1]
            state = update(state, memory, batch.size, settings, rate)
            if state.n_updates % _UPDATES_TO_SETTLE == 0 or n_done == len(batches):
                _settle(state, memory, settings, learning_rates[n_settled:n_done])
                n_settled = n_done
            if state.n_updates - n_rolled >= min(stride, 1 + state.n_updates // 50):
                state, n_rolled = _rolled(state), state.n_updates
        _check_finite(state, learning_rates[0])
        state = _rolled(state)  # to the average that has just moved
    if settings.negative_phase == "tempered":
        state = state._replace(ladder=respaced(state.ladder))
    return state


class Memory(NamedTuple):
    """Memory that all updates share.

    Attributes
    ----------
    X : ndarray of shape (n + 2, M)
        Rows of data, states of the model, and two rows for ``gradients.moments``.
    P : ndarray of shape (n + 2, N)
        P(h | x) of each.
    weights : ndarray of shape (M, N)
    """

    X: np.ndarray
    P: np.ndarray
    weights: np.ndarray


def new_memory(n, parameters):
    """Memory for updates with n rows of data and states of the model.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters
    >>> from skgen.rbm.training import new_memory
    >>> parameters = RBMParameters(np.zeros((2, 1)), np.zeros(2), np.zeros(1))
    >>> new_memory(5, parameters).X.shape
    (7, 2)
    """
    weights = np.empty_like(parameters.weights)
    n_visible, n_hidden = weights.shape
    X, P = (np.zeros((n + 2, size), weights.dtype) for size in (n_visible, n_hidden))
    return Memory(X, P, weights)


def update(state, memory, n_rows, settings, learning_rate):
    """One update: gradient on a batch, step with momentum. In place.

    Parameters
    ----------
    state : TrainingState
    memory : Memory
        The first `n_rows` of ``memory.X`` are the batch, 0/1.
    n_rows : int
    settings : Settings
    learning_rate : float

    Returns
    -------
    TrainingState
        The weights have not decayed, and the average has not moved.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.training import Settings, initial_state, new_memory, update
    >>> state = initial_state(np.full(3, 0.5), 2, 5, False, np.random.default_rng(0))
    >>> settings = Settings(4, 0.0, 0.0, 1, "pcd", True, 0.99)
    >>> memory = new_memory(4 + 5, state.parameters)
    >>> memory.X[:4] = 1
    >>> update(state, memory, 4, settings, 0.1).n_updates
    1
    """
    n_model = _chains_per_update(settings, len(state.chains), n_rows)
    n = n_rows + n_model
    X, P = memory.X[: n + 2], memory.P[: n + 2]
    state = _draw_from_model(state, X[:n_rows], settings, out=X[n_rows:n])
    hidden_probability(state.parameters, X[:n], out=P[:n])
    if settings.negative_phase in ("pcd", "tempered"):
        bernoulli(P[n_rows:n], state.rng, out=state.chains)

    offsets = state.offsets
    weights = phase_weights(n_rows, n_model)
    _follow(offsets.visible, weights[:n_rows] @ X[:n_rows])
    _follow(offsets.hidden, weights[:n_rows] @ P[:n_rows])
    if not settings.centered:
        offsets = Offsets(*(np.zeros_like(offset) for offset in offsets))
    rate = np.float32(learning_rate)
    step = moments(X, P, offsets, rate * weights, out=memory.weights)
    if settings.negative_phase == "exact":
        for positive, negative in zip(step, exact_moments(state.parameters, offsets)):
            positive -= rate * negative
    _ascend(state, uncentred(step, offsets), settings.momentum)
    return state._replace(n_updates=state.n_updates + 1)


def _draw_from_model(state, X_data, settings, out):
    """Visible states of the negative phase in `out`; the state with its chains."""
    parameters, rng, n_steps = state.parameters, state.rng, settings.n_gibbs_steps
    if settings.negative_phase == "exact":
        return state
    if settings.negative_phase == "tempered":
        ladder = state.ladder
        for _ in range(n_steps):
            ladder = sweep(ladder, parameters, state.base_bias, rng)
        out[:] = ladder.X[-1]
        return state._replace(ladder=ladder)
    H = state.chains
    if settings.negative_phase == "cd":
        H = sample_hidden(parameters, X_data, rng)
    sample_visible(parameters, H, rng, out=out)
    if n_steps > 1:
        out[:] = gibbs(parameters, out, n_steps - 1, rng)
    return state


def _ascend(state, step, momentum):
    """Step along the gradient, which comes times the learning rate. In place."""
    for value, speed, slope in zip(state.parameters, state.velocity, step):
        if momentum:
            speed *= momentum
            speed += slope
            slope = speed
        value += slope


def _settle(state, memory, settings, rates):
    """Let the weights decay and move the average, for updates made at these rates."""
    if settings.weight_decay:
        # at the rate to which momentum brings a steady gradient
        rate = rates.sum() / (1 - settings.momentum)
        weights = state.parameters.weights
        weights *= np.float32(np.exp(-rate * settings.weight_decay))
    share = averaging_share(
        settings.averaging, len(rates), state.n_updates - len(rates)
    )
    outs = (memory.weights, None, None)
    for value, mean, out in zip(state.parameters, state.average, outs):
        step = np.subtract(value, mean, out=out)
        step *= np.float32(share)
        mean += step


def _rolled(state):
    if state.belt is None:
        return state
    return state._replace(belt=roll(state.belt, state.average, state.rng))


def _follow(mean, value):
    mean += np.float32(_OFFSET_RATE) * (value - mean)
    # below 1e-6 it would decay into denormals, which slow a product tenfold
    np.maximum(mean, np.float32(1e-6), out=mean)


def _chains_per_update(settings, n_chains, n_rows):
    """States of the model in an update with n_rows rows of data."""
    if settings.negative_phase == "exact":
        return 0
    return n_rows if settings.negative_phase == "cd" else n_chains


def _updates_per_move(settings, n_chains):
    """Updates between moves of the belt that keep it within its budget.

    Small updates, whose time is not in arithmetic, have no more than ten to a move; at
    first, when the model changes most, there are fewer still.

    In products with W per row, an update takes two for each row of data, one for each
    chain and two for each of its Gibbs steps; a move takes three for each particle and
    about as long as a fourth for its logarithms.
    """
    if settings.negative_phase == "tempered":
        n_chains *= N_TEMPERATURES
    per_update = 2 * settings.batch_size + (1 + 2 * settings.n_gibbs_steps) * n_chains
    return min(10, math.ceil(4 * N_PARTICLES / (_BELT_BUDGET * per_update)))


def _check_finite(state, learning_rate):
    """Raise FloatingPointError if training has diverged."""
    largest = max(np.abs(array).max() for array in state.parameters)
    if not largest <= _LARGEST_LOG_ODDS:  # NaN included
        raise FloatingPointError(
            f"training diverged, the largest parameter is {largest:.3g} (log-odds). "
            f"The likely cause is learning_rate, {learning_rate:.3g} at the start of "
            f"the epoch: make it ten times smaller, or lower momentum or weight_decay."
        )
