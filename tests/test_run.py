"""The run: what is kept, when it stops, its schedule and its learning curve."""

from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgen.curve import as_history, from_history
from skgen.run import Run, averaging_share, step_sizes


class Scores(NamedTuple):
    value: float


def run_epochs(state, train, evaluate, n_epochs, **options):
    """Outcome and history of all epochs; train(state, number of the epoch, done)."""
    run = Run(state, n_epochs, **options)
    while run.n_left:
        with run.epoch():
            done = run.position, run.position + run.step
            run.state = train(run.state, run.n_epochs + 1, done)
            scores, bounds = evaluate(run.state)
        run.record(scores)
        run.choose(*bounds)
    return run.outcome, as_history(run.curve, Scores)


def run_through(criteria, **options):
    """State n after epoch n, with the given criterion."""
    return run_epochs(
        [0],
        lambda state, epoch, done: [epoch],
        lambda state: (Scores(criteria[state[0] - 1]), 2 * (criteria[state[0] - 1],)),
        len(criteria),
        **options,
    )


def test_without_early_stopping_the_last_state_is_kept():
    state, history = run_through([3.0, 1.0, 2.0])
    assert state == [3]
    assert_array_equal(history.epoch, [1, 2, 3])
    assert_array_equal(history.value, [3.0, 1.0, 2.0])
    assert np.all(np.diff(history.seconds) >= 0)


def test_the_best_state_is_kept():
    state, history = run_through([1.0, 5.0, 4.0, 3.0, 9.0], patience=2)
    assert state == [2]
    assert len(history) == 4


def test_tol_decides_when_to_stop_not_what_to_keep():
    state, history = run_through([1.0, 1.4, 1.45, 2.2], patience=2, tol=0.5)
    assert state == [3]
    assert len(history) == 3


def test_small_gains_add_up():
    state, history = run_through(np.linspace(0, 1, 11), patience=3, tol=0.25)
    assert state == [11]
    _, history = run_through(np.linspace(0, 1, 11), patience=3, tol=0.35)
    assert len(history) == 4


def test_after_the_last_gain_the_schedule_is_gone_through_from_the_best_epoch():
    """Best in epoch 2 of 10, two epochs without a gain: the rest of 0.6 in two more."""
    criteria = [1.0, 5.0, 4.0, 3.0, 6.0, 2.0, 9.0, 9.0, 9.0, 9.0]
    seen = []

    def train(state, epoch, done):
        seen.append((state[0], *done))
        return [epoch]

    def evaluate(state):
        return Scores(criteria[state[0] - 1]), 2 * (criteria[state[0] - 1],)

    state, history = run_epochs([0], train, evaluate, 10, patience=2, schedule="linear")
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
    """Epochs that may be gains while it finishes, at the step there was before."""
    n = n_epochs // 2
    seen = []

    def train(state, epoch, done):
        seen.append(state[0])
        return [epoch]

    def evaluate(state):
        number = state[0]
        bounds = (0, 0) if number <= 1 else (-1, -1 if number <= n + 1 else 1)
        return Scores(0.0), bounds

    run_epochs([0], train, evaluate, n_epochs, patience=n, schedule="linear")
    assert seen == [*range(n + 1), 1, *range(n + 2, n_epochs)]


def test_no_epoch_can_be_judged():
    state, history = run_through([-np.inf] * 5, patience=2)
    assert state == [5] and len(history) == 5
    state, _ = run_through([1.0, np.nan, 0.5, 0.5], patience=2)
    assert state == [1]


