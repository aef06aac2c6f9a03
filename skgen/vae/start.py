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
Lucas, J., Tucker, G., Grosse, R. and Norouzi, M. Don't blame the ELBO! A linear VAE
perspective on posterior collapse. NeurIPS 2019.
"""

from functools import partial
from numbers import Integral

import numpy as np
import torch
from sklearn.decomposition import PCA, FactorAnalysis
from torch import nn

from skgen.vae.likelihoods import Gaussian
from skgen.vae.networks import Affine, Autoencoder, LinearSkip, as_network, mlp
from skgen.vae.priors import N_PARTS, new_prior
from skgen.vae.tables import TableLikelihood, linear_maps
from skgen.validation import rows_as_float

_MOST_ROWS = 5000  # behind the linear model
_SMALLEST_NOISE = 1e-3  # share of a feature's variance: few rows may seem to have none
_GAIN_PER_ROW = 1e-4  # nats per EM iteration that end factor analysis


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
        encoder = nn.Sequential(Affine(-mean / unit, 1 / unit), network)
    else:
        encoder = as_network(parameters.encoder, "encoder", n_in, 2 * n_latents)
    if parameters.decoder is None:
        decoder = layers(n_latents, sizes[::-1], n_out)
        last = decoder.linear if isinstance(decoder, LinearSkip) else decoder[-1]
        last.bias.data += shift
    else:
        decoder = as_network(parameters.decoder, "decoder", n_latents, n_out)
    prior = new_prior(parameters.prior, n_latents, n_in, generator)
    return Autoencoder(encoder, decoder, likelihood, n_latents, prior, mean)


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
    rows -= rows.mean(axis=0)
    if not isinstance(noise, str):
        noise = np.full(rows.shape[1], likelihood.variance().item())
    unseen = np.maximum(std.numpy() ** 2 - rows.var(axis=0), 0)
    seed = int(rng.integers(2**31))
    linear = linear_model(rows, model.n_components, noise, seed, unseen)
    loadings, noise, projection, log_variance = (
        torch.from_numpy(part.astype(np.float32)) for part in linear
    )
    encoder.linear.weight[: model.n_components] = projection
    encoder.linear.bias[model.n_components :] = log_variance
    decoder.linear.weight[: len(std)] = loadings.T
    if likelihood.noise_variance == "heteroscedastic":
        decoder.linear.bias[len(std) :] = noise.log()
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
    """At most 5,000 rows of X in the networks' units, float64, with the mean at NaN."""
    rows = np.arange(X.shape[0])
    if len(rows) > _MOST_ROWS:
        rows = rng.choice(len(rows), _MOST_ROWS, replace=False)
    rows = units.enter(rows_as_float(X, rows, np.float64))
    return np.where(np.isnan(rows), model.center.numpy(), rows)


def linear_model(X, n_components, noise_variance, seed=0, unseen=0.0):
    """The maximum likelihood fit of x = W h + noise ~ N(W h, Psi) to rows of mean zero.

    The columns have unit variance or share a unit. `noise_variance` is a name, as in
    ``likelihoods.Gaussian`` ("heteroscedastic" is taken as "feature"), or an array of
    equal numbers, which stay. `unseen` variance, which the rows do not show, is noise.
    Components that X is too small for are zero. Returns, in this order:

    loadings : W', (n_components, n_features); W' Psi^-1 W is diagonal
    noise_variance : the diagonal of Psi, (n_features,)
    projection : (n_components, n_features); E[h | x] is x times its transpose
    log_variance : of p(h | x), (n_components,)
    """
    n, n_features = X.shape
    fixed = isinstance(noise_variance, np.ndarray)
    shared = fixed or noise_variance == "scalar"
    gram = X.T @ X if n_features <= n else X @ X.T
    rank = np.linalg.matrix_rank(gram, hermitian=True)
    n_factors = min(n_components, rank - 1)
    loadings = np.zeros((n_components, n_features))
    if n_factors > 0 and shared:
        known = noise_variance if fixed else None
        loadings[:n_factors], noise = _principal_axes(X, n_factors, known, seed)
    elif n_factors > 0:
        loadings[:n_factors], noise = _factors(X, n_factors, seed)
    else:
        noise = X.var(axis=0) if rank else np.ones(n_features)
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


def _principal_axes(X, n_factors, noise, seed):
    """Loadings and noise variances of probabilistic PCA; `noise` if it is known."""
    pca = PCA(n_factors, random_state=seed).fit(X)
    if noise is None:
        unexplained = X.var(axis=0, ddof=1).sum() - pca.explained_variance_.sum()
        share = max(unexplained, 0) / (X.shape[1] - n_factors)
        noise = np.full(X.shape[1], share)
    signal = np.maximum(pca.explained_variance_ - noise[0], 0)
    return np.sqrt(signal)[:, None] * pca.components_, noise


def _factors(X, n_factors, seed):
    """Loadings and noise variances of factor analysis."""
    n, n_features = X.shape
    tol = _GAIN_PER_ROW * min(n, 2 * n_features)
    svd = "lapack" if n_features <= 200 else "randomized"
    model = FactorAnalysis(n_factors, tol=tol, svd_method=svd, random_state=seed)
    model.fit(_condensed(X))
    return model.components_, model.noise_variance_


def _condensed(X):
    """Rows of the same covariance and of mean zero, at most two for each column."""
    n, n_features = X.shape
    if n <= 2 * n_features:
        return X
    root = np.linalg.qr(X, mode="r") * np.sqrt(n_features / n)
    return np.concatenate([root, -root])
