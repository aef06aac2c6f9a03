"""Test log-likelihood of a 784-200-200-50 VAE, binarised anew every epoch.

Grey levels in [0, 1] train with ``binarize="sample"``, first by the ELBO, then, through
``warm_start``, by the importance-weighted bound; 1,000 test rows, binarised by one
fixed seeded draw, are scored by 5,000 importance samples. Seconds are those of ``fit``
so far; the learning curve, the bound's ELBO on training rows, follows.
"""

import numpy as np

from benchmarks.common import binary_data, grey_data
from skgen import VariationalAutoencoder

ELBO = {"learning_rate": 3e-3, "kl_warmup": 10, "max_iter": 90}
IWAE = {
    "objective": "iwae",
    "n_importance_samples": 5,
    "learning_rate": 1e-3,
    "kl_warmup": 0,
    "max_iter": 30,
    "warm_start": True,
}


def run(path, quick):
    name, X_train = grey_data(path)
    _, _, X_test = binary_data(path)
    vae = VariationalAutoencoder(
        50,
        hidden_layer_sizes=(200, 200),
        likelihood="bernoulli",
        binarize="sample",
        early_stopping=False,
        random_state=0,
        verbose=1,
    )
    rows = []
    for stage in (ELBO, IWAE):
        stage = stage | {"max_iter": 2, "kl_warmup": 0} if quick else stage
        vae.set_params(**stage).fit(X_train)
        scores = vae.log_likelihood(
            X_test[:1000], n_samples=100 if quick else 5000, random_state=0
        )
        rows.append(
            {
                "data": name,
                "what": f"after {vae.objective}",
                "epochs": vae.n_iter_,
                "seconds": round(float(vae.history_.seconds[-1]), 1),
                "test rows": len(scores),
                "test nats": round(float(scores.mean()), 2),
                "+-": round(float(scores.std() / len(scores) ** 0.5), 2),
                "test elbo": round(float(vae.elbo(X_test[:1000]).mean()), 2),
            }
        )
        print(rows[-1], flush=True)
    due = np.linspace(0, len(vae.history_) - 1, 20).astype(int)
    return rows + [
        {
            "data": name,
            "what": "curve",
            "epochs": int(record.epoch),
            "seconds": round(float(record.seconds), 1),
            "train elbo": round(float(record.train_elbo), 2),
        }
        for record in vae.history_[due]
    ]
