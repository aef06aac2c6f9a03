import numpy as np
import pytest
from numpy.testing import assert_allclose
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
