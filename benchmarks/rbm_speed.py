"""Time of BinaryRBM against its five matrix products, BernoulliRBM and rbms.

All run interleaved in one process, with 784 x 500 units: an epoch of persistent
contrastive divergence with equal batches and numbers of chains, ``transform``,
``score_samples`` and Gibbs sampling. "The five products" are the matrix products of an
update alone, into allocated memory. Our epoch is ``Trainer.epoch``, with and without
rolling AIS. rbms (https://github.com/DsysDML/rbms) trains by its own loop, without
writing files. A last table shows how the time and the memory of ``fit`` grow. Peers
that are not installed are left out.
"""

import importlib.util
import multiprocessing
import pathlib
import re
import time

import numpy as np
from sklearn.neural_network import BernoulliRBM

from benchmarks.common import compared, image_rows
from skgen import BinaryRBM
from skgen.rbm.training import Settings, Trainer, initial_state

N_HIDDEN = 500


def run(path, quick):
    name, X = image_rows(path)
    X = X[: 2000 if quick else 10_000]
    n_rounds = 3 if quick else 15
    rows = []
    for batch_size in (100, 500):
        rows += compared(
            f"{name}: epoch, batch {batch_size}", epochs(X, batch_size), n_rounds
        )
    for what, functions in after_fit(X[:2000]).items():
        rows += compared(f"{name}: {what}", functions, n_rounds)
    return rows + growth(quick)


def epochs(X, batch_size):
    """Functions of one epoch each: of training, or of its matrix products."""
    settings = Settings(batch_size, 0.0, 1e-4, 1, "pcd", True, 0.999)
    functions = {
        "ours with rolling AIS": our_epoch(X, settings, with_rolling=True),
        "ours without": our_epoch(X, settings, with_rolling=False),
        "the five products": products(X.shape[1], batch_size, len(X) // batch_size),
    }
    for dtype in ("float32", "float64"):
        functions[f"BernoulliRBM {dtype}"] = bernoulli_rbm(X.astype(dtype), batch_size)
    if importlib.util.find_spec("rbms"):
        functions["rbms"] = rbms_epoch(X, batch_size)
    return functions


def our_epoch(X, settings, with_rolling):
    trainer = Trainer(X, settings)
    rates = np.full(trainer.n_updates, 0.05)
    marginals, rng = (X.sum(axis=0) + 1) / (len(X) + 2), np.random.default_rng(0)
    state = initial_state(marginals, N_HIDDEN, settings.batch_size, with_rolling, rng)

    def epoch():
        nonlocal state
        state = trainer.epoch(state, rates)

    return epoch


def products(n_visible, batch_size, n_updates):
    rng = np.random.default_rng(0)
    shapes = ((batch_size, n_visible), (batch_size, N_HIDDEN), (n_visible, N_HIDDEN))
    X, H, W = (rng.random(shape, dtype=np.float32) for shape in shapes)
    X_out, H_out, W_out = np.empty_like(X), np.empty_like(H), np.empty_like(W)

    def epoch():
        for _ in range(n_updates):
            np.matmul(X, W, out=H_out)
            np.matmul(H, W.T, out=X_out)
            np.matmul(X, W, out=H_out)
            np.matmul(X.T, H, out=W_out)
            np.matmul(X.T, H, out=W_out)

    return epoch


def bernoulli_rbm(X, batch_size):
    rbm = BernoulliRBM(N_HIDDEN, batch_size=batch_size, n_iter=1, random_state=0)
    return lambda: rbm.fit(X)


def rbms_epoch(X, batch_size):
    """The loop of rbms.training.pcd.train, which also writes files."""
    import torch
    from rbms.bernoulli_bernoulli.classes import BBRBM
    from rbms.bernoulli_bernoulli.implement import _init_parameters
    from rbms.training.pcd import fit_batch_pcd

    data = torch.from_numpy(X).float()
    visible, hidden, weights = _init_parameters(N_HIDDEN, data, "cpu", torch.float32)
    rbm = BBRBM(weights, visible, hidden)
    rbm.init_grad()
    optimizer = torch.optim.SGD(rbm.parameters(), lr=0.05, maximize=True)
    chains = rbm.init_chains(batch_size)
    row_weights = torch.ones(len(data))

    @torch.no_grad()
    def epoch():
        nonlocal chains
        for _ in range(len(data) // batch_size):
            rows = torch.randperm(len(data))[:batch_size]
            optimizer.zero_grad(set_to_none=False)
            batch = data[rows], row_weights[rows]
            chains, _ = fit_batch_pcd(batch, chains, rbm, gibbs_steps=1, beta=1.0)
            optimizer.step()

    return epoch


def after_fit(X):
    """Functions that call fitted models, by method."""
    X32, X64 = X.astype(np.float32), X.astype(np.float64)
    ours, theirs = (
        [
            estimator(N_HIDDEN, random_state=0, **one_epoch).fit(rows)
            for rows in (X32, X64)
        ]
        for estimator, one_epoch in (
            (BinaryRBM, {"max_iter": 1, "partition_method": "rolling"}),
            (BernoulliRBM, {"n_iter": 1}),
        )
    )

    def chain():
        state = X32[:500]
        for _ in range(20):
            state = theirs[0].gibbs(state)

    result = {
        what: {
            f"{who} {rows.dtype}": lambda model=model, rows=rows, what=what: getattr(
                model, what
            )(rows)
            for who, models in (("ours", ours), ("BernoulliRBM", theirs))
            for model, rows in zip(models, (X32, X64))
        }
        for what in ("transform", "score_samples")
    }
    result["500 samples, 20 Gibbs steps"] = {
        "ours": lambda: ours[0].sample(500, n_gibbs_steps=20),
        "BernoulliRBM, gibbs": chain,
    }
    return result


def growth(quick):
    """Seconds per epoch of fit and its peak memory, while one size at a time grows."""
    start = (3_750, 98, 125) if quick else (15_000, 392, 250)
    sizes = [start]
    for position in range(3):
        for factor in (2, 4):
            size = list(start)
            size[position] *= factor
            sizes.append(tuple(size))
    if not quick:
        sizes.append((60_000, 784, 500))
    context = multiprocessing.get_context("spawn")
    rows = []
    for size in sizes:
        with context.Pool(1) as pool:  # its peak of memory belongs to this fit alone
            seconds, megabytes = pool.apply(fitted, size)
        what = "fit, {:,} rows x {} features, {} hidden".format(*size)
        row = {"what": what, "who": "ours", "seconds": seconds}
        rows.append(row | {"peak MB beyond the input": megabytes})
    return rows


def fitted(n_rows, n_features, n_hidden):
    """Seconds per epoch of a fit of two epochs, and megabytes it needs beyond X."""
    rng = np.random.default_rng(0)  # a temporary array would hide the peak of fit
    X = rng.integers(0, 5, (n_rows, n_features), dtype=np.uint8)
    np.equal(X, 0, out=X)
    BinaryRBM(2, max_iter=1).fit(X[:100])  # loads the libraries
    before = memory("VmRSS")
    started = time.perf_counter()
    rbm = BinaryRBM(n_hidden, max_iter=2, partition_method="rolling", random_state=0)
    rbm.fit(X)
    seconds = (time.perf_counter() - started) / 2
    return round(seconds, 2), round(memory("VmHWM") - before, 1)


def memory(name):
    """Megabytes that Linux reports for this process; NaN on other systems."""
    status = pathlib.Path("/proc/self/status")
    found = status.exists() and re.search(rf"{name}:\s*(\d+) kB", status.read_text())
    return int(found[1]) / 1024 if found else float("nan")
