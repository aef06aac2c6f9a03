"""Rows that are never in memory as a whole: arrays, memory maps, Parquet, Dask."""

import pickle
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from skgen import BinaryRBM, VariationalAutoencoder, views
from skgen.sources import as_source
from skgen.views import View
from skgen.weights import split

DIGITS = load_digits().data
BITS = (DIGITS > 8).astype(np.uint8)
FRAME = pd.DataFrame(BITS, columns=[f"pixel {i}" for i in range(64)])

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
dataset = pytest.importorskip("pyarrow.dataset")


@pytest.fixture
def small_copies(monkeypatch):
    """All data are large, and buffers hold 100 digits."""
    monkeypatch.setattr(views, "LARGEST", 0)
    monkeypatch.setattr(views, "_BUFFERED", 100 * 64)


@pytest.fixture(params=["array", "map", "sparse", "file", "folder", "table", "dask"])
def container(request, tmp_path):
    """The digits, 0/1, in containers that are not copied."""
    kind = request.param
    if kind == "array":
        return BITS
    if kind == "sparse":
        return csr_array(BITS)
    if kind == "map":
        np.save(tmp_path / "bits.npy", BITS)
        return np.load(tmp_path / "bits.npy", mmap_mode="r")
    if kind == "dask":
        array = pytest.importorskip("dask.array")
        return array.from_array(BITS, chunks=(500, 30))
    table = pa.Table.from_pandas(FRAME)
    if kind == "table":
        return table
    if kind == "file":
        parquet.write_table(table, tmp_path / "bits.parquet", row_group_size=400)
        return str(tmp_path / "bits.parquet")
    dataset.write_dataset(
        table,
        tmp_path / "bits",
        format="parquet",
        max_rows_per_file=600,
        max_rows_per_group=300,
    )
    return tmp_path / "bits"


def view_of(container):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(views, "LARGEST", 0)
        source = as_source(container)
    return View(container if source is None else source)


def test_slices_and_sorted_rows(container):
    view = view_of(container)
    assert view.shape == BITS.shape
    for rows in (slice(0, 10), slice(10, 500), slice(400, 410), slice(0, None)):
        assert_array_equal(view[rows], BITS[rows])
    rows = np.array([3, 4, 700, 1796])
    assert_array_equal(view[rows], BITS[rows])
    assert_array_equal(pickle.loads(pickle.dumps(view[5:20])), BITS[5:20])


def test_rows_left_out(container):
    view, held_out = view_of(container).split(0.1, np.random.default_rng(0))
    kept = np.delete(BITS, held_out, axis=0)
    assert len(held_out) == 180 and view.shape == kept.shape
    assert_array_equal(view[0:1000], kept[0:1000])
    assert_array_equal(view[np.array([0, 17, 1616])], kept[[0, 17, 1616]])


def test_every_row_is_in_a_buffer_once(container, small_copies):
    view, held_out = view_of(container).split(0.1, np.random.default_rng(0))
    kept = np.delete(BITS, held_out, axis=0)
    passes = []
    for seed in (1, 1, 2):
        parts = list(view.buffers(16, np.random.default_rng(seed)))
        assert all(len(part) % 16 == 0 for part in parts[:-1])
        assert len(parts[-1]) >= 16
        passes.append(np.concatenate(parts))
        assert_array_equal(
            *(np.unique(X, axis=0, return_counts=True)[0] for X in (passes[-1], kept))
        )
        assert_array_equal(passes[-1].sum(axis=0), kept.sum(axis=0))
    assert_array_equal(passes[0], passes[1])
    assert not np.array_equal(passes[0], passes[2])


