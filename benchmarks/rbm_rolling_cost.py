"""What rolling AIS adds to an epoch at 784 x 500: epochs with and without, interleaved.

Random rows of 784 features if there is no file: the cost does not depend on the values.
"""

import copy

import numpy as np

from benchmarks.common import binary_data, interleaved_seconds
from skgen.rbm.training import Settings, initial_state, train_epoch


def run(path, quick):
    if path is None:
        name = "random"
        X = (np.random.default_rng(0).random((60_000, 784)) < 0.13).astype(np.uint8)
    else:
        name, X, _ = binary_data(path)
    X = X[:2000] if quick else X[:10_000]
    rows = []
    for batch_size in (100, 500):
        settings = Settings(batch_size, 0.0, 1e-4, 1, "pcd", True, 0.999)
        rates = np.full(-(-len(X) // batch_size), 0.1)
        rng = np.random.default_rng(0)
        marginals = (X.sum(axis=0) + 1) / (len(X) + 2)
        state = initial_state(marginals, 500, max(100, batch_size), True, rng)
        with_belt = copy.deepcopy(state)
        without = state._replace(belt=None)

        def roll(state=with_belt, settings=settings, rates=rates):
            train_epoch(state, X, settings, rates)

        def plain(state=without, settings=settings, rates=rates):
            train_epoch(state, X, settings, rates)

        seconds = interleaved_seconds([roll, plain], 3 if quick else 25)
        rolling, bare = np.median(seconds, axis=0)
        quarters = np.quantile(seconds[:, 0] / seconds[:, 1] - 1, [0.25, 0.5, 0.75])
        rows.append(
            {
                "data": name,
                "batch": batch_size,
                "epoch with (s)": round(float(rolling), 3),
                "without (s)": round(float(bare), 3),
                "added, median of rounds": f"{quarters[1]:.1%}",
                "quartiles": f"{quarters[0]:.1%} to {quarters[2]:.1%}",
            }
        )
    return rows
