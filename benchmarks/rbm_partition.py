"""Rolling AIS and AIS against enumeration, on models with large weights.

The models have 12 to 16 hidden units and are trained until a weight is 3 or more. The
table shows the error of each estimate, its own standard error and its effective sample
size (of about 29 particles for rolling AIS, of 2,000 for AIS). Do not trust a standard
error whose effective sample size is below 10 for rolling AIS, or below 100 for AIS.
"""

import numpy as np

from benchmarks.common import binary_data
from skgen import BinaryRBM
from skgen.rbm import partition

LARGEST_WEIGHT = 3


def trained(X, n_components, seed):
    """A model with a weight of at least 3: the epochs double until there is one."""
    for max_iter in (5, 10, 20, 40, 80):
        rbm = BinaryRBM(
            n_components,
            partition_method="rolling",
            max_iter=max_iter,
            random_state=seed,
        ).fit(X)
        if np.abs(rbm.components_).max() >= LARGEST_WEIGHT:
            return rbm
    raise RuntimeError(f"No weight of {LARGEST_WEIGHT} after {max_iter} epochs.")


def run(path, quick):
    name, X_train, _ = binary_data(path)
    rows = []
    for n_components in (12,) if quick else (12, 14, 16):
        for seed in range(2 if quick else 5):
            rbm = trained(X_train, n_components, seed)
            exact = rbm.estimate_log_partition("exact").value
            ais = rbm.estimate_log_partition(
                "ais", n_chains=200 if quick else 2000, random_state=seed
            )
            rolling, _ = partition.running_estimate(
                rbm._state, rbm.partition_method, rbm.negative_phase
            )
            largest = float(np.abs(rbm.components_).max())
            error = rbm.log_partition_ - exact
            rows.append(
                {
                    "data": name,
                    "hidden": n_components,
                    "seed": seed,
                    "epochs": rbm.n_iter_,
                    "largest weight": round(largest, 1),
                    "exact log Z": round(exact, 2),
                    "rolling error": round(error, 3),
                    "std error": round(rbm.log_partition_std_, 3),
                    "rolling z": round(error / rbm.log_partition_std_, 2),
                    "ESS": round(rolling.effective_sample_size, 1),
                    "ais error": round(ais.value - exact, 3),
                    "ais std error": round(ais.std_error, 3),
                    "ais z": round((ais.value - exact) / ais.std_error, 2),
                    "ais ESS": round(ais.effective_sample_size, 1),
                }
            )
    return rows
