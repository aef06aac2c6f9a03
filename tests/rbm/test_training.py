import copy

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from skgen.rbm.energy import RBMParameters, hidden_probability
from skgen.rbm.gradients import log_likelihood_gradient
from skgen.rbm.training import Settings, Trainer, initial_state, new_memory, update
from skgen.run import averaging_share
from tests.rbm.reference import BruteForce, p_value

PLAIN = Settings(
    batch_size=8,
    momentum=0.0,
    weight_decay=0.0,
    n_gibbs_steps=1,
    negative_phase="exact",
    centered=False,
    averaging=0.0,
)


@pytest.fixture
def X():
    return (np.random.default_rng(0).random((8, 6)) < 0.4).astype(np.uint8)


def new_state(X, with_rolling=False, seed=0):
    marginals = (X.sum(axis=0) + 1) / (len(X) + 2)
    return initial_state(marginals, 3, 5, with_rolling, np.random.default_rng(seed))


def train_epoch(state, X, settings, rates, resample=False):
    return Trainer(X, settings, resample).epoch(state, rates)


def updated(state, rows, settings, learning_rate):
    """The state after an update with these rows as the batch."""
    memory = new_memory(2 * len(rows) + len(state.chains), state.parameters)
    memory.X[: len(rows)] = rows
    return update(state, memory, len(rows), settings, learning_rate)


def test_starts_as_the_product_of_the_marginals(X):
    state = new_state(X)
    probability = 1 / (1 + np.exp(-state.parameters.visible_bias.astype(float)))
    assert_allclose(probability, (X.sum(axis=0) + 1) / 10, rtol=1e-6)
    assert np.abs(state.parameters.weights).max() < 0.05


def test_plain_update_is_gradient_ascent(X):
    state = new_state(X)
    before = copy.deepcopy(state.parameters)
    rows = X.astype(np.float32)
    state = updated(state, rows, PLAIN, 0.1)
    gradient = log_likelihood_gradient(before, rows)
    for new, old, slope in zip(state.parameters, before, gradient):
        assert_allclose(new, old + 0.1 * slope, atol=1e-6)


def test_momentum_and_decay(X):
    settings = PLAIN._replace(batch_size=len(X), momentum=0.9, weight_decay=0.5)
    state, rows = new_state(X), X.astype(np.float32)
    expected = state.parameters.weights.astype(float)
    velocity = 0
    for _ in range(3):
        slope = log_likelihood_gradient(state.parameters, rows).weights
        state = train_epoch(state, X, settings, np.full(1, 0.01))
        velocity = 0.9 * velocity + 0.01 * slope
        # a steady gradient would move the weights by velocity = 0.01 / (1 - 0.9) of it
        expected = (expected + velocity) * np.exp(-0.1 * 0.5)
        assert_allclose(state.parameters.weights, expected, atol=1e-6)


def test_decay_adds_up_over_the_updates_since_the_last(X, monkeypatch):
    """An epoch of seven updates: five before the first time, two before the second."""
    before = recorded_iterates(monkeypatch)
    settings = PLAIN._replace(batch_size=1, weight_decay=0.5)
    rates = np.linspace(0.01, 0.07, 7)
    state = train_epoch(new_state(X), X[:7], settings, rates)
    kept = np.exp(-0.5 * (rates[5] + rates[6]))
    assert_allclose(state.parameters.weights, kept * before[6], atol=1e-6)

    undecayed = train_epoch(
        new_state(X), X[:5], PLAIN._replace(batch_size=1), rates[:5]
    )
    assert_allclose(undecayed.parameters.weights, before[-1], atol=1e-7)
    state = train_epoch(new_state(X), X[:5], settings, rates[:5])
    kept = np.exp(-0.5 * rates[:5].sum())
    assert_allclose(state.parameters.weights, kept * before[-1], atol=1e-6)


def recorded_iterates(monkeypatch):
    """A list to which every update adds the weights that it has made."""
    iterates = []

    def recorded(*arguments):
        result = update(*arguments)
        iterates.append(result.parameters.weights.copy())
        return result

    monkeypatch.setattr("skgen.rbm.training.update", recorded)
    return iterates


def test_average_follows_every_few_updates_and_at_the_end(X, monkeypatch):
    """An epoch of seven updates moves it twice, by as much as five and two of them."""
    state = new_state(X)
    iterates = recorded_iterates(monkeypatch)
    settings = PLAIN._replace(batch_size=1, averaging=0.5)
    state = train_epoch(state, X[:7], settings, np.full(7, 0.1))
    assert len(iterates) == 7
    first = averaging_share(0.5, 5, 0) * (iterates[4] - new_state(X).average.weights)
    expected = new_state(X).average.weights + first
    expected = expected + averaging_share(0.5, 2, 5) * (iterates[6] - expected)
    assert_allclose(state.average.weights, expected, atol=1e-6)

    state = train_epoch(state, X[:7], settings._replace(averaging=0), np.full(7, 0.1))
    assert_allclose(state.average.weights, state.parameters.weights, atol=1e-6)


