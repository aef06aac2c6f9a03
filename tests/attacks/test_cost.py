"""What a call costs must follow from the model, not from earlier calls."""

import copy
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

import skgen
from skgen.curve import EMPTY, as_history, from_history, lengthened
from skgen.rbm import rows, samplers, training
from skgen.rbm.estimator import Scores
from skgen.vae import networks

X = np.random.default_rng(0).integers(2, size=(40, 4))


def test_rows_of_a_curve_are_copied_seldom():
    curve, n_copied = EMPTY, 0
    for epoch in range(2000):
        longer = lengthened(curve, 0.1 * epoch, [epoch] * 5)
        n_copied += sum(
            len(part) for part in longer if all(part is not p for p in curve)
        )
        curve = longer
    assert n_copied < 2000 * np.log2(2000) + 2000  # each as seldom as its logarithm
    assert len(curve) < np.log2(2000) + 1
    history = as_history(curve, Scores)
    assert_array_equal(history.epoch, np.arange(1, 2001))
    assert_array_equal(history.swap_rate, np.arange(2000))
    assert_array_equal(as_history(from_history(history), Scores), history)


def test_histories_of_copies_are_independent():
    model = skgen.BinaryRBM(1, random_state=0).partial_fit(X).partial_fit(X)
    before = model.history_
    copies = [copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    model.partial_fit(X)
    for other in copies:
        assert other.history_.tobytes() == before.tobytes()
        other.partial_fit(X)
    for one in [model, *copies]:
        assert_array_equal(one.history_.epoch, [1, 2, 3])
        assert one.history_[:2].tobytes() == before.tobytes()


def test_a_fit_that_fails_leaves_the_history():
    model = skgen.BinaryRBM(1, random_state=0, max_iter=3).fit(X)
    before = model.history_
    model.set_params(learning_rate=1e9, warm_start=True)
    with pytest.raises(FloatingPointError):
        model.fit(X)
    assert model.history_.tobytes() == before.tobytes()


def test_no_record_array_is_stored():
    model = skgen.BinaryRBM(1, random_state=0, max_iter=3).fit(X)
    assert not any(isinstance(value, np.recarray) for value in vars(model).values())
    assert not hasattr(skgen.BinaryRBM(), "history_")


@pytest.fixture
def enumerations(monkeypatch):
    """Models whose states were enumerated in order to draw from them."""
    models = []

    def log_state_weights(parameters, real=samplers.log_state_weights):
        models.append(parameters)
        return real(parameters)

    monkeypatch.setattr(samplers, "log_state_weights", log_state_weights)
    return models


def test_states_are_enumerated_once(enumerations):
    model = skgen.BinaryRBM(3, random_state=0, max_iter=2).fit(X)
    first = model.sample(5)
    assert_array_equal(model.sample(5), first)
    model.impute([[np.nan, 1, 0, 1]])
    assert len(enumerations) == 1
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert "_enumerated" not in vars(other)
        assert_array_equal(other.sample(5), first)


@pytest.mark.parametrize("change", ["fit", "partial_fit", "in place", "replaced"])
def test_states_are_enumerated_anew_when_the_model_has_changed(enumerations, change):
    model = skgen.BinaryRBM(3, random_state=0, max_iter=2).fit(X)
    model.sample(5)
    if change in ("fit", "partial_fit"):
        getattr(model, change)(1 - X[:30])
    elif change == "in place":
        model.components_[0, 0] += 9
    else:
        model.intercept_visible_ = model.intercept_visible_ + 9
    rows = model.sample(50)
    assert len(enumerations) == 2
    del model._enumerated
    assert_array_equal(model.sample(50), rows)


def test_a_small_step_does_not_look_at_all_earlier_rows(monkeypatch):
    """The bound that they put under log Z is computed when it is asked for."""
    sizes = []

    def free_energy(parameters, X, real=rows.free_energy):
        sizes.append(len(X))
        return real(parameters, X)

    monkeypatch.setattr(rows, "free_energy", free_energy)
    monkeypatch.delattr(training, "within_reach")  # a search for wide proposals
    model = skgen.BinaryRBM(3, random_state=0)
    for start in range(0, 40, 10):
        model.partial_fit(X[start : start + 10])
    assert sizes == []
    energies = model.free_energy(np.unique(X, axis=0).astype(np.float32))
    bound = np.logaddexp.reduce(-energies)
    copied = pickle.loads(pickle.dumps(model))
    for _ in range(2):
        np.testing.assert_allclose(model.log_partition_lower_bound_, bound, rtol=1e-6)
    assert sizes == [40]
    assert copied.log_partition_lower_bound_ == model.log_partition_lower_bound_


def test_a_file_need_not_hold_the_bound(tmp_path):
    model = skgen.BinaryRBM(3, random_state=0).partial_fit(X)
    model.save(tmp_path / "model")
    loaded = skgen.load(tmp_path / "model")
    assert loaded.log_partition_lower_bound_ == model.log_partition_lower_bound_
    assert loaded.score(X) == model.score(X)


def test_chains_of_short_epochs_jump_by_proposals_of_all_widths(monkeypatch):
    proposals = []

    def jump(parameters, mixture, *rest, real=training.jump):
        proposals.append(np.abs(mixture.log_odds).sum())
        return real(parameters, mixture, *rest)

    monkeypatch.setattr(training, "jump", jump)
    model = skgen.BinaryRBM(3, max_iter=1, random_state=0).fit(X[:10])
    for _ in range(49):
        model.partial_fit(X[:10])
    widths = np.array(proposals).reshape(2, 5, 5)  # twice, five in a row each
    shares = [1, 0.7, 0.5, 0.35, 0.25]
    np.testing.assert_allclose(
        widths / widths[0, 0, 0], np.broadcast_to(np.c_[shares], (2, 5, 5)), rtol=1e-5
    )


def test_a_step_of_a_vae_copies_its_networks_once(monkeypatch):
    model = skgen.VariationalAutoencoder(1, hidden_layer_sizes=(3,), random_state=0)
    model.set_params(max_iter=1).fit(X)
    encoder, before = model.encoder_, model.transform(X)
    copies = []

    def deepcopy(value, memo=None, real=copy.deepcopy):
        copies.append(type(value).__name__)
        return real(value, memo)

    monkeypatch.setattr(copy, "deepcopy", deepcopy)
    monkeypatch.delattr(networks, "_widest_layer")  # it runs and copies the networks
    model.partial_fit(X)
    monkeypatch.undo()
    assert copies.count("TrainingState") == 1
    assert not {"Autoencoder", "Sequential"} & set(copies)
    # what there was before has not changed
    with torch.no_grad():
        rows = torch.from_numpy(model._state.units.rows(X))
        earlier = encoder(rows).numpy()[:, :1]
    np.testing.assert_allclose(earlier, before, rtol=1e-4, atol=1e-5)
    assert not np.allclose(model.transform(X), before, rtol=1e-4, atol=1e-5)
