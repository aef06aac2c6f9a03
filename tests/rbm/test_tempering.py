"""Parallel tempering against the exact distributions along the ladder."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgen.rbm import tempering
from skgen.rbm.energy import RBMParameters
from skgen.rbm.samplers import exact_samples
from tests.rbm.reference import BruteForce, p_value

BASE_BIAS = np.array([0.5, -0.5, 1.0, 0.0, -1.0])


def between(parameters, beta):
    """The model at inverse temperature beta, as an RBM."""
    W, a, b = parameters
    return RBMParameters(beta * W, (1 - beta) * BASE_BIAS + beta * a, beta * b)


@pytest.fixture
def models(parameters):
    """Of every temperature, by brute force."""
    betas = np.linspace(0, 1, tempering.N_TEMPERATURES)
    return [BruteForce(between(parameters, beta)) for beta in betas]


@pytest.fixture
def ladder(parameters):
    """20,000 exact draws at every temperature."""
    rng = np.random.default_rng(0)
    ladder = tempering.new_ladder(np.zeros((20_000, 5)))
    for X, beta in zip(ladder.X, ladder.beta):
        X[:] = exact_samples(between(parameters, beta), len(X), rng)
    return ladder


def test_log_density(parameters, models):
    X = models[0].X
    inputs = X @ parameters.weights + parameters.hidden_bias
    for beta, model in zip(np.linspace(0, 1, len(models)), models):
        betas = np.full(len(X), beta)
        log_f = tempering.log_density(parameters, BASE_BIAS, X, inputs, betas)
        assert_allclose(log_f - model.log_partition, np.log(model.visible))


@pytest.mark.parametrize("n_sweeps", [0, 1])
def test_a_sweep_leaves_every_temperature_invariant(
    parameters, models, ladder, n_sweeps
):
    ladder = ladder._replace(n_sweeps=n_sweeps)
    rng = np.random.default_rng(1)
    ladder = tempering.sweep(ladder, parameters, BASE_BIAS, rng)
    for X, model in zip(ladder.X, models):
        assert p_value(X, model.visible) > 1e-3


def test_swaps_alone_leave_every_temperature_invariant(
    parameters, models, ladder, monkeypatch
):
    """The Gibbs step, which would mend a little, is left out."""
    monkeypatch.setattr(
        tempering, "tempered_step", lambda p, base, inputs, *_, out: recorded(inputs)
    )
    rows = []

    def recorded(inputs):
        # couplings are generic, so inputs tell states apart
        differences = inputs[:, None, :] - every_input
        rows.append(np.abs(differences).sum(axis=2).argmin(axis=1))

    every_input = models[0].X @ parameters.weights + parameters.hidden_bias
    before = ladder.X.copy()
    tempering.sweep(ladder, parameters, BASE_BIAS, np.random.default_rng(2))
    numbers = rows[0].reshape(len(models), -1)
    for level, model in enumerate(models):
        assert p_value(models[0].X[numbers[level]], model.visible) > 1e-3
    assert np.any(models[0].X[numbers[3]] != before[3])


def test_swap_rates_are_the_expected_acceptance(parameters, models, ladder):
    rng = np.random.default_rng(3)
    rates = []
    for n_sweeps in (0, 1):
        start = ladder._replace(
            X=ladder.X.copy(), swap_rates=np.zeros(9), n_sweeps=n_sweeps
        )
        moved = tempering.sweep(start, parameters, BASE_BIAS, rng)
        rates.append(moved.swap_rates)  # the first attempt is the whole mean
    assert np.all((rates[0] == 0) != (rates[1] == 0))
    for k, rate in enumerate(rates[0] + rates[1]):
        low, high = models[k].visible, models[k + 1].visible
        # joint probability of (x, y), and of (y, x): the ratio is the acceptance
        forward, backward = np.outer(low, high), np.outer(high, low)
        expected = np.minimum(forward, backward).sum()
        assert abs(rate - expected) < 4 * 0.5 / np.sqrt(20_000)


def test_temperatures_move_to_equal_swap_rates():
    rng = np.random.default_rng(4)
    parameters = RBMParameters(
        rng.normal(0, 1.5, (12, 8)), rng.normal(0, 1, 12), rng.normal(0, 1, 8)
    )
    ladder = tempering.new_ladder(np.zeros((200, 12)))
    uneven = []
    for _ in range(6):
        for _ in range(300):
            ladder = tempering.sweep(ladder, parameters, np.zeros(12), rng)
        uneven.append(np.ptp(ladder.swap_rates))
        ladder = tempering.respaced(ladder)
        assert ladder.beta[0] == 0 and ladder.beta[-1] == 1
        assert np.all(np.diff(ladder.beta) > 0)
    assert uneven[0] > 0.08
    assert uneven[-1] < uneven[0] / 3
