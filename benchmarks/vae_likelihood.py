"""Test log-likelihood of a 784-200-200-50 VAE, binarised anew every epoch.

Grey levels in [0, 1] train with ``binarize="sample"``; 1,000 test rows, binarised by
one fixed seeded draw, are scored by 5,000 importance samples.
"""

import time

import numpy as np

from benchmarks.common import binary_data
from skgen import VariationalAutoencoder


def run(path, quick):
    if path is None:
        raise SystemExit("vae-likelihood needs --data FILE.npz with images 0..255")
    name, _, X_test = binary_data(path)
    with np.load(path) as data:
        X_train = data["X_train"].reshape(len(data["X_train"]), -1)
    X_train = (X_train / 255).astype(np.float32)
    vae = VariationalAutoencoder(
        50,
        hidden_layer_sizes=(200, 200),
        learning_rate=3e-3,
        kl_warmup=0 if quick else 10,
        likelihood="bernoulli",
        binarize="sample",
        max_iter=2 if quick else 90,
        random_state=0,
        verbose=1,
    )
    start = time.perf_counter()
    vae.fit(X_train)
    seconds = time.perf_counter() - start
    scores = vae.log_likelihood(
        X_test[:1000], n_samples=100 if quick else 5000, random_state=0
    )
    return [
        {
            "data": name,
            "epochs": vae.n_iter_,
            "seconds": round(seconds, 1),
            "test rows": len(scores),
            "test nats": round(float(scores.mean()), 2),
            "std error over rows": round(float(scores.std() / len(scores) ** 0.5), 2),
            "test elbo": round(float(vae.elbo(X_test[:1000]).mean()), 2),
        }
    ]
