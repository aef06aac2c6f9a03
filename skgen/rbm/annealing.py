"""Annealed importance sampling of an RBM: AIS, reverse AIS and rolling AIS.

AIS moves particles from a base model with a known Z to the model at hand. The base is
a mixture of products with a uniform hidden layer, so that log Z_base = N log 2. The
models between have the densities f_beta of :mod:`skgen.rbm.tempering`.

Whenever the density under a particle changes from f_old to f_new, its log-weight grows
by log f_new(x) - log f_old(x). A Gibbs step that leaves f_new invariant then moves the
particle. The mean weight estimates Z / Z_base without bias along any such path. AIS
follows a path in beta. Rolling AIS follows a path in beta and in the parameters while
they are being learned: tracking log Z along training is due to Desjardins et al. (2011)
and Béreux et al. (2024). What is ours is to recycle the particles along temperature and
averaged parameters at once, so that every mode of the model is searched for again.

A mode that no particle finds is missing from the estimate and from its standard error.

References
----------
Neal, R. M. Annealed importance sampling. Statistics and Computing 11, 2001.
Salakhutdinov, R. and Murray, I. On the quantitative analysis of deep belief networks.
ICML 2008.
Burda, Y., Grosse, R. and Salakhutdinov, R. Accurate and conservative estimates of MRF
log-likelihood using reverse annealing. AISTATS 2015.
Desjardins, G., Courville, A. and Bengio, Y. On tracking the partition function.
NIPS 2011.
Béreux, N. et al. Fast training and sampling of restricted Boltzmann machines.
arXiv:2405.15376, 2024.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from skgen.rbm.energy import RBMParameters, hidden_input
from skgen.rbm.mixture import Mixture, draw, drawn_parts, log_joint
from skgen.rbm.tempering import log_density, model_term, path_terms, tempered_step

_FEWEST_STAGES = 100  # of a rolling particle, so that early paths are not too coarse


class LogPartition(NamedTuple):
    """An estimate of log Z, in nats.

    Attributes
    ----------
    value, std_error : float
        The standard error is 0 for an exact value.
    effective_sample_size : float
        Number of equal weights that would be as informative; infinite for an exact
        value. Below ten, or below a twentieth of the particles, do not trust
        `std_error`. For "tempered" and "bracket" it is 1 / std_error^2.
    method : str
        "exact", "ais", "reverse_ais", "tempered", "rolling" or "bracket".
    lower_bound : float
        Of log Z, certain; -inf where none is known.
    """

    value: float
    std_error: float
    effective_sample_size: float
    method: str
    lower_bound: float = -np.inf


class Particles(NamedTuple):
    """Annealed particles, one row each.

    `hidden_input`, b + x'W of shape (n, N), and `log_density`, log f_beta(x), belong to
    the parameters of the last move. `log_joint` is log q(x, k), of shape (n, n_parts).
    `beta` goes from 0 (base) to 1 (model).
    """

    X: np.ndarray
    hidden_input: np.ndarray
    log_joint: np.ndarray
    log_density: np.ndarray
    beta: np.ndarray
    log_weight: np.ndarray


def annealing_schedule(fraction: ArrayLike) -> Any:
    """Inverse temperature 1 - (1 - t)^2 after a fraction t of the way, 1 beyond it.

    The chains mix most slowly near the model, and nearly all of the variance of the
    log-weights arises there (1.1 of 1.5 beyond beta = 0.9, at 500 hidden units on
    MNIST). Steps that shrink towards the model have two thirds of the variance of equal
    steps.
    """
    return 1 - (1 - np.minimum(fraction, 1)) ** 2


def base_particles(
    parameters: RBMParameters, base: Mixture, n: int, rng: np.random.Generator
) -> Particles:
    """n independent draws from the base model, at beta = 0 with log-weight 0."""
    X = draw(base, n, rng).astype(parameters.weights.dtype, copy=False)
    return _particles_at(parameters, base, X, np.zeros(n, X.dtype), np.zeros(n))


def _particles_at(parameters, base, X, beta, log_weight):
    inputs, joint = hidden_input(parameters, X), log_joint(base, X)
    density = log_density(parameters, X, inputs, joint, beta)
    return Particles(X, inputs, joint, density, beta, log_weight)


def anneal(
    parameters: RBMParameters,
    base: Mixture,
    particles: Particles,
    beta: np.ndarray,
    rng: np.random.Generator,
) -> Particles:
    """Reweight particles to f_beta of these parameters, then move them there.

    ``particles.hidden_input`` must belong to `parameters` and is overwritten.
    ``particles.log_density`` must belong to the density the particles come from.
    `beta` has one entry per particle.
    """
    X, inputs, joint, density, _, log_weight = particles
    base_term, shares = path_terms(joint, beta)
    log_weight = log_weight - density
    log_weight += model_term(parameters, X, inputs, beta) + base_term
    parts = drawn_parts(shares, rng)
    X = tempered_step(parameters, base, inputs, parts, beta, rng)
    return _particles_at(parameters, base, X, beta, log_weight)


def summarize(particles: Particles, method: str, sign: int = 1) -> LogPartition:
    """log Z = log Z_base + sign log mean w; the sign is -1 for reverse annealing.

    The relative standard error of the mean weight is the standard error of its
    logarithm.
    """
    log_weight = particles.log_weight
    n = log_weight.size
    weight = np.exp(log_weight - log_weight.max())
    size = float(weight.sum() ** 2 / (weight**2).sum())
    # a single weight says nothing about its own error
    relative_variance = max(n / size - 1, 0) / (n - 1) if n > 1 else np.inf
    gain = logsumexp(log_weight) - np.log(n)
    value = log_base_partition(particles.hidden_input.shape[1]) + sign * float(gain)
    error = float(np.sqrt(relative_variance))
    return LogPartition(float(value), error, size, method)


def log_base_partition(n_hidden: int) -> float:
    """log Z_base: the hidden layer is uniform, the mixture is normalised."""
    return n_hidden * np.log(2)


def annealed_log_partition(
    parameters: RBMParameters,
    base: Mixture,
    n_chains: int,
    n_temperatures: int,
    rng: np.random.Generator,
) -> tuple[LogPartition, Particles]:
    """log Z by annealed importance sampling from the base model.

    Parameters
    ----------
    parameters : RBMParameters
    base : Mixture
        For example from ``mixture.new_mixture``.
    n_chains : int
        Independent particles.
    n_temperatures : int
        Steps of :func:`annealing_schedule`.
    rng : numpy.random.Generator

    Returns
    -------
    LogPartition
    Particles
        At beta = 1: weighted draws from the model.

    Examples
    --------
    Of three independent, even units there are 2^3 equal states.

    >>> import numpy as np
    >>> from skgen.rbm.annealing import annealed_log_partition
    >>> from skgen.rbm.energy import RBMParameters
    >>> from skgen.rbm.mixture import new_mixture
    >>> parameters = RBMParameters(np.zeros((2, 1)), np.zeros(2), np.zeros(1))
    >>> base = new_mixture(np.ones(1), np.full((1, 2), 0.7))
    >>> rng = np.random.default_rng(0)
    >>> estimate, _ = annealed_log_partition(parameters, base, 1000, 100, rng)
    >>> print(round(np.exp(estimate.value), 1))
    8.0
    """
    particles = base_particles(parameters, base, n_chains, rng)
    fractions = np.linspace(0, 1, n_temperatures + 1)[1:]
    particles = _anneal_along(fractions, parameters, base, particles, rng)
    return summarize(particles, "ais"), particles


def reverse_annealed_log_partition(
    parameters: RBMParameters,
    base: Mixture,
    X: np.ndarray,
    n_temperatures: int,
    rng: np.random.Generator,
) -> LogPartition:
    """log Z by annealing draws from the model back to the base model.

    The mean weight estimates Z_base / Z without bias. On average the estimate of log Z
    is therefore too large, where :func:`annealed_log_partition` is too small: log Z
    lies between the two if X are draws from the model.

    Parameters
    ----------
    parameters : RBMParameters
    base : Mixture
        For example from ``mixture.new_mixture``.
    X : ndarray of shape (n, M)
        Where the particles start.
    n_temperatures : int
        Steps of :func:`annealing_schedule`, from its end to its beginning.
    rng : numpy.random.Generator

    Returns
    -------
    LogPartition

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.rbm.annealing import reverse_annealed_log_partition
    >>> from skgen.rbm.energy import RBMParameters
    >>> from skgen.rbm.mixture import new_mixture
    >>> from skgen.rbm.samplers import exact_samples
    >>> parameters = RBMParameters(np.zeros((2, 1)), np.zeros(2), np.zeros(1))
    >>> base = new_mixture(np.ones(1), np.full((1, 2), 0.7))
    >>> rng = np.random.default_rng(0)
    >>> X = exact_samples(parameters, 1000, rng)
    >>> estimate = reverse_annealed_log_partition(parameters, base, X, 100, rng)
    >>> print(round(np.exp(estimate.value), 1))
    8.0
    """
    particles = annealed_back(parameters, base, X, n_temperatures, rng)
    return summarize(particles, "reverse_ais", sign=-1)


def annealed_back(
    parameters: RBMParameters,
    base: Mixture,
    X: np.ndarray,
    n_temperatures: int,
    rng: np.random.Generator,
) -> Particles:
    """Particles that went from the rows of X, at the model, back to the base model."""
    beta = np.ones(len(X), parameters.weights.dtype)
    particles = _particles_at(parameters, base, X, beta, np.zeros(len(X)))
    fractions = np.linspace(1, 0, n_temperatures + 1)[1:]
    return _anneal_along(fractions, parameters, base, particles, rng)


def _anneal_along(fractions, parameters, base, particles, rng):
    """Anneal all particles together, at these fractions of the schedule in turn."""
    for beta in annealing_schedule(fractions):
        betas = np.full_like(particles.beta, beta)
        particles = anneal(parameters, base, particles, betas, rng)
    return particles


class RollingParticles(NamedTuple):
    """Particles of rolling AIS, at all stages between the base and the model.

    Attributes
    ----------
    particles : Particles
    stage : ndarray of int of shape (n,)
        Moves each particle has made since it was drawn from the base model.
    n_stages : ndarray of int of shape (n,)
        Moves from beta = 0 to 1; after half as many at the model, it is replaced.
    n_moves : int
    rng : numpy.random.Generator
        Its own, so that training is the same whether it is followed or not.
    """

    particles: Particles
    stage: np.ndarray
    n_stages: np.ndarray
    n_moves: int
    rng: np.random.Generator


def new_rolling(
    parameters: RBMParameters, base: Mixture, n_particles: int, rng: np.random.Generator
) -> RollingParticles:
    """Rolling particles evenly spread over the stages, each annealed to its own."""
    n_stages = np.full(n_particles, _FEWEST_STAGES)
    stage = np.arange(n_particles) * _lifetime(_FEWEST_STAGES) // n_particles
    particles = base_particles(parameters, base, n_particles, rng)
    for step in range(1, _FEWEST_STAGES + 1):
        beta = annealing_schedule(np.minimum(stage, step) / _FEWEST_STAGES)
        beta = beta.astype(particles.beta.dtype)
        particles = anneal(parameters, base, particles, beta, rng)
    return RollingParticles(particles, stage, n_stages, 0, rng)


def roll(
    rolling: RollingParticles, parameters: RBMParameters, base: Mixture
) -> RollingParticles:
    """Move every particle one stage on, to a model that now has these parameters.

    A particle goes towards beta = 1, follows the model there for a while, and is then
    replaced by a new draw from the base model. Later draws take more stages, a third of
    the moves made so far: the longer the training, the finer the path. The arrays of
    `rolling` are reused.
    """
    particles, stage, n_stages, n_moves, rng = rolling
    (spent,) = np.nonzero(stage >= _lifetime(n_stages))
    if spent.size:
        fresh = base_particles(parameters, base, spent.size, rng)
        for array, replacement in zip(particles, fresh):
            array[spent] = replacement
        stage[spent] = 0
        n_stages[spent] = max(n_moves // 3, _FEWEST_STAGES)
    stage += 1
    inputs = hidden_input(parameters, particles.X)
    beta = annealing_schedule(stage / n_stages).astype(inputs.dtype)
    particles = particles._replace(hidden_input=inputs)
    particles = anneal(parameters, base, particles, beta, rng)
    return RollingParticles(particles, stage, n_stages, n_moves + 1, rng)


def at_model(rolling: RollingParticles) -> Particles:
    """The particles that have reached beta = 1."""
    arrived = rolling.stage >= rolling.n_stages
    return Particles(*(array[arrived] for array in rolling.particles))


def _lifetime(n_stages):
    return n_stages + n_stages // 2
