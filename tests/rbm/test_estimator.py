import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array, csr_matrix
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skgen import BinaryRBM
from skgen.rbm import partition
from skgen.rbm.energy import RBMParameters, free_energy
from skgen.weights import split
from tests.rbm.reference import all_states, p_value

BLOCKS_OF_100 = 100 * 64 * 256 / 2**20  # MiB for blocks of 100 rows of 64 columns


@pytest.fixture(scope="module")
def digits():
    return load_digits().data / 16


@pytest.fixture(scope="module")
def binary_digits(digits):
    return (digits > 0.5).astype(np.float64)


def small_data(n_samples=400, seed=0):
    """Six features in two groups that agree within themselves."""
    rng = np.random.default_rng(seed)
    groups = rng.random((n_samples, 2)) < [0.3, 0.6]
    X = np.repeat(groups, 3, axis=1) ^ (rng.random((n_samples, 6)) < 0.1)
    return X.astype(np.float64)


def small_data_log_density(X):
    """log P(x) of the distribution behind small_data."""
    ones = X.reshape(-1, 2, 3).sum(axis=2)
    on = np.array([0.3, 0.6]) * 0.9**ones * 0.1 ** (3 - ones)
    off = np.array([0.7, 0.4]) * 0.1**ones * 0.9 ** (3 - ones)
    return np.log(on + off).sum(axis=1)


@pytest.fixture(scope="module")
def small():
    return BinaryRBM(4, max_iter=30, random_state=0).fit(small_data())


@pytest.fixture(scope="module")
def all_x():
    return all_states(6)


@pytest.fixture(scope="module")
def all_h():
    return all_states(4)


# --- the theory through the public methods


def test_probabilities_sum_to_one(small, all_x, all_h):
    assert_allclose(np.exp(small.score_samples(all_x)).sum(), 1)
    assert_allclose(np.exp(small.score_hidden_samples(all_h)).sum(), 1)


def test_joint_has_the_marginals(small, all_x, all_h):
    X, H = np.repeat(all_x, 16, axis=0), np.tile(all_h, (64, 1))
    joint = np.exp(small.log_joint(X, H)).reshape(64, 16)
    assert_allclose(joint.sum(axis=1), np.exp(small.score_samples(all_x)))
    assert_allclose(joint.sum(axis=0), np.exp(small.score_hidden_samples(all_h)))
    conditional = joint / joint.sum(axis=1, keepdims=True)
    assert_allclose(small.transform(all_x), conditional @ all_h)
    conditional = joint / joint.sum(axis=0)
    assert_allclose(small.inverse_transform(all_h), conditional.T @ all_x)
    energies = small.energy(X, H)
    assert_allclose(np.log(np.exp(-energies).sum()), small.log_partition_)


def test_score_is_minus_free_energy_less_log_z(small, all_x):
    log_p = -small.free_energy(all_x) - small.log_partition_
    assert_allclose(small.score_samples(all_x), log_p)
    assert_allclose(small.score(all_x), log_p.mean())
    assert small.log_partition_std_ == 0


def test_pseudo_log_likelihood(small, all_x):
    log_p = small.score_samples(all_x)
    expected = np.zeros(64)
    for unit in range(6):
        other = log_p[np.arange(64) ^ (1 << unit)]
        expected += log_p - np.logaddexp(log_p, other)
    assert_allclose(small.pseudo_log_likelihood(all_x), expected, atol=1e-10)


def test_expected_energy_is_linear_in_probabilities(small, all_x):
    H = small.transform(all_x)
    draws = (np.random.default_rng(0).random((4000, *H.shape)) < H).astype(float)
    energies = np.array([small.energy(all_x, draw) for draw in draws[:2000]])
    error = energies.std(axis=0) / np.sqrt(2000)
    difference = np.abs(energies.mean(axis=0) - small.energy(all_x, H))
    assert np.all(difference < 4.5 * error)


def test_samples_of_a_small_model_are_independent_exact_draws(small, all_x):
    X = small.sample(20_000, random_state=1)
    assert p_value(X, np.exp(small.score_samples(all_x))) > 1e-3


def test_gibbs_converges_to_the_model(small, all_x):
    X = small.gibbs(np.zeros((5000, 6)), 200, random_state=0)
    p = np.exp(small.score_samples(all_x))
    mean = p @ all_x
    error = np.sqrt(mean * (1 - mean) / 5000)
    assert np.all(np.abs(X.mean(axis=0) - mean) < 4.5 * error)
    assert_array_equal(small.gibbs(all_x, 0), all_x)


# --- learning


