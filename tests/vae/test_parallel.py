"""Two processes on the loopback device against one."""

import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

from skgen import VariationalAutoencoder

PROGRAM = """
import pathlib, sys
import numpy as np
from torch import distributed
from skgen import VariationalAutoencoder
from tests.vae.test_parallel import PARAMETERS, rows

distributed.init_process_group("gloo")
rank = distributed.get_rank()
vae = VariationalAutoencoder(**PARAMETERS).fit(rows())
results = {"scores": vae.score_samples(rows()), "history": vae.history_.train_elbo}
unseeded = VariationalAutoencoder(**PARAMETERS | {"random_state": None}).fit(rows())
results["unseeded"] = unseeded.score_samples(rows()[:5])
try:
    vae.fit(rows()[: 100 + rank])
except ValueError as error:
    results["error"] = str(error)
np.savez(pathlib.Path(sys.argv[1]) / f"{rank}.npz", **results)
distributed.barrier()  # a thread of gloo that still holds a tensor aborts at exit
distributed.destroy_process_group()
"""
PARAMETERS = {
    "n_components": 2,
    "hidden_layer_sizes": (16,),
    "likelihood": "bernoulli",
    "binarize": None,
    "objective": "iwae",
    "n_importance_samples": 3,
    "learning_rate": 0.01,
    "batch_size": 53,  # 160 rows: it is odd, and the last batch has one row
    "max_iter": 6,
    "random_state": 0,
}


def rows():
    X = StandardScaler().fit_transform(load_wine().data)
    return (X > 0).astype(float)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    program = folder / "program.py"
    program.write_text(PROGRAM)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*torchrun, "--nproc-per-node=2", str(program), str(folder)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return [dict(np.load(folder / f"{rank}.npz")) for rank in range(2)]


def test_all_processes_have_the_model_of_a_single_one(results):
    first, second = results
    assert_array_equal(first["scores"], second["scores"])
    assert_array_equal(first["history"], second["history"])
    alone = VariationalAutoencoder(**PARAMETERS).fit(rows())
    assert_allclose(first["scores"], alone.score_samples(rows()), rtol=1e-5)
    assert_allclose(first["history"], alone.history_.train_elbo, rtol=1e-5)


def test_without_a_seed_they_agree_on_one(results):
    first, second = results
    assert_array_equal(first["unseeded"], second["unseeded"])


def test_other_rows_on_each_are_refused(results):
    for result in results:
        assert "X must be the same on all 2 processes" in str(result["error"])
