"""Anomalies: which density, or which detector, tells them from ordinary rows.

Each detector is fitted to ordinary rows alone and scores held-out ordinary rows and
anomalies; ROC AUC, mean and standard error over seeds.

- "breast cancer": malignant among benign tumours.
- "digits": each digit in turn is the anomaly among the other nine.
- With ``--data adult.csv``, "Adult": rows whose cells are shuffled, each column by
  itself, so that only combinations are unusual; at most 5,000 rows to train on. For
  such anomalies there is the density relative to independent columns.

Peers are IsolationForest, LocalOutlierFactor, one Gaussian, and ECOD and the VAE of
pyod, if it is installed, all with their defaults. They see pixels as they are, other
numbers standardised, and categories as one-hot columns.
"""

import importlib
import importlib.util
import time
import warnings
from functools import partial

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skgen import VariationalAutoencoder
from skgen.meta import DensityOutlierDetector

N_SEEDS = 5
MOST = 5000


def run(path, quick):
    rows = []
    n_seeds = 1 if quick else N_SEEDS
    for name, cases in tasks(path, quick).items():
        for model, detector in DETECTORS.items():
            if model.startswith("pyod") and not importlib.util.find_spec("pyod"):
                continue
            start, scores = time.perf_counter(), []
            for seed in range(n_seeds):
                parts = [measured(detector, *case, seed, quick) for case in cases]
                scores.append(np.mean(parts))
            row = {
                "data": name,
                "detector": model,
                "ROC AUC": round(float(np.mean(scores)), 3),
                "error": round(float(np.std(scores) / max(n_seeds - 1, 1) ** 0.5), 3),
                "seconds a fit": round(
                    (time.perf_counter() - start) / n_seeds / len(cases), 2
                ),
            }
            rows.append(row)
            print(row, flush=True)
    return rows


def tasks(path, quick):
    """Ordinary rows, and anomalies or None for shuffled rows, by name of the data."""
    if path is not None:
        frame = pd.read_csv(path).dropna().drop(columns="part")
        texts = frame.select_dtypes(exclude="number").columns
        # a rare category may be in the other half alone
        frame = frame.astype(dict.fromkeys(texts, "category"))
        return {"Adult": [(frame[: 1000 if quick else 2 * MOST], None)]}
    cancer, digits = load_breast_cancer(as_frame=True), load_digits()
    benign = cancer.target == 1
    images = digits.data / 16
    kinds = range(2 if quick else 10)
    return {
        "breast cancer": [(cancer.data[benign], cancer.data[~benign])],
        "digits": [
            (images[digits.target != k], images[digits.target == k]) for k in kinds
        ],
    }


def measured(detector, ordinary, anomalies, seed, quick):
    train, test = train_test_split(ordinary, test_size=0.5, random_state=seed)
    if anomalies is None:
        rng = np.random.default_rng(seed)
        columns = {name: rng.permutation(test[name]) for name in test}
        anomalies = pd.DataFrame(columns).astype(test.dtypes)
    model = detector(seed, quick, isinstance(train, pd.DataFrame))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(train)
        scores = [-model.score_samples(rows) for rows in (test, anomalies)]
    labels = np.repeat([0, 1], [len(test), len(anomalies)])
    return roc_auc_score(labels, np.concatenate(scores))


def vae(seed, quick, is_frame, **options):
    max_iter = {"max_iter": 3} if quick else {}
    density = VariationalAutoencoder(random_state=seed, **max_iter)
    return DensityOutlierDetector(density, random_state=seed, **options)


def on_numbers(make):
    """A detector of an array; of a frame, standardised numbers and one-hot columns."""

    def build(seed, quick, is_frame):
        if not is_frame:
            return make(seed)
        one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        encoder = make_column_transformer(
            (StandardScaler(), make_column_selector(dtype_include="number")),
            (one_hot, make_column_selector(dtype_exclude="number")),
        )
        return make_pipeline(encoder, make(seed))

    return build


class _Pyod(BaseEstimator):
    """A detector of pyod as one of scikit-learn's."""

    def __init__(self, name="ECOD", random_state=None):
        self.name = name
        self.random_state = random_state

    def fit(self, X, y=None):
        module = importlib.import_module(f"pyod.models.{self.name.lower()}")
        options = {} if self.name == "ECOD" else {"random_state": self.random_state}
        self.model_ = getattr(module, self.name)(**options).fit(X)
        return self

    def score_samples(self, X):
        return -self.model_.decision_function(X)


DETECTORS = {
    "VariationalAutoencoder": vae,
    "VAE, relative to independent columns": partial(vae, relative_to="independent"),
    "one Gaussian": on_numbers(lambda seed: GaussianMixture(reg_covar=1e-3)),
    "IsolationForest": on_numbers(lambda seed: IsolationForest(random_state=seed)),
    "LocalOutlierFactor": on_numbers(lambda seed: LocalOutlierFactor(novelty=True)),
    "pyod ECOD": on_numbers(lambda seed: _Pyod("ECOD")),
    "pyod VAE": on_numbers(lambda seed: _Pyod("VAE", seed)),
}
