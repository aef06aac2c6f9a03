"""Files that hold a model, and files that pretend to."""

import json
import os
import pickle
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from safetensors.numpy import load as tensors_of
from safetensors.numpy import save as as_safetensors
from sklearn.datasets import load_digits, load_wine
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import scale

import skgen
from skgen import BinaryRBM, VariationalAutoencoder
from skgen.callbacks import Checkpoint
from skgen.persistence import _digest
from skgen.vae.likelihoods import (
    Autoregressive,
    Bernoulli,
    ChowLiu,
    ColumnLikelihood,
    FullGaussian,
    Gaussian,
    Poisson,
)

BINARY = (load_digits().data[:60, 18:30] > 8).astype(np.float32)
WINE = scale(load_wine().data)[:60]
SMALL = {"hidden_layer_sizes": (4, 3), "max_iter": 3, "random_state": 0}
MIXED = ColumnLikelihood([(Bernoulli(), [0, 2]), (Gaussian(0.5), [1, 3])])
TIED = ColumnLikelihood([(ChowLiu(), [0, 2]), (FullGaussian(), [1, 3])])

MODELS = {
    "exact rbm": (BinaryRBM(3, max_iter=3, random_state=0), BINARY),
    "rolling rbm": (
        BinaryRBM(14, max_iter=3, partition_method="rolling", random_state=0),
        load_digits().data[:60] / 16,
    ),
    "tempered rbm": (
        BinaryRBM(
            13, negative_phase="tempered", max_iter=2, n_chains=5, random_state=0
        ),
        (load_digits().data[:60] > 8),
    ),
    "sampling rbm": (
        BinaryRBM(
            2, binarize="sample", max_iter=2, random_state=np.random.RandomState(3)
        ),
        BINARY * 0.5,
    ),
    "gaussian vae": (VariationalAutoencoder(2, **SMALL), WINE),
    "heteroscedastic vae": (
        VariationalAutoencoder(
            2, prior="mixture", noise_variance="heteroscedastic", **SMALL
        ),
        WINE,
    ),
    "vamp vae": (
        VariationalAutoencoder(2, prior="vamp", likelihood="bernoulli", **SMALL),
        BINARY.astype(int),
    ),
    "flow vae": (VariationalAutoencoder(2, prior="flow", **SMALL), WINE),
    "autoregressive vae": (
        VariationalAutoencoder(2, likelihood=Autoregressive(3), **SMALL),
        BINARY,
    ),
    "linear vae": (
        VariationalAutoencoder(2, **SMALL | {"hidden_layer_sizes": ()}),
        WINE,
    ),
    "rbm of one chain": (
        BinaryRBM(
            21, negative_phase="tempered", max_iter=2, n_chains=1, random_state=0
        ),
        load_digits().data[:60] > 8,
    ),
    "poisson vae": (VariationalAutoencoder(2, likelihood=Poisson(), **SMALL), BINARY),
    "tied vae": (
        VariationalAutoencoder(2, likelihood=TIED, **SMALL),
        np.hstack([BINARY[:, 3:4], WINE[:, :1], BINARY[:, 4:5], WINE[:, 1:2]]),
    ),
    "mixed vae": (
        VariationalAutoencoder(2, likelihood=MIXED, **SMALL),
        np.hstack([BINARY[:, 3:4], WINE[:, :1], BINARY[:, 4:5], WINE[:, 1:2]]),
    ),
}


@pytest.fixture(scope="module", params=MODELS)
def fitted(request):
    estimator, X = MODELS[request.param]
    return pickle.loads(pickle.dumps(estimator)).fit(X), X


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def binary_rows(X):
    return (X > 0.5).astype(X.dtype) if X.min() >= 0 else X


