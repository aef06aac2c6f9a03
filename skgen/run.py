"""A training run: where it stands, its best state, its learning curve, early stopping.

Nothing here depends on the model. ``fit`` trains and scores one epoch at a time and
tells the run about it; the run says how many epochs are left and at which rates.
"""

import copy
import time
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from skgen.curve import EMPTY, length, lengthened

_AVERAGED_SHARE = 10  # the average is over the last tenth until the decay is longer


@dataclass
class Run:
    """One call of ``fit`` or ``partial_fit``, between two epochs.

    With a `patience`, the run keeps the state with the best lower bound of what early
    stopping maximises. After `patience` epochs without a gain it returns to that state,
    finishes the schedule in as many epochs, and ends.
    """

    state: object
    """Of the model. Its own ``copied_onto``, if it has one, is faster than deepcopy."""
    n_left: int
    """Epochs still to come."""
    schedule: str = "constant"
    is_fit: bool = True
    """A call of ``fit``, not one pass of ``partial_fit``."""
    n_rows: tuple = (0, 0)
    """Of the X and the X_val that were given, 0 without one."""
    n_typical: int = 0
    """Rows of all blocks so far, for which a batch is suitable."""
    patience: int | None = None
    """Epochs without a gain before stopping; None: no early stopping."""
    tol: float = 0.0
    max_time: float | None = None
    """Seconds of this run, however many epochs are left by then."""
    n_most: int = 0
    """Epochs of this run if there is time for all."""
    n_warmup: int = 0
    """First epochs, which do not count as epochs without a gain."""
    position: float = 0.0
    """Share of the schedule behind, from 0 to 1."""
    starts_as_model: bool = False
    """The state before the first epoch is a model, which may stay the best."""
    n_epochs: int = 0
    """Epochs of this run."""
    seconds: float = 0.0
    """Of preparation, training and scoring, earlier runs of the model included."""
    seconds_before: float = 0.0
    """Of earlier runs of the model."""
    seconds_of_epochs: float = 0.0
    """Of the epochs of this run."""
    n_stale: int = 0
    """Epochs without a gain."""
    n_halved: int = 0
    """How often the learning rate was halved because training diverged."""
    finishing: bool = False
    """Training has returned to the best state and finishes the schedule."""
    best_bound: float = -np.inf
    gained_bound: float = -np.inf
    """The bound at the last gain, from which small gains add up to the next."""
    best_state: object = None
    lowest: float = -np.inf
    """Nats per row below which training has diverged."""
    curve: tuple = EMPTY
    """The learning curve, that of earlier runs of the model included."""

    @property
    def step(self):
        """Share of the schedule that an epoch passes through."""
        return (1 - self.position) / self.n_left

    @property
    def outcome(self):
        """The best state, or the last one where none was chosen."""
        return self.state if self.best_state is None else self.best_state

    @property
    def continues_model(self):
        """Whether a model that there was is about to be compared with its epochs."""
        is_model = self.curve != EMPTY or self.starts_as_model
        return is_model and not self.n_epochs and self.patience is not None

    def learning_rates(self, learning_rate, n_updates):
        """The learning rate of each update of the next epoch."""
        end = self.position + self.step
        positions = np.linspace(self.position, end, n_updates, endpoint=False)
        rate = learning_rate / 2**self.n_halved
        return step_sizes(self.schedule, rate, positions)

    def warmup_shares(self, n_updates):
        """How much of the warm-up is done at each update of the next epoch, 0 to 1."""
        if not self.n_warmup:
            return np.ones(n_updates)
        epochs = self.n_epochs + np.arange(n_updates) / n_updates
        return np.minimum(1, epochs / self.n_warmup)

    @contextmanager
    def epoch(self):
        """Count the seconds of an epoch, and name it if training diverges."""
        started = time.perf_counter()
        try:
            yield
        except FloatingPointError as error:
            number = length(self.curve) + 1
            raise FloatingPointError(f"Epoch {number}: {error}") from None
        seconds = time.perf_counter() - started
        self.seconds += seconds
        self.seconds_of_epochs += seconds

    def record(self, scores):
        """Add an epoch to the learning curve; `scores` is a NamedTuple of floats."""
        self.curve = lengthened(self.curve, self.seconds, scores)
        self.position += self.step
        self.n_most = self.n_most or self.n_left
        self.n_left -= 1
        self.n_epochs += 1
        if self.max_time is not None and self.n_left:
            left = self.max_time - (self.seconds - self.seconds_before)
            in_time = int(left * self.n_epochs / max(self.seconds_of_epochs, 1e-9))
            most = self.n_left if self.finishing else self.n_most - self.n_epochs
            self.n_left = min(most, max(in_time, 0))

    def choose(self, low, high):
        """Keep the best state; after enough epochs without a gain, return to it.

        `low` and `high` are bounds of what early stopping maximises. Epochs are
        compared by `low`; one whose `high` exceeds the best `low` may be a gain.
        """
        if self.patience is None:
            return
        if low > self.gained_bound + self.tol:
            self.n_stale, self.gained_bound = 0, low
        elif -np.inf < self.gained_bound >= high - self.tol:
            self.n_stale += self.n_epochs > self.n_warmup
        if low > self.best_bound:  # kept out of the reach of training
            self.best_bound = low
            self.best_state = _copied(self.state, self.best_state)
        if self.n_stale >= self.patience and not self.finishing:
            self.finishing = True
            self.state = _copied(self.best_state, self.state)
            decays = self.schedule != "constant"
            self.n_left = min(self.n_left, self.n_stale) if decays else 0

    def check_outcome(self):
        """Raise FloatingPointError if training has diverged and has not come back."""
        last = self.curve[-1][-1, 2]  # of the rows that are trained on
        reached = last if self.best_state is None else self.best_bound
        if reached < self.lowest:
            raise FloatingPointError(
                f"Epoch {length(self.curve)}: training diverged, rows have "
                f"{reached:.3g} nats on average: make learning_rate ten times smaller."
            )

    def report(self, name):
        """The last epoch as one line, aligned with the lines of other epochs."""
        epoch, seconds, train, validation = self.curve[-1][-1, :4]
        total = str(length(self.curve) + self.n_left)
        held_out = "" if np.isnan(validation) else f"   validation {validation:10.2f}"
        return (
            f"[{name}] epoch {epoch:{len(total)}.0f}/{total} {seconds:7.1f} s   "
            f"train {train:10.2f}{held_out} nats"
        )


def _copied(state, other):
    """A copy of the state, in the memory of the other one where that is possible."""
    if other is None or not hasattr(state, "copied_onto"):
        return copy.deepcopy(state)
    return state.copied_onto(other)


def step_sizes(schedule, learning_rate, positions):
    """Learning rates at positions from 0 to 1 of a schedule.

    "linear" and "cosine" fall from `learning_rate` to zero, "constant" stays.
    """
    if schedule == "linear":
        return learning_rate * (1 - positions)
    if schedule == "cosine":
        return learning_rate * (1 + np.cos(np.pi * positions)) / 2
    return np.full(len(positions), float(learning_rate))


def averaging_share(decay, n_updates, n_earlier):
    """Share of the newest parameters in the running average of all of them.

    `n_updates` were made since the average last moved, `n_earlier` before that. Early
    on the average is over the last tenth of the updates, until `decay` per update
    remembers more than that. A decay of 0 makes the newest parameters the average.
    """
    window = _AVERAGED_SHARE * n_updates
    early = window / (window + n_earlier)
    return max(1 - decay**n_updates, early) if decay else 1.0
