"""Data, timing and tables for all benchmarks."""

import datetime
import json
import pathlib
import platform
import time

import numpy as np
import pandas as pd
import scipy
import sklearn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import skgen

RESULTS = pathlib.Path(__file__).parent / "results"


def binary_data(path, seed=1):
    """Name, X_train and X_test, 0/1: one seeded draw from the grey levels."""
    name, X_train, X_test = _loaded(path)
    rng = np.random.default_rng(seed)
    return name, *(_drawn(X, rng) for X in (X_train, X_test))


def image_rows(path):
    """Name and 60,000 rows of 784 features, 0/1, for timing.

    Without a file the rows are random: the time does not depend on the values.
    """
    if path is None:
        X = np.random.default_rng(0).random((60_000, 784)) < 0.13
        return "random", X.astype(np.uint8)
    name, X, _ = binary_data(path)
    return name, X


def grey_data(path):
    """Name and X_train in [0, 1], float32."""
    name, X_train, _ = _loaded(path)
    return name, X_train.astype(np.float32) / _top(X_train)


def _loaded(path):
    if path is None:
        X_train, X_test = train_test_split(
            load_digits().data / 16, test_size=0.2, random_state=0
        )
        return "digits", X_train, X_test
    with np.load(path) as data:
        X_train, X_test = (data[key] for key in ("X_train", "X_test"))
    name = pathlib.Path(path).stem
    return name, *(X.reshape(len(X), -1) for X in (X_train, X_test))


def _drawn(X, rng):
    return (rng.random(X.shape, dtype=np.float32) * _top(X) < X).astype(np.uint8)


def _top(X):
    """The grey level that means probability 1."""
    return 255 if X.dtype == np.uint8 and X.max() > 1 else 1


def interleaved_seconds(functions, n_rounds):
    """Seconds of each function, shape (n_rounds, n): a round calls each once."""
    return np.array([[_seconds(f) for f in functions] for _ in range(n_rounds)])


def compared(what, functions, n_rounds):
    """Rows of a table: median seconds, median ratio of ours, the first, to each."""
    seconds = interleaved_seconds(functions.values(), n_rounds)
    ratios = np.median(seconds[:, :1] / seconds, axis=0)
    return [
        {
            "what": what,
            "who": who,
            "seconds": round(float(median), 4),
            "ours / theirs": round(float(ratio), 2),
        }
        for who, median, ratio in zip(functions, np.median(seconds, axis=0), ratios)
    ]


def _seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def write_table(arguments, rows):
    """Print the rows (dicts) and write them with the versions and the processor."""
    print(pd.DataFrame(rows).to_string(index=False))
    RESULTS.mkdir(exist_ok=True)
    data = f"-{pathlib.Path(arguments.data).stem}" if arguments.data else ""
    quick = "-quick" if arguments.quick else ""
    device = "" if arguments.device == "cpu" else f"-{arguments.device}"
    path = RESULTS / f"{arguments.name}{data}{device}{quick}.json"
    versions = {
        "skgen": skgen.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
    }
    content = {
        "date": datetime.date.today().isoformat(),
        "processor": _processor(),
        "versions": versions,
        "rows": rows,
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(f"\nwritten to {path.relative_to(RESULTS.parent.parent)}")


def _processor():
    information = pathlib.Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor()
