"""What the generative estimators share: fitting, the score, reconstruction, saving."""

import copy
import time
from abc import ABCMeta, abstractmethod
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from os import PathLike
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    DensityMixin,
    TransformerMixin,
)
from sklearn.callback import CallbackSupportMixin
from sklearn.utils.validation import check_is_fitted

from skgen import persistence, views
from skgen.containers import as_frame, as_numbers
from skgen.curve import EMPTY, as_history, length
from skgen.documentation import DocumentationLink
from skgen.run import Run
from skgen.sources import as_table
from skgen.stream import Stream, extended, warn_if_unlike, warned_if_sorted
from skgen.table import conditions_of, frame_of, read_numbers, with_floats
from skgen.typing import Data, RandomState, Result
from skgen.validation import (
    _fit_context,
    _safe_indexing,
    as_generator,
    check_given,
    check_weights,
    drawn,
)
from skgen.views import View, viewed
from skgen.weights import Split, counted_rows, split

_SCORED_ROWS = 1000  # training rows behind the learning curve
# what `_all_attributes` takes, by the names under which it is kept
_FITTED = (
    "_state",
    "_summary",
    "_curve",
    "_dtype_of_X",
    "_table",
    "_seed",
    "_stream",
    "_fixed",
    "_unfinished",
)


class Rows(NamedTuple):
    """Rows that a call of ``fit`` or ``partial_fit`` works with."""

    X: object
    """To train on, an array or a CSR matrix."""
    weights: object
    """Of these rows, or None where all count the same."""
    scored: tuple
    """Training rows and held-out rows, or None, of the learning curve."""
    dtype: np.dtype
    """Of the X that was given."""
    table: object
    """Of the frame that was given, or None."""
    seed: int
    """Chooses the rows that are held out and the rows of the learning curve."""
    stream: Stream
    """What is known of the rows of all blocks so far."""


