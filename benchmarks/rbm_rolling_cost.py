"""What rolling AIS adds to an epoch at 784 x 500: epochs with and without, interleaved.

Random rows of 784 features if there is no file: the cost does not depend on the values.
"""

import copy

import numpy as np

from benchmarks.common import binary_data, interleaved_medians
from skgen.rbm.training import Settings, initial_state, train_epoch


def run(path, quick):
    if path is None:
        name = "random"
        X = (np.random.default_rng(0).random((60_000, 784)) < 0.13).astype(np.uint8)
    else:
        name, X, _ = binary_data(path)
    X = X[:2000] if quick else X[:20_000]
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

        rolling, bare = interleaved_medians([roll, plain], 3 if quick else 9)
        rows.append(
            {
                "data": name,
                "batch": batch_size,
                "epoch with (s)": round(rolling, 3),
                "without (s)": round(bare, 3),
                "rolling AIS / epoch without": f"{rolling / bare - 1:.1%}",
            }
        )
    return rows
