"""Bridges along a ladder against enumeration, and which estimate of log Z is used."""

from types import SimpleNamespace

import numpy as np
import pytest

from skgen.rbm import partition
from skgen.rbm.annealing import new_rolling
from skgen.rbm.energy import RBMParameters
from skgen.rbm.tempering import new_ladder


@pytest.fixture
def state(model):
    """What the choice of an estimate needs of a TrainingState."""
    parameters, base_bias = model
    start = RBMParameters(np.zeros((10, 8)), 2 * base_bias, np.zeros(8))
    rng = np.random.default_rng(0)
    return SimpleNamespace(
        average=parameters,
        base_bias=base_bias,
        ladder=new_ladder(np.zeros((10, 10))),
        rolling=new_rolling(start, base_bias, 90, rng),
        n_updates=0,
        rng=rng,
    )


@pytest.mark.parametrize(
    "method, negative_phase, expected",
    [
        ("auto", "pcd", "rolling"),
        ("auto", "tempered", "tempered"),
        ("ais", "tempered", "rolling"),
        ("exact", "tempered", "rolling"),
    ],
)
def test_running_estimates(state, method, negative_phase, expected):
    before = state.ladder.X.copy()
    estimate, draws = partition.running_estimate(state, method, negative_phase)
    assert estimate.method == expected
    assert len(draws.X) == len(draws.log_weight) > 0
    assert np.array_equal(state.ladder.X, before)
    if expected == "tempered":  # until there is a ladder
        state.ladder = None
        estimate, _ = partition.running_estimate(state, method, negative_phase)
        assert estimate.method == "rolling"
    state.rolling = None
    estimate, draws = partition.running_estimate(state, method, negative_phase)
    assert estimate.method == "exact" and draws is None


@pytest.mark.parametrize(
    "method, negative_phase, is_fit, is_small, expected",
    [
        ("exact", "pcd", False, False, "exact"),
        ("rolling", "pcd", True, True, "rolling"),
        ("rolling", "tempered", True, True, "rolling"),
        ("ais", "tempered", False, True, "ais"),
        ("auto", "tempered", True, True, "exact"),
        ("auto", "tempered", True, False, "tempered"),
        ("auto", "pcd", True, False, "ais"),
        ("auto", "tempered", False, True, "tempered"),
        ("auto", "pcd", False, True, "rolling"),
    ],
)
def test_final_estimates(
    state, method, negative_phase, is_fit, is_small, expected, monkeypatch
):
    monkeypatch.setattr(partition, "MAX_UNITS", 8 if is_small else 7)
    estimate, draws = partition.final_estimate(
        state, method, negative_phase, is_fit, n_rows_seen=1000
    )
    assert estimate.method == expected
    assert len(draws.X) == len(draws.log_weight) > 0
    state.rolling = None
    if expected == "exact":
        arguments = state, method, negative_phase, is_fit, 1000
        assert partition.final_estimate(*arguments)[1] is None


def test_bridges_along_a_ladder_stay_within_their_standard_error(model):
    parameters, base_bias = model
    exact = partition.exact_log_partition(parameters).value
    errors = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        ladder = new_ladder(np.zeros((20, 10)))
        estimate, ladder = partition.tempered_log_partition(
            parameters, base_bias, ladder, 200, rng
        )
        assert 0 < estimate.std_error < 0.2
        assert estimate.method == "tempered"
        errors.append((estimate.value - exact) / estimate.std_error)
    # standard errors of ten groups: the scores have the t distribution of 9 degrees
    assert abs(np.mean(errors)) < 3 * np.sqrt(9 / 7) / np.sqrt(30)
    assert 0.6 < np.sqrt(np.mean(np.square(errors))) < 1.7


def test_one_bridge_between_two_known_gaussians():
    """d(x) of N(0, 1) and e^c N(1, 1) is c + x - 1/2."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 100, 2, 100))
    shift = np.array([2.0, -3.0])[:, None]
    lower, upper = shift + x - 0.5, shift + (y + 1) - 0.5
    gains = partition._bennett(lower, upper)
    # 10,000 draws at either side; the variance of one is below 2
    assert np.all(np.abs(gains - shift[:, 0]) < 4 * np.sqrt(2 / 10_000))


def test_one_ladder_has_no_standard_error(model):
    parameters, base_bias = model
    for n_chains in (1, 3):
        ladder = new_ladder(np.zeros((n_chains, 10)))
        estimate, _ = partition.tempered_log_partition(
            parameters, base_bias, ladder, 10, np.random.default_rng(0)
        )
        assert np.isfinite(estimate.value)
        assert np.isfinite(estimate.std_error) == (n_chains > 1)