def test_scores_samples_and_goes_on_as_before(fitted, path):
    estimator, X = fitted
    rows = binary_rows(X)
    estimator.save(path)
    loaded = skgen.load(path)
    parameters = loaded.get_params(), estimator.get_params()
    for name in parameters[0].keys() - {"random_state"}:
        assert repr(parameters[0][name]) == repr(parameters[1][name])
    assert vars(loaded).keys() == vars(estimator).keys()
    for name in ("n_features_in_", "n_iter_"):
        assert getattr(loaded, name) == getattr(estimator, name)
    assert loaded.history_.tobytes() == estimator.history_.tobytes()
    for both in zip(
        (loaded.score_samples(rows), loaded.transform(X)),
        (estimator.score_samples(rows), estimator.transform(X)),
    ):
        assert_array_equal(*both)
        assert both[0].dtype == both[1].dtype
    samples = [model.sample(4, random_state=5) for model in (loaded, estimator)]
    assert_array_equal(*samples)
    assert samples[0].dtype == samples[1].dtype == X.dtype
    # a random_state that is a RandomState goes on as well
    going_on = pickle.loads(pickle.dumps(estimator)).partial_fit(X)
    loaded.partial_fit(X)
    assert_array_equal(loaded.transform(X), going_on.transform(X))
    assert_array_equal(loaded.score_samples(rows), going_on.score_samples(rows))


def test_saved_again_it_is_the_same_file(fitted, path, tmp_path):
    estimator, _ = fitted
    estimator.save(path)
    again = tmp_path / "again"
    skgen.load(path).save(again)
    assert again.read_bytes() == path.read_bytes()


def test_parameters_set_after_fit(path):
    vae = VariationalAutoencoder(2, **SMALL).fit(WINE)
    vae.set_params(n_components=5, max_iter=7).save(path)
    loaded = skgen.load(path)
    assert loaded.n_components == 5
    assert loaded.transform(WINE).shape == (60, 2)
    with pytest.raises(ValueError, match="fitted with n_components=2"):
        loaded.partial_fit(WINE)


def test_feature_names(path):
    X = pd.DataFrame(BINARY, columns=[f"pixel {i}" for i in range(12)])
    BinaryRBM(2, max_iter=1, random_state=0).fit(X).save(path)
    loaded = skgen.load(path)
    assert loaded.feature_names_in_.tolist() == X.columns.tolist()
    with pytest.raises(ValueError, match="feature names should match"):
        loaded.score(X[X.columns[::-1]])


def test_pickle_and_joblib(fitted, tmp_path):
    estimator, X = fitted
    rows = binary_rows(X)
    joblib.dump(estimator, tmp_path / "model.joblib")
    loaded = joblib.load(tmp_path / "model.joblib")
    assert_array_equal(loaded.score_samples(rows), estimator.score_samples(rows))


def test_skops_has_one_class_to_trust(fitted):
    skops = pytest.importorskip("skops.io")
    estimator, X = fitted
    content = skops.dumps(estimator)
    own = f"{type(estimator).__module__}.{type(estimator).__name__}"
    loaded = skops.loads(content, trusted=[own])
    rows = binary_rows(X)
    assert_array_equal(loaded.score_samples(rows), estimator.score_samples(rows))


def test_pickles_keep_what_somebody_set():
    rbm = BinaryRBM(2, max_iter=2, random_state=0).fit(BINARY)
    rbm.components_ = np.zeros((2, 12), np.float32)
    assert not pickle.loads(pickle.dumps(rbm)).components_.any()


def test_without_the_state_of_training(fitted, path):
    """What is fitted is the same; training goes on from the model there is."""
    estimator, X = fitted
    rows = binary_rows(X)
    expected = estimator.score_samples(rows)
    estimator.save(path)
    whole = path.stat().st_size
    estimator.save(path, training_state=False)
    assert path.stat().st_size < whole
    smaller = skgen.load(path), pickle.loads(pickle.dumps(estimator))
    smaller[1].drop_training_state()
    for loaded in (*smaller, pickle.loads(pickle.dumps(smaller[1]))):
        assert_array_equal(loaded.score_samples(rows), expected)
        assert_array_equal(
            loaded.sample(5, random_state=0), estimator.sample(5, random_state=0)
        )
    ends = [loaded.partial_fit(X).score_samples(rows) for loaded in smaller]
    assert_array_equal(*ends)
    assert_allclose(ends[0].mean(), expected.mean(), atol=2 + abs(expected.mean()) / 10)


