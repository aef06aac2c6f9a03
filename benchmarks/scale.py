"""Rows a second, and memory beyond the file, as files grow.

Rows of 100 columns lie in a memory map, in a Parquet file or, some of them, in another
X
hidden units. Each measurement has a process of its own. Its memory is what Linux calls
anonymous, without pages of the file, from when a small model is fitted to its peak. Of
that the result has a column of its own. The exponents say how seconds grow from one
size to the next, 1 is linearly.
"""

import json
import math
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

SIZES = {"BinaryRBM": (10**5, 10**6, 10**7), "VariationalAutoencoder": (10**5, 10**6)}
OPERATIONS = "fit", "partial_fit", "transform", "score_samples"
N_COLUMNS = 100
_BLOCK = 10**5  # rows of a block that is written
_ROW_GROUP = 10**4


def run(path, quick):
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, sizes in SIZES.items():
            for n in (10**4, 3 * 10**4) if quick else sizes:
                for file in files(pathlib.Path(folder), name == "BinaryRBM", n):
                    for operation in OPERATIONS:
                        rows.append(measured(name, operation, file, n))
                        rows[-1] |= exponent(rows)
                        print(rows[-1], flush=True)
                    file.unlink()
        for n in (10**4,) if quick else (10**6,):
            rows.append(measured("BinaryRBM", "fit", pathlib.Path(f"{n}.dask"), n))
            print(rows[-1], flush=True)
    return rows


def exponent(rows):
    """How the seconds grow since the last smaller file of the same kind."""
    *before, row = rows
    same = [
        one
        for one in before
        if all(one[key] == row[key] for key in ("model", "file", "operation"))
    ]
    if not same:
        return {"exponent": None}
    ratio = row["seconds"] / same[-1]["seconds"]
    return {"exponent": round(math.log(ratio, row["rows"] / same[-1]["rows"]), 2)}


def files(folder, binary, n):
    """A memory map and a Parquet file with the same rows."""
    import pyarrow as pa
    from pyarrow import parquet

    npy, file = folder / "rows.npy", folder / "rows.parquet"
    dtype = np.uint8 if binary else np.float32
    X = np.lib.format.open_memmap(npy, "w+", dtype, (n, N_COLUMNS))
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(10, N_COLUMNS))
    schema = pa.schema(
        [(f"x{i}", pa.from_numpy_dtype(dtype)) for i in range(N_COLUMNS)]
    )
    with parquet.ParquetWriter(file, schema) as writer:
        for start in range(0, n, _BLOCK):
            H = rng.normal(size=(min(_BLOCK, n - start), 10))
            rows = H @ weights + rng.normal(size=(len(H), N_COLUMNS))
            rows = (rows > 0 if binary else rows).astype(dtype)
            X[start : start + len(H)] = rows
            table = pa.table(list(rows.T), schema=schema)
            writer.write_table(table, row_group_size=_ROW_GROUP)
    X.flush()
    return npy, file


def measured(name, operation, file, n):
    arguments = [sys.executable, "-m", "benchmarks.scale", name, operation, str(file)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout.splitlines()[-1])
    row = {"model": name, "file": file.suffix[1:], "rows": n, "operation": operation}
    return row | result | {"rows/s": round(n / result["seconds"])}


def measure(name, operation, file):
    """One measurement, in a process of its own."""
    import skgen
    from skgen.sources import as_source
    from skgen.views import View

    settings = {"max_iter": 1, "random_state": 0}
    if name == "BinaryRBM":
        model = skgen.BinaryRBM(50, **settings)
    else:
        model = skgen.VariationalAutoencoder(
            10, hidden_layer_sizes=(64,), noise_variance="feature", **settings
        )
    if file.endswith(".dask"):
        X = on_a_cluster(int(file.split(".")[0]))
    else:
        X = np.load(file, mmap_mode="r") if file.endswith(".npy") else file
    small = View(as_source(X) or X)[0:5000]
    model.fit(small)
    model.score(small[:100])
    before, done = anonymous(), threading.Event()
    peak = [before]

    def watch():
        while not done.wait(0.01):
            peak[0] = max(peak[0], anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    result = getattr(model, operation)(X)
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    n_bytes = getattr(result, "nbytes", 0)
    return {
        "seconds": round(seconds, 2),
        "peak MB": round(peak[0] - before - n_bytes / 1e6),
        "result MB": round(n_bytes / 1e6),
    }


def on_a_cluster(n):
    """Random bits that a process of Dask's makes, not this one."""
    import dask.array
    import distributed

    cluster = distributed.LocalCluster(1, threads_per_worker=1, dashboard_address=None)
    distributed.Client(cluster)
    rng = dask.array.random.default_rng(0)
    return (rng.random((n, N_COLUMNS), chunks=(_BLOCK, N_COLUMNS)) > 0.5).persist()


def anonymous():
    """Megabytes of this process that are not pages of a file."""
    text = pathlib.Path("/proc/self/smaps_rollup").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith("Anonymous:"))
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore", UserWarning)  # of names, for rows of arrays
    print(json.dumps(measure(*sys.argv[1:])))
