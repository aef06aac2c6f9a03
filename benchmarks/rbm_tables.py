"""Test log-likelihood of BinaryRBM on a binary table in three parts.

Every model of a small grid is trained with early stopping on X_valid. log Z has three
estimates: by ``fit``, by AIS from 1,000 particles, and by reverse AIS. A mode of the
model without data may be found by a few of the AIS particles only, and by no other
estimate. So the model is chosen by the lowest of its three likelihoods of X_valid, and
the lowest is the one to quote.
"""

import time

import numpy as np
from joblib import Parallel, delayed
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
    best = max(rows, key=lambda row: row["least validation nats"])
    return [{"chosen": "*" if row is best else "", **row} for row in rows]


def fitted(point, X_train, X_valid, X_test, quick):
    start = time.perf_counter()
    rbm = BinaryRBM(
        negative_phase="tempered",
        early_stopping=True,
        max_iter=3 if quick else 150,
        random_state=0,
        **point,
    ).fit(X_train, X_val=X_valid)
    seconds = time.perf_counter() - start
    energies = rbm.free_energy(X_test).mean(dtype=np.float64)
    row = {
        **point,
        "epochs": rbm.n_iter_,
        "seconds": round(seconds),
        "swap rate": round(float(rbm.history_.swap_rate[-1]), 2),
        "validation nats": round(rbm.score(X_valid), 2),
        "test nats": round(rbm.score(X_test), 2),
        "+-": round(rbm.log_partition_std_, 2),
    }
    largest = rbm.log_partition_
    for method in ("ais", "reverse_ais"):
        estimate = rbm.estimate_log_partition(method, n_chains=1000, random_state=1)
        largest = max(largest, estimate.value)
        row[f"test nats, {method}"] = round(float(-energies - estimate.value), 2)
        row[f"ESS, {method}"] = round(estimate.effective_sample_size)
    excess = largest - rbm.log_partition_
    row["least validation nats"] = round(rbm.score(X_valid) - excess, 2)
    row["least test nats"] = round(rbm.score(X_test) - excess, 2)
    return row
