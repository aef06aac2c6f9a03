"""The effect of changing a default of BinaryRBM: the defaults were chosen by this.

The data are scikit-learn's digits and breast cancer; ``--data`` adds another set. Each
row gives the mean test log-likelihood over seeds, the first row for the defaults.
"""

import time

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import KBinsDiscretizer

from benchmarks.common import binary_data
from skgen import BinaryRBM

CHANGES = [
    {},
    {"learning_rate": 0.1},
    {"learning_rate": 0.4},
    {"momentum": 0.5, "learning_rate": 0.1},
    {"weight_decay": 0.0},
    {"weight_decay": 1e-3},
    {"batch_size": 100},
    {"max_iter": 20},
    {"max_iter": 100},
    {"averaging": 0.0},
    {"centered": False},
    {"negative_phase": "cd"},
    {"negative_phase": "tempered"},
]


def breast_cancer():
    """569 rows of 30 measurements: five indicators per measurement, one a quintile."""
    X = load_breast_cancer().data
    bins = KBinsDiscretizer(5, quantile_method="averaged_inverted_cdf")
    X = bins.fit_transform(X).astype(np.uint8)
    return "breast cancer", *train_test_split(X, test_size=0.2, random_state=0)


def run(path, quick):
    sets = [binary_data(None), breast_cancer()]
    if path is not None:
        name, X_train, X_test = binary_data(path)
        sets.append((name, X_train[:10_000], X_test[:4000]))
    rows = []
    for name, X_train, X_test in sets:
        for change in CHANGES[:2] if quick else CHANGES:
            start = time.perf_counter()
            scores = [
                BinaryRBM(100, random_state=seed, **change).fit(X_train).score(X_test)
                for seed in range(1 if quick or len(X_train) > 3000 else 3)
            ]
            rows.append(
                {
                    "data": name,
                    "rows": X_train.shape[0],
                    "features": X_train.shape[1],
                    "change": str(change or "none"),
                    "test nats": round(float(np.mean(scores)), 2),
                    "s per fit": round((time.perf_counter() - start) / len(scores), 1),
                }
            )
            print(rows[-1], flush=True)
    return rows
