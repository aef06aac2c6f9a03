"""Settings of torch that the caller has made change no result."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

import skgen
from skgen import VariationalAutoencoder

X = np.random.default_rng(0).normal(size=(60, 3))
X[::3, 0] = np.nan


@contextmanager
def default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        yield
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def results(parameters, path):
    rows, likelihood = X, parameters.get("likelihood")
    if likelihood in ("bernoulli", "chow_liu", "poisson"):
        rows = np.where(np.isnan(X), np.nan, X > 0)
    if likelihood == "autoregressive":  # it takes no gaps
        rows = (X > 0).astype(float)
    vae = VariationalAutoencoder(
        2, max_iter=2, hidden_layer_sizes=(8,), n_score_samples=32, random_state=0
    ).set_params(**parameters)
    vae.fit(rows).save(path)
    vae = skgen.load(path).partial_fit(rows)
    return (
        vae.score_samples(rows),
        vae.log_likelihood(rows, n_samples=64, proposal="prior"),
        vae.elbo(rows),
        vae.transform(rows),
        vae.reconstruct(rows),
        vae.sample(3),
        vae.impute(rows, n_gibbs_steps=4),
    )


@pytest.mark.parametrize(
    "parameters",
    [
        {"noise_variance": 0.5, "objective": "iwae", "n_importance_samples": 2},
        {"noise_variance": "heteroscedastic", "n_iter_no_change": 1, "tol": 9.0},
        {"prior": "vamp"},
        {"prior": "mixture", "noise_variance": "feature"},
        {"prior": "flow", "noise_variance": "full"},
        {"likelihood": "bernoulli", "binarize": "sample"},
        {"likelihood": "chow_liu", "binarize": "sample"},
        {"likelihood": "autoregressive"},
        {"likelihood": "poisson"},
    ],
    ids=str,
)
def test_settings_of_torch_change_nothing(parameters, tmp_path):
    expected = results(parameters, tmp_path / "vae")
    for surroundings in (
        default_dtype(),
        torch.device("meta"),
        torch.no_grad(),
        torch.inference_mode(),
    ):
        with surroundings:
            mine = results(parameters, tmp_path / "vae")
        for one, other in zip(mine, expected):
            assert_array_equal(one, other)
