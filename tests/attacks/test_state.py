"""Files, global state and pipelines: what must survive unusual surroundings."""

import os
import stat
import threading

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler

import skgen
from skgen.callbacks import Checkpoint

X = np.random.default_rng(0).integers(2, size=(40, 4))


@pytest.fixture(scope="module")
def rbm():
    return skgen.BinaryRBM(2, max_iter=2, random_state=0).fit(X)


def test_names_of_columns_larger_than_a_header_are_saved(tmp_path):
    frame = pd.DataFrame(np.eye(2), columns=[11_000_000 * "x", "y"])
    model = skgen.BinaryRBM(1, max_iter=1, random_state=0).fit(frame)
    model.save(tmp_path / "model")
    loaded = skgen.load(tmp_path / "model")
    assert_array_equal(loaded.feature_names_in_, model.feature_names_in_)
    assert_array_equal(loaded.sample(5), model.sample(5))


def test_a_large_document_that_was_altered_is_refused(tmp_path):
    frame = pd.DataFrame(np.eye(2), columns=["a" + 2_000_000 * "x", "b"])
    path = tmp_path / "model"
    skgen.BinaryRBM(1, max_iter=1, random_state=0).fit(frame).save(path)
    path.write_bytes(path.read_bytes().replace(b"axxx", b"axyx"))
    with pytest.raises(ValueError, match="altered"):
        skgen.load(path)


def test_save_writes_to_the_target_of_a_symlink(rbm, tmp_path):
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "target", tmp_path / "link"
    link.symlink_to(target)
    for _ in range(2):  # a target that is not there yet, and one that is
        rbm.save(link)
        assert link.is_symlink()
        assert not target.is_symlink()
        assert_array_equal(skgen.load(link).sample(3), rbm.sample(3))
    assert os.listdir(tmp_path / "folder") == ["target"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs")
def test_save_writes_into_a_fifo(rbm, tmp_path):
    fifo, received = tmp_path / "fifo", []
    os.mkfifo(fifo)
    # a writer of its own keeps the reader from waiting for ever if the test fails
    reader = threading.Thread(target=lambda: received.append(fifo.read_bytes()))
    reader.daemon = True
    reader.start()
    rbm.save(fifo)
    reader.join(timeout=10)
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    (tmp_path / "model").write_bytes(received[0])
    assert_array_equal(skgen.load(tmp_path / "model").sample(3), rbm.sample(3))


@pytest.mark.skipif(os.name != "posix", reason="modes of files are those of POSIX")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_save_keeps_the_mode_of_a_file(rbm, tmp_path, mode):
    path = tmp_path / "model"
    path.touch()
    path.chmod(mode)
    rbm.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert skgen.load(path).n_iter_ == 2


@pytest.mark.skipif(os.name != "posix", reason="modes of files are those of POSIX")
def test_a_new_file_has_the_usual_mode(rbm, tmp_path):
    rbm.save(tmp_path / "model")
    (tmp_path / "other").touch()
    assert (tmp_path / "model").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_save_takes_the_longest_names(rbm, tmp_path):
    path = tmp_path / (255 * "n")
    rbm.save(path)
    assert skgen.load(path).n_iter_ == 2
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("with_link", [False, True])
def test_a_checkpoint_on_a_folder_fails_before_training(tmp_path, with_link):
    path = tmp_path
    if with_link:
        path = tmp_path / "link"
        path.symlink_to(tmp_path)
    model = skgen.BinaryRBM(1, max_iter=1).set_callbacks(Checkpoint(path))
    with pytest.raises(ValueError, match=f"{path}: it is a folder"):
        model.fit(X)
    assert not hasattr(model, "components_")


def test_a_checkpoint_behind_a_symlink_asks_for_the_folder_of_its_target(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere" / "model")
    model = skgen.BinaryRBM(1, max_iter=1).set_callbacks(Checkpoint(link))
    with pytest.raises(ValueError, match="nowhere does not exist"):
        model.fit(X)


SEARCHES = {
    "grid": lambda model: GridSearchCV(model, {"max_iter": [1, 2]}, cv=2),
    "random": lambda model: RandomizedSearchCV(
        model, {"max_iter": [1, 2]}, n_iter=2, cv=2, random_state=0
    ),
    "halving grid": lambda model: HalvingGridSearchCV(
        model, {"max_iter": [1, 2]}, cv=2, random_state=0
    ),
    "halving random": lambda model: HalvingRandomSearchCV(
        model, {"max_iter": [1, 2]}, n_candidates=2, cv=2, random_state=0
    ),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_every_search_stands_for_its_best_estimator(name):
    search = SEARCHES[name](skgen.BinaryRBM(1, random_state=0))
    with pytest.raises(ValueError, match="refit=True"):  # NotFittedError is one
        skgen.sample_from(search)
    search.fit(X)
    rows = skgen.sample_from(search, 5, random_state=0)
    assert_array_equal(rows, search.best_estimator_.sample(5, random_state=0))


class Duplicate(BaseEstimator):
    """A sampler as in imbalanced-learn: it takes part in fit alone."""

    def fit_resample(self, X, y=None):
        return np.concatenate([X, X]), y


def test_samplers_are_skipped_on_the_way_back(rbm):
    scaler = MinMaxScaler().fit([[0.0] * 4, [2.0] * 4])
    pipeline = Pipeline([("scale", scaler), ("double", Duplicate()), ("rbm", rbm)])
    rows = skgen.sample_from(pipeline, 5, random_state=0)
    assert_array_equal(rows, 2 * rbm.sample(5, random_state=0))


def test_a_sampler_at_the_end_is_no_model(rbm):
    pipeline = Pipeline([("rbm", rbm), ("double", Duplicate())])
    with pytest.raises(TypeError, match="no sample method"):
        skgen.sample_from(pipeline)


MODELS = {"rbm": skgen.BinaryRBM, "vae": skgen.VariationalAutoencoder}


@pytest.mark.parametrize("name", MODELS)
def test_too_large_a_validation_fraction_is_named(name):
    model = MODELS[name](1, early_stopping=True, validation_fraction=0.99, max_iter=1)
    with pytest.raises(ValueError, match=r"validation_fraction=0.99 .* 40 rows"):
        model.fit(X)
