"""Rows with missing entries: likelihoods of what is observed, and training on it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.stats import multivariate_normal
from sklearn.datasets import load_digits
from sklearn.exceptions import DataConversionWarning

import skgen
from skgen import VariationalAutoencoder
from skgen.vae.likelihoods import ColumnLikelihood

SMALL = {"hidden_layer_sizes": (8,), "max_iter": 4, "random_state": 0}
rng = np.random.default_rng(0)
LOADINGS = rng.normal(size=(2, 6))
WHOLE = rng.normal(size=(1500, 2)) @ LOADINGS + 0.5 * rng.normal(size=(1500, 6))
HOLES = np.where(rng.random(WHOLE.shape) < 0.4, np.nan, WHOLE)


def linear_model(X, **parameters):
    return VariationalAutoencoder(
        2, hidden_layer_sizes=(), random_state=0, **parameters
    ).fit(X)


def gaussian_of(vae):
    """Mean and covariance of p(x) of a linear model."""
    mean = vae.inverse_transform(np.zeros((1, 2)))[0]
    loadings = vae.inverse_transform(np.eye(2)) - mean
    return mean, loadings.T @ loadings + np.diag(np.full(6, vae.noise_variance_))


def observed_log_density(mean, covariance, X):
    """log N(x_obs | mean_obs, covariance_obs) of every row."""
    densities = []
    for x in X:
        seen = ~np.isnan(x)
        part = covariance[np.ix_(seen, seen)]
        gaussian = multivariate_normal(mean[seen], part) if seen.any() else None
        densities.append(0.0 if gaussian is None else gaussian.logpdf(x[seen]))
    return np.array(densities)


def test_the_likelihood_is_that_of_the_observed_entries():
    """Against the closed form, by 10,000 samples."""
    parameters = {"objective": "iwae", "n_importance_samples": 5, "max_iter": 30}
    vae = linear_model(HOLES, learning_rate=1e-2, batch_size=50, **parameters)
    X = HOLES[:40].copy()
    X[0] = np.nan
    expected = observed_log_density(*gaussian_of(vae), X)
    for proposal in ("encoder", "prior"):
        runs = np.array(
            [
                vae.log_likelihood(
                    X, n_samples=10_000, proposal=proposal, random_state=seed
                )
                for seed in range(8)
            ]
        )
        error = runs.std(axis=0, ddof=1) / np.sqrt(len(runs))
        assert np.all(abs(runs.mean(axis=0) - expected) < 6 * error + 0.01)
    elbo, reconstruction, _ = vae.elbo(X, return_terms=True)
    assert_allclose(reconstruction[0], 0, atol=1e-12)
    assert elbo.mean() < expected.mean()
    assert_array_equal(vae.score_samples(X)[3:5], vae.score_samples(X[3:5]))


def test_whole_rows_are_scored_as_ever():
    vae = linear_model(WHOLE, max_iter=3)
    both = np.vstack([WHOLE[:5], HOLES[:5]])
    assert_allclose(vae.score_samples(both)[:5], vae.score_samples(WHOLE[:5]))
    assert_allclose(vae.transform(both)[:5], vae.transform(WHOLE[:5]))


@pytest.mark.parametrize("objective", ["elbo", "iwae"])
def test_training_learns_from_what_is_observed(objective):
    """Almost as near to the truth as from whole rows; filling in means is farther off.

    With gaps the posteriors are no longer diagonal, which costs the ELBO more.
    """
    test = WHOLE[1000:]
    truth = multivariate_normal(np.zeros(6), LOADINGS.T @ LOADINGS + 0.25 * np.eye(6))
    entropy = -truth.logpdf(test).mean()
    parameters = {
        "objective": objective,
        "max_iter": 30,
        "learning_rate": 1e-2,
        "batch_size": 50,
    }
    parameters |= {"n_importance_samples": 5 if objective == "iwae" else 1}
    filled = np.where(np.isnan(HOLES), np.nanmean(HOLES, axis=0), HOLES)
    losses = [
        -linear_model(X[:1000], **parameters).score(test) - entropy
        for X in (WHOLE, HOLES, filled)
    ]
    assert losses[0] < 0.05
    assert losses[1] < (0.1 if objective == "iwae" else 0.4)
    assert losses[2] > losses[1] + 0.1


@pytest.mark.parametrize(
    "parameters, X",
    [
        ({"likelihood": "bernoulli"}, load_digits().data[:80, 18:30] / 16),
        (
            {"likelihood": "bernoulli", "binarize": "sample"},
            load_digits().data[:80, 18:30] / 16,
        ),
        ({"likelihood": "poisson", "prior": "vamp"}, load_digits().data[:80, 18:30]),
        ({"noise_variance": "heteroscedastic", "prior": "mixture"}, WHOLE[:80]),
        (
            {"likelihood": ColumnLikelihood([("gaussian", [0, 1]), ("poisson", [2])])},
            np.abs(WHOLE[:80, :3]).round(),
        ),
    ],
    ids=["bernoulli", "sample", "poisson", "heteroscedastic", "columns"],
)
def test_every_likelihood(parameters, X, tmp_path):
    X = np.where(np.random.default_rng(1).random(X.shape) < 0.3, np.nan, X)
    vae = VariationalAutoencoder(2, **SMALL, **parameters).fit(X, X_val=X[:20])
    assert np.all(np.isfinite(vae.history_.validation_elbo))
    states = np.where(np.isnan(X), X, X > 0.5) if "binarize" in parameters else X
    assert np.all(np.isfinite(vae.score_samples(states)))
    assert np.all(np.isfinite(vae.transform(X)))
    assert not np.isnan(vae.impute(states)).any()
    assert not np.isnan(vae.sample(5)).any()
    vae.partial_fit(X).save(tmp_path / "vae")
    loaded = skgen.load(tmp_path / "vae")
    assert_array_equal(loaded.score_samples(states), vae.score_samples(states))


def test_one_hot_columns_are_missing_together():
    X = np.eye(3)[np.random.default_rng(0).integers(3, size=60)]
    X[:5] = np.nan
    vae = VariationalAutoencoder(1, likelihood="categorical", **SMALL).fit(X)
    nothing = vae.log_likelihood(X[:1], n_samples=5, proposal="prior")
    assert_allclose(nothing, 0, atol=1e-12)
    X[7, 1] = np.nan
    with pytest.raises(ValueError, match="missing together or not at all, got row 7"):
        vae.fit(X)


def test_a_column_that_is_seldom_observed():
    """By none of the 5,000 rows that training starts from."""
    X = np.random.default_rng(0).normal(size=(6000, 3))
    X[:, 2], X[:2, 2] = np.nan, [7, 9]
    vae = VariationalAutoencoder(1, **SMALL | {"max_iter": 1}, early_stopping=False)
    for seed in range(3):
        vae.set_params(random_state=seed).fit(X)
        assert np.all(np.isfinite(vae.score_samples(X[:5])))


def test_a_gap_does_not_hide_that_data_are_not_scaled():
    X = np.where(WHOLE[:50] > 0, 255.0, 0.0)
    X[0, 0] = np.nan
    with pytest.warns(DataConversionWarning, match="values from 0.0 to 255.0"):
        VariationalAutoencoder(1, likelihood="bernoulli", **SMALL).fit(X)


def test_large_values_have_gradients():
    X = 1e20 + 1e18 * WHOLE[:200]
    X[np.random.default_rng(0).random(X.shape) < 0.3] = np.nan
    vae = VariationalAutoencoder(2, **SMALL).fit(X)
    assert np.all(np.isfinite(vae.score_samples(X)))


def test_what_is_refused():
    X = WHOLE[:50].copy()
    X[:, 2] = np.nan
    with pytest.raises(ValueError, match="no observed value in column 2"):
        VariationalAutoencoder(1, **SMALL).fit(X)
    X[:, 2], X[3, 1] = 0, np.inf
    with pytest.raises(ValueError, match="inf at row 3, column 1"):
        VariationalAutoencoder(1, **SMALL).fit(X)
    X[3, 1] = np.nan
    with pytest.raises(ValueError, match="NaN at row 3, column 1"):
        VariationalAutoencoder(1, **SMALL).fit(sparse.csr_array(X))
