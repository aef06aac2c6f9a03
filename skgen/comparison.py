"""Held-out log-likelihoods of several models, row by row on the same data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from skgen.typing import Data


@dataclass(frozen=True, repr=False)
class Comparison:
    """Mean log-likelihoods of models on the same rows, best first.

    ``print`` shows a table. ``skgen.plotting.ComparisonDisplay`` draws it.

    Attributes
    ----------
    names : list of str
    scores : ndarray of shape (n_models, n_samples)
        Log-likelihood of each row, nats.
    means, std_errors : ndarray of shape (n_models,)
        Over the rows, nats.
    differences, difference_errors : ndarray of shape (n_models,)
        Of the means to the best one, and their standard errors, paired by row.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.comparison import Comparison
    >>> scores = np.array([[-1.0, -2.0, -3.0], [-2.0, -3.0, -5.0]])
    >>> print(Comparison(["a", "b"], scores))
    model  nats a row    error  less than the best    error
    a           -2.00     0.58
    b           -3.33     0.88               -1.33     0.33
    """

    names: list[str]
    scores: np.ndarray

    @property
    def means(self) -> np.ndarray:
        """Of each model over the rows."""
        return self.scores.mean(axis=1)

    @property
    def std_errors(self) -> np.ndarray:
        """Of the means."""
        return _std_errors(self.scores)

    @property
    def differences(self) -> np.ndarray:
        """Of the means to the best."""
        return self.means - self.means[0]

    @property
    def difference_errors(self) -> np.ndarray:
        """Standard errors of the differences, whose rows are paired."""
        return _std_errors(self.scores - self.scores[0])

    def __repr__(self):
        width = max(map(len, [*self.names, "model"]))
        head = "nats a row", "error", "less than the best", "error"
        columns = self.means, self.std_errors, self.differences, self.difference_errors
        lines = [f"{'model':{width}}  " + _line(head)]
        for number, name in enumerate(self.names):
            cells = [f"{column[number]:.2f}" for column in columns]
            if number == 0:
                cells[2:] = []
            lines.append(f"{name:{width}}  " + _line(cells))
        return "\n".join(lines)

    def _repr_html_(self):
        return f"<pre>{self!r}</pre>"


def compare(models: Mapping[str, Any], X: Data) -> Comparison:
    """Compare log-likelihoods of fitted models on rows that they were not fitted to.

    Parameters
    ----------
    models : dict of str -> estimator
        Fitted, with ``score_samples``. All of them are densities of X itself: a
        pipeline with a scaler gives the density of scaled columns, which is larger or
        smaller by a constant.
    X : array-like or data frame of shape (n_samples, n_features)

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        If there is no model, or X has a single row.

    Examples
    --------
    Columns that depend on each other have a higher likelihood under a full covariance:

    >>> import numpy as np
    >>> import skgen
    >>> from sklearn.mixture import GaussianMixture
    >>> x = np.random.default_rng(0).normal(size=(400, 1))
    >>> X = np.hstack([x, x + np.random.default_rng(1).normal(size=(400, 1))])
    >>> models = {
    ...     kind: GaussianMixture(covariance_type=kind).fit(X[:200])
    ...     for kind in ("diag", "full")
    ... }
    >>> skgen.compare(models, X[200:]).names
    ['full', 'diag']
    """
    if not models:
        raise ValueError("models is empty: pass a dict of name -> fitted estimator.")
    each = [np.asarray(model.score_samples(X)) for model in models.values()]
    if len(each[0]) < 2:
        raise ValueError("X has a single row: a standard error needs at least two.")
    names, scores = list(map(str, models)), np.stack(each).astype(np.float64)
    order = np.argsort(-scores.mean(axis=1), kind="stable")
    return Comparison([names[number] for number in order], scores[order])


def _std_errors(scores):
    return scores.std(axis=1, ddof=1) / np.sqrt(scores.shape[1])


def _line(cells):
    return "  ".join(f"{cell:>{w}}" for cell, w in zip(cells, (10, 7, 18, 7))).rstrip()
