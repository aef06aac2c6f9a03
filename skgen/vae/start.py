"""Where training starts: the units of the data, and the linear model solved at once.

With linear networks and Gaussian noise a VAE is probabilistic PCA (one noise variance)
or factor analysis (one for each feature): x = m + W h + noise. Of the rotations of h,
all of the same likelihood, one makes W' Psi^-1 W diagonal, and with it the covariance
of p(h | x): there a diagonal Gaussian encoder is exact, and the ELBO is log p(x). From
there networks start, whose hidden layers add nothing at first.

References
----------
Tipping, M. E. and Bishop, C. M. Probabilistic principal component analysis. Journal of
the Royal Statistical Society B 61, 1999.
Rubin, D. B. and Thayer, D. T. EM algorithms for ML factor analysis. Psychometrika 47,
1982.
Lucas, J., Tucker, G., Grosse, R. and Norouzi, M. Don't blame the ELBO! A linear VAE
perspective on posterior collapse. NeurIPS 2019.
"""

from typing import NamedTuple

import numpy as np
import torch
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.preprocessing import StandardScaler

from skgen.validation import rows_as_float

_MOST_ROWS = 5000  # behind the first units, biases and linear model
_SMALLEST_NOISE = 1e-3  # share of a feature's variance: few rows may seem to have none
_GAIN_PER_ROW = 1e-4  # nats per EM iteration that end factor analysis


class LinearModel(NamedTuple):
    """x = W h + noise, h ~ N(0, I), noise ~ N(0, diag Psi).

    Attributes
    ----------
    loadings : ndarray of shape (n_components, n_features)
        W', in the rotation in which W' Psi^-1 W is diagonal.
    noise_variance : ndarray of shape (n_features,)
    projection : ndarray of shape (n_components, n_features)
        E[h | x] is x times its transpose.
    log_variance : ndarray of shape (n_components,)
        Of p(h | x).
    """

    loadings: np.ndarray
    noise_variance: np.ndarray
    projection: np.ndarray
    log_variance: np.ndarray


def linear_model(X, n_components, noise_variance, seed=0):
    """The maximum likelihood fit of a linear model to rows of mean zero.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
        Columns have unit variance, or share a unit.
    n_components : int
        Those that n and n_features leave no use for have loadings of zero.
    noise_variance : str or ndarray of shape (n_features,)
        As of ``likelihoods.Gaussian``; an array is one fixed number, in units of X.
        "heteroscedastic" starts as "feature".
    seed : int, default=0
        Of the singular value decomposition, which is randomized for large X.

    Returns
    -------
    LinearModel

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.vae.start import linear_model
    >>> X = np.array([[1.0, 1.1], [-1.0, -0.9], [1.0, 0.9], [-1.0, -1.1]])
    >>> linear_model(X, 1, "scalar").noise_variance.round(4)
    array([0.0067, 0.0067])
    """
    n, n_features = X.shape
    fixed = isinstance(noise_variance, np.ndarray)
    gram = X.T @ X if n_features <= n else X @ X.T
    rank = np.linalg.matrix_rank(gram, hermitian=True)
    n_factors = min(n_components, rank - 1)
    loadings = np.zeros((n_components, n_features))
    noise = X.var(axis=0) if rank else np.ones(n_features)
    shared = fixed or noise_variance == "scalar"
    if n_factors > 0 and not shared:
        model = FactorAnalysis(
            n_factors,
            tol=_GAIN_PER_ROW * min(n, 2 * n_features),
            svd_method="lapack" if n_features <= 200 else "randomized",
            random_state=seed,
        ).fit(_condensed(X))
        loadings[:n_factors] = model.components_
        noise = model.noise_variance_
    elif n_factors > 0:
        model = PCA(n_factors, random_state=seed).fit(X)
        unexplained = X.var(axis=0, ddof=1).sum() - model.explained_variance_.sum()
        share = max(unexplained, 0) / (n_features - n_factors)
        noise = noise_variance if fixed else np.full(n_features, share)
        signal = np.maximum(model.explained_variance_ - noise[0], 0)
        loadings[:n_factors] = np.sqrt(signal)[:, None] * model.components_
    elif shared:
        noise = np.full(n_features, noise.mean())
    noise = noise_variance if fixed else np.maximum(noise, _SMALLEST_NOISE)
    precision, rotation = np.linalg.eigh(loadings / noise @ loadings.T)
    loadings = rotation.T @ loadings
    variance = 1 / (1 + np.maximum(precision, 0))
    projection = variance[:, None] * loadings / noise
    return LinearModel(loadings, noise, projection, np.log(variance))


