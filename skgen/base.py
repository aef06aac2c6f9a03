"""What the generative estimators share: the score, reconstruction and tags."""

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, DensityMixin, TransformerMixin


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
        """
        return self.inverse_transform(self.transform(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
