"""Imports point one way, and torch is loaded by nobody who does not use it."""

import ast
import pathlib
import subprocess
import sys

import pytest

import skgen

ROOT = pathlib.Path(skgen.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
RBM_ORDER = [
    "energy",
    "enumeration",
    "samplers",
    "mixture",
    "rows",
    "tempering",
    "gradients",
    "annealing",
    "partition",
    "imputation",
    "training",
    "estimator",
    "stack",
]
VAE_ORDER = [
    "units",
    "priors",
    "networks",
    "likelihoods",
    "tables",
    "flow",
    "start",
    "revision",
    "missing",
    "bounds",
    "proposals",
    "scoring",
    "imputation",
    "parallel",
    "training",
    "estimator",
]
LIKELIHOOD_ORDER = [
    "base",
    "gaussian",
    "covariance",
    "binary",
    "tree",
    "autoregressive",
    "poisson",
    "categorical",
    "columns",
    "__init__",
]


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_torch_in_a_fresh_process():
    code = (
        "import sys, numpy, skgen\n"
        "X = numpy.eye(4)\n"
        "skgen.BinaryRBM(2, max_iter=2, random_state=0).fit(X).sample()\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_arrows(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    names = set(imported(path))
    if parts[0] != "vae":
        assert not any(name.split(".")[0] == "torch" for name in names)
    if len(parts) == 1 and parts[0] != "__init__":
        assert not any(name.startswith(("skgen.rbm", "skgen.vae")) for name in names)
    if parts[0] == "rbm":
        assert not any(name.startswith("skgen.vae") for name in names)
    if parts[0] == "vae":
        assert not any(name.startswith("skgen.rbm") for name in names)
    orders = {
        ("rbm",): RBM_ORDER,
        ("vae",): VAE_ORDER,
        ("vae", "likelihoods"): LIKELIHOOD_ORDER,
    }
    for depth in range(1, len(parts)):
        package, inner = parts[:depth], parts[depth : len(parts) - 1]
        order = orders.get(package, ())
        if parts[depth] in order:
            prefix = ".".join(["skgen", *package, ""])
            used = {n.removeprefix(prefix).split(".")[0] for n in names if prefix in n}
            assert used <= {*order[: order.index(parts[depth])], *inner}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_private_scikit_learn_names_come_from_one_place(path):
    if path == ROOT / "validation.py":
        return
    for name in imported(path):
        if name.split(".")[0] == "sklearn":
            assert not any(part.startswith("_") for part in name.split(".")), name