class GenerativeEstimator(
    DocumentationLink,
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    DensityMixin,
    BaseEstimator,
    metaclass=ABCMeta,
):
    """Base of estimators with ``transform``, ``score_samples`` and ``sample``.

    A subclass defines the abstract methods and has the parameters that are read here.
    """

    n_features_in_: int
    feature_names_in_: np.ndarray
    n_iter_: int

    _summary: Any

    _fixed_by_fit: ClassVar[tuple[str, ...]] = ("n_components",)
    """Parameters that cannot change while training goes on."""
    _training_parts: ClassVar[tuple[str, ...]] = ()
    """Parts of the state that only further training needs."""
    _scores: ClassVar[Any] = None
    """The NamedTuple of the learning curve."""
    _whole = None
    """The table of a frame of mixed columns, of which ``fit`` is to see a part."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Data,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: Data | None = None,
    ) -> Self:
        """Fit the model to the rows of X, whose order does not matter.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            A frame of pandas or polars comes back from ``sample`` and ``impute``.
        y : Ignored
        sample_weight : array-like of shape (n_samples,), default=None
            A whole number is a count: 2 stands for a row that is there twice, 0 leaves
            it out. Other weights are shares: each epoch draws n_samples rows by them.
            So are counts that add up to more than a million and ten times n_samples.
        X_val : like X, of shape (n_val, n_features), default=None
            Held-out rows, for the learning curve and for early stopping.

        Returns
        -------
        self

        Examples
        --------
        >>> from skgen import BinaryRBM
        >>> BinaryRBM(2, max_iter=10, random_state=0).fit([[0, 1], [1, 1]]).n_iter_
        10
        """
        # some monitors ask for a y
        hooks = {"estimator": self, "X": X, "y": X if y is None else y}
        with features_restored_on_failure(self), self._surroundings():
            rows, run = self._begin(X, X_val, sample_weight, is_fit=True)
            trainer = self._trainer(rows.X, rows.weights, run)
            if run.continues_model:
                # the model there is may stay the best
                run.choose(*self._evaluate(run.state, *rows.scored)[1])
            n_epochs = run.n_left if self.max_time is None else None
            fit_task = self._callback_context(n_epochs)
            fit_task.call_on_fit_task_begin(**hooks)
            while run.n_left:
                task = fit_task.subcontext("epoch").call_on_fit_task_begin(**hooks)
                with run.epoch():
                    run.state = self._train_epoch(trainer, run)
                    scores, bounds = self._evaluate(run.state, *rows.scored)
                run.record(scores)
                run.choose(*bounds)
                self._report(run)
                snapshot = partial(self._snapshot, rows, run)
                stops = task.call_on_fit_task_end(
                    **hooks, reconstruction_attributes=snapshot
                )
                if self._ends(run, stops):
                    break
            attributes = self._finish(rows, run)
        self.__dict__.update(attributes)
        fit_task.call_on_fit_task_end(**hooks, reconstruction_attributes={})
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Data, y: object = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """One pass over the rows of X in mini-batches, from where the model is.

        The learning rate is constant. `max_iter`, `early_stopping`, `warm_start` and
        all other parameters that count epochs have no effect.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Any number of rows.
        y : Ignored
        sample_weight : array-like of shape (n_samples,), default=None
            As in ``fit``.

        Returns
        -------
        self

        Examples
        --------
        >>> from skgen import BinaryRBM
        >>> rbm = BinaryRBM(2, random_state=0)
        >>> rbm.partial_fit([[0, 1]]).partial_fit([[1, 1], [1, 0]]).n_iter_
        2
        """
        with features_restored_on_failure(self), self._surroundings():
            rows, run = self._begin(X, None, sample_weight, is_fit=False)
            trainer = self._trainer(rows.X, rows.weights, run)
            with run.epoch():
                run.state = self._train_epoch(trainer, run)
                scores, _ = self._evaluate(run.state, *rows.scored)
            run.record(scores)
            self._report(run)
            attributes = self._finish(rows, run)
        self.__dict__.update(attributes)
        return self

    def score(self, X: Data, y: object = None) -> float:
        """Mean log-likelihood of the rows of X.

        In a ``Pipeline`` the rows are what the last step is given.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : Ignored

        Returns
        -------
        float
            Nats per row.

        Examples
        --------
        >>> from skgen import BinaryRBM
        >>> rbm = BinaryRBM(2, random_state=0).fit([[0, 1], [1, 0], [1, 1]])
        >>> log_p = rbm.score_samples([[0, 1], [1, 0]])
        >>> bool(rbm.score([[0, 1], [1, 0]]) == log_p.mean())
        True
        """
        return float(np.mean(self.score_samples(X), dtype=np.float64))

    def reconstruct(self, X: Data) -> Result:
        """Mean of P(x | h) at the features of X, inverse_transform(transform(X)).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_features)

        Examples
        --------
        >>> import numpy as np
        >>> from skgen import BinaryRBM
        >>> X = np.repeat([[0, 0, 0], [1, 1, 1]], 100, axis=0)
        >>> rbm = BinaryRBM(2, random_state=0).fit(X)
        >>> rbm.reconstruct([[0, 0, 1], [1, 1, 1]]).round()
        array([[0., 0., 0.],
               [1., 1., 1.]])
        """
        return self.inverse_transform(self.transform(X))

    def save(self, path: str | PathLike[str], *, training_state: bool = True) -> None:
        """Write the fitted estimator to one .safetensors file; ``skgen.load`` reads it.

        The file holds the parameters, the model and the state of training. It holds no
        pickle, and reading it runs no code.

        Parameters
        ----------
        path : str or path-like
            A file that is there is replaced, in one step, and its mode is kept. The
            target of a symlink is replaced. A pipe or a device is written to.
        training_state : bool, default=True
            False: as after ``drop_training_state``, which makes a smaller file.

        Raises
        ------
        ValueError
            Naming what cannot be saved without pickle: your own networks, likelihoods
            and subclasses. ``joblib.dump`` saves them.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> import skgen
        >>> rbm = skgen.BinaryRBM(2, max_iter=5, random_state=0).fit([[0, 1], [1, 0]])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "rbm.safetensors"
        ...     rbm.save(path)
        ...     skgen.load(path).score([[0, 1]]) == rbm.score([[0, 1]])
        True
        """
        check_is_fitted(self)
        persistence.save(self if training_state else self._without_training(), path)

    def drop_training_state(self) -> Self:
        """Forget what only further training needs, so that files are smaller.

        The model scores and samples as before. Its files and pickles hold the weights
        once, in place of three times (``BinaryRBM``) or four times
        (``VariationalAutoencoder``). More training continues from the weights, as
        after any end of training, but without the averages of earlier gradients.

        Returns
        -------
        self

        Examples
        --------
        >>> import pickle
        >>> from skgen import BinaryRBM
        >>> X = [[0, 1] * 50, [1, 0] * 50]
        >>> rbm = BinaryRBM(500, max_iter=5, n_chains=10, random_state=0).fit(X)
        >>> before = len(pickle.dumps(rbm))
        >>> len(pickle.dumps(rbm.drop_training_state())) < before / 2
        True
        """
        check_is_fitted(self)
        self.__dict__.update(vars(self._without_training()))
        return self

    def _without_training(self):
        """An estimator that shares everything but the state of training."""
        other = copy.copy(self)
        other._state = self._state._replace(**dict.fromkeys(self._training_parts))
        other._unfinished = None
        return other

    def __copy__(self):
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        return other

    def __getstate__(self):
        """What is pickled: as in a file, where one can hold the model.

        So a pickle needs no class but this one, as skops asks of what it loads.
        """
        state = super().__getstate__()
        if not hasattr(self, "_state"):
            return state
        try:
            saved = persistence.described(self)
        except ValueError:
            return state
        known = self._all_attributes(*(getattr(self, name) for name in _FITTED))
        known |= self.get_params(deep=False)
        # what somebody else has set stays set
        other = {
            n: state[n] for n in state if n not in known or _differs(known[n], state[n])
        }
        return other | {"_saved": saved}

    def __setstate__(self, state):
        saved = state.get("_saved")
        super().__setstate__({name: state[name] for name in state if name != "_saved"})
        if saved is not None:
            document, arrays = saved
            model = vars(persistence.restored(document, dict(arrays)))
            vars(self).update({name: model[name] for name in model.keys() - state})

    @property
    def history_(self) -> np.recarray:
        """The learning curve, one record for each epoch."""
        check_is_fitted(self)
        return as_history(self._curve, self._scores)

    @abstractmethod
    def transform(self, X: Data) -> Result:
        """Features of the rows of X, shape (n_samples, n_components)."""

    @abstractmethod
    def inverse_transform(self, X: Data) -> Result:
        """Mean of P(x | h) for each row h of X, shape (n_samples, n_features)."""

    @abstractmethod
    def score_samples(self, X: Data) -> Result:
        """Log-likelihood of each row of X in nats, shape (n_samples,)."""

    @abstractmethod
    def sample(self, n_samples: int = 1, *, random_state: RandomState = None) -> Result:
        """New rows in the dtype of the training data, shape (n_samples, n_features)."""

    @abstractmethod
    def _training_rows(self, X, table, *, reset, name="X"):
        """X as it is kept while training, checked, and its dtype.

        The table describes the frame that defined the features, None an array. Errors
        call X by its name. Data of another name give no warnings.
        """

    @abstractmethod
    def _initial_state(self, X, every, table, rng):
        """The state of training before the first update.

        X is in memory. `every` has all rows, of which X may be some.
        """

    @abstractmethod
    def _mean_and_deviation(self, state):
        """Of each column of the rows that a model has seen, as far as it knows."""

    def _adapted(self, state, X):
        """The state of a model that is about to go on with rows it has not seen."""
        return state

    def _prepared(self, state, X, name="X"):
        """Rows as the model of this state sees them."""
        return X

    @abstractmethod
    def _trainer(self, X, weights, run):
        """What all epochs on the rows of X share; it is handed to `_train_epoch`."""

    @abstractmethod
    def _train_epoch(self, trainer, run):
        """The state after an epoch from ``run.state``, whose arrays may be reused."""

    @abstractmethod
    def _evaluate(self, state, X, X_val):
        """Scores of the learning curve, and (low, high) bounds for early stopping.

        The bounds are of what early stopping maximises. X_val may be None.
        """

    @abstractmethod
    def _conclude(self, state, X, run, *, for_snapshot=False):
        """The state to be kept, and a NamedTuple of what else is known of the model.

        A snapshot is taken in the middle of training and has to be cheap.
        """

    @abstractmethod
    def _attributes(self, state, summary, dtype):
        """The fitted attributes of this class, from what `_conclude` returns."""

    @abstractmethod
    def _template(self, arrays, n_features, table):
        """A fresh state and summary of the sizes that a file with these arrays has."""

    @property
    def _columns(self):
        """The names of columns for errors, None if they are no text."""
        return getattr(self, "feature_names_in_", None)

    def _surroundings(self):
        """The context that training needs, whatever the caller's is."""
        return nullcontext()

    def _table_of(self, X):
        """What describes the columns of a frame; None of an array."""
        frame = as_frame(X)
        return None if frame is None else read_numbers(frame)

    def _as_given(self, X, like=None, *, means=False):
        """Rows as a frame if the model was fitted to one, with the index of `like`.

        Means of 0/1 or integers are floats, unless columns have kinds of their own.
        """
        if self._table is None:
            return X
        return frame_of(with_floats(self._table) if means else self._table, X, like)

    def _conditions(self, given, n_samples):
        """What is given of each row to draw, a float64 array with NaN elsewhere."""
        table = self._table
        if isinstance(given, str):
            raise ValueError(
                f"given is {given!r}: pass a dict {{column: value}}, or rows with NaN "
                f"where nothing is given."
            )
        if isinstance(given, dict):
            for column, value in given.items():
                if np.ndim(value):
                    raise ValueError(
                        f"given has {value!r} for the column {column!r}: pass one "
                        f"value, or a frame with a row for each sample."
                    )
            if table is None:
                row = _by_number(given, self.n_features_in_)
            else:
                row = conditions_of(table, given)
            return np.repeat(row, n_samples, axis=0)
        if table is None or as_frame(given, "given") is None:
            rows = check_given(self, given)
        else:
            rows = conditions_of(table, given)
        if n_samples not in (1, len(rows)):
            raise ValueError(
                f"given has {len(rows)} rows, which are as many samples: leave out "
                f"n_samples={n_samples}."
            )
        return rows

    def _generator(self, random_state):
        return as_generator(self.random_state if random_state is None else random_state)

    def _callback_context(self, n_epochs):
        return self._init_callback_context(max_subtasks=n_epochs)

    def _report(self, run):
        """Print a line about the last epoch, if asked for."""
        if self.verbose:
            print(run.report(type(self).__name__), flush=True)

    def _ends(self, run, stops):
        """Whether training ends after an epoch, as a callback may want."""
        return stops

    def _gathers(self):
        """Whether ``partial_fit`` starts anew while there are few rows."""
        return True

    def _in_all(self, n_rows):
        """The number of rows, or its sum over all processes."""
        return n_rows

    def _anywhere(self, flag):
        """The flag, or whether it is set on any process."""
        return flag

    def _training_generator(self):
        """What fitting draws from."""
        return self._generator(None)

    def _draws_rows(self):
        """Whether rows of X are probabilities, drawn anew every epoch."""
        return self.binarize == "sample"

    def _rows_per_update(self, n_samples, n_typical=None):
        """At most `n_samples`, as is suitable for `n_typical` rows in all."""
        auto = self.batch_size == "auto"
        size = self._suitable_batch(n_typical or n_samples) if auto else self.batch_size
        return min(size, n_samples)

    @staticmethod
    @abstractmethod
    def _suitable_batch(n_samples):
        """What ``batch_size="auto"`` stands for."""

    def _begin(self, X, X_val, sample_weight, *, is_fit):
        """The rows, and the run at its beginning or where it was cut short."""
        started = time.perf_counter()
        resumes = hasattr(self, "_state") and (self.warm_start or not is_fit)
        state = self._state_to_resume() if resumes else None
        X, X_val, weights, dtype, table = self._given(X, X_val, sample_weight, resumes)
        n_rows = X.shape[0], 0 if X_val is None else X_val.shape[0]
        n_rows = tuple(map(self._in_all, n_rows))
        unfinished = self._unfinished if resumes and is_fit else None
        if unfinished is not None:
            _check_same_rows(n_rows, unfinished.n_rows)
        rng = self._training_generator()
        seed = self._seed if resumes else int(rng.integers(2**31))
        parts = self._split(X, X_val, weights, seed, is_fit)
        X_val = parts.X_val if X_val is None else X_val
        is_patient = self._anywhere(X_val is not None)
        stream, starts = self._stream if resumes else Stream(), not resumes
        if is_fit:
            stream = Stream(stream.n_rows + parts.X.shape[0], stream.is_sorted)
        else:
            stream, parts, starts = extended(stream, parts, gathers=self._gathers())
        scored = self._scored_rows(parts.typical, X_val, seed)
        if n_rows[1] and scored[1] is not None:
            warn_if_unlike(scored[0], scored[1][:_SCORED_ROWS])
        if unfinished is not None:
            best = copy.deepcopy(unfinished.best_state)
            run = replace(unfinished, state=state, best_state=best, curve=self._curve)
        else:
            if not starts and not is_fit:
                spread = self._mean_and_deviation(state)
                stream = warned_if_sorted(stream, parts.typical, *spread)
            state = self._state_to_train(state, starts, parts, table, rng)
            n_typical = parts.X.shape[0] if is_fit else stream.n_rows
            run = self._new_run(state, is_fit, n_rows, n_typical, is_patient, resumes)
        rows = self._prepared_rows(run.state, parts, scored)
        run.seconds += time.perf_counter() - started
        return Rows(*rows, dtype, table, seed, stream), run

    def _given(self, X, X_val, sample_weight, resumes):
        """X, X_val and weights as they are kept while training, dtype and table."""
        X = as_table(X)
        weights = check_weights(sample_weight, X)
        if weights is not None and as_frame(X) is not None:
            # a table is described by the rows that count
            counted, weights = counted_rows(weights)
            X = _safe_indexing(X, counted)
        table = self._table if resumes else self._table_of(X)
        X, dtype = self._training_rows(X, table, reset=not resumes)
        if X_val is not None:
            X_val, _ = self._training_rows(X_val, table, reset=False, name="X_val")
        return X, X_val, weights, dtype, table

    def _state_to_train(self, state, starts, parts, table, rng):
        """The state before the first update, of a model that starts or goes on."""
        if not starts:
            return self._adapted(state, parts.every)
        rng = rng if state is None else state.rng
        return self._initial_state(parts.typical, parts.every, table, rng)

    def _prepared_rows(self, state, parts, scored):
        """Rows to train on, their weights, and the rows of the learning curve."""
        train, held_out = scored
        X, train = (self._prepared(state, part) for part in (parts.X, train))
        if held_out is not None:
            held_out = self._prepared(state, held_out, "X_val")
        return X, parts.weights, (train, held_out)

    def _split(self, X, X_val, weights, seed, is_fit):
        """The rows of X to train on, and rows that are held out."""
        X = viewed(X)
        if not is_fit and isinstance(X, View) and X.size <= views.LARGEST:
            X = X[:]  # a block of a file or of a cluster
        if not is_fit and weights is None and not isinstance(X, View):
            return Split(X, None, X, None)
        holds_out = is_fit and self.early_stopping and X_val is None
        fraction = self.validation_fraction if holds_out else 0
        return split(X, weights, fraction, seed, in_order=not is_fit)

    def _new_run(self, state, is_fit, n_rows, n_typical, patient, resumes):
        run = Run(
            state,
            n_left=self.max_iter if is_fit else 1,
            schedule=self.learning_rate_schedule if is_fit else "constant",
            is_fit=is_fit,
            n_rows=n_rows,
            patience=self.n_iter_no_change if self.early_stopping and patient else None,
            tol=float(self.tol),
            max_time=self.max_time if is_fit else None,
            n_typical=n_typical,
        )
        if resumes:  # the learning curve of the model there is
            run.curve = self._curve
            run.seconds = run.seconds_before = float(self._curve[-1][-1, 1])
        elif is_fit:
            run.n_warmup = getattr(self, "kl_warmup", 0)
        return run

    def _state_to_resume(self):
        """A copy of the model's state, so that a failure does not harm the model."""
        for name, before in self._fixed.items():
            now = getattr(self, name)
            if now is not before and _shown(now) != _shown(before):
                raise ValueError(
                    f"The model was fitted with {name}={before!r} and cannot go on "
                    f"with {now!r}: set it back, or clone the estimator to start anew."
                )
        state = copy.deepcopy(self._state)
        if any(getattr(state, part) is None for part in self._training_parts):
            return self._with_training_parts(state)
        return state

    @abstractmethod
    def _with_training_parts(self, state):
        """The state as training begins, from the model that is there."""

    def _scored_rows(self, X, X_val, seed):
        """Rows of the learning curve: training rows, and those held out or None."""
        rng = as_generator(seed)
        if X.shape[0] > _SCORED_ROWS:
            X = X[rng.choice(X.shape[0], _SCORED_ROWS, replace=False)]
        if self._draws_rows():
            return drawn(X), None if X_val is None else drawn(X_val)
        return X, X_val

    def _finish(self, rows, run):
        """The attributes of the fitted estimator."""
        run.check_outcome()
        state, summary = self._conclude(run.outcome, rows.X, run)
        return self._as_fitted(rows, state, summary, run.curve)

    def _snapshot(self, rows, run):
        """Attributes as if training ended here, and what it takes to resume it.

        They describe the model as it is now, even if an earlier state was better.
        """
        best = copy.deepcopy(run.best_state)  # training will write over it
        unfinished = replace(run, state=None, curve=EMPTY, best_state=best)
        state, rng = copy.deepcopy(run.state), copy.deepcopy(run.state.rng)
        state, summary = self._conclude(state, rows.X, run, for_snapshot=True)
        # concluding may draw from the state's generator; training must not notice
        state = state._replace(rng=rng)
        return self._as_fitted(rows, state, summary, run.curve, unfinished)

    def _as_fitted(self, rows, state, summary, curve, unfinished=None):
        parts = state, summary, curve, rows.dtype, rows.table, rows.seed, rows.stream
        fixed = {name: getattr(self, name) for name in self._fixed_by_fit}
        return self._all_attributes(*parts, fixed, unfinished)

    def _all_attributes(
        self, state, summary, curve, dtype, table, seed, stream, fixed, unfinished
    ):
        """All fitted attributes except the number and the names of the features."""
        return self._attributes(state, summary, dtype) | {
            "n_iter_": length(curve),
            "_curve": curve,
            "_state": state,
            "_summary": summary,
            "_seed": seed,
            "_dtype_of_X": dtype,
            "_table": table,
            "_stream": stream,
            "_fixed": fixed,
            "_unfinished": unfinished,
        }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


