"""An epoch of VariationalAutoencoder against the bare floor and a DataLoader loop.

784-200-200-50, Bernoulli, one sample. The floor is forward, backward and fused Adam on
float batches cut beforehand. The loop is what people write, after PyTorch's own example
(https://github.com/pytorch/examples/blob/main/vae/main.py): a shuffled DataLoader, here
over tensors in memory, torch's default Adam, the cross-entropy of probabilities and a
running total of the loss; ours is ``train_epoch``, without the scores of the learning
curve, as the loop has none. The leaner loop is the same DataLoader and Adam around the
floor's step.
"""

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.common import image_rows, interleaved_seconds
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


def usual_step(model, optimizer, X):
    optimizer.zero_grad()
    mean, log_variance = model.encoder(X).chunk(2, dim=-1)
    std = torch.exp(0.5 * log_variance)
    probability = torch.sigmoid(model.decoder(mean + torch.randn_like(std) * std))
    cross_entropy = functional.binary_cross_entropy(probability, X, reduction="sum")
    kl = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
    loss = cross_entropy + kl
    loss.backward()
    optimizer.step()
    return loss.item()


def seconds_of_epochs(X, batch_size, n_rounds):
    """Of ours, the floor, the loop and the leaner loop: (n_rounds, 4)."""
    data = torch.from_numpy(X)
    floats = data.float()
    settings = Settings(batch_size, "elbo", 1, 0.0, 0.999, "float32", False)
    n_updates = -(-len(X) // batch_size)
    rates, weights = np.full(n_updates, 1e-3), np.ones(n_updates)
    batches = [batch.clone() for batch in floats.split(batch_size)]
    loader = DataLoader(TensorDataset(floats), batch_size=batch_size, shuffle=True)
    state = initial_state(network(X.shape[1]), np.random.default_rng(0))
    bare, usual, lean = (network(X.shape[1]) for _ in range(3))
    fused = torch.optim.Adam(bare.parameters(), lr=1e-3, fused=True)
    adam = torch.optim.Adam(usual.parameters(), lr=1e-3)
    lean_adam = torch.optim.Adam(lean.parameters(), lr=1e-3)
    epochs = [
        lambda: train_epoch(state, data, settings, rates, weights),
        lambda: [bare_step(bare, fused, batch) for batch in batches],
        lambda: sum(usual_step(usual, adam, batch) for (batch,) in loader),
        lambda: [bare_step(lean, lean_adam, batch) for (batch,) in loader],
    ]
    return interleaved_seconds(epochs, n_rounds)


def run(path, quick):
    name, X = image_rows(path)
    rows = []
    for batch_size in (100, 500):
        seconds = seconds_of_epochs(X[: 2000 if quick else 10_000], batch_size, 15)
        row = {"data": name, "batch": batch_size}
        names = ("ours", "floor", "loop", "leaner loop")
        for who, median in zip(names, np.median(seconds, axis=0)):
            row[f"{who} (s)"] = round(float(median), 3)
        for who, ratio in zip(names[1:], (seconds[:, :1] / seconds[:, 1:]).T):
            row[f"ours / {who}"] = round(float(np.median(ratio)), 2)
        rows.append(row)
    return rows