def test_a_model_of_another_machine(path):
    """Its device is not there: it is scored on the CPU, as a pickle is."""
    vae = VariationalAutoencoder(2, **SMALL).fit(WINE)
    expected = vae.score_samples(WINE)
    vae.set_params(device="cuda:7").save(path)
    for loaded in (skgen.load(path), pickle.loads(pickle.dumps(vae))):
        assert loaded.device == "cuda:7"
        assert_array_equal(loaded.score_samples(WINE), expected)


def make_encoder(n_in, n_out):
    return torch.nn.Linear(n_in, n_out)


class OwnLikelihood(Bernoulli):
    pass


class OwnRBM(BinaryRBM):
    pass


@pytest.mark.parametrize(
    "estimator, message",
    [
        (
            VariationalAutoencoder(2, encoder=torch.nn.Linear(12, 4), max_iter=1),
            r"encoder=Linear\(.*\) cannot be saved without pickle: use joblib.dump, or",
        ),
        (
            VariationalAutoencoder(2, encoder=make_encoder, max_iter=1),
            r"encoder=<function make_encoder .* cannot be saved without pickle",
        ),
        (
            VariationalAutoencoder(2, likelihood=OwnLikelihood(), max_iter=1),
            r"likelihood=OwnLikelihood\(\) cannot be saved without pickle: use joblib",
        ),
        (OwnRBM(2, max_iter=1), "OwnRBM cannot be saved without pickle"),
        (
            BinaryRBM(
                2, max_iter=1, random_state=np.random.RandomState(np.random.PCG64(1))
            ),
            "random_state=.* cannot be saved without pickle",
        ),
    ],
)
def test_what_needs_pickle_is_refused_by_name(estimator, message, path):
    estimator.fit(BINARY)
    with pytest.raises(ValueError, match=message):
        estimator.save(path)
    assert not path.exists()
    pickle.loads(pickle.dumps(estimator)).transform(BINARY)


def test_what_could_not_be_loaded_is_not_written(path):
    rbm = BinaryRBM(2, max_iter=1, random_state=0).fit(BINARY)
    with pytest.raises(ValueError, match="'learning_rate' parameter"):
        rbm.set_params(learning_rate=-1).save(path)
    assert not path.exists()


def test_equal_parameters_of_other_types_go_on(path):
    sizes = np.array([4, 3])
    vae = VariationalAutoencoder(
        np.int64(2),
        likelihood=Gaussian(np.float32(0.5)),
        **SMALL | {"hidden_layer_sizes": sizes},
    )
    vae.fit(WINE).save(path)
    loaded = skgen.load(path)
    loaded.partial_fit(WINE).set_params(n_components=2, hidden_layer_sizes=(4, 3))
    loaded.partial_fit(WINE).set_params(hidden_layer_sizes=sizes).partial_fit(WINE)
    with pytest.raises(ValueError, match="cannot go on"):
        loaded.set_params(hidden_layer_sizes=(4, 4)).partial_fit(WINE)


def test_a_whole_number_is_as_good_as_a_real_one():
    vae = VariationalAutoencoder(2, noise_variance=1, **SMALL).fit(WINE)
    vae.set_params(noise_variance=1.0).partial_fit(WINE)


def test_output_of_transform(path):
    rbm = BinaryRBM(2, max_iter=1, random_state=0).set_output(transform="pandas")
    rbm.fit(BINARY).save(path)
    assert isinstance(skgen.load(path).transform(BINARY), pd.DataFrame)


def test_not_fitted(path):
    with pytest.raises(NotFittedError):
        BinaryRBM().save(path)


