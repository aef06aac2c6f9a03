"""Counts near a million: rates have a ceiling, and the start may stay the best."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy import sparse, stats

from skgen import VariationalAutoencoder
from skgen.vae.likelihoods import ColumnLikelihood, Poisson


def vae(**parameters):
    settings = {"likelihood": "poisson", "random_state": 0, "hidden_layer_sizes": (64,)}
    settings["n_score_samples"] = 8
    settings |= parameters
    return VariationalAutoencoder(**settings)


def noise(n_rows, n_columns):
    """Large counts at random places, 1 % of them."""
    rng = np.random.default_rng(0)
    X = sparse.random(n_rows, n_columns, 0.01, format="csr", random_state=rng)
    X.data = rng.poisson(1e6, X.nnz).astype(float)
    return X


def of_columns(train, test):
    """Mean log p of rows by one rate per column, in nats."""
    rates = np.asarray(train.mean(axis=0)).ravel().clip(1e-3)
    return stats.poisson(rates).logpmf(test.toarray()).sum(axis=1).mean()


def test_noise_is_no_worse_than_independent_columns():
    """Held-out rows have counts in columns that no row before had."""
    X = noise(160, 3000)
    train, held_out, test = X[:100], X[100:130], X[130:]
    model = vae(max_iter=2).fit(train, X_val=held_out)
    assert model.elbo(test).mean() > 1.01 * of_columns(train, test)
    assert np.all(np.isfinite(model.history_.validation_elbo))


def test_kinds_of_rows_are_told_apart():
    rng = np.random.default_rng(0)
    kind = rng.integers(3, size=240)
    rates = 1e6 * (rng.random((3, 1000)) < 0.01) * rng.gamma(4, 0.25, (3, 1000))
    X = sparse.csr_matrix(rng.poisson(rates[kind]).astype(float))
    model = vae(max_iter=20, batch_size=20).fit(X[:200])
    assert model.elbo(X[200:]).mean() > 0.01 * of_columns(X[:200], X[200:])


@pytest.mark.parametrize("output", [-5.0, 3.0, 10.0, 40.0, 1e30])
def test_a_density_whatever_the_ceiling(output):
    likelihood = Poisson().build(1).double()
    likelihood.standardize(np.array([2.0]), np.array([1.0]))
    ceiling = 10 * (1 + 2**2) / 2
    outputs = torch.full((1, 1), output, dtype=torch.float64)
    rate = likelihood.mean(outputs).item()
    assert rate <= np.e * ceiling * (1 + 1e-6)
    if output <= np.log(ceiling):
        assert_allclose(rate, np.exp(output))
    counts = torch.arange(400, dtype=torch.float64)[:, None]
    log_p = likelihood.terms(outputs, counts)[:, 0]
    assert_allclose(log_p, stats.poisson(rate).logpmf(counts[:, 0]), atol=1e-9)


def test_the_ceiling_rises_with_later_rows():
    small = np.random.default_rng(0).poisson(3, size=(50, 4)).astype(float)
    parts = [("gaussian", [1]), ("poisson", [0, 2, 3])]
    for likelihood in ("poisson", ColumnLikelihood(parts)):
        model = vae(likelihood=likelihood).partial_fit(small)
        model.partial_fit(small * [1, 1, 1e6, 1])
        buffers = dict(model._model.named_buffers())
        ceilings = [b.item() for name, b in buffers.items() if "ceiling" in name]
        assert ceilings[0] > np.log(1e7)


def test_advice_on_divergence_fits_counts():
    X = np.random.default_rng(0).poisson(3, size=(50, 4)).astype(float)
    with pytest.raises(FloatingPointError, match="log1p") as error:
        vae(learning_rate=1e38).fit(X)
    assert "StandardScaler" not in str(error.value)
