import pathlib
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgen import VariationalAutoencoder
from skgen.vae.likelihoods import ColumnLikelihood, Gaussian
from skgen.vae.training import mean_bound


@pytest.fixture(scope="module")
def wine():
    return StandardScaler().fit_transform(load_wine().data)


@pytest.fixture(scope="module")
def digits():
    return load_digits().data / 16


def quick(**parameters):
    options = {"n_components": 2, "hidden_layer_sizes": (8,), "max_iter": 2}
    options |= {"random_state": 0, "n_score_samples": 20, "early_stopping": False}
    options |= parameters
    return VariationalAutoencoder(**options)


@pytest.fixture(scope="module")
def fitted(wine):
    return quick(max_iter=30, learning_rate=0.01).fit(wine)


def test_linear_model_is_probabilistic_pca(wine):
    vae = VariationalAutoencoder(
        3,
        hidden_layer_sizes=(),
        noise_variance="scalar",
        learning_rate=0.01,
        max_iter=100,
        random_state=0,
    ).fit(wine)
    pca = PCA(3).fit(wine)
    assert abs(vae.score(wine) - pca.score(wine)) < 0.05
    assert_allclose(vae.noise_variance_, pca.noise_variance_, rtol=0.05)


def test_bounds_in_order(fitted, wine):
    elbo, reconstruction, kl = fitted.elbo(wine, return_terms=True)
    assert_allclose(elbo, reconstruction - kl)
    assert_allclose(fitted.elbo(wine), elbo)
    assert np.all(kl > 0)
    small = np.mean(
        [fitted.log_likelihood(wine, n_samples=5, random_state=i) for i in range(40)]
    )
    large = fitted.log_likelihood(wine, n_samples=5000, random_state=1).mean()
    assert elbo.mean() < small < large
    prior = fitted.log_likelihood(
        wine[::6], n_samples=200_000, proposal="prior", random_state=1
    )
    encoder = fitted.log_likelihood(wine[::6], n_samples=5000, random_state=1)
    assert_allclose(prior.mean(), encoder.mean(), atol=0.1)


def test_score_samples_is_deterministic_and_invariant(fitted, wine):
    whole = fitted.score_samples(wine)
    assert_array_equal(fitted.score_samples(wine), whole)
    assert_allclose(fitted.score_samples(wine[::-1]), whole[::-1], rtol=1e-12)
    alone = np.concatenate([fitted.score_samples(wine[[i]]) for i in range(9)])
    assert_allclose(alone, whole[:9], rtol=1e-12)
    assert_allclose(fitted.score(wine), whole.mean())


@pytest.mark.parametrize("objective", ["elbo", "iwae"])
def test_learns(digits, objective):
    X = (digits > 0.5).astype(np.float32)
    vae = VariationalAutoencoder(
        8,
        hidden_layer_sizes=(64,),
        likelihood="bernoulli",
        objective=objective,
        n_importance_samples=1 if objective == "elbo" else 5,
        max_iter=30,
        random_state=0,
    ).fit(X[:1500])
    marginals = (X[:1500].sum(axis=0) + 1) / 1502
    independent = np.where(X, np.log(marginals), np.log(1 - marginals)).sum(axis=1)
    assert vae.score(X[1500:]) > independent[1500:].mean() + 3
    samples = vae.sample(2000, random_state=1)
    assert set(np.unique(samples)) == {0, 1}
    assert np.abs(samples.mean(axis=0) - X.mean(axis=0)).mean() < 0.05


def test_learning_curve_and_best_epoch(wine, capsys):
    vae = quick(max_iter=300, learning_rate=0.02, early_stopping=True, verbose=1)
    vae.fit(wine[:60], X_val=wine[60:])
    assert vae.history_.dtype.names == (
        "epoch",
        "seconds",
        "train_elbo",
        "validation_elbo",
    )
    best = np.argmax(vae.history_.validation_elbo)
    assert best < len(vae.history_) - 1 < 299
    units = vae._state.units
    kept = mean_bound(vae._state.average, units.rows(wine[60:]))
    kept -= np.log(units.scale).sum()
    assert_allclose(kept, vae.history_.validation_elbo[best])
    assert len(capsys.readouterr().out.splitlines()) == vae.n_iter_


def test_warm_start_and_partial_fit(wine):
    vae = quick(warm_start=True).fit(wine)
    before = vae.score(wine)
    vae.fit(wine)
    assert vae.n_iter_ == 4 and vae.score(wine) > before
    for n in (1, 2, 100):
        vae.partial_fit(wine[:n])
    assert vae.n_iter_ == 7
    with pytest.raises(ValueError, match="fitted with likelihood='auto' and"):
        vae.set_params(likelihood="bernoulli").partial_fit(wine)
    vae.set_params(likelihood="auto")
    with pytest.raises(ValueError, match="fitted with n_components=2 and cannot go on"):
        vae.set_params(n_components=3).partial_fit(wine)