@pytest.mark.parametrize("negative_phase", ["pcd", "cd", "exact"])
@pytest.mark.parametrize("centered", [True, False])
def test_learns_what_independent_features_cannot(negative_phase, centered):
    X, X_test = small_data(), small_data(2000, seed=1)
    rbm = BinaryRBM(
        4,
        max_iter=100,
        negative_phase=negative_phase,
        centered=centered,
        random_state=0,
    ).fit(X)
    marginals = X.mean(axis=0)
    independent = np.where(X_test, np.log(marginals), np.log(1 - marginals)).sum(axis=1)
    truth = small_data_log_density(X_test)
    # within a tenth of a nat of the distribution the data come from
    assert independent.mean() < truth.mean() - 0.7
    assert truth.mean() - 0.1 < rbm.score(X_test) <= truth.mean() + 0.01


def test_exact_gradient_climbs_the_likelihood():
    rbm = BinaryRBM(
        3,
        negative_phase="exact",
        averaging=0,
        batch_size=400,
        learning_rate_schedule="constant",
        max_iter=40,
        random_state=0,
    ).fit(small_data())
    assert np.all(np.diff(rbm.history_.train_log_likelihood) > -1e-4)


@pytest.mark.parametrize("batch_size", [1, 7, 10_000])
def test_any_batch_size(batch_size):
    X = small_data(50)
    rbm = BinaryRBM(2, batch_size=batch_size, max_iter=3, random_state=0).fit(X)
    assert np.isfinite(rbm.score(X))
    assert rbm._state.n_updates == 3 * -(-50 // min(batch_size, 50))


def test_learning_curve(capsys):
    X, X_val = small_data(), small_data(100, seed=1)
    rbm = BinaryRBM(4, max_iter=5, verbose=1, random_state=0).fit(X, X_val=X_val)
    assert rbm.history_.dtype.names == (
        "epoch",
        "seconds",
        "train_log_likelihood",
        "validation_log_likelihood",
        "log_partition_std",
        "swap_rate",
        "free_energy_gap",
    )
    assert_array_equal(rbm.history_.epoch, np.arange(1, 6))
    assert rbm.n_iter_ == 5
    # the last record is of the model that fit returns: all rows, exact log Z
    assert_allclose(rbm.history_.train_log_likelihood[-1], rbm.score(X), rtol=1e-5)
    last = rbm.history_.validation_log_likelihood[-1]
    assert_allclose(last, rbm.score(X_val), rtol=1e-5)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert f"validation {last:10.2f} nats" in lines[-1]


def test_early_stopping_keeps_the_best_epoch():
    X, X_val = small_data(40), small_data(1000, seed=1)
    rbm = BinaryRBM(
        4,
        learning_rate=0.5,
        batch_size=5,
        max_iter=300,
        early_stopping=True,
        n_iter_no_change=5,
        random_state=0,
    ).fit(X, X_val=X_val)
    validation = rbm.history_.validation_log_likelihood
    best = np.argmax(validation)
    assert 0 < best < 294 and rbm.n_iter_ < 300
    assert validation[best] > validation[-1]
    assert_allclose(rbm.score(X_val), validation[best], rtol=1e-5)
    exact = rbm.estimate_log_partition("exact")
    assert rbm.log_partition_ == exact.value


@pytest.mark.parametrize("container", [np.asarray, csr_array])
def test_early_stopping_splits_the_rows(container):
    X = small_data(200)
    rbm = BinaryRBM(2, early_stopping=True, max_iter=3, random_state=0)
    rbm.fit(container(X))
    assert np.all(np.isfinite(rbm.history_.validation_log_likelihood))
    assert rbm._state.n_updates % 18 == 0


# --- log Z


def test_rolling_within_its_standard_error(binary_digits):
    """16 hidden units on digits, five seeds, against enumeration."""
    scores = []
    for seed in range(5):
        rbm = BinaryRBM(
            16,
            learning_rate=0.5,
            max_iter=30,
            batch_size=20,
            partition_method="rolling",
            random_state=seed,
        ).fit(binary_digits)
        assert 0 < rbm.log_partition_std_ < 0.3
        exact = rbm.estimate_log_partition("exact").value
        scores.append((rbm.log_partition_ - exact) / rbm.log_partition_std_)
    assert np.max(np.abs(scores)) < 4
    assert abs(np.mean(scores)) < 3.5 / np.sqrt(5)


@pytest.mark.parametrize("method", ["rolling", "ais", "exact", "auto"])
def test_partition_methods_agree(binary_digits, method):
    rbm = BinaryRBM(14, max_iter=10, partition_method=method, random_state=0)
    rbm.fit(binary_digits)
    exact = rbm.estimate_log_partition("exact")
    assert exact.method == "exact" and exact.std_error == 0
    if method in ("exact", "auto"):
        assert rbm.log_partition_ == exact.value
        assert rbm.log_partition_std_ == 0
    else:
        error = abs(rbm.log_partition_ - exact.value)
        assert 0 < error < 4 * rbm.log_partition_std_
        assert rbm.log_partition_std_ < 0.2


def test_auto_closes_with_a_bracket(binary_digits):
    X = binary_digits[:900]
    rolling = BinaryRBM(30, max_iter=10, partition_method="rolling", random_state=0)
    auto = BinaryRBM(30, max_iter=10, random_state=0)
    rolling.fit(X), auto.fit(X)
    assert_array_equal(rolling.components_, auto.components_)
    assert auto.log_partition_std_ < rolling.log_partition_std_
    ais = auto.estimate_log_partition(n_temperatures=3000, random_state=1)
    error = np.hypot(auto.log_partition_std_, ais.std_error)
    assert abs(ais.value - auto.log_partition_) < 4 * error


def test_log_z_is_computed_when_it_is_asked_for(binary_digits, monkeypatch):
    calls = []
    closing = partition.closing_estimate
    monkeypatch.setattr(
        partition, "closing_estimate", lambda *a: calls.append(a) or closing(*a)
    )
    X = binary_digits[:300]
    early = BinaryRBM(30, max_iter=2, random_state=0).fit(X)
    late = BinaryRBM(30, max_iter=2, random_state=0).fit(X)
    late.transform(X), late.sample(5, random_state=1), late.free_energy(X)
    late.impute(np.where(X[:5] == 1, np.nan, X[:5]), n_gibbs_steps=2)
    assert not calls
    assert early.log_partition_ == late.log_partition_  # whatever came before
    assert early.log_partition_std_ == late.log_partition_std_
    late.score(X), late.score_samples(X)
    assert len(calls) == 2
    again = pickle.loads(pickle.dumps(clone(late).fit(X)))
    assert again.log_partition_ == late.log_partition_
    assert len(calls) == 3


def test_nobody_pays_for_a_log_z_that_nobody_follows(binary_digits):
    X = binary_digits[:300]
    plain = BinaryRBM(30, max_iter=2, random_state=0).fit(X)
    assert plain._state.rolling is None
    assert np.all(np.isnan(plain.history_.train_log_likelihood))
    assert np.all(np.isfinite(plain.history_.free_energy_gap))
    followed = BinaryRBM(30, max_iter=2, random_state=0).fit(X, X_val=X[:50])
    assert np.all(np.isfinite(followed.history_.train_log_likelihood))
    assert_array_equal(plain.components_, followed.components_)


@pytest.mark.parametrize("seed", range(5))
def test_two_far_clusters_have_log_two_nats(seed):
    X = np.random.default_rng(seed).integers(0, 2, (500, 1)).repeat(100, axis=1)
    rbm = BinaryRBM(random_state=0).fit(X)
    p = X.mean()
    entropy = -(p * np.log(p) + (1 - p) * np.log(1 - p))
    assert abs(rbm.score(X) + entropy) < 0.2
    assert abs(rbm.sample(2000).mean() - p) < 0.1
    assert abs(rbm.history_.free_energy_gap[-1]) < 1


def distinct_log_total(rbm, X):
    """log of the total probability of the distinct rows."""
    return np.logaddexp.reduce(rbm.score_samples(np.unique(X, axis=0)))


@pytest.mark.parametrize("method", ["auto", "ais", "rolling"])
def test_distinct_rows_have_a_total_of_at_most_one(method):
    """Also while the model is learned: no curve lies above what rows allow."""
    X = np.random.default_rng(1).integers(0, 2, (200, 1)).repeat(40, axis=1)
    rbm = BinaryRBM(22, partition_method=method, max_iter=3, random_state=0)
    rbm.fit(X, X_val=X)
    assert distinct_log_total(rbm, X) <= 0
    # two distinct rows: their mean log-likelihood is at most that of a fair coin
    assert rbm.history_.train_log_likelihood.max() < -0.6
    energies = rbm.free_energy(np.unique(X, axis=0))
    bound = np.logaddexp.reduce(-energies)
    assert_allclose(rbm.log_partition_lower_bound_, bound, rtol=1e-5)
    for estimate in ("ais", "bracket"):
        found = rbm.estimate_log_partition(estimate, n_temperatures=5)
        assert found.value >= found.lower_bound == rbm.log_partition_lower_bound_


def wide_clusters():
    """Two far clusters in 1,200 columns: a variance of 300 along one direction."""
    rng = np.random.default_rng(0)
    cluster = rng.integers(0, 2, (200, 1))
    return (cluster ^ (rng.random((200, 1200)) < 0.05)).astype(np.uint8)


@pytest.mark.parametrize("negative_phase", ["pcd", "tempered"])
def test_default_steps_suit_wide_rows(negative_phase):
    X = wide_clusters()
    rbm = BinaryRBM(20, negative_phase=negative_phase, max_iter=10, random_state=0)
    rbm.fit(X)
    assert np.abs(rbm.components_).max() < 1
    # by log Z of 2^20 states
    independent = BinaryRBM(1, learning_rate=1e-6, max_iter=1, random_state=0).fit(X)
    assert rbm.score(X) > independent.score(X) + 100


def test_an_epoch_that_diverges_is_repeated_at_half_the_rate():
    X = wide_clusters()
    rbm = BinaryRBM(25, learning_rate=60, max_iter=2, random_state=0)
    with pytest.warns(ConvergenceWarning, match="learning rate of") as warned:
        rbm.fit(X)
    assert len(warned) == 1
    assert np.all(np.isfinite(rbm.components_))
    assert rbm.n_iter_ == 2


def test_absurd_rates_end_in_an_error():
    with pytest.raises(FloatingPointError, match="Epoch 1"):
        BinaryRBM(4, learning_rate=1e6, random_state=0).fit(small_data())


def test_partial_fit_keeps_the_bound_of_rows_it_has_seen():
    rng = np.random.default_rng(0)
    X = (rng.random((60, 30)) < rng.random(30)).astype(np.uint8)
    rbm = BinaryRBM(22, random_state=0)
    for start in range(0, 60, 10):
        rbm.partial_fit(X[start : start + 10])
    bound = np.logaddexp.reduce(-rbm.free_energy(np.unique(X, axis=0)))
    assert_allclose(rbm.log_partition_lower_bound_, bound, rtol=1e-5)
    assert distinct_log_total(rbm, X) <= 0


def test_what_cannot_be_vouched_for_is_said_once(binary_digits, monkeypatch):
    rbm = BinaryRBM(30, max_iter=2, random_state=0).fit(binary_digits[:300])
    closing = partition.closing_estimate

    def in_doubt(*arguments):
        return closing(*arguments)._replace(low=10.0, high=20.0, reliable=False)

    monkeypatch.setattr(partition, "closing_estimate", in_doubt)
    with pytest.warns(ConvergenceWarning, match=r"between 10\.0 and 20\.0 nats") as got:
        rbm.score(binary_digits)
    assert len(got) == 1
    assert np.isfinite(rbm.score(binary_digits))


def test_early_stopping_keeps_the_particles_of_the_best_epoch(binary_digits):
    X, X_val = binary_digits[:300], binary_digits[1000:]
    rbm = BinaryRBM(
        16,
        learning_rate=0.5,
        max_iter=200,
        early_stopping=True,
        n_iter_no_change=5,
        partition_method="rolling",
        random_state=0,
    ).fit(X, X_val=X_val)
    history = rbm.history_
    bound = history.validation_log_likelihood - 2 * history.log_partition_std
    best = np.argmax(bound)
    assert 0 < best < len(history) - 1 < 199
    assert_allclose(rbm.log_partition_std_, history.log_partition_std[best])
    assert_allclose(
        rbm.score(X_val), history.validation_log_likelihood[best], rtol=1e-5
    )


def test_early_stopping_and_warm_start():
    """The split stays, and the model that training goes on from may stay the best."""
    X = small_data(200)
    rbm = BinaryRBM(
        4, early_stopping=True, warm_start=True, max_iter=60, random_state=None
    ).fit(X)
    seed = rbm._seed
    first = rbm.history_.validation_log_likelihood.max()
    rbm.fit(X)
    assert rbm._seed == seed
    held_out = split(X.astype(np.uint8), None, 0.1, seed).X_val
    assert rbm.score(held_out) >= first - 1e-4


def test_available_after_partial_fit(binary_digits):
    rbm = BinaryRBM(30, random_state=0)
    for start in range(0, 1797, 300):
        rbm.partial_fit(binary_digits[start : start + 300])
        assert np.isfinite(rbm.log_partition_) and rbm.log_partition_std_ >= 0
    assert rbm.n_iter_ == 6
    ais = rbm.estimate_log_partition(random_state=1)
    error = np.hypot(ais.std_error, rbm.log_partition_std_)
    assert abs(ais.value - rbm.log_partition_) < 4 * error
    assert rbm.sample(4).shape == (4, 64)


@pytest.mark.parametrize("method", ["exact", "ais"])
def test_partial_fit_with_a_chosen_method(binary_digits, method):
    rbm = BinaryRBM(13, partition_method=method, random_state=0)
    rbm.partial_fit(binary_digits).partial_fit(binary_digits)
    exact = rbm.estimate_log_partition("exact").value
    if method == "exact":
        assert rbm.log_partition_ == exact and rbm.log_partition_std_ == 0
    else:
        assert abs(rbm.log_partition_ - exact) < 4 * rbm.log_partition_std_ < 0.2


# --- going on


def test_partial_fit_any_number_of_rows():
    rbm = BinaryRBM(3, random_state=0)
    assert rbm.partial_fit(small_data(1)) is rbm
    for n in (1, 2, 333, 664, 64):
        rbm.partial_fit(small_data(n, seed=n))
    # batches of at most 10 rows; the first thousand rows are gathered
    assert rbm._state.n_updates == (1 + 1 + 2 + 333 + 664) // 10 + 1 + 7
    assert np.isfinite(rbm.score(small_data()))


def test_partial_fit_learns():
    rbm, X = BinaryRBM(4, random_state=0), small_data()
    scores = [rbm.partial_fit(X).score(X) for _ in range(30)]
    assert scores[-1] > scores[0] + 0.5
    assert_array_equal(rbm.history_.epoch, np.arange(1, 31))


def test_warm_start_goes_on():
    X = small_data()
    rbm = BinaryRBM(4, max_iter=5, warm_start=True, random_state=0).fit(X)
    first, n_updates = rbm.score(X), rbm._state.n_updates
    rbm.fit(X)
    assert rbm.n_iter_ == 10
    assert_array_equal(rbm.history_.epoch, np.arange(1, 11))
    assert rbm._state.n_updates == 2 * n_updates
    assert rbm.score(X) > first
    cold = BinaryRBM(4, max_iter=5, random_state=0).fit(X).fit(X)
    assert cold.n_iter_ == 5
    assert_allclose(cold.score(X), first)


# --- input


@pytest.mark.parametrize("container", [csr_array, csr_matrix])
def test_sparse_input_gives_the_same_model(binary_digits, container):
    dense, sparse = (BinaryRBM(20, max_iter=2, random_state=0) for _ in range(2))
    X = container(binary_digits)
    dense.fit(binary_digits)
    sparse.fit(X)
    assert_array_equal(dense.components_, sparse.components_)
    for method in ("transform", "score_samples", "free_energy", "reconstruct"):
        expected = getattr(dense, method)(binary_digits)
        assert_allclose(getattr(sparse, method)(X), expected, rtol=1e-12)
    assert_array_equal(
        sparse.gibbs(X, random_state=0), dense.gibbs(binary_digits, random_state=0)
    )


@pytest.mark.parametrize(
    "dtype, floating",
    [
        (np.float64, np.float64),
        (np.float32, np.float32),
        (np.uint8, np.float32),
        (bool, np.float32),
        (np.int64, np.float64),
    ],
)
def test_dtypes(dtype, floating):
    X = small_data().astype(dtype)
    rbm = BinaryRBM(3, max_iter=2, random_state=0).fit(X)
    assert rbm.components_.dtype == rbm.intercept_hidden_.dtype == floating
    assert rbm.intercept_visible_.dtype == floating
    assert rbm.transform(X).dtype == rbm.score_samples(X).dtype == floating
    assert rbm.reconstruct(X).dtype == floating
    assert rbm.sample(2).dtype == rbm.gibbs(X).dtype == dtype
    reference = BinaryRBM(3, max_iter=2, random_state=0).fit(small_data())
    assert_allclose(rbm.components_, reference.components_, rtol=1e-6)


def test_binarize_sample(digits):
    rbm = BinaryRBM(30, binarize="sample", max_iter=5, random_state=0).fit(digits)
    mean = digits.mean(axis=0)
    assert np.abs(rbm.sample(500, random_state=0).mean(axis=0) - mean).mean() < 0.05
    assert_allclose(rbm.transform(digits), rbm.transform(csr_array(digits)))
    assert not np.allclose(rbm.transform(digits), rbm.transform(digits > 0.5))
    again = BinaryRBM(30, binarize="sample", max_iter=5, random_state=0)
    again.fit(csr_array(digits), X_val=csr_array(digits[:50]))
    assert np.isfinite(again.history_.validation_log_likelihood).all()


def test_half_precision_probabilities():
    X = np.full((10_000, 2), 0.5, dtype=np.float16)
    rbm = BinaryRBM(1, binarize="sample", max_iter=1, random_state=0).fit(X)
    assert np.abs(rbm.intercept_visible_).max() < 0.1


def test_a_sparse_matrix_is_never_made_dense_as_a_whole(digits, monkeypatch):
    X = csr_array(digits)
    largest = []
    toarray = csr_array.toarray

    def recorded(self, *args, **kwargs):
        largest.append(self.shape[0])
        return toarray(self, *args, **kwargs)

    monkeypatch.setattr(csr_array, "toarray", recorded)
    rbm = BinaryRBM(30, max_iter=1, random_state=0)
    # the rows of the mixture and of the variance are few, whatever the data
    monkeypatch.setattr("skgen.rbm.mixture._MOST_VALUES", 100 * 64)
    monkeypatch.setattr("skgen.rbm.training._VALUES_OF_VARIANCE", 100 * 64)
    with config_context(working_memory=BLOCKS_OF_100):
        rbm.fit(X, X_val=X)
        rbm.transform(X), rbm.score_samples(X), rbm.gibbs(X)
    assert max(largest) == 100


def test_thresholds(digits):
    low = BinaryRBM(5, binarize=0.2, max_iter=2, random_state=0).fit(digits)
    same = BinaryRBM(5, binarize=None, max_iter=2, random_state=0)
    same.fit((digits > 0.2).astype(float))
    assert_array_equal(low.components_, same.components_)
    same_scores = same.score_samples((digits > 0.2).astype(float))
    assert_array_equal(low.score_samples(digits), same_scores)


def test_rows_are_scored_in_blocks(binary_digits):
    rbm = BinaryRBM(20, max_iter=2, random_state=0).fit(binary_digits)
    whole = rbm.score_samples(binary_digits)
    with config_context(working_memory=BLOCKS_OF_100):
        assert_allclose(rbm.score_samples(binary_digits), whole, rtol=1e-13)
        assert rbm.sample(333).shape == (333, 64)


# --- reproducibility


def test_random_state(binary_digits):
    X = binary_digits[:300]
    np.random.seed(0)
    one = BinaryRBM(30, max_iter=2, random_state=3).fit(X)
    np.random.seed(1)
    two = BinaryRBM(30, max_iter=2, random_state=3).fit(X)
    other = BinaryRBM(30, max_iter=2, random_state=4).fit(X)
    assert_array_equal(one.components_, two.components_)
    assert one.log_partition_ == two.log_partition_
    assert not np.array_equal(one.components_, other.components_)
    assert_array_equal(one.sample(5), two.sample(5))
    assert not np.array_equal(one.sample(5), one.sample(5, random_state=9))
    unseeded = BinaryRBM(30, max_iter=1).fit(X)
    assert not np.array_equal(unseeded.sample(5), unseeded.sample(5))


def two_clusters(rng):
    """Rows near all ones, 70 % of them, and near all zeros."""
    first = rng.random((1000, 1)) < 0.7
    return (first ^ (rng.random((1000, 30)) < 0.05)).astype(np.uint8)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("negative_phase", ["pcd", "tempered"])
def test_the_masses_of_far_clusters_are_right(seed, negative_phase):
    """Gibbs steps do not cross; the masses of the models are exact draws."""
    X = two_clusters(np.random.default_rng(seed))
    rbm = BinaryRBM(4, negative_phase=negative_phase, max_iter=30, random_state=0)
    sample = rbm.fit(X).sample(20_000, random_state=0)
    mass = (sample.mean(axis=1) > 0.5).mean()
    observed = (X.mean(axis=1) > 0.5).mean()
    error = np.sqrt(observed * (1 - observed) / len(X))
    assert abs(mass - observed) < 4 * error
    if negative_phase == "tempered":
        assert rbm.history_.swap_rate[-1] > 0.4


def test_swap_rate_is_that_of_tempering_only(binary_digits):
    rbm = BinaryRBM(14, max_iter=1, random_state=0).fit(binary_digits)
    assert np.isnan(rbm.history_.swap_rate[-1])
    rbm.set_params(negative_phase="tempered", warm_start=True).fit(binary_digits)
    assert 0 < rbm.history_.swap_rate[-1] < 1
    rbm.set_params(negative_phase="pcd").fit(binary_digits)
    assert np.isnan(rbm.history_.swap_rate[-1])
    assert rbm.n_iter_ == 3


@pytest.mark.parametrize("n_components", [14, 22])
def test_tempered_models_know_log_z(binary_digits, n_components):
    """While fit runs, and at its end, with enumeration where it is quick."""
    rbm = BinaryRBM(
        n_components,
        negative_phase="tempered",
        max_iter=6,
        early_stopping=True,
        random_state=0,
    ).fit(binary_digits, X_val=binary_digits[:300])
    assert rbm.history_.log_partition_std.max() < 0.3
    exact = rbm.estimate_log_partition("exact").value
    if n_components == 14:
        assert rbm.log_partition_ == exact
        best = np.argmax(rbm.history_.validation_log_likelihood)
        gap = rbm.score(binary_digits[:300])
        gap -= rbm.history_.validation_log_likelihood[best]
        assert abs(gap) < 4 * rbm.history_.log_partition_std[best] + 0.1
    else:
        error = abs(rbm.log_partition_ - exact)
        assert 0 < error < 4 * rbm.log_partition_std_
        assert rbm.log_partition_std_ < 0.1
    again = pickle.loads(pickle.dumps(rbm))
    assert_array_equal(again.sample(5), rbm.sample(5))
    assert again.sample(200).mean() == pytest.approx(binary_digits.mean(), abs=0.05)
    again.partial_fit(binary_digits[:50])
    assert np.isfinite(again.log_partition_)


def test_tempering_with_one_chain_and_after_other_phases(binary_digits):
    X = binary_digits[:200]
    rbm = BinaryRBM(
        14, n_chains=1, negative_phase="tempered", early_stopping=True, max_iter=3
    ).fit(X)
    assert rbm.n_iter_ == 3
    rbm = BinaryRBM(24, max_iter=2, early_stopping=True, warm_start=True).fit(X)
    for negative_phase in ("tempered", "cd", "tempered", "pcd"):
        rbm.set_params(negative_phase=negative_phase).fit(X)
        assert np.isfinite(rbm.score(X))


def test_forward_and_reverse_ais_agree(binary_digits):
    rbm = BinaryRBM(24, max_iter=10, random_state=0).fit(binary_digits)
    for negative_phase in ("pcd", "tempered"):
        rbm.set_params(negative_phase=negative_phase, warm_start=True)
        rbm.fit(binary_digits)
        forward, reverse = (
            rbm.estimate_log_partition(method, random_state=0)
            for method in ("ais", "reverse_ais")
        )
        assert (forward.method, reverse.method) == ("ais", "reverse_ais")
        error = np.hypot(forward.std_error, reverse.std_error)
        assert error < 0.2
        assert abs(forward.value - reverse.value) < 4 * error


def test_global_random_state_is_left_as_found(binary_digits):
    before = np.random.get_state()
    rbm = BinaryRBM(30, max_iter=1, early_stopping=True).fit(binary_digits)
    rbm.sample()
    rbm.gibbs(binary_digits)
    rbm.estimate_log_partition(n_temperatures=2)
    after = np.random.get_state()
    assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]


