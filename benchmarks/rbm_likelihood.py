"""Test log-likelihood of an RBM with 500 hidden units, by its own log Z and by AIS."""

import time

from benchmarks.common import binary_data
from skgen import BinaryRBM


def run(path, quick):
    name, X_train, X_test = binary_data(path)
    rows = []
    for max_iter in (2,) if quick else (20, 40):
        rbm = BinaryRBM(500, max_iter=max_iter, random_state=0, verbose=1)
        start = time.perf_counter()
        rbm.fit(X_train)
        seconds = time.perf_counter() - start
        ais = rbm.estimate_log_partition(
            n_temperatures=400 if quick else 4000, random_state=1
        )
        free_energy = rbm.free_energy(X_test).mean(dtype="float64")
        rows.append(
            {
                "data": name,
                "epochs": max_iter,
                "seconds": round(seconds, 1),
                "log Z of fit": round(rbm.log_partition_, 2),
                "std error": round(rbm.log_partition_std_, 2),
                "rolling std error": round(
                    float(rbm.history_.log_partition_std[-1]), 2
                ),
                "ais log Z": round(ais.value, 2),
                "ais std error": round(ais.std_error, 2),
                "test nats": round(rbm.score(X_test), 2),
                "test nats by ais": round(float(-free_energy - ais.value), 2),
            }
        )
    return rows