def test_sorted_rows_are_mixed(small_copies):
    """A buffer of 500 of 10,000 rows holds rows from all over."""
    X = np.arange(10_000.0)[:, None].repeat(13, axis=1)
    part = next(View(X).buffers(10, np.random.default_rng(0)))
    assert len(part) < 600
    quarters = np.bincount((part[:, 0] // 2500).astype(int), minlength=4) / len(part)
    assert quarters.min() > 0.05


@pytest.mark.parametrize("n_rows", [31, 33, 160])
def test_the_last_batch(n_rows, small_copies):
    """As of an array in memory: a single row joins the batch before it, if asked."""
    view = View(np.arange(n_rows * 64.0).reshape(n_rows, 64))
    for starts in (range(0, n_rows, 16), list(range(0, n_rows - 1, 16))):
        batches = views.batches(view, None, starts, 16, np.random.default_rng(0))
        sizes = [len(rows) for _, rows in batches]
        assert len(sizes) == len(starts) and sum(sizes) == n_rows


def test_a_small_copy_as_good_as_a_large_one(container, small_copies, monkeypatch):
    settings = {"max_iter": 5, "early_stopping": True, "random_state": 0}
    model = BinaryRBM(16, **settings).fit(container)
    log_p, H = model.score_samples(container), model.transform(container)
    X = FRAME if hasattr(model, "feature_names_in_") else BITS
    assert_allclose(np.asarray(log_p), model.score_samples(X), rtol=1e-5)
    assert_allclose(np.asarray(H), model.transform(X), rtol=1e-5)
    monkeypatch.setattr(views, "LARGEST", 2**23)
    expected = BinaryRBM(16, **settings).fit(BITS)
    # of three seeds the scores differ by 0.1 nats at most
    assert abs(model.score(X) - expected.score(BITS)) < 0.5


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"likelihood": "bernoulli"},
        {"likelihood": "bernoulli", "binarize": "sample"},
        {"likelihood": "chow_liu"},
        {"likelihood": "autoregressive"},
        {"noise_variance": "full", "prior": "vamp"},
        {"objective": "iwae", "n_importance_samples": 2},
    ],
)
def test_vae_of_a_view(settings, small_copies, monkeypatch):
    X = (DIGITS / 16).astype(np.float32)[:, 18:38]
    if settings.get("likelihood") != "autoregressive":
        X[::9, 3] = np.nan
    common = {"hidden_layer_sizes": (8,), "max_iter": 6, "random_state": 0} | settings
    bits = np.where(np.isnan(X), np.nan, X > 0.5)[::12]
    model = VariationalAutoencoder(2, **common).fit(X)
    n_updates = model._state.n_updates
    score = model.score(bits)
    monkeypatch.setattr(views, "LARGEST", 2**23)
    assert_allclose(model.score(bits), score, rtol=1e-6)
    expected = VariationalAutoencoder(2, **common).fit(X)
    assert n_updates == expected._state.n_updates
    spread = max(abs(expected.score(bits)) / 10, 0.5)
    assert abs(score - expected.score(bits)) < spread


def test_partial_fit_and_weights_of_a_view(small_copies):
    weights = np.where(load_digits().target < 5, 1.5, 0)
    vae = VariationalAutoencoder(2, likelihood="bernoulli", max_iter=3, random_state=0)
    for model in (BinaryRBM(8, max_iter=3, random_state=0), vae):
        fitted = model.fit(BITS, sample_weight=weights)
        chosen = load_digits().target < 5
        mean = fitted.sample(2000, random_state=0).mean(axis=0)
        ours, others = (
            np.abs(mean - BITS[c].mean(axis=0)).sum() for c in (chosen, ~chosen)
        )
        assert ours < others
        assert np.isfinite(model.partial_fit(BITS).score(BITS))


def test_fewer_rows_than_other_processes():
    """Batches of 3, 3, 3, 2 and none."""
    view = View(np.arange(22.0).reshape(11, 2))
    starts, rng = [0, 3, 6, 9, 11], np.random.default_rng(0)
    parts = [part[rows] for part, rows in views.batches(view, None, starts, 3, rng)]
    assert [len(part) for part in parts] == [3, 3, 3, 2, 0]


def test_rows_in_any_order(container):
    view, held_out = view_of(container).split(0.1, np.random.default_rng(0))
    rows = np.array([1500, 3, 3, 800])
    assert_array_equal(view[rows], np.delete(BITS, held_out, axis=0)[rows])


def test_weights_of_a_file(small_copies, tmp_path):
    FRAME.to_parquet(tmp_path / "bits.parquet")
    weights = np.random.default_rng(0).random(1797)
    for given in (weights, np.ones(1797)):
        rbm = BinaryRBM(2, max_iter=1, random_state=0)
        rbm.fit(tmp_path / "bits.parquet", sample_weight=given)
        assert np.isfinite(rbm.score(tmp_path / "bits.parquet"))


def test_frames_of_dask():
    frames = pytest.importorskip("dask.dataframe")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.integers(0, 3, 90), "b": rng.random(90) > 0.5})
    vae = VariationalAutoencoder(1, max_iter=1, random_state=0)
    lazy = vae.fit(frames.from_pandas(frame, npartitions=3)).score_samples(
        frames.from_pandas(frame, npartitions=2)
    )
    expected = vae.score_samples(frame)
    assert_allclose(pickle.loads(pickle.dumps(vae)).score_samples(frame), expected)
    vae.partial_fit(frame.iloc[:45])
    assert_allclose(lazy.compute(), expected)  # of the model that was asked
    text = frames.from_pandas(frame.assign(c="x"), npartitions=2)
    with pytest.raises(ValueError, match="numbers or booleans"):
        vae.fit(text)
    vae.fit(frame)  # columns of a kind each
    with pytest.raises(ValueError, match="fitted to a frame of mixed columns"):
        vae.elbo(frames.from_pandas(frame, npartitions=2))


def test_a_split_of_a_view_holds_out_a_limited_number():
    X = View(np.zeros((200_000, 2), np.uint8))
    parts = split(X, None, 0.1, 0)
    assert parts.X_val.shape == (10_000, 2)
    assert parts.X.shape == (190_000, 2)


