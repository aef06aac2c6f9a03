"""GridSearchCV on two workers of Ray against the same on this process's cores.

``python -m benchmarks.ray_search`` prints both, and needs ray. The scores are equal.
"""

import time

import joblib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from skgen import BinaryRBM


def searched(backend):
    """Seconds and scores of a search with this backend of joblib."""
    grid = {"n_components": [16, 32, 64, 128]}
    search = GridSearchCV(BinaryRBM(random_state=0), grid, cv=2, n_jobs=2)
    start = time.perf_counter()
    with joblib.parallel_backend(backend):
        search.fit(load_digits().data / 16)
    return time.perf_counter() - start, search.cv_results_["mean_test_score"]


if __name__ == "__main__":
    import ray
    from ray.util.joblib import register_ray

    ray.init(num_cpus=2, include_dashboard=False)
    register_ray()
    for name in ("loky", "ray"):
        seconds, scores = searched(name)
        print(f"{name:5} {seconds:6.1f} s   {np.round(scores, 4)}")
