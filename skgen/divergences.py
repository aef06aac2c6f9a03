"""Kullback-Leibler divergences, discrete and Gaussian, in nats.

KL[p || q] = E_p[log p - log q] >= 0, with 0 log 0 = 0 and KL[p || p] = 0. To minimise
KL[data || model] over the parameters is to maximise the likelihood of the data.

References
----------
Kullback, S. and Leibler, R. A. On information and sufficiency. Annals of Mathematical
Statistics 22, 1951.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import rel_entr


def kl_divergence(p: ArrayLike, q: ArrayLike, axis: int | tuple[int, ...] = -1) -> Any:
    """KL[p || q] = sum p log(p / q) of two discrete distributions.

    Parameters
    ----------
    p, q : array-like
        Probabilities that sum to 1 along `axis`. The shapes must broadcast.
    axis : int or tuple of int, default=-1
        The axes of the states.

    Returns
    -------
    ndarray or float
        Nats; infinite where q = 0 < p.

    Raises
    ------
    ValueError
        If an entry is negative or NaN, or a sum along `axis` is not 1.

    Examples
    --------
    The divergence is not symmetric. A model may give probability to states that have
    no data, but it must give some to every state that has data.

    >>> from skgen.divergences import kl_divergence
    >>> data, model = [1.0, 0.0], [0.5, 0.5]
    >>> print(kl_divergence(data, model).round(4), kl_divergence(model, data))
    0.6931 inf
    """
    p, q = _distribution(p, "p", axis), _distribution(q, "q", axis)
    return rel_entr(p, q).sum(axis=axis)


def gaussian_kl_divergence(
    mean: ArrayLike, std: ArrayLike, mean2: ArrayLike = 0.0, std2: ArrayLike = 1.0
) -> Any:
    """KL[N(mean, std^2) || N(mean2, std2^2)] of two diagonal Gaussians.

    log(std2 / std) + (std^2 + (mean - mean2)^2) / (2 std2^2) - 1/2, summed over the
    last axis. The second Gaussian defaults to the standard normal.

    Parameters
    ----------
    mean, std : array-like of shape (..., n_dimensions)
        The standard deviations must be positive.
    mean2, std2 : array-like
        They must broadcast with `mean` and `std`.

    Returns
    -------
    ndarray or float of shape (...)
        Nats.

    Raises
    ------
    ValueError
        If a standard deviation is not positive.

    Examples
    --------
    The divergence of two dimensions is the sum of their divergences.

    >>> from skgen.divergences import gaussian_kl_divergence
    >>> print(gaussian_kl_divergence([1.0, 2.0], [1.0, 1.0]))
    2.5
    >>> print(*(gaussian_kl_divergence([mean], [1.0]) for mean in (1.0, 2.0)))
    0.5 2.0
    """
    mean, std, mean2, std2 = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(v, dtype=float)) for v in (mean, std, mean2, std2))
    )
    for name, value in (("std", std), ("std2", std2)):
        if not np.all(value > 0):
            worst = value[~(value > 0)][0]
            raise ValueError(f"{name} must be positive everywhere, got {worst}.")
    ratio = std / std2
    terms = (ratio**2 + ((mean - mean2) / std2) ** 2 - 1) / 2 - np.log(ratio)
    return terms.sum(axis=-1)


def _distribution(values, name, axis):
    values = np.asarray(values, dtype=float)
    if not np.all(values >= 0):
        worst = values[~(values >= 0)][0]
        raise ValueError(f"{name} must hold probabilities, got {worst}.")
    total = values.sum(axis=axis)
    if not np.allclose(total, 1):
        worst = np.ravel(total)[np.argmax(np.abs(np.ravel(total) - 1))]
        raise ValueError(
            f"{name} must sum to 1 along axis {axis}, got {worst}: divide by the sum."
        )
    return values