def test_epochs_of_warm_up_do_not_count():
    criteria = [3.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    _, history = run_through(criteria, patience=2, n_warmup=4)
    assert len(history) == 6


def test_finishing_ends_with_the_epochs():
    state, history = run_through([3.0, 2.0, 1.0, 4.0], patience=2, schedule="linear")
    assert state == [4]
    assert len(history) == 4


def test_an_undefined_criterion_is_never_preferred():
    state, _ = run_through([np.nan, np.nan], patience=5)
    assert state == [2]
    state, _ = run_through([np.nan, 1.0, 2.0, 1.5], patience=5)
    assert state == [3]


def test_what_training_goes_on_from_is_a_candidate():
    _, earlier = run_through([5.0])
    state, _ = run_epochs(
        [2],
        lambda state, epoch, done: [2 + epoch],
        lambda state: (Scores(0.0), (-state[0], -state[0])),
        6,
        patience=2,
        curve=from_history(earlier),
        best_bound=-2,
        best_state=[2],
    )
    assert state == [2]


def test_the_best_state_is_out_of_reach_of_training():
    """Training reuses the arrays of the state it is given."""

    def train(state, epoch, done):
        state += 1
        return state

    state, _ = run_epochs(
        np.zeros(1),
        train,
        lambda state: (Scores(0.0), 2 * (-abs(state[0] - 2),)),
        5,
        patience=9,
    )
    assert state[0] == 2


class Buffer:
    """A state with memory of its own."""

    n_made = 0

    def __init__(self):
        Buffer.n_made += 1

    def __deepcopy__(self, memo):
        return Buffer()

    def copied_onto(self, other):
        return other


def test_there_are_two_states_at_most():
    """The last one and the best one, also when training returns to the best."""
    run = Run(Buffer(), 10, schedule="linear", patience=2)
    Buffer.n_made = 1
    while run.n_left:
        run.record(Scores(0.0))
        run.choose(*2 * (float(run.n_epochs == 1),))
    assert run.finishing
    assert Buffer.n_made == 2


def test_history_continues():
    _, first = run_through([1.0, 2.0])
    _, both = run_through(
        [1.0, 2.0], curve=from_history(first), seconds=first.seconds[-1]
    )
    assert_array_equal(both.value, [1, 2, 1, 2])
    assert_array_equal(both.epoch, [1, 2, 3, 4])
    assert np.all(np.diff(both.seconds) >= 0)


def test_divergence_names_the_epoch():
    def train(state, epoch, done):
        raise FloatingPointError("too large")

    _, earlier = run_through([1.0, 2.0, 3.0])
    with pytest.raises(FloatingPointError, match="Epoch 4: too large"):
        run_epochs(0, train, None, 2, curve=from_history(earlier))


def test_schedules():
    done = np.arange(20) / 20
    assert_allclose(step_sizes("constant", 2.0, done), np.full(20, 2.0))
    assert_allclose(step_sizes("linear", 2.0, done), 2 * (1 - done))
    assert_allclose(step_sizes("cosine", 2.0, done), 1 + np.cos(np.pi * done))


def test_report_lines_are_aligned():
    class Curve(NamedTuple):
        train: float
        validation: float

    run, lines = Run(None, 10), []
    for seconds, *scores in [(0.5, -123.456, np.nan), *9 * [(100.25, -9.5, -10.5)]]:
        run.seconds = seconds
        run.record(Curve(*scores))
        lines.append(run.report("BinaryRBM"))
    assert lines[0] == "[BinaryRBM] epoch  1/10     0.5 s   train    -123.46 nats"
    assert {len(line) for line in lines[1:]} == {len(lines[9])}
    assert lines[9].index("train") == lines[0].index("train")
    assert lines[9].endswith("validation     -10.50 nats")


def test_an_epoch_that_may_be_a_gain_does_not_end_training():
    """Only the epochs whose upper bound is below the best lower bound, 0, count."""
    bounds = [(0, 2), (-2, 1), (-2, 0.5), (-3, -1), (-np.inf, np.inf), (-3, -1), (9, 9)]
    state, history = run_epochs(
        [0],
        lambda state, epoch, done: [epoch],
        lambda state: (Scores(0.0), bounds[state[0] - 1]),
        7,
        patience=2,
    )
    assert state == [1]
    assert len(history) == 6


def test_rates_of_an_epoch_follow_the_position_in_the_schedule():
    run = Run(None, 4, schedule="linear", position=0.5)
    assert_allclose(run.learning_rates(2.0, 2), [1.0, 0.875])
    assert_allclose(run.warmup_shares(2), 1)
    run.n_warmup, run.n_epochs = 4, 3
    assert_allclose(run.warmup_shares(2), [0.75, 0.875])
    run.n_epochs = 9
    assert_allclose(run.warmup_shares(2), 1)


def test_the_average_is_over_the_last_tenth_until_the_decay_is_longer():
    shares = [averaging_share(0.99, n_updates=1, n_earlier=n) for n in (0, 10, 30)]
    assert_allclose(shares, [1.0, 0.5, 0.25])
    assert_allclose(averaging_share(0.99, 1, 10**6), 0.01)
    assert averaging_share(0, 1, 10**6) == 1


@pytest.mark.parametrize("durations", [[1.0] * 100, [5.0] + [1.0] * 99, [30.0]])
def test_max_time_ends_the_schedule_in_time(monkeypatch, durations):
    clock = np.cumsum([0.0, *durations])
    ticks = iter(np.repeat(clock, 2)[1:])
    monkeypatch.setattr("skgen.run.time.perf_counter", lambda: next(ticks))
    positions = []

    def train(state, epoch, done):
        positions.append(done)
        return state

    scores = Scores(0.0), (0.0, 0.0)
    _, history = run_epochs([0], train, lambda state: scores, 100, max_time=20)
    n = len(history)
    assert history.seconds[-1] <= max(20, durations[0])
    assert n == 20 if durations == [1.0] * 100 else n in (1, 14, 15, 16)
    if n > 1:
        assert_allclose(positions[-1][1], 1)
        assert np.all(np.diff([end for _, end in positions]) > 0)
