"""What the generative estimators share: fitting, the score, reconstruction and tags."""

import copy
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    DensityMixin,
    TransformerMixin,
)
from sklearn.model_selection import train_test_split

from skgen.fitting import (
    EarlyStopping,
    report_line,
    rows_per_update,
    run_epochs,
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


class GenerativeEstimator(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, DensityMixin, BaseEstimator
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
    - ``_store(state, model, dtype)``: sets the fitted attributes;
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
        return self._fit(X, X_val, course)

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
        return self._fit(X, None, Course(1, "constant", continues, False))

    def score(self, X, y=None):
        """Mean log-likelihood of the rows of X.

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

    def _generator(self, random_state):
        return as_generator(self.random_state if random_state is None else random_state)

    def _training_generator(self):
        """What fitting draws from."""
        return self._generator(None)

    def _fit(self, X, X_val, course):
        with features_kept_on_failure(self):
            state = self._goes_on() if course.continues else None
            X, dtype = self._training_rows(X, reset=not course.continues)
            rng = self._training_generator()
            seed = self._seed if course.continues else int(rng.integers(2**31))
            if X_val is not None:
                X_val, _ = self._training_rows(X_val, reset=False, warn=False)
            elif self.early_stopping and course.whole and X.shape[0] > 1:
                X, X_val = train_test_split(
                    X, test_size=self.validation_fraction, random_state=seed
                )
            if state is None:
                state = self._start(X, rng)
            state, history = self._run(state, X, X_val, course)
            n_rows_seen = X.shape[0] * int(history.epoch[-1])
            state, model = self._conclude(state, X, n_rows_seen, course)
        self._store(state, model, dtype)
        self.history_ = history
        self.n_iter_ = len(history)
        self._state = state
        self._seed = seed
        self._dtype_of_X = dtype
        self._fixed = {name: getattr(self, name) for name in self._fixed_by_fit}
        return self

    def _goes_on(self):
        """A copy of the model's state, lest failing harm the model."""
        for name, before in self._fixed.items():
            now = getattr(self, name)
            if now is not before and repr(now) != repr(before):
                raise ValueError(
                    f"The model was fitted with {name}={before!r} and cannot go on "
                    f"with {now!r}: set it back, or clone the estimator to start anew."
                )
        return copy.deepcopy(self._state)

    def _run(self, state, X, X_val, course):
        """Epochs of training, scored on some training rows and on the held-out ones."""
        earlier = self.history_ if course.continues else None
        n_earlier = 0 if earlier is None else len(earlier)
        batch_size = self._rows_per_update(X.shape[0])
        n_updates = -(-X.shape[0] // batch_size)
        train_epoch = self._epoch_of(X, batch_size, course)
        scored = self._scored_rows(X, X_val, state.rng)

        def train(state, epoch, done):
            shares = np.linspace(*done, n_updates, endpoint=False)
            rates = step_sizes(course.schedule, self.learning_rate, shares)
            n_epochs = epoch - n_earlier - 1 + np.arange(n_updates) / n_updates
            return train_epoch(state, rates, n_epochs)

        stopping = None
        if self.early_stopping and X_val is not None:
            cools = course.schedule != "constant"
            stopping = EarlyStopping(
                self.n_iter_no_change, self.tol, cools, self._epochs_of_warmup(course)
            )
        last = n_earlier + course.max_iter
        return run_epochs(
            state,
            train,
            lambda state: self._evaluate(state, *scored),
            epochs=range(n_earlier + 1, last + 1),
            early_stopping=stopping,
            report=report_line(type(self).__name__, last) if self.verbose else None,
            earlier=earlier,
        )

    def _epochs_of_warmup(self, course):
        """Epochs at the beginning that early stopping does not count."""
        return 0

    def _rows_per_update(self, n_samples):
        return rows_per_update(self.batch_size, n_samples, self._updates_per_epoch)

    def _scored_rows(self, X, X_val, rng):
        """Rows behind the learning curve: of the training data, and held out."""
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
