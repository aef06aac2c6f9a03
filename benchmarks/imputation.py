"""Missing cells of mixed tables: how well and how fast they are filled in.

A fifth of all cells are removed at random, of training and of test rows. Each imputer
is fitted to the training rows and fills the test rows in.

- "numbers": the root mean squared error of removed numbers, in units of the deviation
  of their column, averaged over the columns.
- "categories": the share of removed categories that are filled in wrongly.

The peers see numbers that are standardised and categories as one-hot columns, of which
the largest is taken. With ``--data adult.csv`` the table is Adult, at most 5,000 rows
to train on and 2,000 to fill in; without, scikit-learn's small ones.
"""

import time
import warnings

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks.tables import tables
from skgen import VariationalAutoencoder

N_SEEDS = 3
MISSING = 0.2
MOST = 5000, 2000  # rows to train on and to fill in


def run(path, quick):
    results = []
    for name, (train, test, _) in tables(path, quick).items():
        train, test = train[: MOST[0]], test[: MOST[1]]
        n_seeds = 1 if quick or len(train) == MOST[0] else N_SEEDS
        for imputer, filled in IMPUTERS.items():
            measured = []
            for seed in range(n_seeds):
                rng = np.random.default_rng(seed)
                gaps = [
                    frame.mask(rng.random(frame.shape) < MISSING)
                    for frame in (train, test)
                ]
                start = time.perf_counter()
                result = filled(*gaps, seed, quick)
                seconds = time.perf_counter() - start
                measured.append(
                    {"seconds": seconds, **errors(result, gaps[1], test, train)}
                )
            means = pd.DataFrame(measured).mean().round(3).to_dict()
            results.append({"table": name, "imputer": imputer, **means})
            print(results[-1], flush=True)
    return results


def errors(result, gaps, truth, train):
    """Errors at the cells that are missing in `gaps`."""
    numbers, categories = [], []
    for column in truth:
        missing = gaps[column].isna()
        ours, right = result[column][missing], truth[column][missing]
        if train[column].dtype.kind in "if":
            square = np.mean((ours.astype(float) - right.astype(float)) ** 2)
            numbers.append(np.sqrt(square) / train[column].std())
        else:
            categories.append(np.mean(ours.astype(str) != right.astype(str)))
    return {
        "numbers": float(np.mean(numbers)),
        "categories": float(np.mean(categories)) if categories else np.nan,
    }


def vae(train, test, seed, quick):
    options = {"max_iter": 3} if quick else {}
    model = VariationalAutoencoder(random_state=seed, **options).fit(train)
    return model.impute(test, return_mean=True)


def most_frequent(train, test, seed, quick):
    """Means and modes."""
    return test.fillna(
        {
            name: column.mean() if column.dtype.kind in "if" else column.mode()[0]
            for name, column in train.items()
        }
    )


def encoded(imputer):
    """An imputer of scikit-learn on numbers and one-hot columns."""

    def filled(train, test, seed, quick):
        names = list(train.select_dtypes("number").columns)
        rest = [name for name in train if name not in names]
        values = [sorted(train[name].dropna().unique()) for name in rest]
        one_hot = OneHotEncoder(
            categories=values, handle_unknown="ignore", sparse_output=False
        )
        encoder = ColumnTransformer(
            [("numbers", StandardScaler(), names), ("rest", one_hot, rest)]
        )
        parts = encoder.fit_transform(train), encoder.transform(test)
        ends = np.cumsum([len(names), *map(len, values)])
        for rows, frame in zip(parts, (train, test)):
            for name, start, end in zip(rest, ends, ends[1:]):
                rows[frame[name].isna(), start:end] = np.nan
        model = imputer(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of too few iterations
            rows = model.fit(parts[0]).transform(parts[1])
        scaler = encoder.named_transformers_["numbers"]
        result = test.copy()
        result[names] = scaler.inverse_transform(rows[:, : len(names)])
        for name, known, start, end in zip(rest, values, ends, ends[1:]):
            result[name] = np.array(known)[rows[:, start:end].argmax(axis=1)]
        return result

    return filled


IMPUTERS = {
    "VAE": vae,
    "mean, mode": most_frequent,
    "KNNImputer": encoded(lambda seed: KNNImputer()),
    "IterativeImputer": encoded(lambda seed: IterativeImputer(random_state=seed)),
}
