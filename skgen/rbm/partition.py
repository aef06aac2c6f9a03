"""The log-partition function of an RBM: exact, by bridges, and which estimate is used.

Annealed estimates are in :mod:`skgen.rbm.annealing`. Bridge sampling adds up the ratios
of Z between neighbouring temperatures of parallel tempering.

References
----------
Bennett, C. H. Efficient estimation of free energy differences from Monte Carlo data.
Journal of Computational Physics 22, 1976.
"""

import copy

import numpy as np
from scipy.special import logsumexp

from skgen.rbm.annealing import (
    Draws,
    LogPartition,
    annealed_log_partition,
    at_model,
    log_base_partition,
    summarize,
)
from skgen.rbm.enumeration import (
    MAX_UNITS,
    MAX_UNITS_SUMMED,
    blocks_of_log_state_weights,
    smaller_layer_last,
)
from skgen.rbm.tempering import differences_of_neighbours, sweep

_SWEEPS_PER_RECORD = 5  # states of successive sweeps are too much alike to pay
_N_GROUPS = 10  # of independent chains, whose spread is the standard error
_BENNETT_STEPS = 1000
_BENNETT_TOLERANCE = 1e-6  # nats

# Bridges: while training, no more sweeps than an epoch on a small data set takes; at
# the end, enough for chains to travel the ladder many times.
_UPDATES_PER_SWEEP = 50
_FEWEST_SWEEPS, _MOST_SWEEPS = 20, 100
_FINAL_SWEEPS = 1000

# Annealing finds a mode that no chain of the ladder has met if it exceeds the bridges
# by this many nats: by Markov's inequality, unbiased weights are too large by a factor
# of twenty in at most one case of twenty.
_UNMET_MODE = np.log(20)

# AIS: one temperature per 2,000 rows seen costs a fifth of training. If the standard
# error is above what is trusted (nats), AIS runs once more with four times as many.
_AIS_CHAINS = 500
_ROWS_PER_TEMPERATURE = 2000
_FEWEST_TEMPERATURES, _MOST_TEMPERATURES = 100, 5000
_TRUSTED_STD = 0.1


def exact_log_partition(parameters):
    """log Z by enumeration of the smaller layer, of at most 25 units.

    Returns
    -------
    LogPartition

    Raises
    ------
    ValueError
        If the smaller layer is too large, naming the limit.

    Examples
    --------
    Without couplings, Z is a product over the units.

    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters
    >>> from skgen.rbm.partition import exact_log_partition
    >>> a, b = np.log([2.0, 3.0]), np.log([4.0])
    >>> parameters = RBMParameters(np.zeros((2, 1)), a, b)
    >>> print(round(np.exp(exact_log_partition(parameters).value)))  # 3 * 4 * 5
    60
    """
    small, _ = smaller_layer_last(parameters, MAX_UNITS_SUMMED)
    blocks = map(np.logaddexp.reduce, blocks_of_log_state_weights(small))
    return LogPartition(float(logsumexp(list(blocks))), 0.0, np.inf, "exact")