def test_persistent_chains_persist_and_cd_starts_at_the_data(X):
    rows = X.astype(np.float32)
    for negative_phase in ("cd", "pcd"):
        state = new_state(X)
        before = state.chains.copy()
        settings = PLAIN._replace(negative_phase=negative_phase)
        state = updated(state, rows, settings, 0.1)
        assert np.array_equal(state.chains, before) == (negative_phase == "cd")


@pytest.mark.parametrize("n_gibbs_steps", [1, 3])
def test_cd_is_the_expected_difference_after_k_steps(parameters, n_gibbs_steps):
    """The mean of many updates against the k-step kernel by brute force."""
    model = BruteForce(parameters)
    row = model.X[[5]]
    kernel = model.hidden_given_visible @ model.visible_given_hidden.T
    after = np.linalg.matrix_power(kernel, n_gibbs_steps)[5]
    P = hidden_probability(parameters, model.X)
    expected = np.outer(row[0], P[5]) - np.einsum("i,ij,ik->jk", after, model.X, P)
    variance = np.einsum("i,ij,ik->jk", after, model.X**2, P**2)
    n = 20_000
    state = initial_state(np.full(5, 0.5), 4, 1, False, np.random.default_rng(0))
    state = state._replace(
        parameters=RBMParameters(*(a.astype(np.float32).copy() for a in parameters))
    )
    settings = PLAIN._replace(negative_phase="cd", n_gibbs_steps=n_gibbs_steps)
    rows = np.repeat(row, n, axis=0).astype(np.float32)
    state = updated(state, rows, settings, 1.0)
    moved = state.parameters.weights - parameters.weights
    assert np.all(np.abs(moved - expected) < 4.5 * np.sqrt(variance / n) + 1e-5)


@pytest.mark.parametrize("n_gibbs_steps", [1, 3])
def test_persistent_chains_make_their_steps(parameters, brute_force, n_gibbs_steps):
    """The model's states of an update that starts all chains in one hidden state."""
    n = 20_000
    state = initial_state(np.full(5, 0.5), 4, 1, False, np.random.default_rng(8))
    state = state._replace(
        parameters=parameters.astype(np.float32),
        chains=np.tile(brute_force.H[3].astype(np.float32), (n, 1)),
    )
    memory = new_memory(1 + n, state.parameters)
    memory.X[0] = 0
    settings = PLAIN._replace(negative_phase="pcd", n_gibbs_steps=n_gibbs_steps)
    state = update(state, memory, 1, settings, 1e-9)
    to_hidden = brute_force.hidden_given_visible
    to_visible = brute_force.visible_given_hidden
    after = to_visible[:, 3]
    for _ in range(n_gibbs_steps - 1):
        after = to_visible @ (to_hidden.T @ after)
    # the memory still holds the states
    assert p_value(memory.X[1:-2], after) > 1e-3
    assert p_value(state.chains, to_hidden.T @ after) > 1e-3


def test_offsets_never_decay_to_denormals():
    X = np.zeros((8, 6), dtype=np.uint8)
    state = new_state(X)
    for _ in range(300):
        state = updated(state, X.astype(np.float32), PLAIN, 0.01)
    assert state.offsets.visible.min() >= np.float32(1e-6)


@pytest.mark.parametrize("n_updates", [1, 5, 7, 8])
def test_rolling_ends_an_epoch_at_the_average(n_updates):
    """Else log Z and the parameters of the model would belong to two models."""
    X = (np.random.default_rng(1).random((n_updates, 6)) < 0.4).astype(np.uint8)
    state = new_state(X, with_rolling=True)
    settings = PLAIN._replace(batch_size=1, negative_phase="pcd", averaging=0.9)
    for _ in range(2):
        state = train_epoch(state, X, settings, np.full(n_updates, 0.1))
        particles, average = state.rolling.particles, state.average
        inputs = particles.X @ average.weights + average.hidden_bias
        assert_allclose(particles.hidden_input, inputs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("negative_phase", ["pcd", "cd", "tempered"])
def test_sparse_rows_train_like_dense_ones(X, negative_phase):
    settings = PLAIN._replace(batch_size=3, negative_phase=negative_phase)
    rates = np.full(3, 0.1)
    dense = train_epoch(new_state(X, with_rolling=True), X, settings, rates)
    sparse = train_epoch(new_state(X, with_rolling=True), csr_array(X), settings, rates)
    assert dense.n_updates == sparse.n_updates == 3
    assert_array_equal(dense.parameters.weights, sparse.parameters.weights)


def test_rows_are_drawn_anew_from_probabilities():
    """One epoch sees a binary draw of each row: exactly the marginals on average."""
    X = np.full((4000, 6), 0.3, dtype=np.float32)
    state = initial_state(np.full(6, 0.5), 3, 5, False, np.random.default_rng(0))
    settings = PLAIN._replace(batch_size=4000)
    state = train_epoch(state, X, settings, np.full(1, 1.0), resample=True)
    # one step of size 1 from P(x) = 0.5: the bias moves by mean(x) - 0.5
    moved = state.parameters.visible_bias
    error = np.sqrt(0.3 * 0.7 / 4000)
    assert np.all(np.abs(moved - (0.3 - 0.5)) < 4 * error + 0.01)
    assert np.ptp(moved) > 0
