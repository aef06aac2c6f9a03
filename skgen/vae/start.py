"""Where training starts: networks that know the columns' means, and the linear model.

With linear networks and Gaussian noise a VAE is probabilistic PCA (one noise variance)
or factor analysis (one for each feature): x = m + W h + noise. All rotations of h have
the same likelihood. One of them makes W' Psi^-1 W diagonal, and with it the covariance
of p(h | x). There a diagonal Gaussian encoder is exact, and the ELBO is log p(x).
Networks start from that model; their hidden layers add nothing at first.

References
----------
Tipping, M. E. and Bishop, C. M. Probabilistic principal component analysis. Journal of
the Royal Statistical Society B 61, 1999.
Rubin, D. B. and Thayer, D. T. EM algorithms for ML factor analysis. Psychometrika 47,
1982.
Barber, D. Bayesian reasoning and machine learning, algorithm 21.1. Cambridge
University Press, 2012.
Lucas, J., Tucker, G., Grosse, R. and Norouzi, M. Don't blame the ELBO! A linear VAE
perspective on posterior collapse. NeurIPS 2019.
"""

from functools import partial
from numbers import Integral

import numpy as np
import torch
from scipy import linalg, sparse
from scipy.sparse.linalg import aslinearoperator, svds
from torch import nn

from skgen.vae.flow import Flow
from skgen.vae.likelihoods import Gaussian, holds_counts
from skgen.vae.networks import (
    Affine,
    Autoencoder,
    Compressed,
    LinearSkip,
    as_network,
    mlp,
)
from skgen.vae.priors import N_PARTS, Mixture, StandardNormal, VampPrior
from skgen.vae.tables import TableLikelihood, linear_maps
from skgen.vae.units import moments_of
from skgen.validation import rows_as_float

_MOST_ROWS = 5000  # behind the linear model
_SMALLEST_NOISE = 1e-3  # share of a feature's variance: few rows may seem to have none
_GAIN_PER_ROW = 1e-4  # nats per step that end factor analysis
_MOST_STEPS = 1000  # of factor analysis
_TINY = 1e-12  # variance of the noise in it, at least
_LARGEST_MATRIX = 2000  # beyond this side only products with the rows are cheap
_TOLERANCE = 1e-5  # of singular values of larger ones; variances have its square


def new_model(parameters, likelihood, mean, std, generator):
    """An untrained autoencoder for columns with these moments, float32 tensors.

    `parameters` is an estimator, or has the same attributes. The likelihood is built.
    The generator draws the weights.
    """
    sizes = tuple(parameters.hidden_layer_sizes)
    if not all(isinstance(size, Integral) and size >= 1 for size in sizes):
        raise ValueError(
            f"hidden_layer_sizes must hold integers of at least 1, got {sizes!r}: () "
            f"is a model without hidden layers."
        )
    unit, shift = likelihood.start(mean, std)
    is_linear = isinstance(likelihood, Gaussian | TableLikelihood)
    layers = LinearSkip if is_linear else mlp
    layers = partial(layers, activation=parameters.activation, generator=generator)
    n_in, n_latents, n_out = len(mean), parameters.n_components, likelihood.n_outputs
    if parameters.encoder is None:
        network = layers(n_in, sizes, 2 * n_latents)
        entry = Compressed if holds_counts(likelihood) else Affine
        encoder = nn.Sequential(entry(-mean / unit, 1 / unit), network)
    else:
        encoder = as_network(parameters.encoder, "encoder", n_in, 2 * n_latents)
    if parameters.decoder is None:
        decoder = layers(n_latents, sizes[::-1], n_out)
        last = decoder.linear if isinstance(decoder, LinearSkip) else decoder[-1]
        last.bias.data += shift
    else:
        decoder = as_network(parameters.decoder, "decoder", n_latents, n_out)
    prior = _new_prior(parameters.prior, n_latents, n_in, generator)
    return Autoencoder(encoder, decoder, likelihood, n_latents, prior, mean)


def _new_prior(name, n_components, n_features, generator):
    """The prior of this name; the pseudo-inputs of a VampPrior are zero."""
    if name == "mixture":
        return Mixture(n_components, generator)
    if name == "vamp":
        return VampPrior(
            torch.zeros(N_PARTS, n_features, dtype=torch.float32, device="cpu")
        )
    if name == "flow":
        return Flow(n_components, generator)
    return StandardNormal()


@torch.no_grad()
def choose_pseudo_inputs(model, X, units, rng):
    """Set the pseudo-inputs of a VampPrior to random rows of X, or to the mean at NaN.

    Rows may repeat.
    """
    rows = rows_as_float(X, rng.choice(X.shape[0], N_PARTS), np.float64)
    rows = torch.from_numpy(units.enter(rows)).float()
    model.prior.inputs.copy_(torch.where(rows.isnan(), model.center, rows))


