"""Classes of rows with missing cells: a density for each class, beside classifiers.

None, a fifth and half of all cells are removed at random, of training and of test rows.
Printed is the accuracy on test rows. ``GenerativeClassifier`` takes gaps as they are,
and so does gradient boosting; the others see means, or modes, in place of them.

With ``--data adult.csv`` the table is Adult, a frame with the class "sex", at most
5,000 rows to train on and 5,000 to test; without, digits.
"""

import time
import warnings

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skgen import VariationalAutoencoder
from skgen.meta import GenerativeClassifier

SHARES = 0.0, 0.2, 0.5
MOST = 5000


def run(path, quick):
    results = []
    name, X, y = data(path, 600 if quick else 2 * MOST)
    for share in SHARES:
        removed = np.random.default_rng(0).random(X.shape) < share
        rows = X.mask(removed) if path else np.where(removed, np.nan, X)
        parts = train_test_split(rows, y, test_size=0.5, random_state=0, stratify=y)
        for model, make in CLASSIFIERS.items():
            start = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                classifier = make(path is not None, quick).fit(parts[0], parts[2])
                accuracy = classifier.score(parts[1], parts[3])
            row = {
                "data": name,
                "missing": share,
                "classifier": model,
                "accuracy": round(float(accuracy), 3),
                "seconds": round(time.perf_counter() - start, 1),
            }
            results.append(row)
            print(row, flush=True)
    return results


def data(path, most):
    """Name, rows and classes."""
    if path is None:
        X, y = load_digits(return_X_y=True)
        return "digits", X[:most], y[:most]
    frame = pd.read_csv(path)[:most]
    return "Adult", frame.drop(columns=["part", "sex"]), frame["sex"]


def generative(is_frame, quick):
    options = {"max_iter": 3} if quick else {}
    options |= {} if is_frame else {"noise_variance": "feature"}
    density = VariationalAutoencoder(random_state=0, **options)
    return GenerativeClassifier(density)


def on_means(make):
    """A classifier of complete, standardised numbers and one-hot columns."""

    def build(is_frame, quick):
        numbers = make_pipeline(SimpleImputer(), StandardScaler())
        if not is_frame:
            return make_pipeline(numbers, make())
        categories = make_pipeline(
            SimpleImputer(strategy="most_frequent"),
            OneHotEncoder(handle_unknown="ignore", sparse_output=False),
        )
        encoder = make_column_transformer(
            (numbers, make_column_selector(dtype_include="number")),
            (categories, make_column_selector(dtype_exclude="number")),
        )
        return make_pipeline(encoder, make())

    return build


def boosting(is_frame, quick):
    classifier = HistGradientBoostingClassifier(random_state=0)
    if not is_frame:
        return classifier
    encoder = make_column_transformer(
        ("passthrough", make_column_selector(dtype_include="number")),
        (
            OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            make_column_selector(dtype_exclude="number"),
        ),
    )
    return make_pipeline(encoder, classifier)


CLASSIFIERS = {
    "GenerativeClassifier": generative,
    "GaussianNB": on_means(GaussianNB),
    "logistic regression": on_means(lambda: LogisticRegression(max_iter=1000)),
    "gradient boosting": boosting,
}
