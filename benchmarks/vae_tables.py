"""Test log-likelihood of the VAE on tables, by importance samples.

With ``--data``, a table in three parts, scored by 1,000 samples: every model of a small
grid is trained with early stopping on X_valid, and the best on X_valid is chosen.
Beside a table of bits there is a chain of logistic regressions of scikit-learn, one for
each column on those before it, whose likelihood is exact. Beside a table of numbers
there are a GaussianMixture that is chosen likewise, and a neural spline flow (zuko)
that is trained for as many seconds as the VAE that is chosen. Smaller VAEs of a second
grid are trained for at most twice the seconds of the mixture, one at a time.

Without, data sets of scikit-learn, standardised, in five folds. Every model, the peers
too, is chosen by GridSearchCV in three inner folds. Seconds are those of one fit of the
chosen model, a mean over the folds.
"""

import copy
import time

import numpy as np
from joblib import Parallel, delayed
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    ParameterGrid,
    cross_validate,
)
from sklearn.preprocessing import StandardScaler

from skgen import VariationalAutoencoder

BITS = [
    {
        "likelihood": ("chow_liu", "autoregressive"),
        "n_components": (16,),
        "hidden_layer_sizes": ((), (256, 256)),
    },
    {
        "likelihood": ("chow_liu", "autoregressive"),
        "n_components": (100,),
        "hidden_layer_sizes": ((),),
    },
    {
        "likelihood": ("autoregressive",),
        "n_components": (16,),
        "hidden_layer_sizes": ((256, 256),),
        "n_importance_samples": (20,),
    },
    {
        "likelihood": ("autoregressive",),
        "n_components": (16,),
        "hidden_layer_sizes": ((256, 256),),
        "n_importance_samples": (50,),
        "precision": ("bfloat16",),
        "compile": (True,),
    },
]
NUMBERS = {
    "n_components": (4, 10),
    "noise_variance": ("heteroscedastic", "full"),
    "prior": ("mixture", "flow"),
}
SHORT = {
    "hidden_layer_sizes": ((64, 64),),
    "learning_rate": (1e-2,),
    "batch_size": (400,),
    "noise_variance": ("heteroscedastic", "full"),
    "prior": ("normal", "mixture"),
}
IN_FOLDS = {"learning_rate": (2e-3, 1e-2), "prior": ("mixture", "flow")}
MIXTURES = (1, 2, 5, 10, 20, 50, 100, 200)
SETS = {
    "iris": load_iris,
    "wine": load_wine,
    "breast cancer": load_breast_cancer,
    "diabetes": load_diabetes,
}


def run(path, quick):
    if path is None:
        return in_folds(quick)
    with np.load(path) as data:
        parts = [
            data[key][: 1000 if quick else None]
            for key in ("X_train", "X_valid", "X_test")
        ]
    if np.isin(parts[1], (0, 1)).all():
        settings = {"objective": "iwae", "n_importance_samples": 5, "weight_decay": 0.1}
        return [*chosen_on_valid(parts, BITS, settings, quick), chain(*parts)]
    rows = chosen_on_valid(parts, NUMBERS, {}, quick)
    chosen = next(row for row in rows if row["chosen"])
    peers = [mixture(*parts, quick), flow(*parts, chosen["seconds"])]
    limit = {"max_time": 1.9 * peers[0]["seconds"]}
    short = chosen_on_valid(parts, SHORT, limit, quick, n_jobs=1)
    for row in short:
        row["model"] = "VAE, twice the seconds of the mixture"
    return [*rows, *short, *peers]


def chosen_on_valid(parts, grid, settings, quick, n_jobs=-1):
    """A row for every point of the grid; the best on the validation rows is marked."""
    settings = settings | ({"max_iter": 3} if quick else {})
    rows = Parallel(n_jobs=n_jobs)(
        delayed(row_of)(point, *parts, **settings) for point in ParameterGrid(grid)
    )
    best = max(rows, key=lambda row: row["validation nats"])
    return [{"chosen": "*" if row is best else "", **row} for row in rows]


def row_of(point, X_train, X_valid, X_test, **settings):
    """The row of a point of the grid; the settings are those of all points."""
    vae = VariationalAutoencoder(random_state=0, **(settings | point))
    start = time.perf_counter()
    vae.fit(X_train, X_val=X_valid)
    seconds = time.perf_counter() - start
    scores = (
        vae.log_likelihood(X, n_samples=1000, random_state=1) for X in (X_valid, X_test)
    )
    row = {"model": "VAE", **point, "epochs": vae.n_iter_}
    row["active units"] = int(vae.active_units_.sum())
    row["test elbo"] = round(float(vae.elbo(X_test).mean()), 2)
    return row | result(seconds, *scores)