@torch.no_grad()
def start_from_linear_model(model, X, units, std, rng):
    """Make an autoencoder of LinearSkip networks and Gaussian noise a linear model.

    It is fitted to at most 5,000 rows of X, with the mean at NaN. What they lack of the
    deviation `std` of all rows, in the networks' units, is taken as noise.
    """
    encoder, decoder = model.encoder[1], model.decoder
    likelihood, noise = model.likelihood, model.likelihood.noise_variance
    rows = _complete_rows(model, X, units, rng)
    if not isinstance(noise, str):
        noise = np.full(rows.shape[1], likelihood.variance().item())
    unseen = np.maximum(std.numpy() ** 2 - moments_of(rows).std ** 2, 0)
    seed = int(rng.integers(2**31))
    linear = linear_model(rows, model.n_components, noise, seed, unseen)
    loadings, noise, projection, log_variance = (
        torch.from_numpy(part.astype(np.float32)) for part in linear
    )
    encoder.linear.weight[: model.n_components] = projection
    encoder.linear.bias[model.n_components :] = log_variance
    decoder.linear.weight[: len(std)] = loadings.T
    if likelihood.noise_variance == "heteroscedastic":
        decoder.linear.bias[len(std) : 2 * len(std)] = noise.log()
    elif isinstance(likelihood.noise_variance, str):
        likelihood.log_variance.copy_(noise.log()[: len(likelihood.log_variance)])


@torch.no_grad()
def start_from_linear_table(model, X, units, rng):
    """Make an autoencoder of LinearSkip networks for a table a factor analysis.

    It is fitted to the linear features of at most 5,000 rows, with the mean at NaN.
    """
    rows = _complete_rows(model, X, units, rng)
    n, n_latents = len(model.likelihood.layout.numbers), model.n_components
    to_features, to_outputs = linear_maps(model.likelihood.layout, rows)
    features = _with_unit_variance((rows - rows.mean(axis=0)) @ to_features.T)
    seed = int(rng.integers(2**31))
    loadings, noise, projection, log_variance = linear_model(
        features, n_latents, "feature", seed
    )
    affine, network = model.encoder
    decoder = model.decoder.linear
    seen = affine.scale > 0  # the encoder does not see measures of cells
    weight = torch.from_numpy(projection @ to_features).float()
    network.linear.weight[:n_latents, seen] = weight[:, seen] / affine.scale[seen]
    network.linear.bias[n_latents:] = torch.from_numpy(log_variance).float()
    decoder.weight.copy_(torch.from_numpy(to_outputs @ loadings.T))
    scales = to_outputs.diagonal()[:n] * np.sqrt(noise[:n])
    decoder.bias[n : 2 * n] = torch.from_numpy(np.log(scales)).float()


def _with_unit_variance(X):
    """Rows of mean zero with noise in pseudo-rows where variance is less than 1.

    Without it a few rows of a rare category would have a factor of their own.
    """
    n, lack = X.shape[0], np.maximum(1 - X.var(axis=0), 0)
    noise = np.diag(np.sqrt(n * lack / 2))
    rows = np.concatenate([X, noise, -noise])
    return rows * np.sqrt(len(rows) / n)


def _complete_rows(model, X, units, rng):
    """At most 5,000 rows of X in the networks' units, float64, with the mean at NaN.

    They are CSR if X is.
    """
    if X.shape[0] > _MOST_ROWS:
        X = X[rng.choice(X.shape[0], _MOST_ROWS, replace=False)]
    if sparse.issparse(X):
        return X.astype(np.float64).multiply(1 / units.scale).tocsr()
    rows = units.enter(X.astype(np.float64))
    return np.where(np.isnan(rows), model.center.numpy(), rows)


