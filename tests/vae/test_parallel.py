"""Two processes on the loopback device, with rows of their own, against one."""

import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits

from skgen import VariationalAutoencoder

START = """
import pathlib, sys
import numpy as np
from torch import distributed
from skgen import VariationalAutoencoder
from skgen.callbacks import Checkpoint
from tests.vae.test_parallel import PARAMETERS, Stop, rows

distributed.init_process_group("gloo")
rank = distributed.get_rank()
X = rows()[:900] if rank == 0 else rows()[900:1500]
"""
TRAINING = (
    START
    + """
results = {}
for seed in range(3):
    vae = VariationalAutoencoder(**PARAMETERS | {"random_state": seed}).fit(X)
    results[f"scores {seed}"] = vae.score_samples(rows()[1500:])
results["history"] = vae.history_.validation_elbo
unseeded = VariationalAutoencoder(**PARAMETERS | {"random_state": None, "max_iter": 2})
results["unseeded"] = unseeded.fit(X).score_samples(rows()[:5])
results["partial"] = unseeded.partial_fit(X).score_samples(rows()[:5])
stopped = VariationalAutoencoder(**PARAMETERS, verbose=1)
path = pathlib.Path(sys.argv[1]) / "model.safetensors"
stopped.set_callbacks(Checkpoint(path), Stop()) if rank == 0 else None
results["stopped"] = stopped.fit(X).n_iter_
np.savez(pathlib.Path(sys.argv[1]) / f"{rank}.npz", **results)
distributed.barrier()  # a thread of gloo that still holds a tensor aborts at exit
distributed.destroy_process_group()
"""
)
FAILURES = (
    START
    + """
from tests.vae.test_parallel import FailingEncoder
errors = {}
def attempt(name, vae, X):
    try:
        vae.fit(X)
    except Exception as error:
        errors[name] = f"{type(error).__name__}: {error}"

vae = VariationalAutoencoder(**PARAMETERS)
attempt("columns", vae, X[:, : 64 - rank])
attempt("values", vae, X + 2.0 * rank)
model = VariationalAutoencoder(**PARAMETERS, encoder=FailingEncoder)
attempt("middle", model, X)
attempt("weights", vae, X)
with np.errstate(all="ignore"):
    try:
        vae.fit(X, sample_weight=np.full(len(X), 0.5))
    except ValueError as error:
        errors["weights"] = str(error)
np.savez(pathlib.Path(sys.argv[1]) / f"{rank}.npz", **errors)
distributed.barrier()
distributed.destroy_process_group()
"""
)
KILLED = (
    START
    + """
import os, signal
from tests.vae.test_parallel import Kill
vae = VariationalAutoencoder(**PARAMETERS)
vae.set_callbacks(Kill()) if rank == 0 else None
try:
    vae.fit(X)
except RuntimeError as error:
    (pathlib.Path(sys.argv[1]) / "error.txt").write_text(str(error))
os._exit(0)
"""
)
PARAMETERS = {
    "n_components": 4,
    "hidden_layer_sizes": (16,),
    "likelihood": "bernoulli",
    "binarize": None,
    "learning_rate": 0.01,
    "batch_size": 61,
    "max_iter": 25,
    "random_state": 0,
}


def rows():
    return (load_digits().data > 8).astype(float)


class Stop:
    """A callback that stops training after three epochs."""

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        return context.task_name == "epoch" and context.task_id == 2

    def teardown(self, estimator, context):
        pass


class Kill(Stop):
    """A callback that ends its process."""

    def on_fit_task_end(self, estimator, context):
        os._exit(1)


def FailingEncoder(n_in, n_out):
    """An encoder that fails on one process after a while."""
    import torch

    class Encoder(torch.nn.Linear):
        n_calls = 0

        def forward(self, X):
            self.n_calls += self.training
            if self.n_calls > 30 and torch.distributed.get_rank() == 1:
                raise MemoryError("there is no more of it")
            return super().forward(X)

    return Encoder(n_in, n_out)


def run(program, folder, check=True):
    path = folder / "program.py"
    path.write_text(program)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*torchrun, "--nproc-per-node=2", str(path), str(folder)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0 or not check, done.stderr
    return done


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    done = run(TRAINING, folder)
    return [dict(np.load(folder / f"{rank}.npz")) for rank in range(2)], done.stdout


@pytest.fixture(scope="module")
def failures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("failures")
    run(FAILURES, folder)
    parts = [np.load(folder / f"{rank}.npz") for rank in range(2)]
    return [{name: str(part[name]) for name in part} for part in parts]


def test_all_processes_have_one_model(training):
    (first, second), _ = training
    for name in first:
        assert_array_equal(first[name], second[name])


def test_as_good_as_one_process(training):
    """60 and 40 % of the rows; held-out scores over three seeds, and their spread."""
    (first, _), _ = training
    together = [first[f"scores {seed}"].mean() for seed in range(3)]
    alone = []
    for seed in range(3):
        vae = VariationalAutoencoder(**PARAMETERS | {"random_state": seed})
        alone.append(vae.fit(rows()[:1500]).score(rows()[1500:]))
    error = np.hypot(np.std(together, ddof=1), np.std(alone, ddof=1)) / 3**0.5
    assert abs(np.mean(together) - np.mean(alone)) < 4 * max(error, 0.05)


def test_a_stop_on_the_first_process_stops_all(training):
    results, output = training
    assert [int(result["stopped"]) for result in results] == [3, 3]
    assert output.count("[VariationalAutoencoder] epoch") == 3


def test_an_error_on_one_process_ends_all_with_it(failures):
    first, second = failures
    for errors in failures:
        assert "64 and 63" in errors["columns"] or "[64, 63]" in errors["columns"]
        assert "whole numbers" in errors["weights"]
    assert second["values"].startswith("ValueError: X must hold only 0 and 1, got")
    assert first["values"] == f"Ended: Process 1 has failed: {second['values']}"
    assert second["middle"] == "MemoryError: there is no more of it"
    assert first["middle"] == f"Ended: Process 1 has failed: {second['middle']}"


def test_a_killed_process_ends_the_other(tmp_path):
    run(KILLED, tmp_path, check=False)
    message = (tmp_path / "error.txt").read_text()
    assert message.startswith("Another process of this training has ended")
