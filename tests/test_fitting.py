from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgen.fitting import (
    EarlyStopping,
    beginning,
    report_line,
    run_epoch,
    step_sizes,
)


class Scores(NamedTuple):
    value: float


def run_epochs(state, train, evaluate, n_epochs, stopping=None, **options):
    """Outcome and history of all epochs; train(state, number of the epoch, done)."""
    progress = beginning(state, n_epochs, **options)
    while progress.n_left:
        progress = run_epoch(
            progress,
            lambda state, n_epochs, done: train(state, n_epochs + 1, done),
            evaluate,
            stopping,
        )
    return progress.outcome, progress.history


def run(criteria, stopping=None, **options):
    """State n after epoch n, with the given criterion."""
    return run_epochs(
        [0],
        lambda state, epoch, done: [epoch],
        lambda state: (Scores(criteria[state[0] - 1]), 2 * (criteria[state[0] - 1],)),
        len(criteria),
        stopping,
        **options,
    )


def test_without_early_stopping_the_last_state_is_kept():
    state, history = run([3.0, 1.0, 2.0])
    assert state == [3]
    assert_array_equal(history.epoch, [1, 2, 3])
    assert_array_equal(history.value, [3.0, 1.0, 2.0])
    assert np.all(np.diff(history.seconds) >= 0)


def test_the_best_state_is_kept():
    state, history = run([1.0, 5.0, 4.0, 3.0, 9.0], EarlyStopping(2, 0.0))
    assert state == [2]
    assert len(history) == 4


def test_tol_decides_when_to_stop_not_what_to_keep():
    state, history = run([1.0, 1.4, 1.45, 2.2], EarlyStopping(2, 0.5))
    assert state == [3]
    assert len(history) == 3


def test_after_the_last_gain_the_schedule_is_gone_through_from_the_best_epoch():
    """Best in epoch 2 of 10, two epochs without a gain: the rest of 0.6 in two more."""
    criteria = [1.0, 5.0, 4.0, 3.0, 6.0, 2.0, 9.0, 9.0, 9.0, 9.0]
    seen = []

    def train(state, epoch, done):
        seen.append((state[0], *done))
        return [epoch]

    def evaluate(state):
        return Scores(criteria[state[0] - 1]), 2 * (criteria[state[0] - 1],)

    stopping = EarlyStopping(2, 0.0, cools=True)
    state, history = run_epochs([0], train, evaluate, 10, stopping)
    assert_allclose(
        seen,
        [
            (0, 0, 0.1),
            (1, 0.1, 0.2),
            (2, 0.2, 0.3),
            (3, 0.3, 0.4),
            (2, 0.4, 0.7),
            (5, 0.7, 1.0),
        ],
    )
    assert state == [5]
    assert len(history) == 6


@pytest.mark.parametrize("n_epochs", [8, 10])
def test_training_goes_back_once(n_epochs):
    """Epochs that may be gains while it cools down, at the pace there was before."""
    n = n_epochs // 2
    seen = []

    def train(state, epoch, done):
        seen.append(state[0])
        return [epoch]

    def evaluate(state):
        number = state[0]
        bounds = (0, 0) if number <= 1 else (-1, -1 if number <= n + 1 else 1)
        return Scores(0.0), bounds

    stopping = EarlyStopping(n, 0.0, cools=True)
    run_epochs([0], train, evaluate, n_epochs, stopping)
    assert seen == [*range(n + 1), 1, *range(n + 2, n_epochs)]


def test_nothing_to_be_kept():
    state, history = run([-np.inf] * 5, EarlyStopping(2, 0.0))
    assert state == [5] and len(history) == 5
    state, _ = run([1.0, np.nan, 0.5, 0.5], EarlyStopping(2, 0.0))
    assert state == [1]


def test_free_epochs_do_not_count():
    stopping = EarlyStopping(2, 0.0, n_free=4)
    _, history = run([3.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], stopping)
    assert len(history) == 6


def test_cooling_ends_with_the_epochs():
    state, history = run([3.0, 2.0, 1.0, 4.0], EarlyStopping(2, 0.0, cools=True))
    assert state == [4]
    assert len(history) == 4


def test_an_undefined_criterion_is_never_preferred():
    state, _ = run([np.nan, np.nan], EarlyStopping(5, 0.0))
    assert state == [2]
    state, _ = run([np.nan, 1.0, 2.0, 1.5], EarlyStopping(5, 0.0))
    assert state == [3]


def test_what_training_goes_on_from_is_a_candidate():
    _, earlier = run([5.0])
    state, _ = run_epochs(
        [2],
        lambda state, epoch, done: [2 + epoch],
        lambda state: (Scores(0.0), (-state[0], -state[0])),
        6,
        EarlyStopping(2, 0.0),
        history=earlier,
        bound=-2,
    )
    assert state == [2]


def test_the_kept_state_is_out_of_reach_of_training():
    """Training reuses the arrays of the state it is given."""

    def train(state, epoch, done):
        state += 1
        return state

    state, _ = run_epochs(
        np.zeros(1),
        train,
        lambda state: (Scores(0.0), 2 * (-abs(state[0] - 2),)),
        5,
        EarlyStopping(9, 0.0),
    )
    assert state[0] == 2


def test_history_continues():
    _, first = run([1.0, 2.0])
    _, both = run([1.0, 2.0], history=first)
    assert_array_equal(both.value, [1, 2, 1, 2])
    assert_array_equal(both.epoch, [1, 2, 3, 4])
    assert np.all(np.diff(both.seconds) >= 0)


def test_divergence_names_the_epoch():
    def train(state, epoch, done):
        raise FloatingPointError("too large")

    _, earlier = run([1.0, 2.0, 3.0])
    with pytest.raises(FloatingPointError, match="Epoch 4: too large"):
        run_epochs(0, train, None, 2, history=earlier)


def test_schedules():
    done = np.arange(20) / 20
    assert_allclose(step_sizes("constant", 2.0, done), np.full(20, 2.0))
    assert_allclose(step_sizes("linear", 2.0, done), 2 * (1 - done))
    assert_allclose(step_sizes("cosine", 2.0, done), 1 + np.cos(np.pi * done))


def test_report_lines_are_aligned():
    records = [
        (1, 0.5, -123.456, np.nan),
        (10, 100.25, -9.5, np.nan),
        (10, 100.25, -9.5, -10.5),
    ]
    lines = [report_line("BinaryRBM", record, n_epochs=10) for record in records]
    first, second, third = lines
    assert first == "[BinaryRBM] epoch  1/10     0.5 s   train    -123.46 nats"
    assert len(second) == len(first)
    assert third.endswith("validation     -10.50 nats")


def test_an_epoch_that_may_be_a_gain_does_not_end_training():
    """Only the epochs whose upper bound is below the best lower bound, 0, count."""
    bounds = [(0, 2), (-2, 1), (-2, 0.5), (-3, -1), (-np.inf, np.inf), (-3, -1), (9, 9)]
    state, history = run_epochs(
        [0],
        lambda state, epoch, done: [epoch],
        lambda state: (Scores(0.0), bounds[state[0] - 1]),
        7,
        EarlyStopping(2, 0.0),
    )
    assert state == [1]
    assert len(history) == 6