def linear_model(X, n_components, noise_variance, seed=0, unseen=0.0):
    """The maximum likelihood fit of x = m + W h + noise ~ N(m + W h, Psi) to rows.

    X is dense or CSR. Its columns have unit variance or share a unit. `noise_variance`
    is a name, as in ``likelihoods.Gaussian`` ("heteroscedastic" is taken as "feature"),
    or an array of equal numbers, which stay. `unseen` variance, which the rows do not
    show, is noise. Components that X is too small for are zero. Returns, in this order:

    loadings : W', (n_components, n_features); W' Psi^-1 W is diagonal
    noise_variance : the diagonal of Psi, (n_features,)
    projection : (n_components, n_features); E[h | x] is x - m times its transpose
    log_variance : of p(h | x), (n_components,)
    """
    n, n_features = X.shape
    fixed = isinstance(noise_variance, np.ndarray)
    shared = fixed or noise_variance == "scalar"
    _, mean, std = moments_of(X)
    n_factors = 0
    if std.any():
        variances, axes = _principal_axes(X, mean, n_components + 1, seed)
        rounding = min(X.shape) * np.finfo(np.float64).eps
        rank = np.sum(variances > rounding * (variances[0] + mean @ mean))
        n_factors = max(int(rank) - 1, 0)
    loadings = np.zeros((n_components, n_features))
    if n_factors and shared:
        share = n / (n - 1)  # the unbiased estimate
        variances = share * variances[:n_factors]
        rest = share * np.sum(std**2) - variances.sum()
        noise = np.full(n_features, max(rest, 0) / (n_features - n_factors))
        signal = variances - (noise_variance[0] if fixed else noise[0])
        signal = np.sqrt(np.maximum(signal, 0))
        loadings[:n_factors] = signal[:, np.newaxis] * axes[:n_factors]
    elif n_factors:
        loadings[:n_factors], noise = _factors(X, mean, std**2, n_factors, seed)
    else:
        noise = std**2 if std.any() else np.ones(n_features)
        noise = np.full(n_features, noise.mean()) if shared else noise
    unseen = np.mean(unseen) if shared else unseen
    noise = noise_variance if fixed else np.maximum(noise + unseen, _SMALLEST_NOISE)
    precision, rotation = np.linalg.eigh(loadings / noise @ loadings.T)
    loadings = rotation.T @ loadings
    # rounding must not choose the sign of a latent
    loadings *= np.where(loadings.max(axis=1) + loadings.min(axis=1) < 0, -1, 1)[
        :, None
    ]
    variance = 1 / (1 + np.maximum(precision, 0))
    projection = variance[:, None] * loadings / noise
    return loadings, noise, projection, np.log(variance)


def _principal_axes(X, mean, n_axes, seed):
    """Variances along the principal axes of the rows, largest first, and the axes.

    X is dense or CSR, and stays so: its mean is taken off the results of products.
    """
    n, n_features = X.shape
    n_axes, n_small = min(n_axes, n, n_features), min(n, n_features)
    if n_small > _LARGEST_MATRIX and 2 * n_axes < n_small:
        ones = aslinearoperator(np.ones((n, 1)))
        centred = aslinearoperator(X) - ones @ aslinearoperator(mean[np.newaxis])
        start = np.random.default_rng(seed).normal(size=n_small)
        _, roots, axes = svds(centred, n_axes, tol=_TOLERANCE, v0=start)
        order = np.argsort(-roots)
        return roots[order] ** 2 / n, axes[order]
    along_rows = n < n_features
    gram = X @ X.T if along_rows else X.T @ X
    gram = gram.toarray() if sparse.issparse(gram) else gram
    if along_rows:
        products = X @ mean
        gram -= products[:, np.newaxis] + products - mean @ mean
    else:
        gram -= n * np.outer(mean, mean)
    largest = n_small - n_axes, n_small - 1
    squares, vectors = linalg.eigh(gram, subset_by_index=largest)
    squares, vectors = np.maximum(squares[::-1], 0), vectors[:, ::-1]
    if not along_rows:
        return squares / n, vectors.T
    axes = vectors.T @ X - vectors.sum(axis=0)[:, np.newaxis] * mean
    lengths = np.sqrt(np.where(squares > 0, squares, 1))
    return squares / n, axes / lengths[:, np.newaxis]


def _factors(X, mean, variance, n_factors, seed):
    """Loadings and noise variances of factor analysis, of rows with these moments.

    The best loadings given the noise and the noise given those, in turn (Barber).
    """
    n, n_features = X.shape
    if n > n_features and not sparse.issparse(X):  # fewer rows of the same covariance
        X = np.linalg.qr(X - mean, mode="r") * np.sqrt(n_features / n)
        mean = np.zeros_like(mean)
    noise, before = np.ones_like(variance), -np.inf
    for _ in range(_MOST_STEPS):
        root = np.sqrt(noise)
        scaled = X.multiply(1 / root).tocsr() if sparse.issparse(X) else X / root
        squares, axes = _principal_axes(scaled, mean / root, n_factors, seed)
        loadings = np.sqrt(np.maximum(squares - 1, 0))[:, np.newaxis] * axes * root
        rest = np.sum(variance / noise) - squares.sum()
        fit = -(np.log(squares).sum() + rest + np.log(noise).sum()) / 2
        if fit - before < _GAIN_PER_ROW:
            break
        before = fit
        noise = np.maximum(variance - np.sum(loadings**2, axis=0), _TINY)
    return loadings, noise
