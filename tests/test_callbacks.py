"""scikit-learn's callbacks on both estimators, and the project's own."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skgen
from skgen import BinaryRBM, VariationalAutoencoder
from skgen.callbacks import Checkpoint

ESTIMATORS = {
    "rbm": BinaryRBM(16, max_iter=6, random_state=0),
    "tempered rbm": BinaryRBM(
        16, max_iter=4, negative_phase="tempered", random_state=0
    ),
    "vae": VariationalAutoencoder(
        3, hidden_layer_sizes=(8,), likelihood="bernoulli", max_iter=6, random_state=0
    ),
}


@pytest.fixture
def X():
    return (load_digits().data[:120] > 8).astype(np.float32)


@pytest.fixture(params=ESTIMATORS)
def estimator(request):
    parameters = ESTIMATORS[request.param].get_params(deep=False)
    return type(ESTIMATORS[request.param])(**parameters)


class Recorder:
    """Notes the calls of its hooks, and can ask for fit to be stopped."""

    def __init__(self, stop_after=None):
        self.calls = []
        self.snapshots = []
        self.stop_after = stop_after

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None):
        self.calls.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        self.calls.append(f"end {context.task_name}")
        self.snapshots.append(fitted_estimator)
        return len(self.snapshots) == self.stop_after


def same_model(first, second, X):
    assert_array_equal(first.score_samples(X), second.score_samples(X))
    assert_array_equal(first.transform(X), second.transform(X))
    assert_array_equal(
        first.sample(5, random_state=1), second.sample(5, random_state=1)
    )


def test_one_task_per_epoch(estimator, X):
    recorder = Recorder()
    estimator.set_params(early_stopping=False).set_callbacks(recorder).fit(X)
    epochs = ["begin epoch", "end epoch"] * estimator.max_iter
    assert recorder.calls == ["setup", "begin fit", *epochs, "end fit", "teardown"]


def test_a_snapshot_is_the_model_of_its_epoch(estimator, X):
    """As one that was trained for as many epochs, on a constant schedule."""
    estimator.set_params(early_stopping=False, learning_rate_schedule="constant")
    recorder = Recorder()
    whole = estimator.set_callbacks(recorder).fit(X)
    snapshot = recorder.snapshots[1]
    estimator = type(estimator)(**estimator.get_params()).set_params(max_iter=2).fit(X)
    assert snapshot.n_iter_ == 2
    assert_array_equal(snapshot.transform(X), estimator.transform(X))
    assert abs(snapshot.score(X) - estimator.score(X)) < 0.5  # log Z is another one
    same_model(recorder.snapshots[-1], whole, X)


def test_callbacks_do_not_change_the_model(estimator, X):
    watched = type(estimator)(**estimator.get_params()).set_callbacks(Recorder()).fit(X)
    same_model(watched, estimator.fit(X), X)


def test_nothing_is_computed_without_callbacks(estimator, X, monkeypatch):
    def fail(*args):
        raise AssertionError("a snapshot that nobody asked for")

    monkeypatch.setattr(type(estimator), "_snapshot", fail)
    estimator.fit(X)
    with pytest.raises(AssertionError, match="nobody asked for"):
        estimator.set_callbacks(Recorder()).fit(X)


def test_stopped_by_a_callback(estimator, X):
    estimator.set_callbacks(Recorder(stop_after=3)).fit(X)
    assert estimator.n_iter_ == 3
    assert np.isfinite(estimator.score(X))


def test_partial_fit_has_no_callbacks(estimator, X):
    recorder = Recorder()
    estimator.set_callbacks(recorder).partial_fit(X)
    assert recorder.calls == []


class Interrupted(Recorder):
    def on_fit_task_end(self, estimator, context):
        raise KeyboardInterrupt


def test_an_interruption_leaves_nothing_half_fitted(estimator, X):
    before = set(vars(estimator))
    with pytest.raises(KeyboardInterrupt):
        estimator.set_callbacks(Interrupted()).fit(X)
    assert set(vars(estimator)) - before == {"_skl_callbacks"}
    with pytest.raises(NotFittedError):
        estimator.score(X)


def test_an_interruption_leaves_the_model_there_was(estimator, X):
    expected = estimator.fit(X).score_samples(X)
    history = estimator.history_
    with pytest.raises(KeyboardInterrupt):
        estimator.set_params(warm_start=True).set_callbacks(Interrupted()).fit(X)
    assert_array_equal(estimator.score_samples(X), expected)
    assert estimator.history_.tobytes() == history.tobytes()
    estimator.set_callbacks().fit(X)
    assert estimator.n_iter_ > len(history)


def wrapped(estimator, how):
    if how == "alone":
        return estimator
    pipeline = make_pipeline(StandardScaler(), estimator.set_params(binarize=-0.1))
    if how == "pipeline":
        return pipeline
    name = pipeline.steps[-1][0]
    n_jobs = 2 if how == "search, 2 processes" else None
    return GridSearchCV(
        pipeline, {f"{name}__n_components": [2, 3]}, cv=2, n_jobs=n_jobs
    )


@pytest.mark.parametrize("how", ["alone", "pipeline", "search"])
def test_progress_bar(estimator, how, X, capsys):
    pytest.importorskip("rich")
    estimator.set_params(max_iter=2)
    wrapped(estimator, how).set_callbacks(ProgressBar(None)).fit(X)
    out = capsys.readouterr().out
    assert type(estimator).__name__ in out
    assert "100%" in out


@pytest.mark.parametrize("how", ["alone", "pipeline", "search", "search, 2 processes"])
def test_scoring_monitor_without_y(how, X):
    def nats(estimator, X, y=None):
        return estimator.score(X)

    monitor = ScoringMonitor(scoring={"nats": nats})
    rbm = BinaryRBM(8, max_iter=3, random_state=0).set_callbacks(monitor)
    fitted = wrapped(rbm, how).fit(X)
    rows = monitor.get_logs().data
    epochs = [row for row in rows if row["task_name"] == "epoch"]
    n_fits = {"alone": 1, "pipeline": 1}.get(how, 5)  # 2 candidates, 2 folds, refit
    assert len(epochs) == 3 * n_fits
    assert all(-64 * np.log(2) < row["nats"] < 0 for row in epochs)
    if n_fits == 1:
        assert_allclose(epochs[-1]["nats"], fitted.score(X), atol=0.5)


def test_scoring_monitor_of_the_vae_and_of_probabilities(X):
    monitor = ScoringMonitor(scoring={"nats": lambda vae, X, y: vae.score(X)})
    vae = VariationalAutoencoder(
        2, likelihood="bernoulli", binarize="sample", max_iter=3, random_state=0
    )
    vae.set_callbacks(monitor).fit(X * 0.9 + 0.05)
    nats = [row["nats"] for row in monitor.get_logs().data]
    assert len(nats) == 4
    assert np.all(np.isfinite(nats))


@pytest.mark.parametrize("early_stopping", [False, True])
def test_resumed_from_a_checkpoint(estimator, early_stopping, X, tmp_path):
    """Cut short after epoch 4 of which the file holds the second or the fourth."""
    path = tmp_path / "model.safetensors"
    estimator.set_params(
        early_stopping=early_stopping, max_iter=7, n_iter_no_change=2, warm_start=True
    )
    whole = type(estimator)(**estimator.get_params()).fit(X)

    class Cut(Recorder):
        def on_fit_task_end(self, estimator, context):
            if context.task_id == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        estimator.set_callbacks(Checkpoint(path, every=3), Cut()).fit(X)
    loaded = skgen.load(path)
    assert loaded.n_iter_ == 3
    assert np.isfinite(loaded.score(X))
    with pytest.raises(
        ValueError, match=r"X and X_val have \(100, 0\) rows, but had \(120, 0\)"
    ):
        loaded.fit(X[:100])
    loaded.fit(X)
    same_model(loaded, whole, X)
    for name in set(whole.history_.dtype.names) - {"seconds"}:
        assert_array_equal(loaded.history_[name], whole.history_[name])
    # and once it is finished, a further fit goes on from there
    same_model(loaded.fit(X), whole.fit(X), X)


def test_resumed_warm_up(X, tmp_path):
    path = tmp_path / "vae.safetensors"
    vae = VariationalAutoencoder(
        2, kl_warmup=4, max_iter=6, warm_start=True, random_state=0
    ).set_callbacks(Checkpoint(path, every=2))
    whole = VariationalAutoencoder(**vae.get_params()).fit(X)
    vae.set_callbacks(*vae._skl_callbacks, Recorder(stop_after=3)).fit(X)
    assert skgen.load(path).n_iter_ == 3  # a stop is an end: the file holds its result
    with pytest.raises(KeyboardInterrupt):
        vae = VariationalAutoencoder(**vae.get_params())
        vae.set_callbacks(Checkpoint(path, every=1), Interrupted()).fit(X)
    same_model(skgen.load(path).fit(X), whole, X)


def test_a_finished_fit_is_what_the_checkpoint_holds(estimator, X, tmp_path):
    path = tmp_path / "model.safetensors"
    estimator.set_callbacks(Checkpoint(str(path), every=4)).fit(X)
    loaded = skgen.load(path)
    assert loaded.n_iter_ == estimator.n_iter_
    same_model(loaded, estimator, X)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_checkpoint_in_a_pipeline(X, tmp_path):
    path = tmp_path / "rbm.safetensors"
    rbm = BinaryRBM(4, max_iter=3, random_state=0, binarize=-0.1)
    pipeline = make_pipeline(StandardScaler(), rbm.set_callbacks(Checkpoint(path)))
    pipeline.fit(X)
    same_model(skgen.load(path), pipeline[-1], pipeline[0].transform(X))


def test_checkpoint_refuses_before_training(X, tmp_path):
    rbm = BinaryRBM(2, max_iter=1)
    with pytest.raises(ValueError, match=r"nowhere does not exist"):
        rbm.set_callbacks(Checkpoint(tmp_path / "nowhere" / "a")).fit(X)
    assert not hasattr(rbm, "components_")
    with pytest.raises(ValueError, match="every == 0, must be >= 1"):
        Checkpoint(tmp_path / "a", every=0)


def test_training_outlives_a_full_disk(X, tmp_path, monkeypatch):
    def full(self, target):
        raise OSError("No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    rbm = BinaryRBM(2, max_iter=1, random_state=0)
    with pytest.warns(RuntimeWarning, match="not written: No space left on device"):
        rbm.set_callbacks(Checkpoint(tmp_path / "a")).fit(X)
    assert rbm.n_iter_ == 1
    assert not list(tmp_path.iterdir())
