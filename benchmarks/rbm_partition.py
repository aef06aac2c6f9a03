"""log Z by annealing from both ends, its interval and its verdict, against enumeration.

The models have 14 to 20 hidden units and are trained until a weight is 5, or for 320
epochs. The data sets without a file are digits and two of far clusters, which Gibbs
chains do not cross. "covered" says whether the interval of the bracket holds exact
log Z; "reliable" is its verdict. The lower bound comes from the distinct rows. AIS has
as many particles and temperatures as the bracket has at either end.
"""

import numpy as np

from benchmarks.common import binary_data
from skgen import BinaryRBM

LARGEST_WEIGHT = 5


def far_clusters(n_clusters, n_features, noise, seed):
    """2,000 rows near centres that differ in half of the features."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 2, (n_clusters, n_features))
    rows = centres[rng.integers(0, n_clusters, 2000)]
    return (rows ^ (rng.random(rows.shape) < noise)).astype(np.uint8)


def trained(X, n_components, seed):
    """A model with a weight of at least 5: 20, 80 or 320 epochs make it."""
    for max_iter in (20, 80, 320):
        rbm = BinaryRBM(
            n_components, weight_decay=0, max_iter=max_iter, random_state=seed
        ).fit(X)
        if np.abs(rbm.components_).max() >= LARGEST_WEIGHT:
            break
    return rbm


def record(name, X, n_components, seed):
    rbm = trained(X, n_components, seed)
    exact = rbm.estimate_log_partition("exact").value
    sizes = {"n_chains": 400, "n_temperatures": 200, "random_state": seed}
    found = rbm.estimate_log_partition("bracket", **sizes)
    ais = rbm.estimate_log_partition("ais", **sizes)
    return {
        "data": name,
        "hidden": n_components,
        "seed": seed,
        "epochs": rbm.n_iter_,
        "largest weight": round(float(np.abs(rbm.components_).max()), 1),
        "exact log Z": round(exact, 2),
        "error": round(found.value - exact, 3),
        "std error": round(found.std_error, 3),
        "low": round(found.low - exact, 2),
        "high": round(found.high - exact, 2),
        "covered": found.low <= exact <= found.high,
        "reliable": found.reliable,
        "lower bound": round(found.lower_bound - exact, 2),
        "ais error": round(ais.value - exact, 3),
    }


def run(path, quick):
    name, X_train, _ = binary_data(path)
    data = {name: X_train}
    if path is None:
        data["five clusters"] = far_clusters(5, 60, 0.02, seed=0)
        data["twenty clusters"] = far_clusters(20, 100, 0.05, seed=1)
    models = (
        [(14, 0)] if quick else [(n, s) for n in (14, 16, 18, 20) for s in range(3)]
    )
    return [record(*item, *model) for item in data.items() for model in models[:10]]
