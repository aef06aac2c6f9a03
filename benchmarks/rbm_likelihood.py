"""Test log-likelihood of RBMs, and the time to reach it.

Every epoch draws its training rows anew from the grey levels; the test rows are one
fixed seeded draw. log Z is exact for 25 hidden units. For more units it is the bracket
of ``fit``, and AIS and reverse AIS estimate it apart: one log-likelihood is optimistic,
the other pessimistic. Ours reaches a level when the learning
curve of ``fit``, less two standard errors of log Z, is there. scikit-learn's
BernoulliRBM gets rows drawn in the same way, in float32 and batches of 100 like ours.
Its log Z comes from AIS with 1,000 temperatures, which is not counted in its time.
"""

import time

import numpy as np
from sklearn.neural_network import BernoulliRBM

from benchmarks.common import binary_data, grey_data
from skgen import BinaryRBM
from skgen.rbm.annealing import annealed_log_partition
from skgen.rbm.energy import RBMParameters, free_energy
from skgen.rbm.mixture import new_mixture

LEVELS = (-120.0, -100.0, -90.0, -86.0)
OURS = {
    25: {"max_iter": 60},
    500: {"max_iter": 130},
    1000: {"max_iter": 60},
}
PEER_RATES = (0.01, 0.03, 0.1)
PEER_SECONDS = 100


def run(path, quick):
    name, X_train = grey_data(path)
    _, _, X_test = binary_data(path)
    rows = []
    for n_components, parameters in OURS.items():
        if quick:
            parameters = {"max_iter": 2}
        rows.append(ours(name, n_components, parameters, X_train, X_test, quick))
        print(rows[-1], flush=True)
    for rate in PEER_RATES:
        seconds = 5 if quick else PEER_SECONDS
        rows.append(bernoulli_rbm(name, rate, X_train, X_test, seconds))
        print(rows[-1], flush=True)
    return rows


def ours(name, n_components, parameters, X_train, X_test, quick):
    rbm = BinaryRBM(
        n_components, binarize="sample", random_state=0, verbose=1, **parameters
    )
    start = time.perf_counter()
    rbm.fit(X_train, X_val=X_test)
    seconds = time.perf_counter() - start
    exact = n_components <= 25 and not quick
    methods = ("exact",) if exact else ("ais", "reverse_ais")
    estimates = {
        method: rbm.estimate_log_partition(
            method, n_chains=500, n_temperatures=200 if quick else 2000, random_state=1
        )
        for method in methods
    }
    free_energies = rbm.free_energy(X_test).mean(dtype=np.float64)
    row = {
        "data": name,
        "who": f"BinaryRBM {parameters}",
        "hidden": n_components,
        "seconds": round(seconds),
        "nats by fit": round(rbm.score(X_test), 2),
        "std error": round(rbm.log_partition_std_, 2),
    }
    for method, estimate in estimates.items():
        row[f"nats, {method}"] = round(float(-free_energies - estimate.value), 2)
        row[f"+-, {method}"] = round(estimate.std_error, 2)
    history = rbm.history_
    bound = history.validation_log_likelihood - 2 * history.log_partition_std
    return row | reached(list(zip(history.seconds, bound)))


def bernoulli_rbm(name, learning_rate, X_train, X_test, seconds):
    """A row for BernoulliRBM, scored whenever its time has grown by a fifth."""
    rng = np.random.default_rng(0)
    rbm = BernoulliRBM(500, learning_rate=learning_rate, batch_size=100, n_iter=1)
    rbm.set_params(random_state=0).fit(X_train[:100])  # float32, unlike partial_fit
    legacy = np.random.RandomState(0)
    marginals = np.clip(X_train.mean(axis=0), 1e-4, 1 - 1e-4)
    base = new_mixture(np.ones(1), marginals[None])
    spent, due, curve = 0.0, 5.0, []
    while spent < seconds:
        start = time.perf_counter()
        for rows in np.array_split(rng.permutation(len(X_train)), len(X_train) // 100):
            drawn = rng.random((len(rows), X_train.shape[1]), np.float32)
            rbm._fit((drawn < X_train[rows]).astype(np.float32), legacy)
        spent += time.perf_counter() - start
        if spent > due or spent > seconds:
            due = 1.2 * spent
            parameters = RBMParameters(
                rbm.components_.T, rbm.intercept_visible_, rbm.intercept_hidden_
            ).astype(np.float32)
            estimate, _ = annealed_log_partition(parameters, base, 100, 1000, rng)
            energies = free_energy(parameters, X_test.astype(np.float32))
            curve.append((spent, -energies.mean() - estimate.value))
    return {
        "data": name,
        "who": f"BernoulliRBM, learning rate {learning_rate}",
        "hidden": 500,
        "seconds": round(spent),
        "nats, ais": round(float(max(nats for _, nats in curve)), 2),
    } | reached(curve)


def reached(curve):
    """Seconds to each level, None if the curve does not reach it."""
    return {
        f"s to {level:.0f}": next(
            (round(float(seconds), 1) for seconds, nats in curve if nats >= level), None
        )
        for level in LEVELS
    }