def test_writes_are_atomic(path, monkeypatch):
    rbm = BinaryRBM(2, max_iter=1, random_state=0).fit(BINARY)
    rbm.save(path)
    before = path.read_bytes()

    def fail(descriptor):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        rbm.partial_fit(BINARY).save(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_no_such_file(path):
    with pytest.raises(FileNotFoundError):
        skgen.load(path)


HEADER = (
    b'{"__metadata__": {"skgen": "{}"}, '
    b'"x": {"dtype": "F8_E5M2", "shape": [1], "data_offsets": [0, 1]}}'
)
EIGHT_BITS = len(HEADER).to_bytes(8, "little") + HEADER + b"1"  # NumPy has no such


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 8,
        b"\xff" * 64,
        (2**62).to_bytes(8, "little") + b"{}",
        (10**9).to_bytes(8, "little") + b"{",
        (9_999_999).to_bytes(8, "little") + b" " * 9_999_999,
        (200_000).to_bytes(8, "little") + b"[" * 200_000,
        b"PK\x03\x04 a zip file, as torch.save and numpy.savez write",
        pickle.dumps(BinaryRBM()),
        as_safetensors({"x": np.ones(3)}),
        as_safetensors({"x": np.ones(3)}, {"skgen": "{}"}),
        as_safetensors({}, {"skgen": "[1]"}),
        as_safetensors({}, {"skgen": "[" * 100_000}),
        as_safetensors({}, {"skgen": "not JSON"}),
        as_safetensors({}, {"skgen": "1" * 5000}),
        EIGHT_BITS,
    ],
    ids=range(16),
)
def test_foreign_files(content, path):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        skgen.load(path)


class CutShort:
    """Leaves the checkpoint of the first epoch as it is."""

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        raise KeyboardInterrupt

    def teardown(self, estimator, context):
        pass


def test_a_checkpoint_of_whole_numbers(path):
    """Parameters of other numeric types do not make a file that cannot be read."""
    rbm = BinaryRBM(2, max_iter=np.int64(3), tol=0, n_iter_no_change=np.int32(2))
    rbm.set_params(early_stopping=True, random_state=0, warm_start=True)
    whole = BinaryRBM(**rbm.get_params()).fit(BINARY)
    with pytest.raises(KeyboardInterrupt):
        rbm.set_callbacks(Checkpoint(path), CutShort()).fit(BINARY)
    resumed = skgen.load(path).fit(BINARY)
    assert_array_equal(resumed.score_samples(BINARY), whole.score_samples(BINARY))


@pytest.fixture(scope="module", params=["rolling rbm", "mixed vae"])
def saved(request, tmp_path_factory):
    """Files of an epoch's checkpoint, which have the most in them."""
    estimator, X = pickle.loads(pickle.dumps(MODELS[request.param]))
    path = tmp_path_factory.mktemp("saved") / "model.safetensors"
    estimator.set_params(early_stopping=True)
    estimator.set_callbacks(Checkpoint(path), CutShort())
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X)
    return path.read_bytes()


def test_truncated_files(saved, path):
    rng = np.random.default_rng(0)
    for length in [*range(40), *rng.integers(len(saved), size=60), len(saved) - 1]:
        path.write_bytes(saved[:length])
        with pytest.raises(ValueError, match=r"model\.safetensors"):
            skgen.load(path)


def test_altered_files(saved, path):
    """Any byte changed: refused, unless it is white space of the header's JSON."""
    rng = np.random.default_rng(0)
    header = int.from_bytes(saved[:8], "little") + 8
    places = [*rng.integers(header, size=150), *rng.integers(len(saved), size=150)]
    n_refused = 0
    for place in places:
        content = bytearray(saved)
        content[place] ^= 1 << rng.integers(8)
        path.write_bytes(content)
        try:
            skgen.load(path).save(path)
        except ValueError:
            n_refused += 1
        else:
            assert tensors_of(path.read_bytes()).keys() == tensors_of(saved).keys()
    assert n_refused >= 297


