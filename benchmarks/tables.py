"""Mixed tables: can synthetic rows be told from real ones, and do they serve as well?

Each model is fitted to the training rows of a frame and gives as many synthetic ones.

- "detection": AUC of a random forest that tells held-out real rows from synthetic ones,
  in five folds; 0.5 is perfect.
- "utility": the score on held-out real rows of a model that was trained on synthetic
  ones: AUC for two classes, accuracy for more, R^2 for numbers.
- "copies": the share of synthetic rows that are training rows.

Peers are CTGAN and TVAE of ctgan, if it is installed, with its defaults, and columns
that are drawn independently. Rows with gaps train the VAE alone, since peers refuse
them. Held-out rows are complete. With ``--data adult.csv`` the table is Adult; without,
scikit-learn's small ones, halved at random.
"""

import importlib
import importlib.util
import time
import warnings

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_diabetes, load_iris, load_wine
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from skgen import VariationalAutoencoder

N_SEEDS = 3
LARGE = 5000  # rows, from which boosting takes the place of a forest


def run(path, quick):
    rows = []
    for name, (train, test, target) in tables(path, quick).items():
        for model, draw in MODELS.items():
            if model in ("TVAE", "CTGAN") and not importlib.util.find_spec("ctgan"):
                continue
            n_seeds = 1 if quick or len(train) > LARGE else N_SEEDS
            parts = [draw(train, seed, quick) for seed in range(n_seeds)]
            measured = [
                {"seconds": seconds, **measures(synthetic, train, test, target, seed)}
                for seed, (synthetic, seconds) in enumerate(parts)
            ]
            means = pd.DataFrame(measured).mean().round(3).to_dict()
            rows.append({"table": name, "model": model, **means})
            print(rows[-1], flush=True)
        real = train.dropna()
        row = {"seconds": 0.0, **measures(real, train, test, target, 0), "copies": None}
        rows.append({"table": name, "model": "(real rows)", **row})
        print(rows[-1], flush=True)
    return rows


def tables(path, quick):
    """Training rows, complete test rows and the name of the target, by table."""
    if path is not None:
        frame = pd.read_csv(path)
        train = frame[frame.part != "test"].drop(columns="part")
        test = frame[frame.part == "test"].drop(columns="part").dropna()
        return {"Adult": (train[: 1000 if quick else None], test, "sex")}
    diabetes = load_diabetes(as_frame=True, scaled=False).frame
    diabetes["sex"] = diabetes.sex.map({1.0: "female", 2.0: "male"}).astype("category")
    sets = {"diabetes": (diabetes, "target")}
    for name, load in {"iris": load_iris, "wine": load_wine}.items():
        bunch = load(as_frame=True)
        labels = pd.Categorical.from_codes(bunch.target, list(bunch.target_names))
        sets[name] = (bunch.data.assign(label=labels), "label")
    return {
        name: (*train_test_split(frame, test_size=0.5, random_state=0), target)
        for name, (frame, target) in sets.items()
    }


def vae(train, seed, quick, **parameters):
    parameters |= {"max_iter": 3} if quick else {}
    model = VariationalAutoencoder(random_state=seed, **parameters)
    start = time.perf_counter()
    model.fit(train)
    seconds = time.perf_counter() - start
    return model.sample(len(train.dropna()), random_state=seed), seconds


def independent(train, seed, quick):
    rng = np.random.default_rng(seed)
    train = train.dropna()
    columns = {
        name: column.sample(len(train), replace=True, random_state=rng).to_numpy()
        for name, column in train.items()
    }
    return pd.DataFrame(columns).astype(train.dtypes), 0.0


def peer(name):
    def draw(train, seed, quick):
        torch = importlib.import_module("torch")
        model = getattr(importlib.import_module("ctgan"), name)
        train = train.dropna()
        discrete = list(train.select_dtypes(exclude="number").columns)
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        options = {"epochs": 3} if quick else {}
        if len(train) < 500:  # batches of 500 would be all rows
            options["batch_size"] = 50
        model = model(**options)
        plain = train.astype(dict.fromkeys(discrete, str))
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(plain, discrete)
        seconds = time.perf_counter() - start
        return model.sample(len(train))[train.columns].astype(train.dtypes), seconds

    return draw


MODELS = {
    "VAE": vae,
    "VAE, mixture": lambda *a: vae(*a, prior="mixture"),
    "independent columns": independent,
    "TVAE": peer("TVAE"),
    "CTGAN": peer("CTGAN"),
}


def measures(synthetic, train, test, target, seed):
    """Detection, utility and copies of synthetic rows."""
    n = min(len(test), len(synthetic))
    both = pd.concat([test.iloc[:n], synthetic.iloc[:n]], ignore_index=True)
    labels = np.repeat([0, 1], n)
    detector = learner(len(both), seed, is_regressor=False)
    scores = cross_val_predict(detector, both, labels, cv=5, method="predict_proba")
    auc = roc_auc_score(labels, scores[:, 1])
    known = set(map(tuple, train.astype(object).to_numpy()))
    copies = [row in known for row in map(tuple, synthetic.astype(object).to_numpy())]
    return {
        "detection": round(max(auc, 1 - auc), 3),
        "utility": round(utility(synthetic, test, target, seed), 3),
        "copies": round(float(np.mean(copies)), 3),
    }


def utility(synthetic, test, target, seed):
    is_regressor = synthetic[target].dtype.kind == "f"
    if not is_regressor and synthetic[target].nunique() < test[target].nunique():
        return 0.0  # a class is lost
    model = learner(len(synthetic), seed, is_regressor)
    model.fit(synthetic.drop(columns=target), synthetic[target])
    X, y = test.drop(columns=target), test[target]
    if is_regressor or y.nunique() > 2:
        return model.score(X, y)
    return roc_auc_score(y == model.classes_[1], model.predict_proba(X)[:, 1])


def learner(n_rows, seed, is_regressor):
    """A classifier or a regressor of mixed columns."""
    if n_rows > LARGE:
        kinds = HistGradientBoostingClassifier, HistGradientBoostingRegressor
        model = kinds[is_regressor](random_state=seed)
    else:
        kinds = RandomForestClassifier, RandomForestRegressor
        model = kinds[is_regressor](300, min_samples_leaf=3, random_state=seed)
    discrete = make_column_selector(dtype_exclude="number")
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    encoder = make_column_transformer((one_hot, discrete), remainder="passthrough")
    return make_pipeline(encoder, model)
