import copy

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from skgen.rbm import training
from skgen.rbm.energy import hidden_probability
from skgen.rbm.gradients import log_likelihood_gradient
from skgen.rbm.mixture import new_mixture
from skgen.rbm.samplers import exact_samples, sample_hidden
from skgen.rbm.training import (
    Settings,
    Trainer,
    followed,
    initial_state,
    largest_variance,
    new_memory,
    update,
)
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
    parts = 0.7 * marginals + 0.3 * X[[0, 3, 6]] if len(X) > 6 else marginals[None]
    base = new_mixture(np.full(len(parts), 1 / len(parts)), parts)
    state = initial_state(marginals, base, 3, 5, np.random.default_rng(seed))
    return followed(state, with_rolling)


def at_parameters(parameters, base, H, seed):
    """A state at these parameters, with persistent chains in the states H."""
    rng = np.random.default_rng(seed)
    state = initial_state(np.full(5, 0.5), base, 4, 1, rng)
    return state._replace(
        parameters=parameters.astype(np.float32), chains=H.astype(np.float32)
    )


def train_epoch(state, X, settings, rates, resample=False):
    return Trainer(X, settings, resample).epoch(state, rates)


def updated(state, rows, settings, learning_rate):
    """The state after an update with these rows as the batch."""
    memory = new_memory(2 * len(rows) + len(state.chains), state.parameters)
    memory.X[: len(rows)] = rows
    return update(state, memory, len(rows), settings, learning_rate, state.base)


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
def test_cd_is_the_expected_difference_after_k_steps(parameters, base, n_gibbs_steps):
    """The mean of many updates against the k-step kernel by brute force."""
    model = BruteForce(parameters)
    row = model.X[[5]]
    kernel = model.hidden_given_visible @ model.visible_given_hidden.T
    after = np.linalg.matrix_power(kernel, n_gibbs_steps)[5]
    P = hidden_probability(parameters, model.X)
    expected = np.outer(row[0], P[5]) - np.einsum("i,ij,ik->jk", after, model.X, P)
    variance = np.einsum("i,ij,ik->jk", after, model.X**2, P**2)
    n = 20_000
    state = at_parameters(parameters, base, model.H[:1], seed=0)
    settings = PLAIN._replace(negative_phase="cd", n_gibbs_steps=n_gibbs_steps)
    rows = np.repeat(row, n, axis=0).astype(np.float32)
    state = updated(state, rows, settings, 1.0)
    moved = state.parameters.weights - parameters.weights
    assert np.all(np.abs(moved - expected) < 4.5 * np.sqrt(variance / n) + 1e-5)


def moved_chains(state, n_gibbs_steps=1):
    """The states x and h of the chains after an update that is hardly a step."""
    memory = new_memory(1 + len(state.chains), state.parameters)
    memory.X[0] = 0
    settings = PLAIN._replace(negative_phase="pcd", n_gibbs_steps=n_gibbs_steps)
    state = update(state, memory, 1, settings, 1e-9, state.base)
    # the memory still holds the states
    return memory.X[1:-2], state.chains


@pytest.mark.parametrize("n_gibbs_steps", [1, 3])
def test_persistent_chains_make_their_steps(
    parameters, brute_force, base, n_gibbs_steps, monkeypatch
):
    """Without jumps, all chains start in one hidden state."""
    monkeypatch.setattr(training, "jump", lambda *arguments: None)
    H = np.tile(brute_force.H[3], (20_000, 1))
    state = at_parameters(parameters, base, H, seed=8)
    X, H = moved_chains(state, n_gibbs_steps)
    to_hidden = brute_force.hidden_given_visible
    to_visible = brute_force.visible_given_hidden
    after = to_visible[:, 3]
    for _ in range(n_gibbs_steps - 1):
        after = to_visible @ (to_hidden.T @ after)
    assert p_value(X, after) > 1e-3
    assert p_value(H, to_hidden.T @ after) > 1e-3


@pytest.mark.parametrize("n_updates", [0, 3])
def test_a_fifth_of_the_chains_makes_jumps(
    parameters, brute_force, base, base_joint, n_updates
):
    """All chains start in one rare hidden state; then a fifth may jump."""
    start = brute_force.hidden.argmin()
    H = np.tile(brute_force.H[start], (50_000, 1))
    state = at_parameters(parameters, base, H, seed=8)._replace(n_updates=n_updates)
    X, H = moved_chains(state)
    to_hidden = brute_force.hidden_given_visible
    stays = brute_force.visible_given_hidden[:, start]
    # from x in rows to x' in columns
    q = base_joint.sum(axis=1)
    weight = brute_force.visible / q
    jumps = q * np.minimum(1, weight / weight[:, None])
    jumps += np.diag(1 - jumps.sum(axis=1))
    assert np.abs(stays @ jumps - stays).sum() > 0.3
    for turn in range(training._TURNS):
        expected = stays @ jumps if turn == n_updates else stays
        assert p_value(X[turn :: training._TURNS], expected) > 1e-3
        assert p_value(H[turn :: training._TURNS], expected @ to_hidden) > 1e-3


