"""Test log-likelihood of the VAE on tables, log p(x) by 1,000 importance samples.

With ``--data``, a binary table in three parts: every model of a small grid is trained
with early stopping on X_valid, and the best on X_valid is chosen. Without, continuous
data sets of scikit-learn, standardised, in five folds: the model is chosen on the rows
that ``fit`` itself holds out. GaussianMixture and PCA get the number of components that
is best on the test folds, which favours them.
"""

import time

import numpy as np
from joblib import Parallel, delayed
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import KFold, ParameterGrid, cross_val_score
from sklearn.preprocessing import StandardScaler

from skgen import VariationalAutoencoder

BINARY = {"n_components": (16, 50), "prior": ("normal", "mixture")}
CONTINUOUS = {
    "n_components": (3, 10),
    "learning_rate": (2e-3, 5e-3),
    "prior": ("mixture", "flow"),
}
SETS = {
    "iris": load_iris,
    "wine": load_wine,
    "breast cancer": load_breast_cancer,
    "diabetes": load_diabetes,
}


def run(path, quick):
    return continuous(quick) if path is None else binary(path, quick)


def fitted(parameters, X, X_val=None):
    """The model, its seconds, and its best ELBO of held-out rows."""
    vae = VariationalAutoencoder(random_state=0, **parameters)
    start = time.perf_counter()
    vae.fit(X, X_val=X_val)
    seconds = time.perf_counter() - start
    return vae, seconds, float(vae.history_.validation_elbo.max())


def binary(path, quick):
    with np.load(path) as data:
        X_train, X_valid, X_test = (
            data[key][: 1000 if quick else None]
            for key in ("X_train", "X_valid", "X_test")
        )

    def row(point):
        parameters = point | {"likelihood": "bernoulli", "objective": "iwae"}
        parameters |= {"n_importance_samples": 5}
        parameters |= {"max_iter": 3} if quick else {}
        vae, seconds, _ = fitted(parameters, X_train, X_valid)
        valid, test = (
            vae.log_likelihood(X, n_samples=1000, random_state=1)
            for X in (X_valid, X_test)
        )
        return {
            **point,
            "epochs": vae.n_iter_,
            "seconds": round(seconds),
            "active units": int(vae.active_units_.sum()),
            "validation nats": round(float(valid.mean()), 2),
            "test nats": round(float(test.mean()), 2),
            "+-": round(float(test.std() / len(test) ** 0.5), 2),
        }

    rows = Parallel(n_jobs=2)(delayed(row)(point) for point in ParameterGrid(BINARY))
    best = max(rows, key=lambda row: row["validation nats"])
    return [{"chosen": "*" if row is best else "", **row} for row in rows]


def continuous(quick):
    folds = KFold(5, shuffle=True, random_state=0)
    rows = []
    for name, load in SETS.items():
        X = StandardScaler().fit_transform(load().data)
        chosen = Parallel(n_jobs=2)(
            delayed(best_of_grid)(X[train], X[test], quick)
            for train, test in folds.split(X)
        )
        scores = [score for score, _ in chosen]
        row = {"data": name, "VAE": round(float(np.mean(scores)), 2)}
        row["+-"] = round(float(np.std(scores) / np.sqrt(len(chosen))), 2)
        row["chosen"] = "; ".join(point for _, point in chosen)
        peers = {
            "GaussianMixture": [
                GaussianMixture(k, covariance_type=kind, n_init=3, random_state=0)
                for k in range(1, 9)
                for kind in ("full", "tied", "diag")
            ],
            "PCA": [PCA(k) for k in range(1, X.shape[1])],
        }
        for peer, models in peers.items():
            scores = [cross_val_score(model, X, cv=folds).mean() for model in models]
            best = models[int(np.argmax(scores))]
            row[peer] = round(float(max(scores)), 2)
            row[f"best {peer}"] = repr(best)
        rows.append(row)
        print(row, flush=True)
    return rows


def best_of_grid(X, X_test, quick):
    fits = []
    for point in ParameterGrid(CONTINUOUS):
        parameters = point | {"noise_variance": "heteroscedastic"}
        parameters |= {"max_iter": 5} if quick else {}
        vae, _, held_out = fitted(parameters, X)
        fits.append(
            (held_out, vae, "{n_components}/{learning_rate}/{prior}".format(**point))
        )
    _, vae, point = max(fits, key=lambda fit: fit[0])
    return vae.log_likelihood(X_test, n_samples=1000, random_state=1).mean(), point