def tempered_log_partition(parameters, base_bias, ladder, n_sweeps, rng):
    """log Z from chains in equilibrium all along a ladder of parallel tempering.

    Between neighbouring temperatures, c = log Z_k+1 / Z_k solves Bennett's equation
    sum_x~k sigmoid(d(x) - c) = sum_x~k+1 sigmoid(c - d(x)), d = log f_k+1 - log f_k.
    The ratios from the base to the model are added up. Annealing may meet a mode in one
    of a thousand descents; chains that mix along the ladder meet it all the time.

    Parameters
    ----------
    parameters : RBMParameters
    base_bias : ndarray of shape (M,)
        a0, for example from ``annealing.flattened_base``.
    ladder : Ladder
        A fifth as many sweeps first bring it into equilibrium. Overwritten.
    n_sweeps : int
    rng : numpy.random.Generator

    Returns
    -------
    LogPartition
        The standard error comes from ten groups of independent chains, or as many as
        there are chains if fewer.
    Ladder
    """
    for _ in range(-(-n_sweeps // 5)):
        ladder = sweep(ladder, parameters, base_bias, rng)
    differences = []
    for index in range(n_sweeps):
        ladder = sweep(ladder, parameters, base_bias, rng)
        if index % _SWEEPS_PER_RECORD == 0:
            differences.append(differences_of_neighbours(ladder, parameters, base_bias))
    # of states at the lower and at the upper temperature: (2, n records, pairs, chains)
    lower, upper = np.stack(differences, axis=1)
    n_groups = min(_N_GROUPS, lower.shape[-1])
    groups = [slice(first, None, n_groups) for first in range(n_groups)]
    gains = [_bennett(lower[..., g], upper[..., g]).sum() for g in groups]
    log_base = log_base_partition(base_bias, parameters.hidden_bias.size)
    value = float(log_base + _bennett(lower, upper).sum())
    # a single chain says nothing about its own error
    variance = np.var(gains, ddof=1) / n_groups if n_groups > 1 else np.inf
    size = float(1 / variance) if variance else np.inf
    return LogPartition(value, float(np.sqrt(variance)), size, "tempered"), ladder


def _bennett(lower, upper):
    """log Z_k+1 / Z_k of every pair, by iterating Bennett's equation.

    `lower` and `upper`, of shape (n_records, n_pairs, n_chains), hold
    log f_k+1 - log f_k of states at either temperature.
    """
    axes = (0, 2)
    c = (lower.mean(axis=axes) + upper.mean(axis=axes)) / 2
    for _ in range(_BENNETT_STEPS):
        at = c[:, None]
        up = -np.logaddexp(0, at - lower)
        down = -np.logaddexp(0, upper - at)
        step = logsumexp(up, axis=axes) - logsumexp(down, axis=axes)
        c += step
        if np.abs(step).max() < _BENNETT_TOLERANCE:
            break
    return c


def running_estimate(state, partition_method, negative_phase):
    """log Z of ``state.average`` as it is known while training, cheap to ask for.

    Returns a LogPartition and Draws from the model, or None where log Z is always
    enumerated and so no particles are kept.
    """
    if state.rolling is None:
        return exact_log_partition(state.average), None
    if _has_bridges(state, partition_method, negative_phase):
        n_sweeps = state.n_updates // _UPDATES_PER_SWEEP
        return _bridged(state, int(np.clip(n_sweeps, _FEWEST_SWEEPS, _MOST_SWEEPS)))
    particles = at_model(state.rolling)
    return summarize(particles, state.base_bias, "rolling"), particles.draws()


def final_estimate(state, partition_method, negative_phase, is_fit, n_rows_seen):
    """log Z of ``state.average`` after training: a LogPartition, and Draws or None.

    After ``fit``, "auto" enumerates a small layer and otherwise anneals. With a ladder
    it takes the bridges, unless annealing finds another mode. ``partial_fit`` is called
    often, so there (`is_fit` is False) "auto" keeps the running estimate.
    """
    auto = partition_method == "auto"
    is_small = min(state.average.weights.shape) <= MAX_UNITS
    if partition_method == "exact" or (auto and is_fit and is_small):
        draws = None if state.rolling is None else at_model(state.rolling).draws()
        return exact_log_partition(state.average), draws
    if partition_method == "rolling" or (auto and not is_fit):
        return running_estimate(state, partition_method, negative_phase)
    if not _has_bridges(state, partition_method, negative_phase):
        return _annealed(state, n_rows_seen)
    bridged = _bridged(state, _FINAL_SWEEPS)
    annealed = _annealed(state, n_rows_seen)
    return annealed if annealed[0].value > bridged[0].value + _UNMET_MODE else bridged


def _has_bridges(state, partition_method, negative_phase):
    """Whether training keeps a ladder up to date, and log Z may come from it."""
    tempered = negative_phase == "tempered" and state.ladder is not None
    return tempered and partition_method == "auto"


def _bridged(state, n_sweeps):
    ladder = copy.deepcopy(state.ladder)  # a sweep works in place
    estimate, ladder = tempered_log_partition(
        state.average, state.base_bias, ladder, n_sweeps, state.rng
    )
    X = ladder.X[-1]
    return estimate, Draws(X, np.zeros(len(X)))


def _annealed(state, n_rows_seen):
    n_steps = n_rows_seen // _ROWS_PER_TEMPERATURE
    n_steps = int(np.clip(n_steps, _FEWEST_TEMPERATURES, _MOST_TEMPERATURES))
    for n_temperatures in (n_steps, 4 * n_steps):
        estimate, particles = annealed_log_partition(
            state.average, state.base_bias, _AIS_CHAINS, n_temperatures, state.rng
        )
        if estimate.std_error <= _TRUSTED_STD:
            break
    return estimate, particles.draws()
