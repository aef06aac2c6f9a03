"""Training state of an RBM and the stochastic gradient step that moves it.

References
----------
Polyak, B. and Juditsky, A. Acceleration of stochastic approximation by averaging. SIAM
Journal on Control and Optimization 30, 1992 (averaged parameters).
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import logit

from skgen.rbm.annealing import RollingParticles, new_rolling, roll
from skgen.rbm.energy import RBMParameters, hidden_input, logistic
from skgen.rbm.gradients import (
    Offsets,
    exact_moments,
    moments,
    phase_weights,
    uncentred,
)
from skgen.rbm.mixture import SCALES, Mixture, flattened, jump, within_reach
from skgen.rbm.rows import SeenRows, no_rows
from skgen.rbm.samplers import bernoulli, gibbs, sample_hidden, sample_visible
from skgen.rbm.tempering import N_TEMPERATURES, Ladder, new_ladder, respaced, sweep
from skgen.run import averaging_share
from skgen.validation import dense_rows
from skgen.views import View, batches
from skgen.weights import shuffled_rows

N_PARTICLES = 100
"""Particles of rolling AIS."""

_ROLLING_BUDGET = 0.08  # of the arithmetic of training
_OFFSET_RATE = 0.05  # of the running mean of the offsets, per update
_UPDATES_PER_AVERAGE = 5  # decay and averaging cost passes over the weights
_ROWS_OF_VARIANCE, _VALUES_OF_VARIANCE, _POWER_STEPS = 1000, 2**23, 10
_TURNS = 5  # updates in which a chain tries to jump once
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
    """All that training needs to go on; its arrays are updated in place."""

    parameters: RBMParameters
    """The last iterate, float32."""
    velocity: RBMParameters
    """Momentum."""
    average: RBMParameters
    """Running average of the iterates: the model."""
    offsets: Offsets
    """Running means of x and P(h | x) over the data."""
    chains: np.ndarray
    """Hidden states of the persistent chains, shape (n_chains, N)."""
    ladder: Ladder | None
    """Chains of parallel tempering, once it has been used."""
    base: Mixture
    """Of the data: where annealing and tempering start, and where chains jump to."""
    rolling: RollingParticles | None
    """Rolling AIS; None where nobody follows log Z, or it is enumerated."""
    seen: SeenRows
    """A sample of the rows seen so far."""
    largest_variance: float
    """Of the rows along any direction, as far as they were seen."""
    n_updates: int
    rng: np.random.Generator


def initial_state(marginals, base, n_components, n_chains, rng):
    """State before the first update: the product of the data's marginals, W near 0.

    The marginals P(x_i = 1) lie strictly between 0 and 1.
    """
    start = RBMParameters(
        np.zeros((marginals.size, n_components), np.float32),
        logit(marginals).astype(np.float32),
        np.zeros(n_components, np.float32),
    )
    marginals = marginals.astype(np.float32)
    start.weights[:] = rng.normal(0, 0.01, start.weights.shape)
    X = bernoulli(np.broadcast_to(marginals, (n_chains, marginals.size)), rng)
    return TrainingState(
        parameters=start,
        velocity=RBMParameters(*(np.zeros_like(array) for array in start)),
        average=RBMParameters(*(array.copy() for array in start)),
        offsets=Offsets(marginals, np.full(n_components, 0.5, np.float32)),
        chains=sample_hidden(start, X, rng),
        ladder=None,
        base=base,
        rolling=None,
        seen=no_rows(marginals.size),
        largest_variance=0.0,
        n_updates=0,
        rng=rng,
    )


def followed(state, log_partition_is_followed):
    """The state with rolling particles or without."""
    if not log_partition_is_followed:
        return state._replace(rolling=None)
    if state.rolling is not None:
        return state
    rng = np.random.Generator(state.rng.bit_generator.jumped())
    rolling = new_rolling(state.average, state.base, N_PARTICLES, rng)
    return state._replace(rolling=rolling)


def largest_variance(X):
    """Of the rows of X along any direction, the largest eigenvalue of the covariance.

    By power iteration, on at most 1,000 rows, always the same ones.
    """
    rng = np.random.default_rng(0)
    n = min(_ROWS_OF_VARIANCE, max(1, _VALUES_OF_VARIANCE // X.shape[1]))
    if isinstance(X, View):
        n = min(n, X.shape[0])
        rows = X[np.sort(rng.choice(X.shape[0], n, replace=False))]
    else:
        rows = dense_rows(X, rng.permutation(X.shape[0])[:n])
    rows = rows.astype(np.float32)
    rows -= rows.mean(axis=0)
    direction = rng.normal(size=rows.shape[1]).astype(np.float32)
    for _ in range(_POWER_STEPS):
        length = np.linalg.norm(direction)
        if length == 0:
            return 0.0
        direction = rows.T @ (rows @ (direction / length)) / np.float32(len(rows))
    return float(np.linalg.norm(direction))


class Trainer:
    """Epochs over the rows of X in shuffled mini-batches.

    X is 0/1, dense or CSR; with `resample` it holds the probabilities of 1, and each
    epoch draws its rows anew. With `weights`, each epoch draws which rows it has.
    """

    def __init__(self, X, settings, resample=False, weights=None):
        self.X = X
        self.settings = settings
        self.weights = weights
        self.resample = resample

    @property
    def n_updates(self):
        """Updates of an epoch."""
        return -(-self.X.shape[0] // self.settings.batch_size)

    def epoch(self, state, learning_rates):
        """The state after one pass over the rows, with a learning rate per update.

        Raises FloatingPointError if the parameters leave the range of useful log-odds.
        """
        settings, rng = self.settings, state.rng
        order, size = shuffled_rows(self.X, self.weights, rng), settings.batch_size
        starts = range(0, self.X.shape[0], size)
        parts = batches(self.X, order, starts, size, rng)
        state = _with_ladder(state, settings)
        n_chains = _chains_per_update(settings, len(state.chains), settings.batch_size)
        stride = _updates_per_move(settings, n_chains)
        memory = new_memory(settings.batch_size + n_chains, state.parameters)
        proposal = _proposal(state, settings, self.n_updates)
        n_averaged, n_rolled = 0, state.n_updates
        with np.errstate(over="ignore", invalid="ignore"):  # checked below
            for n_done, (part, batch) in enumerate(parts, start=1):
                rows = memory.X[: batch.size]
                rows[:] = dense_rows(part, batch)
                if self.resample:  # they are probabilities
                    bernoulli(rows, rng, out=rows)
                rate = learning_rates[n_done - 1]
                state = update(state, memory, batch.size, settings, rate, proposal)
                last = n_done == self.n_updates
                if last or state.n_updates % _UPDATES_PER_AVERAGE == 0:
                    rates = learning_rates[n_averaged:n_done]
                    _decay_and_average(state, memory, settings, rates)
                    n_averaged = n_done
                if state.n_updates - n_rolled >= stride:
                    state, n_rolled = _rolled(state), state.n_updates
            _check_finite(state, learning_rates[0])
            state = _rolled(state)  # to the average that has just moved
        if settings.negative_phase == "tempered":
            state = state._replace(ladder=respaced(state.ladder))
        return state


class Memory(NamedTuple):
    """Memory that all updates share."""

    X: np.ndarray
    """Rows of data, states of the model, and two rows for ``gradients.moments``."""
    P: np.ndarray
    """P(h | x) of each row of X."""
    weights: np.ndarray


def new_memory(n, parameters):
    """Memory for updates with n rows of data and states of the model."""
    weights = np.empty_like(parameters.weights)
    n_visible, n_hidden = weights.shape
    X, P = (np.zeros((n + 2, size), weights.dtype) for size in (n_visible, n_hidden))
    return Memory(X, P, weights)


def update(state, memory, n_rows, settings, learning_rate, proposal):
    """One update in place: the gradient on a batch and a step with momentum.

    The batch is in the first `n_rows` of ``memory.X``. Persistent chains jump to draws
    from `proposal`, a mixture. The weights have not decayed and the average has not
    moved afterwards.
    """
    n_model = _chains_per_update(settings, len(state.chains), n_rows)
    n = n_rows + n_model
    X, P = memory.X[: n + 2], memory.P[: n + 2]
    state = _draw_from_model(state, X[:n_rows], settings, out=X[n_rows:n])
    inputs = hidden_input(state.parameters, X[:n], out=P[:n])
    if settings.negative_phase == "pcd":
        # a fifth of the chains by turns
        turn = slice(n_rows + state.n_updates % _TURNS, n, _TURNS)
        jump(state.parameters, proposal, X[turn], inputs[turn], state.rng)
    logistic(inputs)
    if settings.negative_phase in ("pcd", "tempered"):
        bernoulli(P[n_rows:n], state.rng, out=state.chains)

    offsets = state.offsets
    weights = phase_weights(n_rows, n_model)
    _update_running_mean(offsets.visible, weights[:n_rows] @ X[:n_rows])
    _update_running_mean(offsets.hidden, weights[:n_rows] @ P[:n_rows])
    if not settings.centered:
        offsets = Offsets(*(np.zeros_like(offset) for offset in offsets))
    rate = np.float32(learning_rate)
    step = moments(X, P, offsets, rate * weights, out=memory.weights)
    if settings.negative_phase == "exact":
        for positive, negative in zip(step, exact_moments(state.parameters, offsets)):
            positive -= rate * negative
    _ascend(state, uncentred(step, offsets), settings.momentum)
    return state._replace(n_updates=state.n_updates + 1)


def _proposal(state, settings, n_updates):
    """The mixture that persistent chains jump to in an epoch of so many updates."""
    if settings.negative_phase != "pcd":
        return None
    if n_updates < _TURNS:  # a search would take longer than they do
        turn = state.n_updates // _TURNS % len(SCALES)
        return flattened(state.base, SCALES[turn])
    X = sample_visible(state.parameters, state.chains, state.rng)
    return within_reach(state.parameters, state.base, X, state.rng)


def _draw_from_model(state, X_data, settings, out):
    """Write visible states of the negative phase to `out`; the state afterwards."""
    parameters, rng, n_steps = state.parameters, state.rng, settings.n_gibbs_steps
    if settings.negative_phase == "exact":
        return state
    if settings.negative_phase == "tempered":
        ladder = state.ladder
        for _ in range(n_steps):
            ladder = sweep(ladder, parameters, state.base, rng)
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
    """Step in place along `step`, the gradient times the learning rate."""
    for value, speed, slope in zip(state.parameters, state.velocity, step):
        if momentum:
            speed *= momentum
            speed += slope
            slope = speed
        value += slope


def _decay_and_average(state, memory, settings, rates):
    """Weight decay and the running average, for updates made at these rates."""
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


def _with_ladder(state, settings):
    """The state with a ladder, where tempering needs one and there is none yet."""
    if settings.negative_phase != "tempered" or state.ladder is not None:
        return state
    X = sample_visible(state.parameters, state.chains, state.rng)
    return state._replace(ladder=new_ladder(X))


def _rolled(state):
    if state.rolling is None:
        return state
    rolling = roll(state.rolling, state.average, state.base)
    return state._replace(rolling=rolling)


def _update_running_mean(mean, value):
    mean += np.float32(_OFFSET_RATE) * (value - mean)
    # below 1e-6 it would decay into denormals, which slow a product tenfold
    np.maximum(mean, np.float32(1e-6), out=mean)


def _chains_per_update(settings, n_chains, n_rows):
    """States of the model in an update with n_rows rows of data."""
    if settings.negative_phase == "exact":
        return 0
    return n_rows if settings.negative_phase == "cd" else n_chains


def _updates_per_move(settings, n_chains):
    """Updates between moves of the rolling particles, to keep their budget.

    In products with W per row, an update takes two for each row of data, one for each
    chain and two for each of its Gibbs steps. A move takes as long as seven for each
    particle: three products, logarithms, random numbers and the base. Small updates
    spend their time elsewhere: they have at most 14 to a move.
    """
    if settings.negative_phase == "tempered":
        n_chains *= N_TEMPERATURES
    per_update = 2 * settings.batch_size + (1 + 2 * settings.n_gibbs_steps) * n_chains
    return min(14, math.ceil(7 * N_PARTICLES / (_ROLLING_BUDGET * per_update)))


def _check_finite(state, learning_rate):
    """Raise FloatingPointError if training has diverged."""
    largest = max(np.abs(array).max() for array in state.parameters)
    if not largest <= _LARGEST_LOG_ODDS:  # NaN included
        raise FloatingPointError(
            f"training diverged, the largest parameter is {largest:.3g} (log-odds). "
            f"The likely cause is learning_rate, {learning_rate:.3g} at the start of "
            f"the epoch: make it ten times smaller, or lower momentum or weight_decay."
        )