def test_samples_from_the_particles_are_draws(binary_digits, monkeypatch):
    """A model small enough for exact draws, sampled as if it were not."""
    rbm = BinaryRBM(16, max_iter=20, partition_method="rolling", random_state=0)
    rbm.fit(binary_digits)
    exact = rbm.sample(4000, random_state=0)
    monkeypatch.setattr("skgen.rbm.enumeration.MAX_UNITS", 0)
    drawn = rbm.sample(4000, random_state=1, n_gibbs_steps=500)

    def pairs(X):
        return np.einsum("ni,nj->ij", X, X) / len(X)

    p = pairs(exact)
    # the mean absolute difference of two means of 4,000 draws each, over all pairs
    expected = np.sqrt(2 / np.pi * 2 * p * (1 - p) / 4000).mean()
    assert np.abs(pairs(drawn) - p).mean() < 1.5 * expected
    independent = np.outer(np.diag(p), np.diag(p))
    assert np.abs(independent - p).mean() > 3 * expected
    energies = rbm.free_energy(exact), rbm.free_energy(drawn)
    difference = np.mean(energies[0]) - np.mean(energies[1])
    assert abs(difference) < 4.5 * np.std(energies[0]) * np.sqrt(2 / 4000)


def test_looped_gibbs_is_a_chain(small, all_x):
    X = np.zeros((4000, 6))
    for _ in range(60):
        X = small.gibbs(X)
    p = np.exp(small.score_samples(all_x))
    mean = p @ all_x
    error = np.sqrt(mean * (1 - mean) / 4000)
    assert np.all(np.abs(X.mean(axis=0) - mean) < 5 * error)


