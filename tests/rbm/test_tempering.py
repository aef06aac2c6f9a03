"""Parallel tempering against the exact distributions along the ladder."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgen.rbm import tempering
from skgen.rbm.energy import RBMParameters, hidden_input
from skgen.rbm.mixture import drawn_parts, log_joint, new_mixture
from tests.rbm.reference import p_value

BETAS = np.linspace(0, 1, tempering.N_TEMPERATURES)


@pytest.fixture
def densities(brute_force, base_joint):
    """f_beta(x, h, k) of every temperature, each of shape (2^5, 2^4, 3)."""
    negative_energy = -brute_force.energy[:, :, None]
    return [
        np.exp(beta * negative_energy) * base_joint[:, None] ** (1 - beta) / 3**beta
        for beta in BETAS
    ]


@pytest.fixture
def distributions(densities):
    """P(x, k) of every temperature, each of shape (2^5, 3)."""
    return [density.sum(axis=1) / density.sum() for density in densities]


@pytest.fixture
def ladder(brute_force, distributions):
    """20,000 exact draws at every temperature."""
    rng = np.random.default_rng(0)
    ladder = tempering.new_ladder(np.zeros((20_000, 5)))
    for X, distribution in zip(ladder.X, distributions):
        drawn = rng.choice(len(brute_force.X), len(X), p=distribution.sum(axis=1))
        X[:] = brute_force.X[drawn]
    return ladder


def p_value_with_parts(X, parts, distribution):
    """Chi-squared test of pairs (x, k): k becomes two more bits."""
    bits = np.stack([parts // 2, parts % 2], axis=1)
    four_parts = np.pad(distribution, ((0, 0), (0, 1)))
    return p_value(np.concatenate([X, bits], axis=1), four_parts.ravel())


def test_log_density(parameters, base, brute_force, densities):
    X = brute_force.X
    inputs, joint = hidden_input(parameters, X), log_joint(base, X)
    for beta, density in zip(BETAS, densities):
        betas = np.full(len(X), beta)
        log_f = tempering.log_density(parameters, X, inputs, joint, betas)
        assert_allclose(log_f, np.log(density.sum(axis=(1, 2))), atol=1e-5)


def test_parts_of_the_path(base, brute_force, distributions):
    joint = log_joint(base, brute_force.X)
    for beta, distribution in zip(BETAS, distributions):
        betas = np.full(len(joint), beta)
        total, shares = tempering.path_terms(joint, betas)
        expected = distribution / distribution.sum(axis=1, keepdims=True)
        assert_allclose(shares, expected, rtol=1e-5)
        assert_allclose(total, np.log((np.exp((1 - beta) * joint) / 3**beta).sum(1)))


def test_the_ends_of_the_path(densities, brute_force, base_joint):
    """At beta = 0 the base with a uniform hidden layer, at beta = 1 the model."""
    base, model = (density.sum(axis=(1, 2)) for density in densities[:: len(BETAS) - 1])
    assert_allclose(base, 2**4 * base_joint.sum(axis=1))
    assert_allclose(np.log(model.sum()), brute_force.log_partition)


@pytest.mark.parametrize("beta", [0.0, 0.3, 0.8, 1.0])
def test_a_step_is_the_kernel_by_brute_force(
    parameters, base, brute_force, base_joint, beta
):
    """20,000 steps from one state: h and k given x, then x given both."""
    n, start = 20_000, 11
    X = np.tile(brute_force.X[start], (n, 1))
    rng, betas = np.random.default_rng(5), np.full(n, beta)
    shares = tempering.path_terms(log_joint(base, X), betas)[1]
    inputs, parts = hidden_input(parameters, X), drawn_parts(shares, rng)
    X = tempering.tempered_step(parameters, base, inputs, parts, betas, rng)

    f = np.exp(-beta * brute_force.energy)[:, :, None]
    f = f * base_joint[:, None] ** (1 - beta)
    hidden_and_part = f[start] / f[start].sum()
    expected = (f / f.sum(axis=0) * hidden_and_part).sum(axis=(1, 2))
    assert p_value(X, expected) > 1e-3


@pytest.mark.parametrize("n_sweeps", [0, 1])
def test_a_sweep_leaves_every_temperature_invariant(
    parameters, base, distributions, ladder, n_sweeps
):
    ladder = ladder._replace(n_sweeps=n_sweeps)
    rng = np.random.default_rng(1)
    ladder = tempering.sweep(ladder, parameters, base, rng)
    assert ladder.n_sweeps == n_sweeps + 1
    for X, distribution in zip(ladder.X, distributions):
        assert p_value(X, distribution.sum(axis=1)) > 1e-3


def test_swaps_alone_leave_every_temperature_invariant(
    parameters, base, brute_force, distributions, ladder, monkeypatch
):
    """The Gibbs step, which would mend a little, is left out.

    The parts that it starts from belong to the state and its new temperature.
    """
    swapped = []

    def recorded(parameters, base, inputs, parts, *_, out):
        # couplings are generic, so the input of one unit tells states apart
        differences = np.abs(inputs[:, :1] - every_input)
        swapped.append((differences.argmin(axis=1), parts))

    monkeypatch.setattr(tempering, "tempered_step", recorded)
    every_input = hidden_input(parameters, brute_force.X)[:, 0]
    before = ladder.X.copy()
    tempering.sweep(ladder, parameters, base, np.random.default_rng(2))
    numbers, parts = (array.reshape(len(BETAS), -1) for array in swapped[0])
    for level, distribution in enumerate(distributions):
        X = brute_force.X[numbers[level]]
        assert p_value_with_parts(X, parts[level], distribution) > 1e-3
    assert np.any(brute_force.X[numbers[3]] != before[3])


def test_swap_rates_are_the_expected_acceptance(
    parameters, base, distributions, ladder
):
    rng = np.random.default_rng(3)
    rates = []
    for n_sweeps in (0, 1):
        start = ladder._replace(
            X=ladder.X.copy(), swap_rates=np.zeros(9), n_sweeps=n_sweeps
        )
        moved = tempering.sweep(start, parameters, base, rng)
        rates.append(moved.swap_rates)  # the first attempt is the whole mean
    assert np.all((rates[0] == 0) != (rates[1] == 0))
    visible = [distribution.sum(axis=1) for distribution in distributions]
    for rate, low, high in zip(rates[0] + rates[1], visible, visible[1:]):
        # joint probability of (x, y), and of (y, x): the ratio is the acceptance
        forward, backward = np.outer(low, high), np.outer(high, low)
        expected = np.minimum(forward, backward).sum()
        assert abs(rate - expected) < 4 * 0.5 / np.sqrt(20_000)


def test_temperatures_move_to_equal_swap_rates():
    rng = np.random.default_rng(4)
    parameters = RBMParameters(
        rng.normal(0, 1.5, (12, 8)), rng.normal(0, 1, 12), rng.normal(0, 1, 8)
    )
    base = new_mixture(np.array([0.5, 0.2, 0.3]), rng.uniform(0.3, 0.7, (3, 12)))
    ladder = tempering.new_ladder(np.zeros((150, 12)))
    uneven = []
    for _ in range(4):
        for _ in range(300):
            ladder = tempering.sweep(ladder, parameters, base, rng)
        uneven.append(np.ptp(ladder.swap_rates))
        ladder = tempering.respaced(ladder)
        assert ladder.beta[0] == 0 and ladder.beta[-1] == 1
        assert np.all(np.diff(ladder.beta) > 0)
    assert uneven[0] > 0.08
    assert uneven[-1] < uneven[0] / 3
