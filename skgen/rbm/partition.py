"""The log-partition function of an RBM: exact, from both ends, and which is used.

Annealed estimates are in :mod:`skgen.rbm.annealing`.

References
----------
Bennett, C. H. Efficient estimation of free energy differences from Monte Carlo data.
Journal of Computational Physics 22, 1976.
Crooks, G. E. Path-ensemble averages in systems driven far from equilibrium. Physical
Review E 61, 2000.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import logsumexp

from skgen.rbm.annealing import (
    LogPartition,
    annealed_back,
    annealed_log_partition,
    at_model,
    log_base_partition,
    summarize,
)
from skgen.rbm.energy import RBMParameters
from skgen.rbm.enumeration import (
    MAX_UNITS_SUMMED,
    blocks_of_log_state_weights,
    smaller_layer_last,
)
from skgen.rbm.mixture import Mixture, relax, within_reach
from skgen.rbm.rows import unpacked
from skgen.rbm.samplers import sample_visible

ABOVE_BOUND = 0.01
"""Nats; rounding must not bring the sum of probabilities above 1."""

_BENNETT_STEPS = 1000
_BENNETT_TOLERANCE = 1e-6  # nats

# Particles at either end and temperatures, after training. More particles lower the
# standard error; more than 200 temperatures hardly do (784 x 500 on MNIST: 0.18 nats by
# 100 particles at 200 temperatures, 0.16 at 1,600).
_FIRST_SIZE, _FIRST_TEMPERATURES, _TEMPERATURES = 200, 100, 200
_SMALLEST_SIZE, _LARGEST_SIZE = 400, 1600  # of the second time
_AIMED_STD = 0.1
_QUICK_SIZE, _QUICK_TEMPERATURES, _QUICK_RELAXING_STEPS = 50, 50, 10  # in an epoch
_MANY_TEMPERATURES = 800  # where the verdict is in doubt
_RELAXING_STEPS = 100  # of chains of training and of rows, to the model that is left
_VOUCHED = 1.0  # nats
_MARGIN = 3  # standard errors
_FEWEST_EFFECTIVE = 10


class Bracket(NamedTuple):
    """What is known of log Z from both ends, in nats.

    Attributes
    ----------
    value, std_error, effective_sample_size, method, lower_bound
        As in ``LogPartition``.
    low, high : float
        What the joined, forward and backward estimates allow, with three standard
        errors to spare; no part of the interval is below `lower_bound`.
    reliable : bool
        Whether the error of `value` is at most about a nat.
    """

    value: float
    std_error: float
    effective_sample_size: float
    method: str
    lower_bound: float
    low: float
    high: float
    reliable: bool


def exact_log_partition(parameters: RBMParameters) -> LogPartition:
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


def bracket(
    parameters: RBMParameters,
    base: Mixture,
    starts: list[np.ndarray],
    lower_bound: float,
    n_temperatures: int,
    rng: np.random.Generator,
) -> Bracket:
    """log Z from particles that anneal from the base, and from the model, to the other.

    By Crooks' theorem the log-weights of both directions are joined by Bennett's
    equation. A mode that one end does not know is known to the other.

    Parameters
    ----------
    parameters : RBMParameters
    base : Mixture
    starts : list of ndarray of shape (n, M)
        States of the model, each from another source: chains, or rows of the data.
        They are annealed apart from each other.
    lower_bound : float
        Of log Z, certain, for example from ``rows.observe``.
    n_temperatures : int
    rng : numpy.random.Generator

    Returns
    -------
    Bracket

    Examples
    --------
    Of three independent, even units there are 2^3 equal states.

    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters
    >>> from skgen.rbm.mixture import new_mixture
    >>> from skgen.rbm.partition import bracket
    >>> from skgen.rbm.samplers import exact_samples
    >>> parameters = RBMParameters(np.zeros((2, 1)), np.zeros(2), np.zeros(1))
    >>> base = new_mixture(np.ones(1), np.full((1, 2), 0.7))
    >>> rng = np.random.default_rng(0)
    >>> starts = [exact_samples(parameters, 100, rng)]
    >>> bracket(parameters, base, starts, 0.0, 100, rng).reliable
    True
    """
    sizes = sum(map(len, starts)), n_temperatures
    forward, particles = annealed_log_partition(parameters, base, *sizes, rng)
    log_base = log_base_partition(parameters.hidden_bias.size)
    backward, apart, weights = [], [], []
    for X in starts:
        back = annealed_back(parameters, base, X, n_temperatures, rng)
        backward.append(summarize(back, "reverse_ais", sign=-1))
        apart.append(log_base + _joined(particles.log_weight, back.log_weight)[0])
        weights.append(back.log_weight)
    gain, std_error = _joined(particles.log_weight, np.concatenate(weights))
    joined = log_base + gain
    # Mean weights seldom exceed their expectation by much: log Z is seldom far below a
    # forward estimate, or far above a backward one.
    lows = [joined, *apart, *(one.value + one.std_error for one in backward)]
    highs = [joined, *apart, forward.value + forward.std_error]
    if _FEWEST_EFFECTIVE * std_error**2 > 1:  # the two ends hardly meet
        lows.append(forward.value)
        highs += [one.value for one in backward]
    value = joined
    if forward.value - forward.std_error > joined + _MARGIN * std_error:
        # it has found a mode that no start is in
        value, std_error = forward.value, forward.std_error
    low = max(min(lows) - _MARGIN * std_error, lower_bound)
    high = max(max(highs) + _MARGIN * std_error, low + ABOVE_BOUND)
    value = min(max(value, lower_bound + ABOVE_BOUND), high)
    size = max(std_error, 1e-6) ** -2
    reliable = max(high - value, value - low) <= _VOUCHED and size >= _FEWEST_EFFECTIVE
    parts = float(value), std_error, size, "bracket", lower_bound
    return Bracket(*parts, float(low), float(high), bool(reliable))


def _joined(forward, backward):
    """log Z - log Z_base by Bennett's equation, and its standard error.

    With the log-weights u of particles that came from the base and d of those that came
    from the model, c solves mean sigmoid(u - c) = mean sigmoid(c + d).
    """
    c = (forward.mean() - backward.mean()) / 2
    for _ in range(_BENNETT_STEPS):
        up, down = -np.logaddexp(0, c - forward), -np.logaddexp(0, -backward - c)
        log_mean_up = logsumexp(up) - np.log(up.size)
        step = log_mean_up - (logsumexp(down) - np.log(down.size))
        c += step
        if abs(step) < _BENNETT_TOLERANCE:
            break
    variance = sum(
        (np.mean(share**2) / np.mean(share) ** 2 - 1) / share.size
        for share in (np.exp(up), np.exp(down))
    )
    return float(c), float(np.sqrt(variance))


def closing_estimate(
    state: Any, lower_bound: float, with_chains: bool, rng: np.random.Generator
) -> Bracket:
    """The bracket of log Z of ``state.average`` after training.

    The first one, of few particles, tells how many it takes. One that is in doubt is
    repeated with more temperatures.
    """
    model = state.average, state.base

    def found(n, n_temperatures):
        starts = near_equilibrium(state, with_chains, n, rng)
        return bracket(*model, starts, lower_bound, n_temperatures, rng)

    first = found(_FIRST_SIZE, _FIRST_TEMPERATURES)
    if first.reliable and first.std_error <= _AIMED_STD:
        return first
    n = int(_FIRST_SIZE * min(first.std_error / _AIMED_STD, 10) ** 2)
    n = min(max(n, _SMALLEST_SIZE), _LARGEST_SIZE)
    second = found(n, _TEMPERATURES)
    if second.reliable:
        return second
    return found(_SMALLEST_SIZE, _MANY_TEMPERATURES)


def running_estimate(
    state: Any, lower_bound: float, with_chains: bool
) -> LogPartition | Bracket:
    """log Z of ``state.average`` while training, cheap to ask for.

    By rolling AIS; where the model has moved too fast for its particles, by a small
    bracket from the chains.
    """
    rolling = bounded(summarize(at_model(state.rolling), "rolling"), lower_bound)
    if rolling.effective_sample_size >= _FEWEST_EFFECTIVE or not with_chains:
        return rolling
    rng = np.random.default_rng(state.n_updates)  # training must not notice
    X = sample_visible(state.average, state.chains[:_QUICK_SIZE], rng)
    X = relax(state.average, state.base, X, _QUICK_RELAXING_STEPS, rng)
    model = state.average, state.base
    return bracket(*model, [X], lower_bound, _QUICK_TEMPERATURES, rng)


def bounded(estimate: LogPartition, lower_bound: float) -> LogPartition:
    """The estimate, raised above the lower bound where it is not."""
    value = max(estimate.value, lower_bound + ABOVE_BOUND)
    return estimate._replace(value=value, lower_bound=lower_bound)


def near_equilibrium(
    state: Any, with_chains: bool, n: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """n states of the model in arrays of their own: from chains, and from seen rows.

    Contrastive divergence and exact gradients keep no chains.
    """
    rows = unpacked(state.seen, state.average.visible_bias.size)
    sources = [rows]
    if with_chains:
        sources.append(sample_visible(state.average, state.chains, rng))
    size = n // len(sources)
    picked = [X[np.resize(rng.permutation(len(X)), size)] for X in sources]
    wide = within_reach(state.average, state.base, picked[-1], rng)
    return [relax(state.average, wide, X, _RELAXING_STEPS, rng) for X in picked]
