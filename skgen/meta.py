"""What one does with a density: find outliers, tell classes apart, fill gaps in.

Three meta-estimators that take any estimator of a density with ``score_samples``, of
skgen or of scikit-learn.
"""

from numbers import Real
from typing import Any, ClassVar, Self

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.special import logsumexp, softmax
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    OneToOneFeatureMixin,
    OutlierMixin,
    TransformerMixin,
    clone,
)
from sklearn.utils import Bunch, column_or_1d, get_tags
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    assert_all_finite,
    check_array,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from skgen.containers import as_frame, as_numbers
from skgen.documentation import DocumentationLink
from skgen.gibbs import Grid, conditional_rows
from skgen.typing import Data, RandomState, Result
from skgen.validation import (
    Interval,
    StrOptions,
    _fit_context,
    _routing_enabled,
    _safe_indexing,
    as_generator,
    check_weights,
)
from skgen.weights import counted_rows


class _DensityUser(DocumentationLink, BaseEstimator):
    """Base of meta-estimators that fit a clone of `estimator`, a density."""

    estimator: Any
    n_features_in_: int
    feature_names_in_: np.ndarray

    _parameter_constraints: ClassVar[dict[str, Any]] = {"estimator": "no_validation"}

    def _fitted(self, X, params, whole=None):
        """A clone of the density, fitted to rows of X, a part of a `whole` table."""
        if not hasattr(self.estimator, "score_samples"):
            raise TypeError(
                f"estimator={self.estimator!r} has no score_samples: pass an estimator "
                f"of a density, such as VariationalAutoencoder or GaussianMixture."
            )
        density = clone(self.estimator)
        if whole is None:
            return density.fit(X, **params)
        density._whole = whole
        density.fit(X, **params)
        del density._whole
        return density

    def _check_columns(self, X, reset=False):
        """Columns are those of ``fit``; what else is wrong the density says."""
        X = _indexable(X)
        if len(X.shape) == 2:
            validate_data(self, X, reset=reset, skip_check_array=True)

    def _for_density(self, params):
        """What of the metadata of ``fit`` the density takes."""
        if _routing_enabled():
            return process_routing(self, "fit", **params).estimator.fit
        return Bunch(**params)

    def get_metadata_routing(self) -> MetadataRouter:
        """How metadata reach the density.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRouter

        Examples
        --------
        >>> from sklearn.mixture import GaussianMixture
        >>> from skgen.meta import DensityOutlierDetector
        >>> router = DensityOutlierDetector(GaussianMixture()).get_metadata_routing()
        >>> router.consumes("fit", ["sample_weight"])
        set()
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        router = MetadataRouter(owner=self)
        return router.add(estimator=self.estimator, method_mapping=mapping)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator).input_tags
        tags.input_tags.sparse = inner.sparse
        tags.input_tags.allow_nan = inner.allow_nan
        return tags


class DensityOutlierDetector(OutlierMixin, _DensityUser):
    """Outliers are rows of low density, or of unusual combinations.

    The score of a row is log p(x). With ``relative_to="independent"`` it is
    log p(x) - log q(x), where q is the density of the same columns if they were
    independent. The threshold is a quantile of the scores of the training rows.

    Parameters
    ----------
    estimator : estimator
        Of a density, with ``fit`` and ``score_samples``. It is cloned.
    contamination : float, default=0.1
        The share of the training rows that are outliers, in (0, 0.5].
    relative_to : {None, "independent"}, default=None
        None: a row with a rare value is an outlier. "independent": a rare value counts
        for nothing, and a row whose values do not belong together is an outlier. A
        second density is then fitted, to rows whose columns are shuffled one by one.
    random_state : int, RandomState instance or None, default=None
        Shuffles the columns.

    Attributes
    ----------
    estimator_ : estimator
        The fitted density.
    independent_ : estimator or None
        The density of independent columns.
    offset_ : float
        The score below which a row is an outlier, nats.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)

    Notes
    -----
    A row with gaps has the density of what is observed, if the density takes gaps. It
    depends on how much is observed: compare rows of the same gaps.

    The ratio to a background density is that of [1]_.

    References
    ----------
    .. [1] J. Ren et al., "Likelihood Ratios for Out-of-Distribution Detection",
       NeurIPS 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.mixture import GaussianMixture
    >>> from skgen.meta import DensityOutlierDetector
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> detector = DensityOutlierDetector(GaussianMixture(), contamination=0.05).fit(X)
    >>> detector.predict([[0, 0], [4, 4]])
    array([ 1, -1])

    Both columns of the last row are ordinary, but not together:

    >>> X[:, 1] = X[:, 0] + 0.1 * X[:, 1]
    >>> detector = DensityOutlierDetector(
    ...     GaussianMixture(), contamination=0.05, relative_to="independent"
    ... ).fit(X)
    >>> detector.predict([[2, 2], [1, -1]])
    array([ 1, -1])
    """

    _parameter_constraints = _DensityUser._parameter_constraints | {
        "contamination": [Interval(Real, 0, 0.5, closed="right")],
        "relative_to": [StrOptions({"independent"}), None],
        "random_state": ["random_state"],
    }

    estimator_: Any
    independent_: Any
    offset_: float

    def __init__(
        self,
        estimator: Any,
        *,
        contamination: float = 0.1,
        relative_to: str | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.estimator = estimator
        self.contamination = contamination
        self.relative_to = relative_to
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Data, y: object = None, **params: Any) -> Self:
        """Fit the density, and set the threshold.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
        y : Ignored
        **params : dict
            Passed to ``fit`` of the density, by scikit-learn's metadata routing if that
            is enabled.

        Returns
        -------
        self

        Examples
        --------
        >>> from sklearn.neighbors import KernelDensity
        >>> from skgen.meta import DensityOutlierDetector
        >>> detector = DensityOutlierDetector(KernelDensity()).fit([[0], [1], [9]])
        >>> detector.predict([[0.5], [90]])
        array([ 1, -1])
        """
        params = self._for_density(params)
        self.estimator_ = self._fitted(X, params)
        self._check_columns(X, reset=True)
        weights = check_weights(params.get("sample_weight"), X)
        self.independent_ = None
        if self.relative_to == "independent":
            rng = as_generator(self.random_state)
            shuffled = _shuffled_columns(_indexable(X), weights, rng)
            self.independent_ = self._fitted(shuffled, {})
        if weights is not None:
            rows, weights = counted_rows(weights)
            X = _safe_indexing(_indexable(X), rows)
        scores = self._scores(X)
        method = "linear" if weights is None else "inverted_cdf"
        options = {"weights": weights, "method": method}
        self.offset_ = float(np.quantile(scores, self.contamination, **options))
        return self

    def score_samples(self, X: Data) -> np.ndarray:
        """Log density of each row, or its log ratio to independent columns, nats.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)

        Examples
        --------
        >>> from sklearn.mixture import GaussianMixture
        >>> from skgen.meta import DensityOutlierDetector
        >>> detector = DensityOutlierDetector(GaussianMixture()).fit([[-1], [1]])
        >>> detector.score_samples([[0.0]]).round(2)
        array([-0.92])
        """
        check_is_fitted(self)
        self._check_columns(X)
        return self._scores(X)

    def _scores(self, X):
        scores = self.estimator_.score_samples(X)
        if self.independent_ is None:
            return scores
        return scores - self.independent_.score_samples(X)

    def decision_function(self, X: Data) -> np.ndarray:
        """``score_samples`` less ``offset_``: negative for outliers.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)

        Examples
        --------
        >>> from sklearn.mixture import GaussianMixture
        >>> from skgen.meta import DensityOutlierDetector
        >>> detector = DensityOutlierDetector(GaussianMixture()).fit([[-1], [0], [1]])
        >>> bool(detector.decision_function([[5.0]])[0] < 0)
        True
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Data) -> np.ndarray:
        """-1 for outliers, 1 for other rows.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of int of shape (n_samples,)

        Examples
        --------
        >>> from sklearn.mixture import GaussianMixture
        >>> from skgen.meta import DensityOutlierDetector
        >>> detector = DensityOutlierDetector(GaussianMixture()).fit([[-1], [0], [1]])
        >>> detector.predict([[5.0]])
        array([-1])
        """
        return np.where(self.decision_function(X) < 0, -1, 1)


