import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.stats import multivariate_normal
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.decomposition import PCA, FactorAnalysis

from skgen import VariationalAutoencoder
from skgen.vae.start import linear_model


@pytest.fixture(scope="module")
def wine():
    X = load_wine().data
    return (X - X.mean(axis=0)) / X.std(axis=0)


def at_the_start(X, n_components, noise_variance):
    """A model whose training has not moved it."""
    return VariationalAutoencoder(
        n_components,
        hidden_layer_sizes=(8,),
        noise_variance=noise_variance,
        learning_rate=1e-20,
        max_iter=1,
        early_stopping=False,
        n_score_samples=3,
        random_state=0,
    ).fit(X)


def density(model):
    loadings, noise, *_ = model
    covariance = loadings.T @ loadings + np.diag(noise)
    return multivariate_normal(np.zeros(len(covariance)), covariance)


@pytest.mark.parametrize("noise_variance", ["feature", "heteroscedastic"])
def test_training_starts_from_factor_analysis(wine, noise_variance):
    """Three importance samples suffice: the encoder is the posterior."""
    vae = at_the_start(wine, 3, noise_variance)
    known = density(linear_model(wine, 3, noise_variance))
    assert_allclose(vae.score_samples(wine), known.logpdf(wine), rtol=1e-4)
    converged = FactorAnalysis(3, tol=1e-6, max_iter=10_000).fit(wine)
    assert 0 <= converged.score(wine) - vae.score(wine) < 0.02


def test_training_starts_from_probabilistic_pca(wine):
    X = 7 * wine + 3
    vae, pca = at_the_start(X, 3, "scalar"), PCA(3).fit(X)
    assert_allclose(vae.score_samples(X), pca.score_samples(X), rtol=1e-4)
    assert_allclose(vae.noise_variance_, pca.noise_variance_, rtol=1e-4)


def test_a_fixed_noise_variance_is_kept(wine):
    """The best loadings are those of PCA, with that much less in the eigenvalues."""
    noise, X = 2.5, 2 * wine
    vae = at_the_start(X, 2, noise)
    covariance = np.cov(X.T)
    values, vectors = np.linalg.eigh(covariance)
    loadings = vectors[:, -2:] * np.sqrt(values[-2:] - noise)
    known = multivariate_normal(
        X.mean(axis=0), loadings @ loadings.T + noise * np.eye(13)
    )
    assert_allclose(vae.score_samples(X), known.logpdf(X), rtol=1e-4)
    assert_allclose(vae.noise_variance_, noise)


@pytest.mark.parametrize("noise_variance", ["scalar", "feature"])
def test_posterior_is_that_of_the_linear_model(wine, noise_variance):
    loadings, noise, projection, log_variance = linear_model(wine, 4, noise_variance)
    covariance = np.linalg.inv(np.eye(4) + loadings / noise @ loadings.T)
    assert_allclose(covariance, np.diag(np.exp(log_variance)), atol=1e-10)
    assert_allclose(projection, covariance @ loadings / noise, atol=1e-10)


@pytest.mark.parametrize("noise_variance", ["scalar", "feature", np.ones(3)])
@pytest.mark.parametrize("n_components", [1, 5])
@pytest.mark.parametrize(
    "X",
    [
        np.zeros((1, 3)),
        np.zeros((6, 3)),
        np.array([[1.0, 0, 0], [-1.0, 0, 0]]),
        np.array([[1.0, 2, 0], [-1.0, 1, 0], [0, -3, 0]]),
    ],
)
def test_data_of_low_rank(X, n_components, noise_variance):
    model = linear_model(X, n_components, noise_variance)
    assert model[0].shape == (n_components, 3)
    assert all(np.all(np.isfinite(part)) for part in model)
    assert np.all(model[1] >= 1e-3)


@pytest.mark.parametrize(
    "shape, noise_variance",
    [
        *itertools.product([(40, 300), (300, 40)], ["scalar", "feature", 0.5]),
        ((2100, 2200), "scalar"),
    ],
)
def test_sparse_rows_have_the_same_linear_model(shape, noise_variance):
    n_features = shape[1]
    if not isinstance(noise_variance, str):
        noise_variance = np.full(n_features, noise_variance)
    X = sparse.random(*shape, 0.05, format="csr", random_state=0)
    X.data += np.random.default_rng(0).normal(size=X.nnz)
    X[:, :3] = X[:, :3].multiply([[5, 4, 3]])  # axes that stand out
    models = [linear_model(rows, 3, noise_variance) for rows in (X, X.toarray())]
    for of_sparse, of_dense in zip(*models):
        assert_allclose(of_sparse, of_dense, atol=1e-5 * abs(of_dense).max())


@pytest.mark.parametrize("noise_variance", ["scalar", "feature"])
def test_training_of_sparse_rows_starts_where_that_of_dense_ones_does(noise_variance):
    X = sparse.random(60, 150, 0.1, format="csr", random_state=0)
    models = [at_the_start(rows, 3, noise_variance) for rows in (X, X.toarray())]
    scores = [model.score_samples(X) for model in models]
    assert_allclose(*scores, rtol=1e-4)
    assert_allclose(*(model.transform(X) for model in models), atol=1e-4)


def test_large_matrices_of_low_rank():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2100, 2)) @ rng.normal(size=(2, 2200))
    loadings, noise, *_ = linear_model(X, 3, "scalar")
    assert np.all(np.isfinite(loadings)) and np.all(noise > 0)
    assert np.any(loadings, axis=1).sum() == 1
    flat = linear_model(sparse.csr_matrix(X.shape), 3, "scalar")
    assert not np.any(flat[0])


def test_many_rows_are_condensed(wine):
    """Twenty copies of the rows have the same factors."""
    X = wine[:20] - wine[:20].mean(axis=0)
    models = (
        linear_model(X, 2, "feature"),
        linear_model(np.tile(X, (20, 1)), 2, "feature"),
    )
    scores = [density(model).logpdf(X).mean() for model in models]
    assert abs(scores[1] - scores[0]) < 0.02


def test_defaults_stop_by_themselves_beyond_the_linear_model():
    X = load_breast_cancer().data
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    train, test = X[::2], X[1::2]
    vae = VariationalAutoencoder(10, noise_variance="feature", random_state=0)
    vae.fit(train)
    assert vae.n_iter_ < vae.max_iter
    known = FactorAnalysis(10).fit(train)
    difference = vae.score_samples(test) - known.score_samples(test)
    assert difference.mean() > 2 * difference.std() / np.sqrt(len(test))
