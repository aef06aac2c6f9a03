"""Blocks of rows in partial_fit: their order, their sizes, and files in between."""

import copy
import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.datasets import load_digits, load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skgen
from skgen import BinaryRBM, VariationalAutoencoder

IRIS = load_iris().data  # sorted by class
DIGITS = (load_digits().data > 8).astype(np.uint8)


def in_blocks(model, X, n):
    for start in range(0, len(X), n):
        model.partial_fit(X[start : start + n])
    return model


@pytest.mark.parametrize("n", [10, 150])
def test_sorted_blocks_are_as_good_as_mixed_ones(n):
    mixed = np.random.default_rng(0).permutation(IRIS)
    vae = VariationalAutoencoder(2, random_state=0)
    expected = in_blocks(vae, mixed, 10).score(IRIS)
    vae = VariationalAutoencoder(2, random_state=0)
    assert abs(in_blocks(vae, IRIS, n).score(IRIS) - expected) < 0.2


def test_single_rows_are_as_good_as_blocks():
    rows = IRIS[::5]
    vae = VariationalAutoencoder(1, random_state=0)
    expected = in_blocks(vae, rows, len(rows)).score(IRIS)
    vae = VariationalAutoencoder(1, random_state=0)
    assert abs(in_blocks(vae, rows, 1).score(IRIS) - expected) < 0.2


def test_blocks_are_as_good_as_fit_with_as_many_passes():
    X, held_out = DIGITS[:1500], DIGITS[1500:]
    fitted = BinaryRBM(20, max_iter=10, random_state=0).fit(X)
    model = BinaryRBM(20, random_state=0)
    for _ in range(10):
        in_blocks(model, X, 300)
    assert model.score(held_out) > fitted.score(held_out) - 0.3


def test_batches_follow_all_rows_so_far():
    model = BinaryRBM(2, random_state=0).partial_fit(DIGITS)
    before = model._state.n_updates
    for _ in range(9):
        model.partial_fit(DIGITS)
    last = model.partial_fit(DIGITS)._state.n_updates
    assert before == 180  # ten rows each
    model = BinaryRBM(2, batch_size=10, random_state=0).partial_fit(DIGITS)
    for _ in range(10):
        model.partial_fit(DIGITS)
    assert last < 0.75 * model._state.n_updates


@pytest.mark.parametrize("model", [BinaryRBM(2), VariationalAutoencoder(2)])
def test_sorted_blocks_warn_once(model):
    model.set_params(random_state=0)
    X = DIGITS.repeat(2, axis=0)
    X = X[np.argsort(X[:, 28:36].sum(axis=1), kind="stable")]
    with pytest.warns(RuntimeWarning, match="as if they were sorted") as record:
        in_blocks(model, X, 1200)
    assert len(record) == 1
    assert record[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.partial_fit(X[:10])


@pytest.mark.parametrize("model", [BinaryRBM(2), VariationalAutoencoder(2)])
def test_mixed_blocks_do_not_warn(model):
    X = np.random.default_rng(0).permutation(DIGITS)
    in_blocks(model.set_params(random_state=0), X, 600)


def test_a_file_holds_the_rows_that_are_gathered(tmp_path):
    rows = IRIS.copy()
    rows[::7, 1] = np.nan
    vae = VariationalAutoencoder(2, random_state=0).partial_fit(rows[::2])
    vae.save(tmp_path / "vae.safetensors")
    loaded = skgen.load(tmp_path / "vae.safetensors")
    models = [model.partial_fit(rows[1::2]) for model in (vae, loaded)]
    assert_array_equal(*(model.score_samples(IRIS) for model in models))


def test_whole_numbers_that_are_gathered_are_copied():
    X = np.random.default_rng(0).integers(-5, 5, (50, 3))
    vae = VariationalAutoencoder(1, random_state=0).partial_fit(X)
    copied = copy.deepcopy(vae).partial_fit(X)
    assert_array_equal(copied.score_samples(X), vae.partial_fit(X).score_samples(X))


def test_weighted_blocks_are_not_gathered():
    vae = VariationalAutoencoder(2, random_state=0)
    vae.partial_fit(IRIS, sample_weight=np.full(150, 0.5))
    n_updates = vae._state.n_updates
    vae.partial_fit(IRIS, sample_weight=np.full(150, 0.5))
    assert vae._state.n_updates > n_updates


def test_held_out_rows_in_other_units_warn():
    vae = VariationalAutoencoder(2, max_iter=1, random_state=0)
    with config_context(enable_metadata_routing=True):
        vae.set_fit_request(X_val=True)
        with pytest.warns(RuntimeWarning, match="transform_input"):
            make_pipeline(StandardScaler(), vae).fit(IRIS, X_val=IRIS + 0.0)
        pipeline = make_pipeline(StandardScaler(), vae, transform_input=["X_val"])
        pipeline.fit(IRIS, X_val=IRIS + 0.0)