# --- scikit-learn


def test_not_fitted():
    rbm = BinaryRBM()
    for call in (
        lambda: rbm.transform([[0]]),
        lambda: rbm.score_samples([[0]]),
        lambda: rbm.inverse_transform([[0]]),
        lambda: rbm.score_hidden_samples([[0]]),
        lambda: rbm.sample(),
        lambda: rbm.gibbs([[0]]),
        lambda: rbm.estimate_log_partition(),
    ):
        with pytest.raises(NotFittedError):
            call()


def test_pickle_and_clone(binary_digits):
    rbm = BinaryRBM(30, max_iter=2, warm_start=True, random_state=0).fit(binary_digits)
    copy = pickle.loads(pickle.dumps(rbm))
    assert_array_equal(
        copy.score_samples(binary_digits), rbm.score_samples(binary_digits)
    )
    assert_array_equal(copy.sample(3), rbm.sample(3))
    # training goes on from the copy as from the original
    assert_array_equal(
        copy.fit(binary_digits).components_, rbm.fit(binary_digits).components_
    )
    assert clone(rbm).get_params() == rbm.get_params()
    assert not hasattr(clone(rbm), "components_")


def test_pandas_output_and_feature_names(binary_digits):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(binary_digits).add_prefix("pixel")
    rbm = BinaryRBM(3, max_iter=1, random_state=0).set_output(transform="pandas")
    features = rbm.fit_transform(frame)
    assert list(features.columns) == ["binaryrbm0", "binaryrbm1", "binaryrbm2"]
    assert list(rbm.get_feature_names_out()) == list(features.columns)
    assert list(rbm.feature_names_in_) == list(frame.columns)
    assert rbm.reconstruct(frame).shape == frame.shape


