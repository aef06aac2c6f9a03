"""The sample of seen rows, and the lower bound of log Z against exact sums."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from scipy.special import logsumexp
from scipy.stats import chisquare
from sklearn import config_context

from skgen.rbm import rows
from skgen.rbm.energy import RBMParameters, free_energy
from skgen.rbm.samplers import exact_samples
from tests.rbm.reference import state_numbers

N_FEATURES = 11  # no multiple of 8


@pytest.fixture
def wide():
    rng = np.random.default_rng(0)
    return RBMParameters(
        rng.normal(0, 1, (N_FEATURES, 3)),
        rng.normal(0, 1, N_FEATURES),
        rng.normal(0, 1, 3),
    )


@pytest.fixture
def X():
    """300 rows, many of which are alike."""
    rng = np.random.default_rng(1)
    X = (rng.random((120, N_FEATURES)) < 0.4).astype(np.uint8)
    return X[rng.integers(0, 120, 300)]


def bound_of(parameters, X):
    distinct = np.unique(X, axis=0).astype(np.float32)
    return logsumexp(-free_energy(parameters, distinct))


def observed(parameters, batches, seed=2):
    """The sample after these batches, and the bound with the last of them."""
    seen, bound, rng = rows.no_rows(N_FEATURES), None, np.random.default_rng(seed)
    for batch in batches:
        bound = rows.lower_bound(seen, parameters, batch)
        seen = rows.observe(seen, batch, rng)
    return seen, bound


def test_the_bound_is_over_distinct_rows(wide, X):
    assert len(np.unique(X, axis=0)) < 120
    _, bound = observed(wide, [X])
    assert_allclose(bound, bound_of(wide, X), rtol=1e-6)
    energies = free_energy(wide, X.astype(np.float32))
    assert_allclose(rows.distinct_bound(energies, X), bound, rtol=1e-6)
    assert logsumexp(-energies) > bound + 0.1


def test_duplicates_do_not_count_twice(wide, X):
    expected = bound_of(wide, X)
    for batches in ([np.repeat(X, 4, axis=0)], [X, X, X], [X, X[:1]]):
        assert_allclose(observed(wide, batches)[1], expected, rtol=1e-6)


def test_several_calls_are_as_good_as_one(wide, X):
    whole, bound = observed(wide, [X])
    for cuts in ([100], [1, 50, 299]):
        seen, split_bound = observed(wide, np.split(X, cuts))
        assert_allclose(split_bound, bound, rtol=1e-6)
        for array, same in zip(seen, whole):
            assert_array_equal(array, same)


def test_several_calls_are_as_good_as_one_beyond_the_most_rows(wide, X, monkeypatch):
    """The sample is the same; the bound is over it and the last rows."""
    monkeypatch.setattr(rows, "MOST_ROWS", 40)
    whole, bound = observed(wide, [X])
    assert_allclose(bound, bound_of(wide, X), rtol=1e-6)
    first, _ = observed(wide, [X[:200]])
    seen, bound = observed(wide, [X[:200], X[200:]])
    for array, same in zip(seen, whole):
        assert len(array) == 40
        assert_array_equal(array, same)
    union = np.concatenate([rows.unpacked(first, N_FEATURES), X[200:]])
    assert_allclose(bound, bound_of(wide, union), rtol=1e-6)


def test_at_most_so_many_rows_are_kept(wide):
    rng = np.random.default_rng(3)
    X = (rng.random((rows.MOST_ROWS + 500, N_FEATURES)) < 0.4).astype(np.uint8)
    seen, _ = observed(wide, [X[:1500], X[1500:]])
    assert seen.packed.shape == (rows.MOST_ROWS, 2)
    assert seen.priority.shape == (rows.MOST_ROWS,)
    assert np.all(seen.priority < 1) and np.all(np.diff(seen.priority) >= 0)


def test_early_and_late_rows_are_kept_equally_often(wide, monkeypatch):
    """A fair sample of all rows seen: chi-squared over 200 samples of 10 of 100."""
    monkeypatch.setattr(rows, "MOST_ROWS", 10)
    X = np.unpackbits(np.arange(100, dtype=np.uint8)[:, None], axis=1)
    X = np.pad(X, ((0, 0), (0, N_FEATURES - 8)))
    counts = np.zeros(5)
    for seed in range(200):
        seen, _ = observed(wide, np.split(X, [15, 80]), seed)
        numbers = state_numbers(rows.unpacked(seen, N_FEATURES)[:, :8])
        assert len(np.unique(numbers)) == 10
        counts += np.bincount(numbers // 20, minlength=5)
    assert chisquare(counts).pvalue > 1e-3


def test_rows_come_back_as_they_were(wide, X):
    seen, _ = observed(wide, [X])
    back = rows.unpacked(seen, N_FEATURES)
    assert back.dtype == np.float32
    order = np.random.default_rng(2).random(300).argsort()
    assert_array_equal(back, X[order])


def test_no_rows():
    assert rows.unpacked(rows.no_rows(N_FEATURES), N_FEATURES).shape == (0, N_FEATURES)
    memory = rows.no_rows(N_FEATURES, 7)
    assert memory.priority.shape == (7,) and memory.packed.shape == (7, 2)
    assert memory.priority.dtype == np.float64 and memory.packed.dtype == np.uint8


def test_the_bound_never_exceeds_log_z(parameters, brute_force):
    """It reaches log Z once every state was seen."""
    rng, seen = np.random.default_rng(4), rows.no_rows(5)
    bounds = []
    for n in (1, 3, 10, 100, 1000):
        X = exact_samples(parameters, n, rng)
        bounds.append(rows.lower_bound(seen, parameters, X))
        seen = rows.observe(seen, X, rng)
    assert np.all(np.diff(bounds) >= 0)
    assert bounds[0] < bounds[-1] <= brute_force.log_partition + 1e-6
    bound = rows.lower_bound(seen, parameters, brute_force.X)
    assert_allclose(bound, brute_force.log_partition, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_csr_is_as_good_as_dense(wide, X, dtype):
    X = X.astype(dtype)
    dense, dense_bound = observed(wide, [X])
    sparse, sparse_bound = observed(wide, [csr_array(X)])
    assert_allclose(sparse_bound, dense_bound, rtol=1e-6)
    for array, same in zip(sparse, dense):
        assert_array_equal(array, same)
    energies = free_energy(wide, X)
    assert rows.distinct_bound(energies, csr_array(X)) == rows.distinct_bound(
        energies, X
    )


def test_blocks_of_rows_change_nothing(wide, X):
    whole, bound = observed(wide, [X])
    energies = free_energy(wide, X.astype(np.float32))
    with config_context(working_memory=0.001):  # less than 300 rows
        seen, in_blocks = observed(wide, [X])
        assert_allclose(rows.distinct_bound(energies, X), bound, rtol=1e-6)
    assert_allclose(in_blocks, bound, rtol=1e-6)
    for array, same in zip(seen, whole):
        assert_array_equal(array, same)