def test_kl_weight_warms_up(wine):
    cold = quick(max_iter=40, beta=1.0).fit(wine)
    warm = quick(max_iter=40, kl_warmup=40).fit(wine)
    kl = [vae.elbo(wine, return_terms=True)[2].mean() for vae in (cold, warm)]
    assert kl[1] > kl[0]


def test_reproducible_and_global_generators_as_found(wine):
    torch.manual_seed(1)
    numpy_state, torch_state = np.random.get_state(), torch.get_rng_state()
    one = quick(likelihood="gaussian").fit(wine)
    one.sample(3), one.score(wine)
    assert_array_equal(numpy_state[1], np.random.get_state()[1])
    assert numpy_state[2:] == np.random.get_state()[2:]
    assert torch.equal(torch_state, torch.get_rng_state())
    torch.manual_seed(2)
    np.random.seed(2)
    two = quick().fit(wine)
    assert_array_equal(one.score_samples(wine), two.score_samples(wine))
    assert_array_equal(one.sample(3), two.sample(3))
    assert not np.array_equal(one.sample(3), one.sample(3, random_state=5))
    assert not np.array_equal(one.sample(3), quick(random_state=1).fit(wine).sample(3))


def test_pickle_goes_on_training(wine):
    vae = quick(warm_start=True).fit(wine)
    copy = pickle.loads(pickle.dumps(vae))
    assert_array_equal(copy.score_samples(wine), vae.score_samples(wine))
    assert_array_equal(copy.fit(wine).transform(wine), vae.fit(wine).transform(wine))


def factory(n_in, n_out):
    return torch.nn.Linear(n_in, n_out)


def test_networks_of_the_user(wine):
    template = torch.nn.Sequential(
        torch.nn.Linear(13, 6), torch.nn.Dropout(0.1), torch.nn.Linear(6, 4)
    )
    before = {k: v.clone() for k, v in template.state_dict().items()}
    vae = quick(encoder=template, decoder=factory)
    search = GridSearchCV(vae, {"learning_rate": [1e-5, 1e-2]}, cv=2).fit(wine)
    assert search.best_params_ == {"learning_rate": 1e-2}
    for name, value in template.state_dict().items():
        assert torch.equal(value, before[name])
    assert vae.encoder is template and vae.get_params()["encoder"] is template
    assert isinstance(search.best_estimator_.decoder_, torch.nn.Linear)
    pickle.loads(pickle.dumps(search.best_estimator_)).score(wine)