def test_pipeline_alone(digits):
    pipeline = make_pipeline(MinMaxScaler(), BinaryRBM(8, max_iter=2, random_state=0))
    pipeline.fit(digits)
    assert pipeline.transform(digits).shape == (1797, 8)
    assert np.isfinite(pipeline.score(digits))
    assert pipeline.score_samples(digits).shape == (1797,)


def test_feature_search_before_a_classifier(digits):
    y = load_digits().target
    search = GridSearchCV(
        make_pipeline(
            BinaryRBM(max_iter=15, random_state=0), LogisticRegression(max_iter=300)
        ),
        {"binaryrbm__n_components": [2, 60]},
        cv=3,
        n_jobs=2,
    ).fit(digits, y)
    assert search.best_params_ == {"binaryrbm__n_components": 60}
    assert search.best_score_ > 0.85


def test_likelihood_search_without_scoring(digits):
    search = GridSearchCV(
        BinaryRBM(max_iter=15, random_state=0),
        {"n_components": [2, 40], "learning_rate": [1e-4, 0.2]},
        cv=2,
        n_jobs=2,
    ).fit(digits)
    assert search.best_params_ == {"n_components": 40, "learning_rate": 0.2}
    spread = np.ptp(search.cv_results_["mean_test_score"])
    assert spread > 2  # nats


