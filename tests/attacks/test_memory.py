"""Memory follows from the setting ``working_memory``, not from draws and widths."""

import tracemalloc

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn import config_context

from skgen import VariationalAutoencoder
from skgen.vae.networks import Autoencoder
from skgen.vae.start import linear_model

X = np.random.default_rng(0).normal(size=(60, 2))
VALUES = 4096  # in the widest tensor of a block at a working memory of 1 MiB


@pytest.fixture
def decoded(monkeypatch):
    """The number of values in the widest layer, of each call of a decoder."""
    sizes = []

    def decode(self, H, real=Autoencoder.decode):
        sizes.append(H[..., 0].numel() * 64)
        return real(self, H)

    monkeypatch.setattr(Autoencoder, "decode", decode)
    return sizes


@pytest.mark.parametrize("n_draws", [1, 20])
def test_scores_of_held_out_rows(decoded, n_draws):
    vae = VariationalAutoencoder(
        1,
        hidden_layer_sizes=(64,),
        objective="iwae",
        n_importance_samples=n_draws,
        batch_size=3,
        max_iter=1,
        random_state=0,
    )
    held_out = np.repeat(X, 10, axis=0)
    whole = vae.fit(X, X_val=held_out).history_.validation_elbo
    assert max(decoded) >= 600 * 64
    decoded.clear()
    with config_context(working_memory=1):
        in_blocks = vae.fit(X, X_val=held_out).history_.validation_elbo
    assert max(decoded) <= VALUES
    np.testing.assert_allclose(in_blocks, whole, atol=0.2)  # other draws


@pytest.mark.parametrize("encoder_is_wide", [True, False])
def test_the_widest_layer_of_both_networks_counts(encoder_is_wide):
    def network(n_in, n_out, width):
        return torch.nn.Sequential(
            torch.nn.Linear(n_in, width), torch.nn.Linear(width, n_out)
        )

    widths = (50, 7) if encoder_is_wide else (7, 50)
    vae = VariationalAutoencoder(
        2,
        encoder=lambda n_in, n_out: network(n_in, n_out, widths[0]),
        decoder=lambda n_in, n_out: network(n_in, n_out, widths[1]),
        max_iter=1,
        random_state=0,
    ).fit(X)
    assert vae._model.width == 50


@pytest.mark.parametrize("noise_variance", ["scalar", "feature"])
def test_the_linear_start_of_sparse_rows_stays_sparse(noise_variance):
    rows = sparse.random(300, 10_000, 0.01, format="csr", random_state=0)
    tracemalloc.start()
    try:
        linear_model(rows, 2, noise_variance)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 300 * 10_000 * 8 / 2  # half of the dense rows
