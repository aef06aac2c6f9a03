"""Fits in threads give what they give one after another."""

import numpy as np
import torch
from joblib import Parallel, delayed
from torch import nn

from skgen import VariationalAutoencoder

X = np.random.default_rng(0).normal(size=(60, 3))


def noisy(n_in, n_out):
    """A network that draws from torch's global generator when made and when trained."""
    layers = nn.Linear(n_in, 4), nn.Dropout(0.5), nn.Linear(4, n_out)
    return nn.Sequential(*layers)


def fitted(seed):
    vae = VariationalAutoencoder(
        1, encoder=noisy, decoder=noisy, max_iter=20, batch_size=5, random_state=seed
    )
    return vae.fit(X).transform(X)


def test_own_networks_in_threads():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    serial = [fitted(seed) for seed in range(4)]
    threaded = Parallel(n_jobs=4, backend="threading")(
        delayed(fitted)(seed) for seed in range(4)
    )
    np.testing.assert_array_equal(threaded, serial)
    assert torch.equal(torch.get_rng_state(), before)