def test_cross_validation_is_in_nats(digits):
    scores = cross_val_score(BinaryRBM(20, max_iter=5, random_state=0), digits, cv=3)
    binary = digits > 0.5
    marginals = (binary.sum(axis=0) + 1) / (len(binary) + 2)
    independent = np.where(binary, np.log(marginals), np.log(1 - marginals)).sum(axis=1)
    assert np.all(scores > independent.mean())
    assert np.all(scores < 0)


def test_the_fitted_attributes_are_the_model(binary_digits):
    """No hidden copy: what a user reads is what is used."""
    rbm = BinaryRBM(5, max_iter=2, random_state=0).fit(binary_digits)
    parameters = (rbm.components_.T, rbm.intercept_visible_, rbm.intercept_hidden_)
    expected = -free_energy(RBMParameters(*parameters), binary_digits)
    assert_allclose(rbm.score_samples(binary_digits), expected - rbm.log_partition_)


@pytest.mark.parametrize(
    "X",
    [
        np.ones((1, 3)),
        np.zeros((5, 1)),
        np.ones((20, 3)),
        np.tile([0.0, 1.0], (20, 1)),
    ],
)
def test_degenerate_data(X):
    """One row, one column, constant features, more components than features."""
    rbm = BinaryRBM(30, random_state=0).fit(X)
    assert np.all(np.isfinite(rbm.score_samples(X)))
    assert rbm.score(X) > X.shape[1] * np.log(0.5)