def _condensed(X):
    """Rows of the same covariance and of mean zero, at most two for each column."""
    n, n_features = X.shape
    if n <= 2 * n_features:
        return X
    root = np.linalg.qr(X, mode="r") * np.sqrt(n_features / n)
    return np.concatenate([root, -root])


def rows_and_moments(X, rng):
    """Rows that say where training starts, and the moments of their columns.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    rng : numpy.random.Generator

    Returns
    -------
    rows : ndarray of shape (at most 5,000, n_features)
        With the mean where an entry is missing.
    mean, std : tensor of shape (n_features,)

    Raises
    ------
    ValueError
        If nothing is observed in a column.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.vae.start import rows_and_moments
    >>> X, rng = np.array([[1.0], [3.0], [np.nan]]), np.random.default_rng(0)
    >>> rows_and_moments(X, rng)[0].ravel()
    array([1., 3., 2.])
    """
    rows = np.arange(X.shape[0])
    if len(rows) > _MOST_ROWS:
        rows = rng.choice(len(rows), _MOST_ROWS, replace=False)
    rows = rows_as_float(X, rows, np.float64)
    for column in np.flatnonzero(np.isnan(rows).all(axis=0)):
        seen = X[~np.isnan(X[:, column]), column][: len(rows)]
        if seen.size == 0:
            raise ValueError(
                f"X has no observed value in column {column} of the {X.shape[0]} rows "
                f"that are trained on: drop it, or hold out fewer rows."
            )
        rows[: seen.size, column] = seen  # in rows of others, which moments do not see
    mean, std = moments(rows)
    return np.where(np.isnan(rows), mean.numpy(), rows), mean, std


def moments(X):
    """Mean and standard deviation of the columns, float32 tensors.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.vae.start import moments
    >>> moments(np.array([[1.0], [3.0]]))
    (tensor([2.]), tensor([1.]))
    """
    scaler = StandardScaler().fit(X)
    mean, std = scaler.mean_, np.sqrt(scaler.var_)
    if not std.any():  # one row, or copies of one: its size is all there is to go by
        std = np.abs(mean)
    return tuple(torch.from_numpy(moment.astype(np.float32)) for moment in (mean, std))


def begin_linearly(model, encoder, decoder, likelihood):
    """Let networks and likelihood be a linear model, what else they have adding zero.

    Parameters
    ----------
    model : LinearModel
        In the units in which the networks see and make the data.
    encoder, decoder : LinearPlus
    likelihood : Gaussian

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skgen.vae.likelihoods import Gaussian
    >>> from skgen.vae.networks import LinearPlus
    >>> from skgen.vae.start import begin_linearly, linear_model
    >>> X = np.array([[1.0, 1.1], [-1.0, -0.9], [1.0, 0.9], [-1.0, -1.1]])
    >>> encoder, decoder = LinearPlus(2, (), 2), LinearPlus(1, (), 2)
    >>> model = linear_model(X, 1, "scalar")
    >>> begin_linearly(model, encoder, decoder, Gaussian().build(2))
    >>> decoder(encoder(torch.ones(1, 2))[:, :1]).detach().numpy().round(2)
    array([[1., 1.]], dtype=float32)
    """
    loadings, noise, projection, log_variance = (
        torch.from_numpy(part.astype(np.float32)) for part in model
    )
    n_components, n_features = loadings.shape
    with torch.no_grad():
        encoder.linear.weight[:n_components] = projection
        encoder.linear.bias[n_components:] = log_variance
        decoder.linear.weight[:n_features] = loadings.T
        if likelihood.noise_variance == "heteroscedastic":
            decoder.linear.bias[n_features:] = noise.log()
        elif isinstance(likelihood.noise_variance, str):
            likelihood.log_ratio.copy_(noise.log()[: len(likelihood.log_ratio)])