def forged(content, change):
    """The file with its document and arrays changed, and the digest made to fit."""
    document = document_of(content)
    arrays = dict(tensors_of(content))
    change(document, arrays)
    document["sha256"] = _digest(document, arrays)
    return as_safetensors(arrays, {"skgen": json.dumps(document)})


def document_of(content):
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    document = json.loads(header["__metadata__"]["skgen"])
    del document["sha256"]
    return document


NONSENSE = [
    None,
    -1,
    0,
    10**30,
    1e308,
    float("nan"),
    "x",
    [],
    {},
    [1, "y"],
    {"tuple": [10**12]},
    {"tuple": []},
    {"random_state": [[1], 700, 0, 0.0]},
    {"random_state": [[1] * 624, 10**9, 0, 0.0]},
    {"likelihood": ["os", {}]},
    {"likelihood": ["columns", {"parts": [["gaussian", [10**9]]]}]},
]


def places_of(document, at=()):
    for key, value in document.items() if isinstance(document, dict) else ():
        yield (*at, key)
        yield from places_of(value, (*at, key))


def test_hostile_documents(saved, path):
    """Nonsense at every place of the document, digest and all: ValueError or a model.

    A value that happens to be valid makes a model that scores, samples and goes on
    (with default parameters: those that training diverges with are valid as well).
    """
    places = list(places_of(document_of(saved)))
    rng = np.random.default_rng(0)
    n_refused = 0
    for place in places:
        for nonsense in rng.permutation(np.array(NONSENSE, dtype=object))[:3]:

            def change(document, arrays, place=place, nonsense=nonsense):
                for key in place[:-1]:
                    document = document[key]
                document[place[-1]] = nonsense

            path.write_bytes(forged(saved, change))
            try:
                model = skgen.load(path)
            except ValueError as error:
                n_refused += 1
                assert "model.safetensors" in str(error)
            else:
                works(model)
    assert n_refused > 1.5 * len(places)


def works(model):
    model.set_params(**type(model)().get_params() | model._fixed)
    model.set_params(warm_start=True, max_iter=2, random_state=0)
    X = model.sample(20, random_state=0)
    assert np.all(np.isfinite(model.score_samples(X)))
    model.partial_fit(X)
    assert np.isfinite(model.fit(X).score(X))


def hostile_arrays(array):
    yield np.zeros(array.shape, np.float16)
    yield array.astype(np.int8)
    yield np.zeros((0, *array.shape), array.dtype)
    if array.size:
        yield np.concatenate([array.reshape(-1), array.reshape(-1)])
    yield array.reshape(*array.shape, 1)
    if array.dtype.kind == "f" and array.size:
        yield np.full_like(array, np.nan)


def test_hostile_arrays(saved, path):
    arrays = sorted(tensors_of(saved).items())
    for name, array in arrays[::5]:
        if name.startswith("history."):
            continue
        for hostile in hostile_arrays(array):

            def change(document, arrays, name=name, hostile=hostile):
                arrays[name] = hostile

            path.write_bytes(forged(saved, change))
            with pytest.raises(ValueError, match="holds no valid model of skgen"):
                skgen.load(path)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda d, a: d.update(format_version=2), "has format version 2, this skgen"),
        (lambda d, a: d.update({"class": "os.system"}), "'os.system' is none of"),
        (lambda d, a: d["parameters"].update(evil=1), r"unknown parameters \['evil'\]"),
        (lambda d, a: d["fixed"].clear(), "the parameters in 'fixed' are not"),
        (lambda d, a: a.update(evil=np.ones(3)), r"unknown arrays \['evil'\]"),
        (lambda d, a: a.pop("state.n_updates"), "'state.n_updates' is missing"),
        (lambda d, a: a.pop("history.seconds"), "history.seconds"),
        (lambda d, a: d.pop("seed"), "seed"),
        (lambda d, a: d.update(seed=2**31), "seed"),
        (lambda d, a: d["unfinished"].update(n_rows=[1]), "cut short"),
        (lambda d, a: d["unfinished"].update(best_bound="x"), "cut short"),
        (lambda d, a: d["unfinished"].update(finishing=0), "cut short"),
        (lambda d, a: d["unfinished"].update(schedule="x"), "schedule"),
        (lambda d, a: d.update(feature_names_in=["a"]), "does not name each feature"),
    ],
)
def test_the_message_names_what_is_wrong(saved, path, change, message):
    path.write_bytes(forged(saved, change))
    with pytest.raises(ValueError, match=message):
        skgen.load(path)


