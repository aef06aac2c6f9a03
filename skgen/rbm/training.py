"""Training state of an RBM and the stochastic gradient step that moves it.

References
----------
Polyak, B. and Juditsky, A. Acceleration of stochastic approximation by averaging. SIAM
Journal on Control and Optimization 30, 1992 (averaged parameters).
"""

import math
from typing import NamedTuple

import numpy as np

from skgen.rbm.energy import RBMParameters, hidden_probability
from skgen.rbm.gradients import (
    Offsets,
    difference,
    exact_moments,
    moments,
    persistent_chains,
)
from skgen.rbm.partition import Belt, flattened_base, new_belt, roll
from skgen.rbm.samplers import bernoulli, sample_hidden
from skgen.validation import rows_as_float

N_PARTICLES = 100
"""Particles of rolling AIS."""

_BELT_BUDGET = 0.12  # of the arithmetic of training
_OFFSET_RATE = 0.05  # of the running mean of the offsets, per update
_AVERAGED_SHARE = 10  # the average is over the last tenth until the decay is longer
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
    stride = _updates_per_move(settings, len(state.chains))
    scratch = tuple(np.empty_like(state.parameters.weights) for _ in range(2))
    with np.errstate(over="ignore", invalid="ignore"):  # answered by the check below
        for batch, learning_rate in zip(batches, learning_rates, strict=True):
            X_batch = rows_as_float(X, batch, np.float32)
            if resample:
                X_batch = bernoulli(X_batch, rng)
            state = update(state, X_batch, settings, learning_rate, scratch)
            if state.belt is not None and state.n_updates % stride == 0:
                state = state._replace(belt=roll(state.belt, state.average, rng))
        _check_finite(state, learning_rates[0])
        if state.belt is not None and state.n_updates % stride:
            state = state._replace(belt=roll(state.belt, state.average, rng))
    return state


def update(state, X, settings, learning_rate, scratch):
    """One update: gradient on a batch, step with momentum, running average.

    Parameters
    ----------
    state : TrainingState
    X : ndarray of shape (n_rows, M)
        float32, 0/1.
    settings : Settings
    learning_rate : float
    scratch : tuple of two ndarray of shape (M, N)

    Returns
    -------
    TrainingState

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.training import Settings, initial_state, update
    >>> state = initial_state(np.full(3, 0.5), 2, 5, False, np.random.default_rng(0))
    >>> settings = Settings(4, 0.0, 0.0, 1, "pcd", True, 0.99)
    >>> scratch = np.empty((3, 2), np.float32), np.empty((3, 2), np.float32)
    >>> update(state, np.ones((4, 3), np.float32), settings, 0.1, scratch).n_updates
    1
    """
    parameters, offsets, chains, rng = (
        state.parameters,
        state.offsets,
        state.chains,
        state.rng,
    )
    probability = hidden_probability(parameters, X)
    _follow(offsets.visible, X.mean(axis=0))
    _follow(offsets.hidden, probability.mean(axis=0))
    about = offsets
    if not settings.centered:
        about = Offsets(*(np.zeros_like(offset) for offset in offsets))

    positive = moments(X, probability, about, out=scratch[0])
    if settings.negative_phase == "exact":
        negative = exact_moments(parameters, about)
    else:
        persistent = settings.negative_phase == "pcd"
        start = chains if persistent else bernoulli(probability, rng)
        X_model, probability, H = persistent_chains(
            parameters, start, settings.n_gibbs_steps, rng
        )
        chains = H if persistent else chains
        negative = moments(X_model, probability, about, out=scratch[1])
    gradient = difference(positive, negative, about)
    if settings.weight_decay:
        decay = np.multiply(parameters.weights, settings.weight_decay, out=scratch[1])
        np.subtract(gradient.weights, decay, out=gradient.weights)
    _ascend(state, gradient, settings, learning_rate, scratch[1])
    return state._replace(chains=chains, n_updates=state.n_updates + 1)


def _ascend(state, gradient, settings, learning_rate, memory):
    """Step along the gradient with momentum; the average follows. All in place."""
    early_share = _AVERAGED_SHARE / (_AVERAGED_SHARE + state.n_updates)
    share = np.float32(max(1 - settings.averaging, early_share))
    memories = (memory, None, None)
    for value, speed, slope, mean, out in zip(
        state.parameters, state.velocity, gradient, state.average, memories
    ):
        slope *= np.float32(learning_rate)
        if settings.momentum:
            speed *= settings.momentum
            speed += slope
            slope = speed
        value += slope
        if settings.averaging:
            step = np.subtract(value, mean, out=out)
            step *= share
            mean += step
        else:
            mean[:] = value


def _follow(mean, value):
    mean += np.float32(_OFFSET_RATE) * (value - mean)
    # below 1e-6 it would decay into denormals, which slow a product tenfold
    np.maximum(mean, np.float32(1e-6), out=mean)


def _updates_per_move(settings, n_chains):
    """Updates between moves of the belt that keep it within its budget.

    In products with W per row, an update takes two for each row of data, one for each
    chain and two for each of its Gibbs steps; a move takes three for each particle and
    about as long as a fourth for its logarithms.
    """
    per_chain = 1 + 2 * settings.n_gibbs_steps
    n_chains = settings.batch_size if settings.negative_phase == "cd" else n_chains
    per_update = 2 * settings.batch_size + per_chain * n_chains
    return math.ceil(4 * N_PARTICLES / (_BELT_BUDGET * per_update))


def _check_finite(state, learning_rate):
    """Raise FloatingPointError if training has diverged."""
    largest = max(np.abs(array).max() for array in state.parameters)
    if not largest <= _LARGEST_LOG_ODDS:  # NaN included
        raise FloatingPointError(
            f"training diverged, the largest parameter is {largest:.3g} (log-odds). "
            f"The likely cause is learning_rate, {learning_rate:.3g} at the start of "
            f"the epoch: make it ten times smaller, or lower momentum or weight_decay."
        )
