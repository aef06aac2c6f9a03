"""The update: wild gradients, averaging, randomness, device of a state."""

import copy
import shutil

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn import config_context

from skgen import VariationalAutoencoder
from skgen.arrays import named_arrays
from skgen.vae import training
from skgen.vae.bounds import elbo_terms, log_weights
from skgen.vae.likelihoods import Gaussian
from skgen.vae.networks import Autoencoder, mlp

SETTINGS = training.Settings(4, "elbo", 1, 0.0, 0.99, "float32", False)


def new_state(seed=0):
    with training.seeded_modules(torch.device("cpu"), np.random.default_rng(seed)):
        encoder, decoder = mlp(3, (5,), 4, "tanh"), mlp(2, (5,), 3, "tanh")
    model = Autoencoder(encoder, decoder, Gaussian().build(3), 2)
    return training.initial_state(model, np.random.default_rng(seed))


def train(state, X, n_epochs=1, settings=SETTINGS):
    trainer = training.Trainer(X, settings)
    rates, weights = np.full(trainer.n_updates, 1e-2), np.ones(trainer.n_updates)
    for _ in range(n_epochs):
        state = trainer.epoch(state, rates, weights)
    return state


def vector(model):
    return torch.nn.utils.parameters_to_vector(model.parameters()).detach()


@pytest.fixture
def X():
    return torch.randn(40, 3, generator=torch.Generator().manual_seed(0))


def test_one_wild_batch_does_not_undo_training(X):
    state = train(new_state(), X, 40)
    before, elbo = vector(state.model), training.mean_bound(state.model, X.numpy())
    state = train(state, 1e4 * X[:4])
    assert torch.all((vector(state.model) - before).abs() < 1.3e-2)
    assert training.mean_bound(state.model, X.numpy()) > elbo - 0.5


def test_what_is_not_finite_is_reported(X):
    X[0, 0] = torch.inf
    with pytest.raises(
        FloatingPointError, match=r"training diverged.*learning_rate, 0\.01"
    ):
        train(new_state(), X)


def test_average_follows_the_iterates(X):
    state = train(new_state(), X, 30)
    moved = (vector(state.average) - vector(state.model)).norm()
    assert 0 < moved < (vector(new_state().model) - vector(state.model)).norm() / 2
    last = train(new_state(), X, 3, SETTINGS._replace(averaging=0.0))
    assert torch.equal(vector(last.average), vector(last.model))


def test_the_last_short_batch_is_trained_on(X):
    assert train(new_state(), X[:10]).n_updates == 3


def test_a_copy_goes_on_alike(X):
    state = train(new_state(), X, 2)
    twin = training.to_device(copy.deepcopy(state), torch.device("cpu"))
    assert torch.equal(*(vector(train(s, X, 2).model) for s in (state, twin)))


def test_seeded_modules_puts_the_generator_back():
    before = torch.get_rng_state()
    with training.seeded_modules(torch.device("cpu"), np.random.default_rng(0)):
        one = torch.rand(3)
    with training.seeded_modules(torch.device("cpu"), np.random.default_rng(0)):
        assert torch.equal(torch.rand(3), one)
    assert torch.equal(torch.get_rng_state(), before)


def test_mean_bound_in_blocks(X):
    model = new_state().model
    whole = training.mean_bound(model, X.numpy())
    # 13 draws of each of 40 rows
    noise = torch.randn(520, 2, generator=torch.Generator().manual_seed(0))
    reconstruction, kl = elbo_terms(model, X.repeat_interleave(13, dim=0), noise)
    assert_allclose(whole, float((reconstruction - kl).detach().mean()), rtol=1e-5)
    with config_context(working_memory=13 * 0.0196):  # blocks of 8 rows
        assert_allclose(training.mean_bound(model, X.numpy()), whole, rtol=1e-5)


def test_objectives_are_the_bounds(X, monkeypatch):
    """The loss of many draws against the bounds; of one draw, whatever its name."""
    monkeypatch.setattr(Gaussian, "surrogate", Gaussian.log_prob)
    model = new_state().model

    noise = torch.randn(7, 40, 2, generator=torch.Generator().manual_seed(0))

    def loss(objective, n_draws):
        some = noise[0] if n_draws == 1 else noise
        with torch.no_grad():
            return float(training.Objective(model, objective)(X, some, 1.0)) / 40

    assert loss("iwae", 1) == loss("elbo", 1)
    with torch.no_grad():
        reconstruction, kl = elbo_terms(model, X, noise)
        weights = log_weights(model, X, noise)
        bound = (torch.softmax(weights, dim=0) * weights).sum(dim=0).mean()
    assert_allclose(loss("elbo", 7), -(reconstruction - kl).mean(), rtol=1e-6)
    assert_allclose(loss("iwae", 7), -bound, rtol=1e-6)


