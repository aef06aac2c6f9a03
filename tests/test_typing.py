"""A type checker takes the calls that users write, and finds their mistakes."""

import inspect
import os
import pathlib
import subprocess
import sys

import pytest

import skgen
from tests.test_docstrings import CALLABLES, CLASSES, PLAIN, identify

SKIPPED = """
[mypy]
ignore_missing_imports = true

# large, and not what is tested
[mypy-matplotlib.*,narwhals.*,torch.*]
follow_imports = skip
"""
CODE = """
from pathlib import Path

import numpy as np

import skgen
from skgen import BinaryRBM, VariationalAutoencoder
from skgen.callbacks import Checkpoint
from skgen.meta import DensityOutlierDetector, GenerativeClassifier, GenerativeImputer
from skgen.plotting import SampleDisplay
from skgen.rbm.energy import RBMParameters, free_energy
from skgen.vae.likelihoods import ColumnLikelihood, Poisson

X = np.eye(4)
rbm = BinaryRBM(8, n_chains=None, random_state=0).fit(X, X_val=X)
for phase in ["pcd", "cd"]:
    BinaryRBM(negative_phase=phase).partial_fit([[0, 1]]).score([[0, 1]])
rbm.set_params(max_iter=3).fit(Path("rows.parquet")).history_.seconds[-1]
rbm.set_callbacks(Checkpoint("rbm.safetensors", every=2)).fit_transform(X)
rbm.components_.T @ rbm.intercept_hidden_
log_z: float = rbm.log_partition_ + rbm.estimate_log_partition("bracket").high
std: float = rbm.estimate_log_partition().std_error
vae = VariationalAutoencoder(2, hidden_layer_sizes=(), likelihood={"a": "number"})
vae.fit(X).sample(3, given={"a": 1.0}).head()
vae.set_output(transform="pandas").transform(X).iloc[0]
vae.transform(X).mean() + vae.score_samples(X).compute()
vae.elbo(X).mean() + vae.elbo(X, return_terms=True)[2].mean()
log_p, ess = vae.log_likelihood(X, return_ess=True)
log_p.mean() + ess.min() + vae.noise_variance_.round(2) + vae.posterior(X).std.max()
rbm.save("rbm.safetensors")
loaded: BinaryRBM = skgen.load("rbm.safetensors")
skgen.compare({"rbm": rbm, "vae": vae}, X).means.max()
GenerativeImputer(vae, method="draw").fit([[1.0], [None]]).transform(X)
GenerativeClassifier(rbm).fit(X, ["a", "b", "a", "b"]).predict_proba(X).sum(axis=1)
DensityOutlierDetector(rbm).fit(X).offset_ + 1.0
SampleDisplay.from_estimator(rbm, image_shape=(2, 2)).figure_.savefig("rows.png")
ColumnLikelihood([("gaussian", [0]), (Poisson(), [1, 2])])
free_energy(RBMParameters(X, X[0], X[1]), X).mean()

BinaryRBM("many")  # refused
VariationalAutoencoder(2, max_itr=5)  # refused
BinaryRBM().fit(3.5)  # refused
BinaryRBM().fit(X).sample(n_sample=3)  # refused
BinaryRBM().fit(X).transform(X, X)  # refused
rbm.estimate_log_partition().high  # refused
skgen.VariationalAutoEncoder  # refused
"""


def test_calls_of_users(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "mypy.ini").write_text(SKIPPED)
    (tmp_path / "user.py").write_text(CODE)
    root = pathlib.Path(skgen.__file__).parents[1]
    # a process of its own: mypy changes how the garbage of its process is collected
    command = [sys.executable, "-m", "mypy", "--cache-dir=cache", "user.py"]
    environment = os.environ | {"MYPYPATH": str(root)}
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    errors = [line for line in result.stdout.splitlines() if ": error: " in line]
    lines = enumerate(CODE.splitlines(), 1)
    refused = [number for number, line in lines if line.endswith("# refused")]
    places = [error.split(": error: ")[0] for error in errors]
    assert places == [f"user.py:{number}" for number in refused], result


@pytest.mark.parametrize(
    "value",
    [
        *CALLABLES,
        *PLAIN.values(),
        *(cls.__init__ for cls in CLASSES if "__init__" in vars(cls)),
    ],
    ids=identify,
)
def test_public_signatures_have_types(value):
    signature = inspect.signature(value)
    unknown = [
        name
        for name, parameter in signature.parameters.items()
        if name != "self" and parameter.annotation is parameter.empty
    ]
    assert not unknown
    assert signature.return_annotation is not signature.empty