def test_each_chain_jumps_once_in_five_updates(X, monkeypatch):
    """Whatever the number of rows in a batch."""
    chosen = []

    def recorded(parameters, base, X, inputs, rng):
        start = X.__array_interface__["data"][0] - address
        first = start // memory.X.strides[0] - n_rows
        chosen.extend(first + training._TURNS * np.arange(len(X)))

    monkeypatch.setattr(training, "jump", recorded)
    state, settings = new_state(X), PLAIN._replace(negative_phase="pcd")
    state = state._replace(chains=np.zeros((12, 3), np.float32))
    memory = new_memory(20, state.parameters)
    address = memory.X.__array_interface__["data"][0]
    for n_rows in (8, 8, 3, 8, 1):
        memory.X[:n_rows] = X[:n_rows]
        state = update(state, memory, n_rows, settings, 0.1, state.base)
    assert sorted(chosen) == list(range(12))


@pytest.mark.parametrize("negative_phase", ["cd", "tempered", "exact"])
def test_only_persistent_chains_jump(X, monkeypatch, negative_phase):
    monkeypatch.delattr(training, "jump")
    monkeypatch.delattr(training, "within_reach")
    settings = PLAIN._replace(negative_phase=negative_phase)
    train_epoch(new_state(X), X, settings, np.full(1, 0.1))


@pytest.mark.parametrize("n_gibbs_steps", [1, 3])
def test_an_update_keeps_chains_that_are_draws_from_the_model(
    parameters, brute_force, base, n_gibbs_steps
):
    rng = np.random.default_rng(9)
    X = exact_samples(parameters, 100_000, rng)
    state = at_parameters(parameters, base, sample_hidden(parameters, X, rng), 11)
    X, H = moved_chains(state, n_gibbs_steps)
    assert p_value(X, brute_force.visible) > 1e-3
    assert p_value(H, brute_force.hidden) > 1e-3


def test_offsets_never_decay_to_denormals():
    X = np.zeros((8, 6), dtype=np.uint8)
    state = new_state(X)
    for _ in range(300):
        state = updated(state, X.astype(np.float32), PLAIN, 0.01)
    assert state.offsets.visible.min() >= np.float32(1e-6)


def test_rolling_particles_exist_where_log_z_is_followed(X):
    state = new_state(X)
    assert state.rolling is None
    settings = PLAIN._replace(negative_phase="pcd")
    assert train_epoch(state, X, settings, np.full(1, 0.1)).rolling is None
    state = followed(state, True)
    assert len(state.rolling.stage) == training.N_PARTICLES
    assert followed(state, True) is state
    assert followed(state, False).rolling is None


def test_following_later_starts_at_the_average_of_the_time(X):
    settings = PLAIN._replace(batch_size=1, averaging=0.5)
    state = train_epoch(new_state(X), X, settings, np.full(8, 0.5))
    state = followed(state, True)
    X, inputs = state.rolling.particles[:2]
    expected = X @ state.average.weights + state.average.hidden_bias
    assert_allclose(inputs, expected, rtol=1e-5, atol=1e-6)


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
    marginals = np.full(6, 0.5)
    base = new_mixture(np.ones(1), marginals[None])
    state = initial_state(marginals, base, 3, 5, np.random.default_rng(0))
    settings = PLAIN._replace(batch_size=4000)
    state = train_epoch(state, X, settings, np.full(1, 1.0), resample=True)
    # one step of size 1 from P(x) = 0.5: the bias moves by mean(x) - 0.5
    moved = state.parameters.visible_bias
    error = np.sqrt(0.3 * 0.7 / 4000)
    assert np.all(np.abs(moved - (0.3 - 0.5)) < 4 * error + 0.01)
    assert np.ptp(moved) > 0


# --- the variance that limits the learning rate


def as_bits(X):
    return (X > 0).astype(np.uint8)


@pytest.mark.parametrize("n, n_features", [(200, 30), (900, 12), (40, 100)])
def test_largest_variance(n, n_features):
    """Rows along one strong direction, which power iteration finds."""
    rng = np.random.default_rng(0)
    strong = 2 * rng.normal(size=(n, 1)) * rng.choice([-1, 1], n_features)
    X = as_bits(strong + rng.normal(size=(n, n_features)))
    exact = np.linalg.eigvalsh(np.cov(X.T, bias=True))[-1]
    assert_allclose(largest_variance(X), exact, rtol=1e-4)
    assert_allclose(largest_variance(csr_array(X)), exact, rtol=1e-4)


def test_largest_variance_without_a_strong_direction():
    """It is never above the exact value, and not far below."""
    rng = np.random.default_rng(1)
    X = as_bits(rng.normal(size=(500, 40)))
    exact = np.linalg.eigvalsh(np.cov(X.T, bias=True))[-1]
    assert 0.85 * exact < largest_variance(X) < exact * (1 + 1e-5)


def test_largest_variance_of_a_sample_of_rows(monkeypatch):
    """Of 20,000 rows a thousand are taken, of wide ones fewer, and at least one."""
    rng = np.random.default_rng(2)
    X = as_bits(np.repeat(rng.normal(size=(20_000, 1)), 20, axis=1))
    # 20 p (1 - p): near p = 1/2 a sample of 1,000 is off by its square
    assert_allclose(largest_variance(X), 20 / 4, rtol=0.02)
    assert largest_variance(X[:1]) == 0
    monkeypatch.setattr(training, "_VALUES_OF_VARIANCE", 10)
    assert largest_variance(X) == 0


@pytest.mark.parametrize("value", [0, 1])
def test_rows_that_are_all_alike_have_no_variance(value):
    X = np.full((50, 7), value, np.uint8)
    assert largest_variance(X) == 0
    X[:, ::2] = 1
    assert largest_variance(X) == 0