def result(seconds, valid, test):
    return {
        "seconds": round(seconds, 1),
        "validation nats": round(float(valid.mean()), 2),
        "test nats": round(float(test.mean()), 2),
        "+-": round(float(test.std() / len(test) ** 0.5), 2),
    }


def chain(X_train, X_valid, X_test):
    """The row of a logistic regression of each column on those before it."""
    start = time.perf_counter()
    scores = np.zeros(len(X_valid)), np.zeros(len(X_test))
    both = 0.5 * np.ones((2, X_train.shape[1]))  # half a row of each value
    weights = np.append(np.ones(len(X_train)), [1, 1])
    rows = np.vstack([X_train, both])
    for column in range(X_train.shape[1]):
        before = np.arange(X_train.shape[1]) < column
        labels = np.append(X_train[:, column], [0, 1])
        model = LogisticRegression(max_iter=1000).fit(rows * before, labels, weights)
        for total, X in zip(scores, (X_valid, X_test)):
            log_p = model.predict_log_proba(X * before)
            total += log_p[np.arange(len(X)), X[:, column]]
    seconds = time.perf_counter() - start
    return {"model": "chain of logistic regressions"} | result(seconds, *scores)


def mixture(X_train, X_valid, X_test, quick):
    """The row of the GaussianMixture that is best on the validation rows."""
    rows = []
    for k in MIXTURES[: 3 if quick else None]:
        start = time.perf_counter()
        model = GaussianMixture(k, random_state=0).fit(X_train.astype(np.float64))
        seconds = time.perf_counter() - start
        scores = map(model.score_samples, (X_valid, X_test))
        rows.append({"model": repr(model)} | result(seconds, *scores))
    return max(rows, key=lambda row: row["validation nats"])


def flow(X_train, X_valid, X_test, seconds):
    """The row of a neural spline flow that is trained for so many seconds."""
    import torch
    import zuko

    torch.manual_seed(0)
    parts = [torch.from_numpy(X).float() for X in (X_train, X_valid, X_test)]
    model = zuko.flows.NSF(X_train.shape[1], transforms=5, hidden_features=(128, 128))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    start, best = time.perf_counter(), (-np.inf, None)
    while (share := (time.perf_counter() - start) / max(seconds, 1)) < 1:
        optimizer.param_groups[0]["lr"] = 5e-4 * (1 + np.cos(np.pi * share))
        for rows in torch.randperm(len(X_train)).split(256):
            optimizer.zero_grad()
            (-model().log_prob(parts[0][rows]).mean()).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
        with torch.no_grad():
            valid = float(model().log_prob(parts[1]).mean())
        if valid > best[0]:
            best = valid, copy.deepcopy(model.state_dict())
    seconds = time.perf_counter() - start
    model.load_state_dict(best[1])
    with torch.no_grad():
        scores = [model().log_prob(X).double().numpy() for X in parts[1:]]
    return {"model": "zuko.flows.NSF"} | result(seconds, *scores)


def in_folds(quick):
    """A row for each data set, with the mean of five folds for every kind of model."""
    outer, inner = (KFold(n, shuffle=True, random_state=0) for n in (5, 3))
    rows = []
    for name, load in SETS.items():
        X = StandardScaler().fit_transform(load().data)
        row = {"data": name}
        for kind, (model, grid) in searches(X.shape[1], quick).items():
            search = GridSearchCV(model, grid, cv=inner)
            options = {"cv": outer, "n_jobs": -1, "return_estimator": True}
            found = cross_validate(search, X, **options)
            scores, fits = found["test_score"], found["estimator"]
            seconds = np.mean([fit.refit_time_ for fit in fits])
            points = (fit.best_params_.items() for fit in fits)
            points = (", ".join(f"{n} {value}" for n, value in p) for p in points)
            row |= {
                kind: round(float(scores.mean()), 2),
                f"{kind} +-": round(float(scores.std() / len(scores) ** 0.5), 2),
                f"{kind}, s": round(float(seconds), 2),
                f"{kind}, chosen": "; ".join(points),
            }
        rows.append(row)
        print(row, flush=True)
    return rows


def searches(n_features, quick):
    """The kinds of models, and the grid of each."""
    vae = VariationalAutoencoder(
        min(n_features - 1, 10), noise_variance="heteroscedastic", random_state=0
    )
    gaussians = {
        "covariance_type": ("full", "tied", "diag"),
        "n_components": range(1, 9),
    }
    return {
        "VAE": (vae.set_params(max_iter=5) if quick else vae, IN_FOLDS),
        "GaussianMixture": (GaussianMixture(n_init=3, random_state=0), gaussians),
        "PCA": (PCA(), {"n_components": range(1, n_features)}),
    }
