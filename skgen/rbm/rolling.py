"""Rolling AIS: the partition function of an RBM estimated while it is learned.

Annealed importance sampling is valid along any path, so also along one that moves in
inverse temperature and in the parameters at once. Particles at all stages of their way
from the base model to the model at hand form a belt: at every move each of them goes
one stage on, while the model itself has moved; those that have arrived are weighted
draws from it.
"""

from typing import NamedTuple

import numpy as np

from skgen.rbm.energy import hidden_input, logistic, softplus_sum
from skgen.rbm.partition import (
    Particles,
    anneal,
    annealing_schedule,
    base_particles,
)
from skgen.rbm.samplers import bernoulli
from skgen.rbm.tempering import log_density

_FEWEST_STAGES = 100


class Belt(NamedTuple):
    """Particles of rolling AIS, at all stages of their way from the base to the model.

    Attributes
    ----------
    particles : Particles
    base_bias : ndarray of shape (M,)
        a0, as ``partition.flattened_base`` makes it.
    stage : ndarray of int of shape (n,)
        Moves each particle has made since it was drawn from the base model.
    n_stages : ndarray of int of shape (n,)
        Moves in which it goes from beta = 0 to 1; half as many more, and it is spent.
    n_moves : int
        Moves the belt has made.
    """

    particles: Particles
    base_bias: np.ndarray
    stage: np.ndarray
    n_stages: np.ndarray
    n_moves: int


def new_belt(parameters, base_bias, n_particles, rng):
    """A belt for a model whose weights still are 0.

    All models between the base and it are then products whose partition function is
    known, so the particles may begin at any stage, as exact draws.

    Parameters
    ----------
    parameters : RBMParameters
        W = 0 and b = 0.
    base_bias : ndarray of shape (M,)
    n_particles : int
    rng : numpy.random.Generator

    Returns
    -------
    Belt

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters
    >>> from skgen.rbm.rolling import new_belt
    >>> parameters = RBMParameters(np.zeros((2, 1)), np.zeros(2), np.zeros(1))
    >>> belt = new_belt(parameters, np.zeros(2), 10, np.random.default_rng(0))
    >>> belt.particles.log_weight.max()
    np.float64(0.0)
    """
    n_stages = np.full(n_particles, _FEWEST_STAGES)
    stage = np.arange(n_particles) * _lifetime(_FEWEST_STAGES) // n_particles
    beta = annealing_schedule(stage / n_stages).astype(base_bias.dtype)
    log_odds = np.outer(1 - beta, base_bias) + np.outer(beta, parameters.visible_bias)
    log_weight = softplus_sum(log_odds) - softplus_sum(base_bias)
    X = bernoulli(logistic(log_odds), rng)
    inputs = hidden_input(parameters, X)
    density = log_density(parameters, base_bias, X, inputs, beta)
    particles = Particles(X, inputs, density, beta, log_weight)
    return Belt(particles, base_bias, stage, n_stages, 0)


def roll(belt, parameters, rng):
    """One move of the belt, along which the model has become that of `parameters`.

    Each particle goes one stage on towards beta = 1, follows the model there for a
    while, then is thrown away for a new draw from the base model. Those drawn later
    take more stages, a third of the moves made so far: the longer the training, the
    finer the path, and every mode of the model is sought anew.

    Parameters
    ----------
    belt : Belt
        Its arrays are reused.
    parameters : RBMParameters
    rng : numpy.random.Generator

    Returns
    -------
    Belt

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters
    >>> from skgen.rbm.rolling import new_belt, roll
    >>> parameters = RBMParameters(np.zeros((2, 1)), np.zeros(2), np.zeros(1))
    >>> rng = np.random.default_rng(0)
    >>> roll(new_belt(parameters, np.zeros(2), 10, rng), parameters, rng).n_moves
    1
    """
    particles, base_bias, stage, n_stages, n_moves = belt
    (spent,) = np.nonzero(stage >= _lifetime(n_stages))
    if spent.size:
        fresh = base_particles(parameters, base_bias, spent.size, rng)
        for array, replacement in zip(particles, fresh):
            array[spent] = replacement
        stage[spent] = 0
        n_stages[spent] = max(n_moves // 3, _FEWEST_STAGES)
    stage += 1
    inputs = hidden_input(parameters, particles.X)
    beta = annealing_schedule(stage / n_stages).astype(inputs.dtype)
    particles = particles._replace(hidden_input=inputs)
    particles = anneal(parameters, base_bias, particles, beta, rng)
    return Belt(particles, base_bias, stage, n_stages, n_moves + 1)


def arrived(belt):
    """The particles of a belt that have reached beta = 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.energy import RBMParameters
    >>> from skgen.rbm.rolling import arrived, new_belt
    >>> parameters = RBMParameters(np.zeros((2, 1)), np.zeros(2), np.zeros(1))
    >>> belt = new_belt(parameters, np.zeros(2), 9, np.random.default_rng(0))
    >>> len(arrived(belt).X)
    3
    """
    at_model = belt.stage >= belt.n_stages
    return Particles(*(array[at_model] for array in belt.particles))


def _lifetime(n_stages):
    return n_stages + n_stages // 2