class GenerativeClassifier(ClassifierMixin, _DensityUser):
    """Bayes' theorem with a density for each class.

    P(class | x) is proportional to p(x | class) P(class). A row with gaps is classified
    by what is observed, if the density takes gaps.

    Parameters
    ----------
    estimator : estimator
        Of a density, with ``fit`` and ``score_samples``. A clone is fitted to the rows
        of each class.
    priors : array-like of shape (n_classes,), default=None
        P(class), in the order of ``classes_``. None: shares of the training rows.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    estimators_ : list of estimators
        The fitted density of each class.
    priors_ : ndarray of shape (n_classes,)
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.mixture import GaussianMixture
    >>> from skgen.meta import GenerativeClassifier
    >>> X, y = load_wine(return_X_y=True)
    >>> density = GaussianMixture(covariance_type="diag", random_state=0)
    >>> classifier = GenerativeClassifier(density).fit(X[::2], y[::2])
    >>> bool(classifier.score(X[1::2], y[1::2]) > 0.9)
    True
    """

    _parameter_constraints = _DensityUser._parameter_constraints | {
        "priors": ["array-like", None],
    }

    classes_: np.ndarray
    estimators_: list[Any]
    priors_: np.ndarray

    def __init__(self, estimator: Any, *, priors: ArrayLike | None = None) -> None:
        self.estimator = estimator
        self.priors = priors

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Data, y: ArrayLike, **params: Any) -> Self:
        """Fit a density to the rows of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        **params : dict
            Passed to ``fit`` of the densities, by scikit-learn's metadata routing if
            that is enabled. What has a value for each row, such as sample_weight, is
            divided among them.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Naming the class, if the density cannot be fitted to its rows.

        Examples
        --------
        >>> from sklearn.neighbors import KernelDensity
        >>> from skgen.meta import GenerativeClassifier
        >>> classifier = GenerativeClassifier(KernelDensity())
        >>> classifier.fit([[0], [1], [8]], ["low", "low", "high"]).predict([[7]])
        array(['high'], dtype='<U4')
        """
        X = _indexable(X)
        validate_data(self, X, y, skip_check_array=True)
        check_consistent_length(X, y)
        y = column_or_1d(y, warn=True)
        if np.size(y) == 0:
            raise ValueError("Found array with 0 sample(s), while 1 is required.")
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        params = self._for_density(params)
        self.classes_, codes = np.unique(y, return_inverse=True)
        labels = self.classes_.tolist()
        totals = np.bincount(codes, params.get("sample_weight"))
        if not totals.all():
            raise ValueError(
                f"The rows of class {labels[np.argmin(totals)]!r} have a sample_weight "
                f"of 0 in all: leave them out."
            )
        self.priors_ = _checked_priors(self.priors, totals / totals.sum())
        whole = self._whole_table(X)
        self.estimators_ = []
        for code, label in enumerate(labels):
            rows = np.flatnonzero(codes == code)
            parts = {n: _part(v, rows, len(codes)) for n, v in params.items()}
            try:
                density = self._fitted(_safe_indexing(X, rows), parts, whole)
            except ValueError as error:
                raise ValueError(
                    f"The density of class {label!r} cannot be fitted to its "
                    f"{len(rows)} rows: {error}"
                ) from error
            self.estimators_.append(density)
        return self

    def _whole_table(self, X):
        """What describes the mixed columns of all classes, if the density knows it."""
        if as_frame(X) is None or not hasattr(self.estimator, "_table_of"):
            return None
        table = self.estimator._table_of(X)
        return table if table.mixed else None

    def predict_joint_log_proba(self, X: Data) -> np.ndarray:
        """log p(x, class), nats.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)

        Examples
        --------
        >>> from sklearn.neighbors import KernelDensity
        >>> from skgen.meta import GenerativeClassifier
        >>> classifier = GenerativeClassifier(KernelDensity()).fit([[0], [1]], [0, 1])
        >>> classifier.predict_joint_log_proba([[0]]).round(2)
        array([[-1.61, -2.11]])
        """
        check_is_fitted(self)
        self._check_columns(X)
        scores = [density.score_samples(X) for density in self.estimators_]
        return np.column_stack(scores) + self._log_priors()

    def _log_priors(self):
        with np.errstate(divide="ignore"):
            return np.log(self.priors_)

    def predict_log_proba(self, X: Data) -> np.ndarray:
        """log P(class | x).

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)

        Examples
        --------
        >>> from sklearn.neighbors import KernelDensity
        >>> from skgen.meta import GenerativeClassifier
        >>> classifier = GenerativeClassifier(KernelDensity()).fit([[0], [1]], [0, 1])
        >>> classifier.predict_log_proba([[0.5]]).round(2)
        array([[-0.69, -0.69]])
        """
        joint = self.predict_joint_log_proba(X)
        total = logsumexp(joint, axis=1, keepdims=True)
        # a row that no density knows says nothing
        known = np.isfinite(total)
        return np.where(known, joint - np.where(known, total, 0), self._log_priors())

    def predict_proba(self, X: Data) -> np.ndarray:
        """P(class | x).

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)

        Examples
        --------
        >>> from sklearn.neighbors import KernelDensity
        >>> from skgen.meta import GenerativeClassifier
        >>> classifier = GenerativeClassifier(KernelDensity()).fit([[0], [1]], [0, 1])
        >>> classifier.predict_proba([[0.5]])
        array([[0.5, 0.5]])
        """
        return softmax(self.predict_log_proba(X), axis=1)

    def predict(self, X: Data) -> np.ndarray:
        """The most probable class.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)

        Examples
        --------
        >>> from sklearn.neighbors import KernelDensity
        >>> from skgen.meta import GenerativeClassifier
        >>> classifier = GenerativeClassifier(KernelDensity()).fit([[0], [1]], [0, 1])
        >>> classifier.predict([[0.2], [3]])
        array([0, 1])
        """
        best = self.predict_log_proba(X).argmax(axis=1)
        return self.classes_[best]