def test_gaps_of_a_file(small_copies, tmp_path):
    rows = pd.DataFrame({"a": [1, 2, None, 4] * 20, "b": [0.5, None, 1.5, 2.0] * 20})
    table = pa.Table.from_pandas(rows).cast(
        pa.schema([("a", pa.int64()), ("b", pa.float32())])
    )
    parquet.write_table(table, tmp_path / "rows.parquet")
    vae = VariationalAutoencoder(1, max_iter=2, random_state=0)
    vae.fit(tmp_path / "rows.parquet")
    assert vae.feature_names_in_.tolist() == ["a", "b"]
    log_p = vae.score_samples(tmp_path / "rows.parquet")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # names
        assert_allclose(log_p, vae.score_samples(rows.to_numpy()), rtol=1e-5)
    with pytest.raises(ValueError, match=r"X contains NaN at row 1, column 'b'"):
        BinaryRBM().fit(tmp_path / "rows.parquet")


def test_errors_of_files(small_copies, tmp_path):
    table = pa.table({"a": [1.0, 2.0], "text": ["x", "y"]})
    parquet.write_table(table, tmp_path / "rows.parquet")
    with pytest.raises(ValueError, match="the column 'text' of string"):
        VariationalAutoencoder().fit(tmp_path / "rows.parquet")
    with pytest.raises(ValueError, match=r"none.parquet', and there is no such file"):
        BinaryRBM().fit(tmp_path / "none.parquet")
    (tmp_path / "rows.csv").write_text("1,2\n3,4\n")
    with pytest.raises(ValueError, match=r"does not hold Parquet files.*read_csv"):
        BinaryRBM().fit(tmp_path / "rows.csv")
    parquet.write_table(table.select(["a"]).slice(0, 0), tmp_path / "empty.parquet")
    with pytest.raises(ValueError, match=r"shape \(0, 1\)"):
        BinaryRBM().fit(tmp_path / "empty.parquet")
    parquet.write_table(pa.Table.from_pandas(FRAME), tmp_path / "bits.parquet")
    rbm = BinaryRBM(2, max_iter=1, random_state=0).fit(tmp_path / "bits.parquet")
    parquet.write_table(table.select(["a"]), tmp_path / "rows.parquet")
    with pytest.raises(ValueError, match="feature"):
        rbm.transform(tmp_path / "rows.parquet")


def test_a_small_file_is_a_frame(tmp_path):
    """Columns of text, too."""
    frame = pd.DataFrame({"kind": ["a", "b", "b", "c"] * 20, "x": np.arange(80.0)})
    frame.to_parquet(tmp_path / "rows.parquet")
    vae = VariationalAutoencoder(1, max_iter=2, random_state=0)
    log_p = vae.fit(tmp_path / "rows.parquet").score_samples(tmp_path / "rows.parquet")
    assert_allclose(log_p, vae.score_samples(pa.Table.from_pandas(frame)))
    assert set(vae.sample(9)["kind"].to_pylist()) <= {"a", "b", "c"}
    complete = vae.impute(str(tmp_path / "rows.parquet")).to_pydict()
    assert complete == frame.to_dict("list")


@pytest.mark.parametrize("name", ["fit", "partial_fit", "score_samples"])
def test_memory_does_not_grow_with_the_rows(name, small_copies, tmp_path):
    peaks = []
    model = BinaryRBM(4, max_iter=1, random_state=0).fit(BITS)
    model.score(BITS)
    for n in (20, 60):
        np.save(tmp_path / "bits.npy", np.tile(BITS, (n, 1)))
        X = np.load(tmp_path / "bits.npy", mmap_mode="r")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("skgen.validation._BYTES_PER_VALUE", 2**18)
            tracemalloc.start()
            getattr(model, name)(X)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    n_bytes = 40 * BITS.nbytes
    assert peaks[1] - peaks[0] < 0.15 * n_bytes


def test_search_over_two_workers_of_dask():
    distributed = pytest.importorskip("distributed")
    joblib = pytest.importorskip("joblib")
    search = GridSearchCV(
        BinaryRBM(max_iter=2, random_state=0), {"n_components": [2, 8]}, cv=2
    )
    local = search.fit(BITS).cv_results_["mean_test_score"]
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, processes=True
    )
    with cluster, distributed.Client(cluster), joblib.parallel_backend("dask"):
        remote = search.fit(BITS).cv_results_["mean_test_score"]
    assert_allclose(remote, local)


@pytest.mark.parametrize(
    "model",
    [
        BinaryRBM(2),
        VariationalAutoencoder(1),
        VariationalAutoencoder(1, likelihood="bernoulli"),
    ],
)
def test_impute_leaves_the_file_as_it_is(small_copies, tmp_path, model):
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, (40, 3))
    X[:] = np.arange(120).reshape(40, 3) % 2
    model.set_params(max_iter=1, random_state=0).fit(X)
    X[::2, 1] = np.nan
    before = np.array(X)
    filled = model.impute(X)
    assert np.isfinite(filled).all()
    assert_array_equal(X, before)