def test_search_and_pipelines(digits):
    digits, y = digits[:500], load_digits().target[:500]
    search = GridSearchCV(
        make_pipeline(
            StandardScaler(),
            VariationalAutoencoder(
                8, hidden_layer_sizes=(32,), max_iter=8, random_state=0
            ),
            LogisticRegression(max_iter=500),
        ),
        {"variationalautoencoder__n_components": [1, 12]},
        cv=2,
        n_jobs=2,
    ).fit(digits, y)
    assert search.best_params_ == {"variationalautoencoder__n_components": 12}
    likelihoods = GridSearchCV(
        quick(likelihood="bernoulli", max_iter=10),
        {"learning_rate": [1e-5, 1e-2]},
        cv=2,
    ).fit(digits)
    assert likelihoods.best_params_ == {"learning_rate": 1e-2}
    frame = quick().set_output(transform="pandas").fit_transform(digits)
    assert list(frame.columns) == ["variationalautoencoder0", "variationalautoencoder1"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"likelihood": "bernoulli"},
        {"likelihood": "bernoulli", "binarize": "sample"},
        {"likelihood": "poisson"},
        {"likelihood": "gaussian"},
        {
            "likelihood": ColumnLikelihood(
                [("gaussian", [0, 3]), ("bernoulli", [4, 5]), ("poisson", [2, 1])]
            )
        },
    ],
)
def test_sparse_input_gives_the_same_model(parameters):
    X = np.random.default_rng(0).poisson(0.3, (150, 6)).clip(max=1).astype(float)
    dense, sparse = quick(**parameters), quick(**parameters)
    dense.fit(X), sparse.fit(csr_array(X))
    assert_allclose(dense.transform(X), sparse.transform(csr_array(X)), atol=1e-6)
    scores = dense.score_samples(X), sparse.score_samples(csr_array(X))
    assert_allclose(*scores, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_dtypes(dtype, digits):
    X = (digits[:100] > 0.5).astype(dtype)
    vae = quick(likelihood="bernoulli").fit(X)
    floating = np.float64 if dtype == np.float64 else np.float32
    assert vae.transform(X).dtype == vae.score_samples(X).dtype == floating
    assert vae.reconstruct(X).dtype == floating
    assert vae.sample(2).dtype == dtype


def test_clone_of_a_column_likelihood(wine):
    X = np.hstack([wine[:, :2], np.eye(3)[load_wine().target]])
    likelihood = ColumnLikelihood([("gaussian", [0, 1]), ("categorical", [2, 3, 4])])
    vae = clone(quick(likelihood=likelihood, max_iter=5)).fit(X)
    samples = vae.sample(50)
    assert_array_equal(samples[:, 2:].sum(axis=1), np.ones(50))
    assert np.isfinite(vae.score(X))
    X[7, 3] = 0.5
    with pytest.raises(ValueError, match=r"got 0\.5 at row 7, column 3"):
        vae.fit(X)


@pytest.mark.parametrize(
    "noise_variance, unit", [("scalar", 1000.0), ("feature", np.array([1, 9, 0.01]))]
)
def test_units_do_not_matter(noise_variance, unit, wine):
    one, other = (
        quick(noise_variance=noise_variance).fit(rows).score(rows)
        for rows in (wine[:, :3], wine[:, :3] * unit + 7 * unit)
    )
    assert_allclose(other, one - np.log(unit * np.ones(3)).sum(), rtol=1e-4)


def test_training_starts_from_the_marginals(digits):
    X = (digits > 0.5).astype(float)
    mean = ((X.sum(axis=0) + 1) / (len(X) + 2)).clip(1e-3, 1 - 1e-3)
    independent = np.where(X, np.log(mean), np.log(1 - mean)).sum(axis=1).mean()
    vae = quick(likelihood="bernoulli", learning_rate=1e-12, max_iter=1).fit(X)
    assert abs(vae.elbo(X).mean() - independent) < 1


@pytest.mark.skipif(
    not pathlib.Path("/proc/self/status").exists(), reason="memory as Linux tells it"
)
def test_memory_of_many_importance_samples():
    """80 rows x 5,000 samples x 784 features would be 1.3 GB in one piece.

    The kernel's figures of this process alone: ru_maxrss begins at that of the parent,
    which hides whatever is below it.
    """
    code = (
        "import re, numpy as np, skgen\n"
        "def memory(name):\n"
        "    status = open('/proc/self/status').read()\n"
        "    return int(re.search(name + r':\\s*(\\d+)', status)[1])\n"
        "X = np.random.default_rng(0).integers(0, 2, (80, 784), dtype=np.uint8)\n"
        "vae = skgen.VariationalAutoencoder(\n"
        "    2, hidden_layer_sizes=(4,), likelihood='bernoulli', max_iter=1\n"
        ").fit(X)\n"
        "before = memory('VmRSS')\n"
        "vae.log_likelihood(X, n_samples=5000)\n"
        "print(memory('VmHWM') - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert 0 < int(done.stdout) < 800_000  # kB


class Pixels(torch.nn.Module):
    """A convolutional decoder with batch normalisation: it takes matrices only."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(2, 16),
            torch.nn.BatchNorm1d(16),
            torch.nn.Unflatten(1, (1, 4, 4)),
            torch.nn.ConvTranspose2d(1, 1, 2, stride=2),
            torch.nn.Flatten(),
        )

    def forward(self, H):
        return self.layers(H)


def test_convolutional_decoder(digits):
    vae = quick(likelihood="bernoulli", decoder=Pixels(), n_importance_samples=2)
    vae.fit(digits[:100])
    whole = vae.score_samples(digits[:20])
    assert_allclose(vae.score_samples(digits[:8]), whole[:8])
    assert np.all(vae.elbo(digits[:20]) < 0) and vae.sample(3).shape == (3, 64)


def test_low_precision_trains_alike(digits):
    one, other = (
        quick(likelihood="bernoulli", precision=precision, max_iter=10).fit(digits)
        for precision in ("float32", "bfloat16")
    )
    assert abs(one.score(digits) - other.score(digits)) < 0.5


def test_a_model_of_another_machine_scores_on_this_one(wine):
    vae = quick().fit(wine)
    before = vae.score_samples(wine)
    vae = pickle.loads(pickle.dumps(vae.set_params(device="cuda:7")))
    assert_array_equal(vae.score_samples(wine), before)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool])
def test_samples_of_integers_are_rounded(dtype):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2 if dtype is bool else 4, (500, 2)).astype(dtype)
    samples = quick(max_iter=20).fit(X).sample(4000)
    assert samples.dtype == dtype
    assert np.all(np.abs(samples.mean(axis=0) - X.mean(axis=0)) < 0.3)


def test_first_pass_over_one_row(wine):
    X = 1000 * wine + 5000
    vae = quick().partial_fit(X[:1])
    for _ in range(20):
        vae.partial_fit(X)
    independent = -0.5 * np.log(2 * np.pi * np.e * 1e6) * 13
    assert vae.score(X) > independent - 20


def test_arrays_as_they_come(wine):
    X = wine.astype(np.float32)
    before = quick().fit(X).score_samples(X)
    X.setflags(write=False)
    for same in (X, np.asfortranarray(X), X[::-1].copy()[::-1]):
        assert_allclose(quick().fit(same).score_samples(same), before, rtol=1e-5)


def test_not_fitted():
    for method in ("transform", "score_samples", "elbo", "posterior", "log_likelihood"):
        with pytest.raises(NotFittedError):
            getattr(quick(), method)([[0.0, 1.0]])
    with pytest.raises(NotFittedError):
        quick().sample()


@pytest.mark.parametrize(
    "parameters, X, message",
    [
        ({}, [[0, np.inf], [1, 2]], "X contains inf at row 0, column 1"),
        ({}, [[0, 1], [np.inf, 2]], "X contains inf at row 1, column 0"),
        ({}, [["a", "b"]], "got the text 'a' at row 0, column 0"),
        (
            {"likelihood": "bernoulli", "binarize": None},
            [[0, 1], [1, 0.5]],
            r"must hold only 0 and 1, got 0\.5 at row 1, column 1",
        ),
        ({"likelihood": "poisson"}, [[1, -1]], r"counts >= 0, got -1\.0 at row 0"),
        ({"likelihood": "categorical"}, [[1, 0], [1, 1]], "got row 1 with 2 ones"),
        ({"device": "nowhere"}, [[0, 1]], "device='nowhere' is not available"),
        ({"activation": "step"}, [[0, 1]], "'activation' .* Got 'step' instead"),
        (
            {"encoder": torch.nn.Linear(2, 3)},
            [[0, 1]],
            r"encoder must map rows of 2 values to 4, but 2 rows gave shape \(2, 3\)",
        ),
        (
            {"decoder": torch.nn.Linear(5, 2)},
            [[0, 1]],
            "decoder must map rows of 2 values to 2, but it failed",
        ),
        ({"hidden_layer_sizes": (8, -1)}, [[0, 1]], r"at least 1, got \(8, -1\)"),
        ({"encoder": lambda n_in, n_out: None}, [[0, 1]], "but it returned None"),
        ({"likelihood": Gaussian(-1.0)}, [[0, 1]], r"positive number, got -1\.0"),
        ({"device": "meta"}, [[0, 1]], "device='meta' is not available"),
        ({"likelihood": "poisson"}, [[0, 1e39]], "too large for float32"),
        ({}, [[0, 1], [1, 1e200]], "too far apart for float64 in column 1"),
        ({"kl_warmup": 3}, [[0, 1]], "kl_warmup=3 epochs is longer than max_iter=2"),
    ],
)
def test_bad_input(parameters, X, message):
    vae = quick(**parameters)
    with pytest.raises(ValueError, match=message):
        vae.fit(X)
    assert not hasattr(vae, "encoder_") and not hasattr(vae, "n_features_in_")


def test_divergence_names_the_epoch(wine):
    with pytest.raises(FloatingPointError, match="Epoch 1: training diverged"):
        quick(learning_rate=1e30).fit(1e20 * wine)


@pytest.mark.parametrize(
    "X", [np.ones((1, 3)), np.zeros((5, 1)), np.ones((20, 3)), np.eye(4)]
)
@pytest.mark.parametrize("noise_variance", ["scalar", "feature"])
def test_degenerate_data(X, noise_variance):
    """One row, one column, constant features under a learned variance."""
    vae = quick(noise_variance=noise_variance, learning_rate=0.1, max_iter=100).fit(X)
    assert np.all(np.isfinite(vae.score_samples(X)))
    assert np.all(vae.noise_variance_ > 0)


@pytest.mark.parametrize(
    "parameters", [{"beta": 10.0}, {"objective": "iwae", "n_importance_samples": 5}]
)
def test_early_stopping_judges_by_what_is_trained(wine, parameters):
    """Which a larger beta makes another thing than the ELBO."""
    options = {"noise_variance": "feature", "max_iter": 40} | parameters
    vae = quick(early_stopping=True, **options).fit(wine, X_val=wine)
    last = quick(**options).fit(wine, X_val=wine)
    n_draws = vae.n_importance_samples
    kept, end = (
        mean_bound(model._state.average, wine, n_draws, model.beta)
        for model in (vae, last)
    )
    assert kept >= end
    if vae.beta != 1:
        best = vae.history_.validation_elbo.max()
        assert mean_bound(vae._state.average, wine) < best - 0.1