class GenerativeImputer(OneToOneFeatureMixin, TransformerMixin, _DensityUser):
    """Gaps are filled in by a density, given what is observed of the row.

    ``VariationalAutoencoder``, and any density of which the tag ``allow_nan`` says so,
    learns from rows with gaps. Others learn from complete rows alone. A density with a
    method ``impute``, as ``BinaryRBM`` has, fills gaps in by it. Of any other the cells
    of a row are drawn one after another from p(x_i | rest), on a grid of the values
    seen in the column.

    Parameters
    ----------
    estimator : estimator
        Of a density, with ``fit`` and ``score_samples``. It is cloned.
    method : {"mean", "draw"}, default="mean"
        E[x_i | observed], for the smallest squared error; or a draw, for the right
        variance.
    random_state : int, RandomState instance or None, default=None
        Of ``transform``.

    Attributes
    ----------
    estimator_ : estimator
        The fitted density.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.mixture import GaussianMixture
    >>> from skgen.meta import GenerativeImputer
    >>> x = np.random.default_rng(0).normal(size=(500, 1))
    >>> X = np.hstack([x, 2 * x])
    >>> imputer = GenerativeImputer(GaussianMixture(random_state=0)).fit(X)
    >>> bool(abs(imputer.transform([[0.5, np.nan]])[0, 1] - 1) < 0.1)
    True
    """

    _parameter_constraints = _DensityUser._parameter_constraints | {
        "method": [StrOptions({"mean", "draw"})],
        "random_state": ["random_state"],
    }

    estimator_: Any

    def __init__(
        self,
        estimator: Any,
        *,
        method: str = "mean",
        random_state: RandomState = None,
    ) -> None:
        self.estimator = estimator
        self.method = method
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Data, y: object = None, **params: Any) -> Self:
        """Fit the density.

        Parameters
        ----------
        X : {array-like, data frame} of shape (n_samples, n_features)
            NaN or None is a gap.
        y : Ignored
        **params : dict
            Passed to ``fit`` of the density, by scikit-learn's metadata routing if that
            is enabled.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If X is sparse.
        ValueError
            If the density needs complete rows and X has none.

        Examples
        --------
        >>> from sklearn.mixture import GaussianMixture
        >>> from skgen.meta import GenerativeImputer
        >>> GenerativeImputer(GaussianMixture()).fit_transform([[1.0], [3.0], [None]])
        array([[1.],
               [3.],
               [2.]])
        """
        if sparse.issparse(X):
            raise TypeError(
                "X is sparse, where zeros are values and no gaps: pass X.toarray()."
            )
        params = self._for_density(params)
        imputes = hasattr(self.estimator, "impute")
        if imputes and get_tags(self.estimator).input_tags.allow_nan:
            self.estimator_ = self._fitted(X, params)
            self._check_columns(X, reset=True)
            return self
        if imputes:
            self._check_columns(X, reset=True)
            X, rows = _indexable(X), as_numbers(X)
        else:
            X = rows = validate_data(
                self, X, dtype=np.float64, ensure_all_finite="allow-nan"
            )
        complete = np.flatnonzero(~np.isnan(rows).any(axis=1))
        if len(complete) == 0:
            raise ValueError(
                f"X has no complete row, but {self.estimator!r} learns from these "
                f"alone: take a VariationalAutoencoder, which learns from rows with "
                f"gaps."
            )
        parts = {n: _part(value, complete, len(rows)) for n, value in params.items()}
        self.estimator_ = self._fitted(_safe_indexing(X, complete), parts)
        if imputes:
            return self
        self._grids = [Grid.of(column[~np.isnan(column)]) for column in rows.T]
        return self

    def transform(self, X: Data) -> Result:
        """X with its gaps filled in.

        Parameters
        ----------
        X : {array-like, data frame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray or data frame of shape (n_samples, n_features)
            Observed cells are unchanged. What ``impute`` of the density returns, if it
            has one, else an array.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.neighbors import KernelDensity
        >>> from skgen.meta import GenerativeImputer
        >>> imputer = GenerativeImputer(KernelDensity(bandwidth=0.1))
        >>> imputer.fit([[0, 1], [5, 6], [5, 6]]).transform([[5, np.nan]]).round(2)
        array([[5., 6.]])
        """
        check_is_fitted(self)
        means = self.method == "mean"
        if hasattr(self.estimator_, "impute"):
            self._check_columns(X)
            options = {"return_mean": means, "random_state": self.random_state}
            return self.estimator_.impute(X, **options)
        X = validate_data(
            self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan"
        )
        log_density = self.estimator_.score_samples
        rng = as_generator(self.random_state)
        return conditional_rows(log_density, self._grids, X, rng, means=means)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = False
        return tags