@contextmanager
def features_restored_on_failure(estimator):
    """Put the number and names of features back if the block does not succeed.

    They are set when input is checked, the fitted attributes when training has ended.
    An error or an interruption in between must not mix the old and the new.
    """
    names = ("n_features_in_", "feature_names_in_")
    before = {name: vars(estimator)[name] for name in names if name in vars(estimator)}
    try:
        yield
    except BaseException:
        for name in names:
            vars(estimator).pop(name, None)
        vars(estimator).update(before)
        raise


def _differs(array, other):
    """Whether an array was exchanged or changed."""
    return isinstance(array, np.ndarray) and not np.array_equal(array, other)


def _by_number(given, n_features):
    """A row with these values by number of column, NaN elsewhere."""
    row = np.full((1, n_features), np.nan)
    for column, value in given.items():
        if not isinstance(column, Integral) or not 0 <= column < n_features:
            raise ValueError(
                f"given has the column {column!r}: use the numbers of columns, 0 to "
                f"{n_features - 1}."
            )
        row[0, column] = as_numbers([[value]], "given")[0, 0]
    return row


def _shown(value):
    """A parameter as text, the same for equal numbers and sequences of any type."""
    if isinstance(value, Real) and not isinstance(value, bool):
        return repr(float(value))
    if isinstance(value, (list, tuple, np.ndarray)):
        return str([_shown(item) for item in value])
    return repr(value)


def _check_same_rows(n_rows, n_rows_before):
    if n_rows != n_rows_before:
        raise ValueError(
            f"X and X_val have {n_rows} rows, but had {n_rows_before} in the fit that "
            f"was cut short: pass the same to finish it, or set warm_start=False to "
            f"start anew."
        )