def test_sizes_are_checked_before_time_and_memory_are_taken(path):
    """Networks of 10^12 weights, or of as many layers as weights, in a small file."""
    VariationalAutoencoder(2, **SMALL).fit(WINE).save(path)
    saved = path.read_bytes()

    def change(document, arrays):
        for part in ("parameters", "fixed"):
            document[part]["hidden_layer_sizes"] = {"tuple": [10**6, 10**6]}

    path.write_bytes(forged(saved, change))
    with pytest.raises(ValueError, match="do not fit the arrays in the file"):
        skgen.load(path)

    def change(document, arrays):
        for part in ("parameters", "fixed"):
            document[part]["hidden_layer_sizes"] = {"tuple": [1] * 10**5}
        arrays["padding"] = np.zeros(10**6, np.uint8)

    path.write_bytes(forged(saved, change))
    with pytest.raises(ValueError, match="do not fit the arrays in the file"):
        skgen.load(path)

    def change(document, arrays):
        document["n_features_in"] = 10**12

    path.write_bytes(forged(saved, change))
    with pytest.raises(ValueError, match="do not fit the arrays in the file"):
        skgen.load(path)


@pytest.mark.parametrize(
    "settings",
    [
        {"likelihood": ["autoregressive", {"n_hidden": 10**12}]},
        {"noise_variance": "full"},
    ],
)
def test_sizes_of_likelihoods_are_checked_too(settings, path):
    """A likelihood with a number for each pair of columns, of 10^5 columns."""
    VariationalAutoencoder(2, **SMALL | {"hidden_layer_sizes": ()}).fit(WINE).save(path)
    saved = path.read_bytes()

    def change(document, arrays):
        for part in ("parameters", "fixed"):
            document[part] |= {
                k: {"likelihood": v} if k == "likelihood" else v
                for k, v in settings.items()
            }
        document["n_features_in"] = 10**5
        arrays["padding"] = np.zeros(10**6, np.uint8)

    path.write_bytes(forged(saved, change))
    with pytest.raises(ValueError, match="do not fit the arrays in the file"):
        skgen.load(path)


def test_a_fit_cut_short_keeps_its_seconds(path):
    """They count to the limit of the whole fit."""

    class Stopped(Exception):
        pass

    class Stop(Checkpoint):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            super().on_fit_task_end(
                estimator, context, fitted_estimator=fitted_estimator
            )
            raise Stopped

    rbm = BinaryRBM(2, max_iter=10**6, max_time=0.5, random_state=0)
    with pytest.raises(Stopped):
        rbm.set_callbacks(Stop(path)).fit(BINARY)
    loaded = skgen.load(path)
    unfinished = loaded._unfinished
    assert unfinished.max_time == 0.5
    assert 0 < unfinished.seconds_of_epochs <= unfinished.seconds
    assert 1 < loaded.set_params(warm_start=True).fit(BINARY).n_iter_ < 10**6


def test_a_file_that_needs_torch_says_so(tmp_path, monkeypatch):
    path = tmp_path / "vae.safetensors"
    VariationalAutoencoder(1, max_iter=1, random_state=0).fit(np.eye(4)).save(path)
    monkeypatch.delitem(vars(skgen), "VariationalAutoencoder", raising=False)
    monkeypatch.setitem(sys.modules, "skgen.vae", None)
    with pytest.raises(ImportError):
        skgen.load(path)
