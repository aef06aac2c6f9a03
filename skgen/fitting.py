"""An epoch of training around a model's own updates, and where a run of them stands.

This owns what does not depend on the model: the learning curve, early stopping, keeping
the best epoch. A model brings its state and two functions of it, one that trains for an
epoch and one that scores the result.
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


class Progress(NamedTuple):
    """Where training stands between two epochs: all that going on with it takes.

    Attributes
    ----------
    state : object
        State of the model, which ``copy.deepcopy`` can copy, and its own
        ``copied_onto(other)``, if it has one, more quickly, reusing another's memory.
    n_left : int
        Epochs still to come.
    pace : float
        Share of the schedule that each of them passes through.
    history : numpy.recarray or None
        The learning curve, that of earlier runs included.
    n_epochs : int
        Epochs of this run.
    done : float
        Share of the schedule that is behind, from 0 to 1.
    best : float
        The highest lower bound of what early stopping maximises.
    kept : object or None
        The state it belongs to, out of reach of training; its memory is reused when a
        better one is found.
    n_stale : int
        Epochs without a gain.
    cooling : bool
        Whether training has gone back to the best epoch and is coming to its end.
    """

    state: object
    n_left: int
    pace: float
    history: np.recarray | None = None
    n_epochs: int = 0
    done: float = 0.0
    best: float = -np.inf
    kept: object | None = None
    n_stale: int = 0
    cooling: bool = False

    @property
    def outcome(self):
        """The state to be returned: the best one, or the last where none was chosen."""
        return self.state if self.kept is None else self.kept


def beginning(state, n_epochs, *, history=None, bound=None):
    """Where a run of epochs begins.

    Parameters
    ----------
    state : object
    n_epochs : int
        At most.
    history : numpy.recarray, default=None
        The learning curve so far, if training goes on.
    bound : float, default=None
        What early stopping maximises, of `state`: where training goes on, the state it
        goes on from is one of the candidates.

    Returns
    -------
    Progress

    Examples
    --------
    >>> from skgen.fitting import beginning
    >>> beginning(0, 10).pace
    0.1
    """
    start = Progress(state, n_epochs, 1 / n_epochs, history)
    if bound is None or not bound > -np.inf:
        return start
    return start._replace(best=bound, kept=copy.deepcopy(state))


def run_epoch(progress, train, evaluate, early_stopping=None):
    """Train for an epoch, score it, and choose what comes next.

    Parameters
    ----------
    progress : Progress
        With at least one epoch left.
    train : callable
        ``train(state, n_epochs, done) -> state``, where `n_epochs` are those of this
        run so far and `done` are the shares of the schedule before and after the epoch;
        it may reuse the arrays of the old state.
    evaluate : callable
        ``evaluate(state) -> (scores, (low, high))``: a NamedTuple of floats for the
        learning curve, and bounds of what early stopping maximises. Epochs are compared
        by their lower bounds; one whose upper bound exceeds the best of these may be a
        gain, and does not end training.
    early_stopping : EarlyStopping, default=None
        If given, the state with the best lower bound is kept.

    Returns
    -------
    Progress
        Its history has fields epoch, seconds (of training and scoring, all epochs so
        far) and those of the scores.

    Raises
    ------
    FloatingPointError
        Naming the epoch, if training leaves the finite numbers.

    Examples
    --------
    >>> from typing import NamedTuple
    >>> from skgen.fitting import EarlyStopping, beginning, run_epoch
    >>> class Scores(NamedTuple):
    ...     value: float
    >>> def evaluate(state):
    ...     return Scores(-abs(state - 3.0)), 2 * (-abs(state - 3.0),)
    >>> progress = beginning(0, 9)
    >>> while progress.n_left:
    ...     progress = run_epoch(
    ...         progress,
    ...         train=lambda state, n_epochs, done: n_epochs + 1,
    ...         evaluate=evaluate,
    ...         early_stopping=EarlyStopping(n_iter_no_change=2, tol=0),
    ...     )
    >>> progress.outcome, progress.history.epoch, progress.history.value
    (3, array([1, 2, 3, 4, 5]), array([-2., -1., -0., -1., -2.]))
    """
    earlier, started = progress.history, time.perf_counter()
    epoch = 1 if earlier is None else len(earlier) + 1
    done = progress.done + progress.pace
    try:
        state = train(progress.state, progress.n_epochs, (progress.done, done))
    except FloatingPointError as error:
        raise FloatingPointError(f"Epoch {epoch}: {error}") from None
    scores, bounds = evaluate(state)
    seconds = time.perf_counter() - started
    seconds += 0.0 if earlier is None else earlier.seconds[-1]
    progress = progress._replace(
        state=state,
        n_left=progress.n_left - 1,
        history=_longer(earlier, epoch, seconds, scores),
        n_epochs=progress.n_epochs + 1,
        done=done,
    )
    return _chosen(progress, bounds, early_stopping) if early_stopping else progress


def _longer(history, epoch, seconds, scores):
    record = np.rec.fromrecords(
        [(epoch, seconds, *scores)], names=["epoch", "seconds", *scores._fields]
    )
    if history is None:
        return record
    return np.concatenate([history, record]).view(np.recarray)


def _chosen(progress, bounds, early_stopping):
    """The best state kept; after epochs without gain, back to it, or at the end."""
    (low, high), best, n_stale = bounds, progress.best, progress.n_stale
    if low > best + early_stopping.tol:
        n_stale = 0
    elif -np.inf < best >= high - early_stopping.tol:
        n_stale += progress.n_epochs > early_stopping.n_free
    progress = progress._replace(n_stale=n_stale)
    if low > best:
        kept = _copied(progress.state, progress.kept)
        progress = progress._replace(best=low, kept=kept)
    if n_stale < early_stopping.n_iter_no_change or progress.cooling:
        return progress
    n_left = min(progress.n_left, n_stale) if early_stopping.cools else 0
    return progress._replace(
        state=copy.deepcopy(progress.kept),
        n_left=n_left,
        pace=(1 - progress.done) / max(n_left, 1),
        cooling=True,
    )


def _copied(state, earlier):
    """A copy of the state, over an earlier one where the state knows how to do that."""
    if earlier is None or not hasattr(state, "copied_onto"):
        return copy.deepcopy(state)
    return state.copied_onto(earlier)


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


def report_line(name, record, n_epochs):
    """A record of the learning curve as one line, aligned with those of other epochs.

    Examples
    --------
    >>> from skgen.fitting import report_line
    >>> print(report_line("BinaryRBM", (3, 1.5, -98.3, -99.1), n_epochs=20))
    [BinaryRBM] epoch  3/20     1.5 s   train     -98.30   validation     -99.10 nats
    """
    epoch, seconds, train, validation = list(record)[:4]
    held_out = "" if np.isnan(validation) else f"   validation {validation:10.2f}"
    return (
        f"[{name}] epoch {epoch:{len(str(n_epochs))}}/{n_epochs} {seconds:7.1f} s   "
        f"train {train:10.2f}{held_out} nats"
    )
