"""Missing entries of an RBM against conditionals by enumeration."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError

from skgen import BinaryRBM
from skgen.rbm import imputation, samplers
from tests.rbm.reference import p_value, state_numbers

MISSING = np.array([True, False, True, True, False])
KNOWN = np.array([0.0, 1.0, 0.0, 0.0, 0.0])


def conditional_of(brute_force, missing, x):
    """P(x | x_obs) of all states, zero where the observed entries differ."""
    agrees = np.all(brute_force.X[:, ~missing] == x[~missing], axis=1)
    return brute_force.visible * agrees / brute_force.visible[agrees].sum()


def rows_of(n, missing):
    return np.tile(np.where(missing, 7.0, KNOWN), (n, 1)), np.tile(missing, (n, 1))


def starts(parameters, n, rng):
    X = samplers.exact_samples(parameters, n, rng)
    return samplers.sample_hidden(parameters, X, rng)


@pytest.mark.parametrize("missing", [MISSING, np.ones(5, bool)])
def test_draws_have_the_conditional_distribution(parameters, brute_force, missing):
    rng = np.random.default_rng(0)
    H = starts(parameters, 500, rng)
    rows = rows_of(10_000, missing)
    X = imputation.conditional(parameters, *rows, H, 100, rng)
    expected = conditional_of(brute_force, missing, KNOWN)
    assert p_value(X, expected) > 1e-3
    wrong = 0.95 * expected + 0.05 * conditional_of(brute_force, missing, 1 - KNOWN)
    if not missing.all():
        assert p_value(X, wrong) < 1e-3
    assert_array_equal(X[:, ~missing], np.tile(KNOWN[~missing], (10_000, 1)))


def test_clamped_kernel_leaves_the_conditional_invariant(parameters, brute_force):
    rng = np.random.default_rng(1)
    expected = conditional_of(brute_force, MISSING, KNOWN)
    X = brute_force.X[rng.choice(len(expected), 20_000, p=expected)]
    H = samplers.sample_hidden(parameters, X, rng)
    rows = rows_of(20_000, MISSING)
    X, _ = imputation.clamped_gibbs(parameters, *rows, H, 2, rng)
    assert p_value(X, expected) > 1e-3


def test_starts_are_draws_by_weight(parameters, brute_force):
    rng = np.random.default_rng(2)
    states = brute_force.H[rng.choice(16, 6, replace=False)]
    n = 20_000
    H = imputation.likely_hidden(parameters, *rows_of(n, MISSING), states, rng)
    agrees = np.all(brute_force.X[:, ~MISSING] == KNOWN[~MISSING], axis=1)
    weights = agrees @ brute_force.visible_given_hidden[:, state_numbers(states)]
    weights /= weights.sum()
    for state, weight in zip(states, weights):
        error = np.sqrt(weight * (1 - weight) / n)
        assert abs(np.all(state == H, axis=1).mean() - weight) < 4.5 * error


@pytest.mark.parametrize("missing", [MISSING, np.ones(5, bool)])
def test_means(parameters, brute_force, missing):
    rng = np.random.default_rng(3)
    H = starts(parameters, 500, rng)
    rows = rows_of(1000, missing)
    means = imputation.conditional_means(parameters, *rows, H, 100, rng)
    expected = conditional_of(brute_force, missing, KNOWN) @ brute_force.X
    error = means.std(axis=0) / np.sqrt(len(means))
    difference = np.abs(means.mean(axis=0) - expected)
    assert np.all(difference[missing] < 4.5 * error[missing])
    draws = imputation.conditional(parameters, *rows, H, 100, rng)
    assert np.all(means[:, missing].var(axis=0) < 0.2 * draws[:, missing].var(axis=0))


# --- the estimator


@pytest.fixture(scope="module")
def digits():
    X = (load_digits().data > 7).astype(np.float32)
    missing = np.random.default_rng(0).random(X[1500:].shape) < 0.5
    return X[:1500], X[1500:], missing


@pytest.fixture(scope="module")
def rbm(digits):
    return BinaryRBM(64, max_iter=10, random_state=0).fit(digits[0])


def test_better_than_the_mean_of_the_columns(rbm, digits):
    X_train, X, missing = digits
    incomplete = np.where(missing, np.nan, X)
    filled = rbm.impute(incomplete, return_mean=True)
    error = np.mean((filled - X)[missing] ** 2)
    assert error < 0.7 * np.mean((X_train.mean(axis=0) - X)[missing] ** 2)
    drawn = rbm.impute(incomplete)
    assert set(np.unique(drawn)) == {0, 1}
    assert error < 0.7 * np.mean((drawn - X)[missing] ** 2)
    assert np.isnan(incomplete[missing]).all()


def test_observed_entries_as_given(rbm, digits):
    X = np.random.default_rng(1).random((30, 64)).astype(np.float32)
    missing = np.random.default_rng(2).random(X.shape) < 0.5
    missing[:3] = [[False], [True], [False]]
    for dtype in (np.float16, np.float32, np.float64):
        incomplete = np.where(missing, np.nan, X).astype(dtype)
        filled = rbm.impute(incomplete)
        assert filled.dtype == (np.float64 if dtype == np.float64 else np.float32)
        assert_array_equal(filled[~missing], incomplete[~missing])
        assert set(np.unique(filled[missing])) == {0, 1}
    integers = rbm.impute(digits[1][:5].astype(int))
    assert integers.dtype == np.float64
    assert_array_equal(integers, digits[1][:5])


def test_observed_entries_are_binarised_as_while_fitting(rbm):
    grey = np.random.default_rng(3).random((40, 64))
    grey[:, ::2] = np.nan
    same = np.where(np.isnan(grey), np.nan, grey > 0.5)
    one, other = rbm.impute(grey), rbm.impute(same)
    assert_array_equal(one[:, ::2], other[:, ::2])


def test_reproducible(rbm, digits):
    X = np.where(digits[2], np.nan, digits[1])[:20]
    assert_array_equal(rbm.impute(X), rbm.impute(X, random_state=0))
    assert not np.array_equal(rbm.impute(X), rbm.impute(X, random_state=1))


def test_blocks_of_rows(rbm, digits):
    X = np.where(digits[2], np.nan, digits[1])[:70]
    with config_context(working_memory=50_000 * 256 / 2**20):  # 20 rows
        filled = rbm.impute(X, return_mean=True)
    assert np.isfinite(filled).all()
    error = np.mean((filled - digits[1][:70]) ** 2)
    assert error < 0.1


def test_feature_names(digits):
    names = [f"x{i}" for i in range(64)]
    frame = pd.DataFrame(digits[0].copy(), columns=names)
    rbm = BinaryRBM(4, max_iter=1, random_state=0).set_output(transform="pandas")
    rbm.fit(frame)
    frame.iloc[0, 3] = np.nan
    filled = rbm.impute(frame[:5])
    assert filled.index.equals(frame.index[:5]) and np.isfinite(filled).all(axis=None)
    with pytest.raises(ValueError, match="feature names should match"):
        rbm.impute(frame[:5].rename(columns={"x0": "other"}))


def test_errors(rbm):
    X = np.zeros((2, 64))
    with pytest.raises(NotFittedError):
        BinaryRBM().impute(X)
    with pytest.raises(TypeError, match=r"its zeros are values: pass X\.toarray"):
        rbm.impute(csr_array(X))
    with pytest.raises(ValueError, match="X has 3 features, but BinaryRBM is expect"):
        rbm.impute([[0, 1, np.nan]])
    with pytest.raises(ValueError, match="n_gibbs_steps == 0, must be >= 1"):
        rbm.impute(X, n_gibbs_steps=0)
    X[1, 5], X[1, 3] = np.inf, np.nan
    with pytest.raises(ValueError, match="X contains inf at row 1, column 5"):
        rbm.impute(X)


def test_observed_entries_must_be_states(digits):
    rbm = BinaryRBM(4, binarize=None, max_iter=1, random_state=0).fit(digits[0])
    X = digits[1][:3].copy()
    X[0, 0], X[2, 9] = np.nan, 0.25
    with pytest.raises(ValueError, match=r"got 0\.25 at row 2, column 9"):
        rbm.impute(X)
    X[2, 9] = np.nan
    assert set(np.unique(rbm.impute(X))) == {0, 1}