def test_weight_decay_of_the_moment(X):
    state = train(new_state(), X, 2)
    free = train(copy.deepcopy(state), X, 5)
    held = train(state, X, 5, SETTINGS._replace(weight_decay=10.0))
    assert vector(held.model).norm() < vector(free.model).norm()


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile on a CPU")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
@pytest.mark.parametrize("objective", ["elbo", "iwae"])
def test_compiled_training_is_the_same(X, objective):
    settings = SETTINGS._replace(
        objective=objective, n_importance_samples=3, batch_size=16
    )
    expected = train(new_state(), X, 2, settings)
    state = train(new_state(), X, 2, settings._replace(compile=True))
    assert_allclose(vector(state.model), vector(expected.model), atol=1e-5)


def test_without_a_compiler_training_goes_on(X, monkeypatch):
    def compile_(module, mode):
        def call(*inputs):
            raise torch._dynamo.exc.BackendCompilerFailed(
                compile_, RuntimeError("no C++ compiler"), None
            )

        return call

    expected = train(new_state(), X)
    monkeypatch.setattr(torch, "compile", compile_)
    with pytest.warns(RuntimeWarning, match="compile=True has no effect") as told:
        state = train(new_state(), X, settings=SETTINGS._replace(compile=True))
    assert len(told) == 1
    assert torch.equal(vector(state.model), vector(expected.model))


def test_a_state_copied_onto_an_earlier_one(X):
    """As copy.deepcopy would copy it, in the memory of the other, and apart from it."""
    state = train(new_state(), X)
    earlier = copy.deepcopy(state)
    state = train(state, X)
    expected, copied = copy.deepcopy(state), state.copied_onto(earlier)
    assert copied.model is earlier.model
    train(state, X)
    for _ in range(2):
        assert copied.n_updates == expected.n_updates
        for mine, theirs in zip(copied._tensors(), expected._tensors(), strict=True):
            assert torch.equal(mine, theirs)
        copied, expected = train(copied, X), train(expected, X)


def test_a_state_copied_onto_one_without_updates(X):
    start = new_state()
    state = train(copy.deepcopy(start), X)
    copied = state.copied_onto(start)
    assert copied.model is start.model
    for mine, theirs in zip(copied._tensors(), state._tensors(), strict=True):
        assert torch.equal(mine, theirs)
    assert all(m["step"] == state.n_updates for m in copied.optimizer.state.values())


def test_memory_of_the_optimiser_made_at_the_start(X, monkeypatch):
    """A fresh state has all arrays of a trained one, and trains as AdamW does alone."""
    monkeypatch.setattr(training, "_shorten_gradient", lambda *args: None)
    state, lazy = new_state(), new_state()
    lazy.optimizer.state.clear()
    names = list(named_arrays(state, "state"))
    state, lazy = train(state, X, 2), train(lazy, X, 2)
    assert names == list(named_arrays(state, "state"))
    for mine, theirs in zip(state._tensors(), lazy._tensors(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_gradient_is_at_most_twice_as_long_as_usual():
    state, rng = new_state(), np.random.default_rng(0)
    optimizer, parameters = state.optimizer, list(state.model.parameters())
    squares = []
    for size in (1.0, 3.0, 2.0, 1e6, 1e30, 1.0):
        gradients = [size * rng.normal(size=p.shape) for p in parameters]
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = torch.from_numpy(gradient).float()
        training._shorten_gradient(optimizer, 1.0)
        kept = [p.grad.double().numpy() for p in parameters]
        length, full = (
            np.sqrt(sum(np.sum(g**2) for g in part)) for part in (kept, gradients)
        )
        decay = 0.99 ** np.arange(len(squares))[::-1]
        usual = np.sqrt(decay @ squares / decay.sum()) if squares else np.inf
        assert_allclose(length, min(full, 2 * usual) if size < 1e19 else 0, rtol=1e-4)
        squares.append(length**2)
        optimizer.step()


def test_rows_far_from_small_noise_do_not_throw_training_back():
    """Columns follow from others up to small noise, and rows have heavy tails."""
    rng = np.random.default_rng(0)
    h = rng.standard_t(3, size=(1200, 3))
    X = np.column_stack([h, np.abs(h), h @ rng.normal(size=(3, 3))])
    X[:, 3:] += 0.002 * rng.normal(size=(1200, 6))
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    vae = VariationalAutoencoder(
        6, noise_variance="full", learning_rate=5e-3, max_iter=30, random_state=0
    ).fit(X[:1000], X_val=X[1000:])
    # about 8.6 nats; with gradients of any length 1.4
    assert vae.history_.validation_elbo[-1] > 5
