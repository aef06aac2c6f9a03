"""Samples of a pipeline, in the space of its input."""

import inspect
from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skgen.typing import RandomState, Result
from skgen.validation import BaseSearchCV


def sample_from(
    estimator: Any, n_samples: int = 1, random_state: RandomState = None
) -> Result:
    """New rows from the last step of a pipeline, in the space of the pipeline's input.

    The last step draws samples. The ``inverse_transform`` of every step before it, last
    to first, takes them back. "passthrough" steps are skipped, and so are samplers of
    imbalanced-learn, which take part in ``fit`` alone. The steps of a nested pipeline
    are followed one by one. A search, such as GridSearchCV or HalvingGridSearchCV,
    stands for its ``best_estimator_``.

    In a stack of ``BinaryRBM`` (a deep belief network) the lower steps go back by
    P(x = 1 | h). The result then holds probabilities, not 0 and 1.

    Parameters
    ----------
    estimator : estimator
        A fitted Pipeline, or any fitted estimator that can be sampled.
    n_samples : int, default=1
    random_state : int, RandomState instance or None, default=None
        Passed to ``sample`` of the last step. None: the estimator's own.

    Returns
    -------
    array of shape (n_samples, n_features)
        What the ``inverse_transform`` of the first step returns, or ``sample`` if there
        is only one step.

    Raises
    ------
    NotFittedError
        If a step is not fitted.
    TypeError
        If the last step has no ``sample(n_samples, random_state=...)`` or an earlier
        step has no ``inverse_transform``. This is checked before anything is sampled.

    Notes
    -----
    A ``FunctionTransformer`` without `inverse_func` passes its input back unchanged.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skgen import VariationalAutoencoder, sample_from
    >>> vae = VariationalAutoencoder(2, max_iter=5, random_state=0)
    >>> pipeline = make_pipeline(StandardScaler(), vae).fit(load_iris().data)
    >>> sample_from(pipeline, 1000, random_state=0).mean(axis=0).round()
    array([6., 3., 4., 1.])
    """
    steps = list(_steps(estimator))
    if not steps:
        raise TypeError("The pipeline has no step to sample: add a generative model.")
    *transformers, (label, model) = steps
    transformers = [step for step in transformers if not _is_sampler(step[1])]
    if not hasattr(model, "sample"):
        raise TypeError(
            f"{label} has no sample method: the last step must be a generative model, "
            f"such as BinaryRBM or VariationalAutoencoder."
        )
    if "random_state" not in inspect.signature(model.sample).parameters:
        raise TypeError(
            f"{label} has a sample method without random_state: call it yourself, then "
            f"pipeline[:-1].inverse_transform on the rows it returns."
        )
    for label, transformer in transformers:
        if not hasattr(transformer, "inverse_transform"):
            raise TypeError(
                f"{label} has no inverse_transform: take a transformer that has one, "
                f"or call sample of the last step for rows in the space of its input."
            )
    for _, step in [*transformers, (label, model)]:
        check_is_fitted(step)

    X = model.sample(n_samples, random_state=random_state)
    for _, transformer in reversed(transformers):
        X = transformer.inverse_transform(X)
    return X


def _is_sampler(step):
    """Whether a step only resamples the rows to fit, as in imbalanced-learn."""
    return hasattr(step, "fit_resample") and not hasattr(step, "inverse_transform")


def _steps(estimator, name=""):
    """Yield (label, estimator) of every step, with nested pipelines flattened."""
    if isinstance(estimator, BaseSearchCV) or hasattr(estimator, "best_estimator_"):
        message = "%(name)s has no best_estimator_ yet: call fit, with refit=True."
        check_is_fitted(estimator, "best_estimator_", msg=message)
        yield from _steps(estimator.best_estimator_, name)
    elif isinstance(estimator, Pipeline):
        for inner, step in estimator.steps:
            yield from _steps(step, f"{name}__{inner}" if name else inner)
    elif estimator is not None and estimator != "passthrough":
        kind = type(estimator).__name__
        yield f"Step {name!r} ({kind})" if name else kind, estimator
