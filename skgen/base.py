"""What the generative estimators share: the score, reconstruction and tags."""

from contextlib import contextmanager

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, DensityMixin, TransformerMixin


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


class GenerativeMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin, DensityMixin):
    """Mixin of estimators with ``transform``, ``score_samples`` and ``sample``.

    A subclass has ``transform``, ``inverse_transform``,
    ``score_samples(X)``, log-likelihoods in nats, and ``sample(n_samples=1, *,
    random_state=None)``, which returns X only, in the dtype of the training data.
    """

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

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