def _checked_priors(priors, shares):
    if priors is None:
        return shares
    priors = check_array(priors, ensure_2d=False, input_name="priors", dtype=np.float64)
    fits = priors.shape == shares.shape and (priors >= 0).all()
    if not fits or not np.isclose(priors.sum(), 1):
        raise ValueError(
            f"priors={priors} must be {len(shares)} probabilities that sum to 1, one "
            f"for each class."
        )
    return priors


def _shuffled_columns(X, weights, rng):
    """X with each column shuffled by itself, or drawn in proportion to `weights`."""
    n_rows, n_columns = X.shape
    shares = None if weights is None else weights / weights.sum()
    rows = [
        rng.choice(n_rows, n_rows, replace=shares is not None, p=shares)
        for _ in range(n_columns)
    ]
    if sparse.issparse(X):
        columns = X.tocsc()
        columns = [columns[:, [j]].tocsr()[rows[j]] for j in range(n_columns)]
        return sparse.hstack(columns, format="csr")
    frame = as_frame(X)
    if frame is None:
        return np.take_along_axis(X, np.column_stack(rows), axis=0)
    columns = [frame[rows[j], [j]] for j in range(n_columns)]
    return nw.concat(columns, how="horizontal").to_native()


def _indexable(X):
    """X, whose rows can be taken: a frame, a CSR matrix or an array."""
    if sparse.issparse(X):
        return X.tocsr()
    return np.asarray(X) if as_frame(X) is None else X


def _part(value, rows, n_rows):
    """The rows of metadata with a value for each row; other metadata stay."""
    if np.ndim(value) and len(value) == n_rows:
        return _safe_indexing(value, rows)
    return value
