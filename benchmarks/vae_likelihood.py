"""Test log-likelihoods of VAEs whose training rows are binarised anew every epoch.

The models train on grey levels in [0, 1] with ``binarize="sample"``: first on the ELBO,
then, by ``warm_start``, on the importance-weighted bound. The score is that of all
test rows, one fixed seeded draw, by 5,000 importance samples. Seconds are the time of
``fit`` so far. The last rows are the learning curve: the ELBO of training rows.

There are three models: 784-200-200-50, as in the literature, one with wider layers and
a mixture of Gaussians as its prior, and one with a flow as its prior and pixels that
depend on one another. The third trains for more epochs, compiled and in bfloat16:
where a processor has instructions for it, an epoch takes 0.6 times the seconds.
"""

import numpy as np

from benchmarks.common import binary_data, grey_data
from skgen import VariationalAutoencoder
from skgen.vae.likelihoods import Autoregressive

ELBO = {"learning_rate": 3e-3, "kl_warmup": 10, "max_iter": 120}
IWAE = {
    "objective": "iwae",
    "n_importance_samples": 10,
    "learning_rate": 1e-3,
    "kl_warmup": 0,
    "max_iter": 36,
    "warm_start": True,
}
STAGES = ELBO, IWAE
LONGER = ELBO | {"max_iter": 150}, IWAE | {"learning_rate": 2e-3, "max_iter": 110}
MODELS = (
    ({"n_components": 50, "hidden_layer_sizes": (200, 200), "prior": "normal"}, STAGES),
    (
        {"n_components": 40, "hidden_layer_sizes": (400, 400), "prior": "mixture"},
        STAGES,
    ),
    (
        {
            "n_components": 40,
            "hidden_layer_sizes": (400, 400),
            "prior": "flow",
            "likelihood": Autoregressive(500),
            "weight_decay": 0.1,
            "precision": "bfloat16",
            "compile": True,
        },
        LONGER,
    ),
)


def run(path, quick):
    name, X_train = grey_data(path)
    _, _, X_test = binary_data(path)
    rows = []
    for model, stages in MODELS:
        layers = "-".join(map(str, model["hidden_layer_sizes"]))
        what = f"{X_train.shape[1]}-{layers}-{model['n_components']}, {model['prior']}"
        model = {"likelihood": "bernoulli"} | model
        what = f"{what}, {model['likelihood']}"
        X_score = X_test[: 100 if quick else None]
        for row in fitted(model, stages, X_train, X_score, quick):
            rows.append({"data": name, "model": what} | row)
            if row["what"] != "curve":
                print(rows[-1], flush=True)
    return rows


def fitted(model, stages, X_train, X_test, quick):
    """Rows of the table: one after each stage of training, then the learning curve."""
    vae = VariationalAutoencoder(
        **model,
        binarize="sample",
        early_stopping=False,
        random_state=0,
        verbose=1,
    )
    for stage in stages:
        stage = stage | {"max_iter": 2, "kl_warmup": 0} if quick else stage
        vae.set_params(**stage).fit(X_train)
        yield {
            "what": f"after {vae.objective}",
            "epochs": vae.n_iter_,
            "seconds": round(float(vae.history_.seconds[-1]), 1),
            "test elbo": round(float(vae.elbo(X_test).mean()), 2),
        }
    n_samples = 100 if quick else 5000
    scores = vae.log_likelihood(X_test, n_samples=n_samples, random_state=0)
    yield {
        "what": f"{n_samples} importance samples",
        "test nats": round(float(scores.mean()), 2),
        "+-": round(float(scores.std() / len(scores) ** 0.5), 2),
    }
    for record in vae.history_[np.linspace(0, len(vae.history_) - 1, 20).astype(int)]:
        yield {
            "what": "curve",
            "epochs": int(record.epoch),
            "seconds": round(float(record.seconds), 1),
            "train elbo": round(float(record.train_elbo), 2),
        }
