"""An epoch of VariationalAutoencoder against the bare floor and a DataLoader loop.

784-200-200-50, Bernoulli, one sample. The floor is forward, backward and fused Adam on
float batches cut beforehand; the loop is what people write: a shuffled DataLoader over
a TensorDataset and torch's default Adam.
"""

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.common import binary_data, interleaved_seconds
from skgen.vae.likelihoods import Bernoulli
from skgen.vae.networks import Autoencoder, mlp
from skgen.vae.training import Settings, initial_state, train_epoch


def network(n_features):
    encoder = mlp(n_features, (200, 200), 100, "tanh")
    decoder = mlp(50, (200, 200), n_features, "tanh")
    return Autoencoder(encoder, decoder, Bernoulli().build(n_features), 50)


def bare_step(model, optimizer, X):
    mean, log_variance = model.encoder(X).chunk(2, dim=-1)
    H = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
    logits = model.decoder(H)
    loss = functional.binary_cross_entropy_with_logits(logits, X, reduction="sum")
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
    optimizer.zero_grad()
    ((loss + kl) / len(X)).backward()
    optimizer.step()


def run(path, quick):
    if path is None:
        name, X = "random", np.random.default_rng(0).random((60_000, 784)) < 0.13
        X = X.astype(np.uint8)
    else:
        name, X, _ = binary_data(path)
    X = X[:2000] if quick else X[:10_000]
    data = torch.from_numpy(X)
    floats = data.float()
    rows = []
    for batch_size in (100, 500):
        settings = Settings(batch_size, "elbo", 1, 0.999, "float32")
        n_updates = -(-len(X) // batch_size)
        rates, weights = np.full(n_updates, 1e-3), np.ones(n_updates)
        batches = [batch.clone() for batch in floats.split(batch_size)]
        state = initial_state(network(X.shape[1]), 0.0, np.random.default_rng(0))
        bare, usual = network(X.shape[1]), network(X.shape[1])
        fused = torch.optim.Adam(bare.parameters(), lr=1e-3, fused=True)
        adam = torch.optim.Adam(usual.parameters(), lr=1e-3)
        loader = DataLoader(TensorDataset(floats), batch_size=batch_size, shuffle=True)

        def ours(state=state, settings=settings, rates=rates, weights=weights):
            train_epoch(state, data, settings, rates, weights)

        def floor(bare=bare, fused=fused, batches=batches):
            for batch in batches:
                bare_step(bare, fused, batch)

        def loop(usual=usual, adam=adam, loader=loader):
            for (batch,) in loader:
                bare_step(usual, adam, batch)

        seconds = interleaved_seconds([ours, floor, loop], 3 if quick else 15)
        ratios = np.median(seconds[:, :1] / seconds[:, 1:], axis=0)
        rows.append(
            {
                "data": name,
                "batch": batch_size,
                "ours (s)": round(float(np.median(seconds[:, 0])), 3),
                "floor (s)": round(float(np.median(seconds[:, 1])), 3),
                "loop (s)": round(float(np.median(seconds[:, 2])), 3),
                "ours / floor": round(float(ratios[0]), 2),
                "ours / loop": round(float(ratios[1]), 2),
            }
        )
    return rows
