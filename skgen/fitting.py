"""The epoch loop around a model's own training step.

The loop owns what does not depend on the model: the learning curve, early stopping,
keeping the best epoch, reporting. A model brings its state and two functions of it,
one that trains for an epoch and one that scores the result.
"""

import copy
import time
from typing import NamedTuple

import numpy as np

_AVERAGED_SHARE = 10  # the average is over the last tenth until the decay is longer


class EarlyStopping(NamedTuple):
    """When to stop: `n_iter_no_change` epochs that for certain gain less than `tol`.

    With `cools`, training then goes back to the best epoch and passes through the rest
    of its schedule in `n_iter_no_change` epochs: what the learning rate's fall is worth
    is not lost by stopping early. The first `n_free` epochs do not count.
    """

    n_iter_no_change: int
    tol: float
    cools: bool = False
    n_free: int = 0


def run_epochs(
    state, train, evaluate, *, epochs, early_stopping=None, report=None, earlier=None
):
    """Train for some epochs, score each, and keep the last or the best.

    Parameters
    ----------
    state : object
        State of the model, which ``copy.deepcopy`` can copy.
    train : callable
        ``train(state, epoch, done) -> state``, where `done` are the shares of the
        schedule before and after the epoch, from 0 to 1; it may reuse the arrays of
        the old state.
    evaluate : callable
        ``evaluate(state) -> (scores, (low, high))``: a NamedTuple of floats for the
        learning curve, and bounds of what early stopping maximises. Epochs are compared
        by their lower bounds; one whose upper bound exceeds the best of these may be a
        gain, and does not end training.
    epochs : iterable of int
        Their numbers.
    early_stopping : EarlyStopping, default=None
        If given, the state with the best lower bound is kept; where training goes on,
        the state it goes on from is one of the candidates.
    report : callable, default=None
        Called with each record of the learning curve.
    earlier : numpy.recarray, default=None
        The learning curve so far, if training goes on.

    Returns
    -------
    state : object
    history : numpy.recarray of shape (n_epochs,)
        Fields epoch, seconds (since the first epoch began) and those of the scores.

    Raises
    ------
    FloatingPointError
        Naming the epoch, if training leaves the finite numbers.

    Examples
    --------
    >>> from typing import NamedTuple
    >>> from skgen.fitting import EarlyStopping, run_epochs
    >>> class Scores(NamedTuple):
    ...     value: float
    >>> state, history = run_epochs(
    ...     0,
    ...     train=lambda state, epoch, done: epoch,
    ...     evaluate=lambda state: (Scores(-abs(state - 3.0)), 2 * (-abs(state - 3),)),
    ...     epochs=range(1, 10),
    ...     early_stopping=EarlyStopping(n_iter_no_change=2, tol=0),
    ... )
    >>> state, history.epoch, history.value
    (3, array([1, 2, 3, 4, 5]), array([-2., -1., -0., -1., -2.]))
    """
    records = []
    started = time.perf_counter() - (0.0 if earlier is None else earlier.seconds[-1])
    best, kept, stale = -np.inf, None, 0
    if early_stopping is not None and earlier is not None:
        best = evaluate(state)[1][0]
        kept = copy.deepcopy(state) if best > -np.inf else None
    done, pace, n_left, cooling = 0.0, 1 / len(epochs), len(epochs), False
    for number, epoch in enumerate(epochs, start=1):
        try:
            state = train(state, epoch, (done, done + pace))
        except FloatingPointError as error:
            raise FloatingPointError(f"Epoch {epoch}: {error}") from None
        done, n_left = done + pace, n_left - 1
        scores, (low, high) = evaluate(state)
        records.append((epoch, time.perf_counter() - started, *scores))
        if report is not None:
            report(records[-1])
        if early_stopping is not None:
            if low > best + early_stopping.tol:
                stale = 0
            elif -np.inf < best >= high - early_stopping.tol:
                stale += number > early_stopping.n_free
            if low > best:
                best, kept = low, copy.deepcopy(state)
            if stale >= early_stopping.n_iter_no_change and not cooling:
                state, cooling = copy.deepcopy(kept), True
                n_left = min(n_left, stale) if early_stopping.cools else 0
                pace = (1 - done) / max(n_left, 1)
        if n_left == 0:
            break
    names = ["epoch", "seconds", *scores._fields]
    history = np.rec.fromrecords(records, names=names)
    if earlier is not None:
        history = np.concatenate([earlier, history]).view(np.recarray)
    return (state if kept is None else kept), history


def rows_per_update(batch_size, n_samples, n_updates=100):
    """Size of a batch: `batch_size`, or for "auto" one that makes n_updates an epoch.

    "auto" stays between 10 and 100 rows; never more than there are.

    Examples
    --------
    >>> from skgen.fitting import rows_per_update
    >>> [rows_per_update("auto", n) for n in (5, 300, 3000, 60_000)]
    [5, 10, 30, 100]
    """
    if batch_size == "auto":
        batch_size = min(max(n_samples // n_updates, 10), 100)
    return min(batch_size, n_samples)


def step_sizes(schedule, learning_rate, done):
    """Learning rate of each update.

    Parameters
    ----------
    schedule : {"constant", "linear", "cosine"}
        The last two fall from `learning_rate` to zero.
    learning_rate : float
    done : ndarray of shape (n_updates,)
        Share of training before the update, in [0, 1).

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.fitting import step_sizes
    >>> step_sizes("linear", 1.0, np.array([0.5, 0.75]))
    array([0.5 , 0.25])
    """
    if schedule == "linear":
        return learning_rate * (1 - done)
    if schedule == "cosine":
        return learning_rate * (1 + np.cos(np.pi * done)) / 2
    return np.full(len(done), float(learning_rate))


def averaging_share(decay, n_updates, n_earlier):
    """Share of the newest parameters in the running average of all.

    Early on the average is over the last tenth of the updates, until that is more than
    the decay remembers.

    Parameters
    ----------
    decay : float
        Of the running average, per update; 0: the newest parameters are the average.
    n_updates : int
        Updates since the average was last moved.
    n_earlier : int
        Updates before these.

    Examples
    --------
    >>> from skgen.fitting import averaging_share
    >>> [averaging_share(0.99, n_updates=1, n_earlier=n) for n in (0, 10, 30)]
    [1.0, 0.5, 0.25]
    """
    window = _AVERAGED_SHARE * n_updates
    early = window / (window + n_earlier)
    return max(1 - decay**n_updates, early) if decay else 1.0


def report_line(name, max_iter):
    """A function that prints a record of the learning curve as one aligned line.

    Examples
    --------
    >>> from skgen.fitting import report_line
    >>> report_line("BinaryRBM", 20)((3, 1.5, -98.3, -99.1))
    [BinaryRBM] epoch  3/20     1.5 s   train     -98.30   validation     -99.10 nats
    """
    width = len(str(max_iter))

    def report(record):
        epoch, seconds, train, validation = record[:4]
        held_out = "" if np.isnan(validation) else f"   validation {validation:10.2f}"
        print(
            f"[{name}] epoch {epoch:{width}}/{max_iter} {seconds:7.1f} s   "
            f"train {train:10.2f}{held_out} nats"
        )

    return report
