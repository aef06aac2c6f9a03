"""What the generative estimators share: fitting, the score, reconstruction and tags."""

import copy
from contextlib import contextmanager
from functools import partial
from numbers import Real
from typing import NamedTuple

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    DensityMixin,
    TransformerMixin,
)
from sklearn.callback import CallbackSupportMixin
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_is_fitted

from skgen.fitting import (
    EarlyStopping,
    Progress,
    beginning,
    report_line,
    rows_per_update,
    run_epoch,
    step_sizes,
)
from skgen.validation import _fit_context, as_generator, drawn

_SCORED_ROWS = 1000  # training rows behind the learning curve


@contextmanager
def features_kept_on_failure(estimator):
    """Put the number and names of features back if the block does not succeed.

    They are set when input is checked, the fitted attributes when training has ended;
    between the two an error or an interruption must not mix the old and the new.

    Examples
    --------
    >>> from skgen import BinaryRBM
    >>> from skgen.base import features_kept_on_failure
    >>> rbm = BinaryRBM()
    >>> try:
    ...     with features_kept_on_failure(rbm):
    ...         rbm.n_features_in_ = 3
    ...         raise KeyboardInterrupt
    ... except KeyboardInterrupt:
    ...     print(hasattr(rbm, "n_features_in_"))
    False
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


class Course(NamedTuple):
    """What one call of ``fit`` or ``partial_fit`` does."""

    max_iter: int
    schedule: str
    continues: bool
    """From the fitted model, not from the beginning."""
    whole: bool
    """A call of ``fit``: not one pass over some of the data."""


class Unfinished(NamedTuple):
    """A call of ``fit`` that a snapshot was taken of.

    Attributes
    ----------
    course : Course
    n_rows : tuple of int
        Of the X and the X_val it was given, 0 without one.
    progress : Progress
        Without state and history, which the snapshot has itself.
    """

    course: Course
    n_rows: tuple
    progress: Progress


class Job(NamedTuple):
    """What a call of ``fit`` or ``partial_fit`` works with.

    Attributes
    ----------
    course : Course
    n_rows : tuple of int
        Of the X and the X_val it was given, 0 without one.
    X, X_val : ndarray or CSR matrix, X_val also None
        Rows to train on and rows held out, as they are kept while training.
    dtype : numpy.dtype
        Of the X it was given.
    seed : int
        Of what is drawn once: the rows held out, those of the learning curve.
    """

    course: Course
    n_rows: tuple
    X: object
    X_val: object
    dtype: np.dtype
    seed: int


class GenerativeEstimator(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    DensityMixin,
    BaseEstimator,
):
    """Base of estimators with ``transform``, ``score_samples`` and ``sample``.

    A subclass has ``transform``, ``inverse_transform``,
    ``score_samples(X)``, log-likelihoods in nats, and ``sample(n_samples=1, *,
    random_state=None)``, which returns X only, in the dtype of the training data.

    To be fitted it has the parameters that are read here and

    - ``_training_rows(X, *, reset, warn=True)``: X as it is kept while training, and
      its dtype;
    - ``_resamples()``: whether rows of X are probabilities to be drawn from;
    - ``_start(X, rng)``: the state of training before the first update;
    - ``_epoch_of(X, batch_size, course)``: a function (state, learning_rates,
      n_epochs) that trains for an epoch; `n_epochs` are those before each update;
    - ``_evaluate(state, X, X_val)``: scores of the learning curve, and bounds of what
      early stopping maximises; X_val may be None;
    - ``_conclude(state, X, n_rows_seen, course)``: the state to be kept, and the rest
      of what makes a fitted model;
    - ``_conclude_for_now(state, X)``: likewise, for a snapshot;
    - ``_attributes(state, model, dtype)``: the fitted attributes, a dict;
    - ``_scores``: the NamedTuple of the learning curve;
    - ``_to_arrays()``, ``_from_arrays(arrays, n_features)`` and, for the state alone,
      ``_state_to_arrays(state, name)`` and ``_state_from_arrays(arrays, name,
      n_features)``: state and model as a dict of arrays, and taken out of one;
    - ``_fixed_by_fit``: names of parameters that cannot change while training goes on;
    - ``_updates_per_epoch``: what ``batch_size="auto"`` aims at.
    """

    _fixed_by_fit = ("n_components",)
    _updates_per_epoch = 100

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, X_val=None):
        """Fit the model to the rows of X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : Ignored
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
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
        continues = self.warm_start and hasattr(self, "_state")
        course = Course(self.max_iter, self.learning_rate_schedule, continues, True)
        rows = self._rows_for_callbacks(X)
        hooks = {"estimator": self, "X": rows, "y": rows if y is None else y}
        with features_kept_on_failure(self):
            job, progress = self._prepared(X, X_val, course)
            fit_task = self._init_callback_context(max_subtasks=progress.n_left)
            fit_task.call_on_fit_task_begin(**hooks)
            train_epoch = self._epoch_function(job, progress)
            while progress.n_left:
                task = fit_task.subcontext("epoch").call_on_fit_task_begin(**hooks)
                progress = train_epoch(progress)
                snapshot = partial(self._snapshot, job, progress)
                if task.call_on_fit_task_end(
                    **hooks, reconstruction_attributes=snapshot
                ):
                    break
            attributes = self._concluded(job, progress.outcome, progress.history)
        vars(self).update(attributes)
        fit_task.call_on_fit_task_end(**hooks, reconstruction_attributes={})
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None):
        """One pass over the rows of X in mini-batches, from where the model is.

        The learning rate is constant; `max_iter`, `early_stopping`, `warm_start` and
        whatever else counts epochs play no part.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Any number of rows.
        y : Ignored

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
        continues = hasattr(self, "_state")
        course = Course(1, "constant", continues, False)
        with features_kept_on_failure(self):
            job, progress = self._prepared(X, None, course)
            progress = self._epoch_function(job, progress)(progress)
            attributes = self._concluded(job, progress.state, progress.history)
        vars(self).update(attributes)
        return self

    def score(self, X, y=None):
        """Mean log-likelihood of the rows of X.

        In a ``Pipeline`` as in ``score_samples``: in the space of the last step's
        input, not of the pipeline's.

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
        >>> import numpy as np
        >>> from skgen import BinaryRBM
        >>> rbm = BinaryRBM(2, random_state=0).fit([[0, 1], [1, 0], [1, 1]])
        >>> bool(np.log(0.1) < rbm.score([[0, 1], [1, 0]]) < 0)
        True
        """
        return float(np.mean(self.score_samples(X), dtype=np.float64))

    def reconstruct(self, X):
        """Mean of P(x | h) at the features of X, inverse_transform(transform(X)).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_features)

        Examples
        --------
        >>> from skgen import BinaryRBM
        >>> rbm = BinaryRBM(2, random_state=0).fit([[0, 1], [1, 0], [1, 1]])
        >>> rbm.reconstruct([[0, 1]]).shape
        (1, 2)
        """
        return self.inverse_transform(self.transform(X))

    def save(self, path):
        """Write the fitted estimator to one .safetensors file; ``skgen.load`` reads it.

        It holds parameters, model and state of training, and no pickle.

        Parameters
        ----------
        path : str or path-like
            What is there is replaced, in one step.

        Raises
        ------
        ValueError
            Naming what cannot be saved without pickle: networks, likelihoods and
            subclasses of the user's. ``joblib.dump`` saves them.

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
        from skgen.persistence import save

        save(self, path)

    def _generator(self, random_state):
        return as_generator(self.random_state if random_state is None else random_state)

    def _training_generator(self):
        """What fitting draws from."""
        return self._generator(None)

    def _prepared(self, X, X_val, course):
        """The job, and the beginning of training or where it was cut short."""
        state = self._goes_on() if course.continues else None
        unfinished = self._unfinished if course.continues and course.whole else None
        X, dtype = self._training_rows(X, reset=not course.continues)
        n_rows = X.shape[0], 0
        if X_val is not None:
            X_val, _ = self._training_rows(X_val, reset=False, warn=False)
            n_rows = X.shape[0], X_val.shape[0]
        if unfinished is not None:
            _check_same_rows(n_rows, unfinished.n_rows)
            course = unfinished.course
        rng = self._training_generator()
        seed = int(rng.integers(2**31)) if state is None else self._seed
        if X_val is None and self.early_stopping and course.whole and X.shape[0] > 1:
            X, X_val = train_test_split(
                X, test_size=self.validation_fraction, random_state=seed
            )
        job = Job(course, n_rows, X, X_val, dtype, seed)
        if unfinished is not None:
            return job, unfinished.progress._replace(state=state, history=self.history_)
        if state is None:
            return job, beginning(self._start(X, rng), course.max_iter)
        judged = self.early_stopping and X_val is not None
        bound = self._evaluation(job)(state)[1][0] if judged else None
        return job, beginning(
            state, course.max_iter, history=self.history_, bound=bound
        )

    def _epoch_function(self, job, progress):
        """A function from the progress before an epoch to that after it."""
        batch_size = self._rows_per_update(job.X.shape[0])
        n_updates = -(-job.X.shape[0] // batch_size)
        update_all = self._epoch_of(job.X, batch_size, job.course)
        evaluate = self._evaluation(job)
        n_epochs = progress.n_left
        n_epochs += 0 if progress.history is None else len(progress.history)

        def train(state, n_epochs, done):
            shares = np.linspace(*done, n_updates, endpoint=False)
            rates = step_sizes(job.course.schedule, self.learning_rate, shares)
            return update_all(state, rates, n_epochs + np.arange(n_updates) / n_updates)

        def epoch(progress):
            progress = run_epoch(progress, train, evaluate, self._stopping(job))
            if self.verbose:
                print(
                    report_line(type(self).__name__, progress.history[-1], n_epochs),
                    flush=True,
                )
            return progress

        return epoch

    def _evaluation(self, job):
        scored = self._scored_rows(job)
        return lambda state: self._evaluate(state, *scored)

    def _stopping(self, job):
        if not self.early_stopping or job.X_val is None:
            return None
        return EarlyStopping(
            self.n_iter_no_change,
            self.tol,
            job.course.schedule != "constant",
            self._epochs_of_warmup(job.course),
        )

    def _concluded(self, job, state, history):
        """The attributes of the fitted estimator."""
        n_rows_seen = job.X.shape[0] * len(history)
        state, model = self._conclude(state, job.X, n_rows_seen, job.course)
        return self._as_fitted(job, state, model, history)

    def _as_fitted(self, job, state, model, history, unfinished=None):
        fixed = {name: getattr(self, name) for name in self._fixed_by_fit}
        return self._all_attributes(
            state, model, history, job.dtype, job.seed, fixed, unfinished
        )

    def _all_attributes(
        self, state, model, history, dtype, seed, fixed, unfinished=None
    ):
        """Those of the model, and those of every estimator but the features' names."""
        return self._attributes(state, model, dtype) | {
            "history_": history,
            "n_iter_": len(history),
            "_state": state,
            "_seed": seed,
            "_dtype_of_X": dtype,
            "_fixed": fixed,
            "_unfinished": unfinished,
        }

    def _snapshot(self, job, progress):
        """Attributes as if training ended here, and what it takes to go on with it.

        They are of the model as it is, be it the best so far or not.
        """
        kept = copy.deepcopy(progress.kept)  # which a better one will be written over
        bare = progress._replace(state=None, history=None, kept=kept)
        unfinished = Unfinished(job.course, job.n_rows, bare)
        state, rng = copy.deepcopy(progress.state), copy.deepcopy(progress.state.rng)
        state, model = self._conclude_for_now(state, job.X)
        # concluding may draw from the state's generator, going on must not notice it
        state = state._replace(rng=rng)
        return self._as_fitted(job, state, model, progress.history, unfinished)

    def _rows_for_callbacks(self, X):
        """Rows that can be scored; also for y, without which no monitor scores them."""
        if not self._resamples():
            return X
        return lambda: drawn(self._training_rows(X, reset=False)[0], as_generator(0))

    def _goes_on(self):
        """A copy of the model's state, lest failing harm the model."""
        for name, before in self._fixed.items():
            now = getattr(self, name)
            if now is not before and _shown(now) != _shown(before):
                raise ValueError(
                    f"The model was fitted with {name}={before!r} and cannot go on "
                    f"with {now!r}: set it back, or clone the estimator to start anew."
                )
        return copy.deepcopy(self._state)

    def _epochs_of_warmup(self, course):
        """Epochs at the beginning that early stopping does not count."""
        return 0

    def _rows_per_update(self, n_samples):
        return rows_per_update(self.batch_size, n_samples, self._updates_per_epoch)

    def _scored_rows(self, job):
        """Rows behind the learning curve: of the training data, and held out."""
        X, X_val, rng = job.X, job.X_val, as_generator(job.seed)
        if X.shape[0] > _SCORED_ROWS:
            X = X[rng.choice(X.shape[0], _SCORED_ROWS, replace=False)]
        if self._resamples():
            # a generator of its own: dense and sparse rows take different numbers of it
            rng = as_generator(int(rng.integers(2**62)))
            return drawn(X, rng), None if X_val is None else drawn(X_val, rng)
        return X, X_val

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


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
