"""The likelihood of stacked RBMs, a deep belief network, from below.

References
----------
Hinton, G. E., Osindero, S. and Teh, Y. W. A fast learning algorithm for deep belief
nets. Neural Computation 18, 2006.
Salakhutdinov, R. and Murray, I. On the quantitative analysis of deep belief networks.
ICML 2008.
Burda, Y., Grosse, R. and Salakhutdinov, R. Importance weighted autoencoders. ICLR 2016.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import logsumexp
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skgen import validation
from skgen.rbm.energy import log_conditional_hidden, log_conditional_visible
from skgen.rbm.estimator import BinaryRBM
from skgen.rbm.samplers import bernoulli
from skgen.typing import Data, RandomState


def stacked_lower_bound(
    stack: Pipeline | Sequence[BinaryRBM],
    X: Data,
    *,
    n_draws: int = 10,
    random_state: RandomState = None,
) -> np.ndarray:
    """A lower bound on log P(x) of stacked RBMs, for each row of X.

    A deep belief network of two RBMs has P(x) = sum_h P1(x | h) P2(h), a sum without a
    closed form: a ``Pipeline`` of them has no likelihood of its own, and its ``score``
    is the one of the features in the last step. With P1(h | x) as the proposal,

        log P(x) >= E[log (1/k) sum_i P1(x | h_i) P2(h_i) / P1(h_i | x)]

    for k draws. The bound grows with k towards log P(x). More layers go on likewise.
    The last RBM's log P is as good as its log Z.

    Parameters
    ----------
    stack : Pipeline or list of BinaryRBM
        Fitted, the lowest first. Transformers before the first RBM of a pipeline are
        applied to X.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        As for the first RBM.
    n_draws : int, default=10
        k. One draw is the ELBO.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    ndarray of shape (n_samples,)
        Nats.

    Raises
    ------
    TypeError
        If a step above the first RBM is no BinaryRBM.

    Examples
    --------
    Its mean compares stacks in a search:

    >>> import numpy as np
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.pipeline import make_pipeline
    >>> from skgen import BinaryRBM
    >>> from skgen.rbm import stacked_lower_bound
    >>> X = np.random.default_rng(0).random((100, 5)) < [0.1, 0.9, 0.5, 0.5, 0.5]
    >>> stack = make_pipeline(
    ...     BinaryRBM(3, random_state=0),
    ...     BinaryRBM(2, binarize="sample", random_state=0),
    ... )
    >>> def score(stack, X, y=None):
    ...     return stacked_lower_bound(stack, X, random_state=0).mean()
    >>> grid = {"binaryrbm-2__n_components": [1, 2]}
    >>> search = GridSearchCV(stack, grid, scoring=score)
    >>> bool(search.fit(X.astype(float)).best_score_ > -3.5)
    True
    """
    validation.check_count(n_draws, "n_draws", 1)
    rng = validation.as_generator(random_state)
    X, layers = _layers(stack, X)
    X = validation.check_input(layers[0], X)
    X = validation.binarized(X, layers[0].binarize)
    X = validation.rows_as_float(X, slice(None), np.float64)
    # one draw at a time, so that memory does not grow with their number
    draws = [_log_weight(layers, X, rng) for _ in range(n_draws)]
    return logsumexp(draws, axis=0) - np.log(n_draws)


def _log_weight(layers, states, rng):
    """log P(x, h) / Q(h | x) of a draw h of all layers but the last."""
    log_weight = np.zeros(len(states))
    for rbm in layers[:-1]:
        parameters = rbm._parameters(np.float64)
        hidden = bernoulli(rbm.transform(states), rng).astype(np.float64)
        log_weight += log_conditional_visible(parameters, states, hidden)
        log_weight -= log_conditional_hidden(parameters, hidden, states)
        states = hidden
    return log_weight + layers[-1].score_samples(states)


def _layers(stack, X):
    """X as the first RBM sees it, and the RBMs."""
    if not isinstance(stack, Pipeline):
        layers = list(stack)
    else:
        steps = [step for _, step in stack.steps if step not in (None, "passthrough")]
        first = 0
        while first < len(steps) - 1 and not isinstance(steps[first], BinaryRBM):
            X = steps[first].transform(X)
            first += 1
        layers = steps[first:]
    for layer in layers:
        if not isinstance(layer, BinaryRBM):
            raise TypeError(
                f"stack has {layer!r} among its RBMs: a deep belief network is a stack "
                f"of BinaryRBM alone."
            )
        check_is_fitted(layer)
    return X, layers
