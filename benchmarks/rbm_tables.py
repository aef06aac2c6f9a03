"""Test log-likelihood of BinaryRBM on a binary table in three parts.

Every model of a small grid is trained with early stopping on X_valid, with the default
negative phase. The interval is that of ``estimate_log_partition("bracket")``. The model
is chosen by the lower end of its likelihood of X_valid. "log total" is the logarithm of
the total probability of the distinct training rows by the log Z of ``fit``: it is at
most 0.
"""

import time

import numpy as np
from joblib import Parallel, delayed
from scipy.special import logsumexp
from sklearn.model_selection import ParameterGrid

from skgen import BinaryRBM

GRID = {"n_components": (100, 200), "weight_decay": (1e-4, 1e-3)}


def run(path, quick):
    if path is None:
        raise SystemExit("rbm-tables needs --data, with X_train, X_valid and X_test.")
    with np.load(path) as data:
        parts = [data[key] for key in ("X_train", "X_valid", "X_test")]
    points = list(ParameterGrid(GRID))
    if quick:
        points, parts = points[:2], [part[:1000] for part in parts]
    rows = Parallel(n_jobs=2)(delayed(fitted)(point, *parts, quick) for point in points)
    best = max(rows, key=lambda row: row["validation nats, at least"])
    return [{"chosen": "*" if row is best else "", **row} for row in rows]


def fitted(point, X_train, X_valid, X_test, quick):
    start = time.perf_counter()
    rbm = BinaryRBM(
        early_stopping=True, max_iter=3 if quick else 150, random_state=0, **point
    ).fit(X_train, X_val=X_valid)
    seconds = time.perf_counter() - start
    found = rbm.estimate_log_partition(
        "bracket", n_chains=800, n_temperatures=500, random_state=1
    )
    validation, test = (
        -rbm.free_energy(X).mean(dtype=np.float64) for X in (X_valid, X_test)
    )
    distinct = np.unique(X_train, axis=0)
    return {
        **point,
        "epochs": rbm.n_iter_,
        "seconds": round(seconds),
        "free-energy gap": round(float(rbm.history_.free_energy_gap[-1]), 1),
        "validation nats, at least": round(float(validation - found.high), 2),
        "test nats by fit": round(rbm.score(X_test), 2),
        "test nats, at least": round(float(test - found.high), 2),
        "at most": round(float(test - found.low), 2),
        "reliable": found.reliable,
        "log total": round(float(logsumexp(rbm.score_samples(distinct))), 2),
    }
