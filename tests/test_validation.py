"""Bad input: each message names the value, the place and the remedy."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csc_array, csr_array, csr_matrix
from sklearn import config_context
from sklearn.exceptions import DataConversionWarning, NotFittedError

from skgen import BinaryRBM, validation


@pytest.fixture(scope="module")
def X():
    return (np.random.default_rng(0).random((30, 4)) < 0.5).astype(float)


@pytest.fixture(scope="module")
def fitted(X):
    return BinaryRBM(3, max_iter=2, random_state=0).fit(X)


def quick(**parameters):
    return BinaryRBM(2, max_iter=1, random_state=0, **parameters)


@pytest.mark.parametrize("container", [np.asarray, csr_matrix, csr_array, csc_array])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_not_binary(X, container, method):
    bad = X.copy()
    bad[3, 1] = 0.25
    bad[7, 2] = 7.0
    message = r"X must hold only 0 and 1, got 0\.25 at row 3, column 1: .*set binarize"
    with pytest.raises(ValueError, match=message):
        getattr(quick(binarize=None), method)(container(bad))


@pytest.mark.parametrize("container", [np.asarray, csr_array])
def test_not_probabilities(X, container):
    bad = X.copy()
    bad[5, 3] = 255
    with pytest.raises(ValueError, match=r"got 255\.0 at row 5, column 3: scale X"):
        quick(binarize="sample").fit(container(bad))


@pytest.mark.parametrize("value, shown", [(np.nan, "NaN"), (np.inf, "inf")])
@pytest.mark.parametrize("container", [np.asarray, csr_array, pd.DataFrame])
def test_not_finite(X, fitted, value, shown, container):
    bad = X.copy()
    bad[2, 3] = value
    message = f"X contains {shown} at row 2, column 3: BinaryRBM needs finite numbers"
    for method in (quick().fit, quick().partial_fit, fitted.transform, fitted.score):
        with pytest.raises(ValueError, match=message):
            method(container(bad))


def test_text(X):
    bad = X.astype(object)
    bad[4, 1] = "red"
    message = "got the text 'red' at row 4, column 1: encode it first"
    for container in (np.asarray, pd.DataFrame, list):
        with pytest.raises(ValueError, match=message):
            quick().fit(container(bad))


@pytest.mark.parametrize(
    "bad, message",
    [
        (np.zeros((0, 4)), r"0 sample\(s\).*minimum of 1 is required"),
        (np.zeros((4, 0)), r"0 feature\(s\).*minimum of 1 is required"),
        (np.zeros(4), "Expected 2D array, got 1D array instead.*Reshape your data"),
        (np.zeros((2, 2)) + 1j, "Complex data not supported"),
    ],
)
def test_shape_and_type(bad, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        quick().fit(bad)


def test_wrong_number_of_features(fitted):
    message = "X has 5 features, but BinaryRBM is expecting 4 features"
    for method in (fitted.transform, fitted.score_samples, fitted.partial_fit):
        with pytest.raises(ValueError, match=message):
            method(np.zeros((2, 5)))
    with pytest.raises(ValueError, match=message.replace("X", "X_val")):
        quick().fit(np.zeros((2, 4)), X_val=np.zeros((2, 5)))


def test_hidden_values(X, fitted):
    H = np.full((30, 3), 0.5)
    H[6, 2] = 1.5
    message = r"[HX] must lie in \[0, 1\], got 1\.5 at row 6, column 2"
    for call in (
        lambda: fitted.inverse_transform(X=H),
        lambda: fitted.energy(X, H),
        lambda: fitted.log_joint(X, H),
        lambda: fitted.score_hidden_samples(H),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    H[6, 2] = 0.25
    message = r"H must hold only 0 and 1, got 0\.5 at row 0, column 0: a probability"
    for call in (
        lambda: fitted.log_joint(X, H),
        lambda: fitted.score_hidden_samples(H),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    H[4, 1] = np.nan
    with pytest.raises(ValueError, match="X contains NaN at row 4, column 1"):
        fitted.inverse_transform(H)
    with pytest.raises(ValueError, match="X has 2 columns, but the model has 3"):
        fitted.inverse_transform(X[:, :2])
    with pytest.raises(ValueError, match="as many rows as each other, got 30 and 29"):
        fitted.energy(X, X[:29, :3])


def test_exact_methods_on_a_large_model():
    X = np.eye(30)
    message = "limited to 25 units, got 30 features and 26 components.*n_components"
    with pytest.raises(ValueError, match=message):
        BinaryRBM(26, partition_method="exact").fit(X)
    with pytest.raises(ValueError, match="limited to 20 units, got 30 features and 21"):
        BinaryRBM(21, negative_phase="exact").fit(X)
    rbm = BinaryRBM(26, max_iter=1, random_state=0).fit(X)
    with pytest.raises(ValueError, match=message):
        rbm.estimate_log_partition("exact")


def test_divergence_names_the_epoch(X):
    message = r"(?s)Epoch 1: training diverged.*learning_rate, 6.25e\+04"
    with pytest.raises(FloatingPointError, match=message):
        BinaryRBM(3, learning_rate=1e6, random_state=0).fit(X)


def test_divergence_leaves_no_half_fitted_model(X, fitted):
    new = BinaryRBM(3, learning_rate=1e6, random_state=0)
    for method in (new.fit, new.partial_fit):
        with pytest.raises(FloatingPointError):
            method(X)
    assert not hasattr(new, "components_") and not hasattr(new, "n_features_in_")
    with pytest.raises(NotFittedError):
        new.sample()

    rbm = BinaryRBM(3, max_iter=2, warm_start=True, random_state=0).fit(X)
    before = rbm.score_samples(X)
    rbm.set_params(learning_rate=1e6, warm_start=False)
    with pytest.raises(FloatingPointError, match="Epoch 1"):
        rbm.fit(X[:, :3])
    assert_array_equal(rbm.score_samples(X), before)
    rbm.set_params(warm_start=True)
    for method in (rbm.fit, rbm.partial_fit):
        with pytest.raises(FloatingPointError, match="Epoch 3"):
            method(X)
    assert_array_equal(rbm.score_samples(X), before)
    assert_array_equal(rbm.set_params(learning_rate=0.1).fit(X).n_iter_, 4)


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"n_components": 0}, "'n_components' parameter of BinaryRBM must be an int"),
        ({"momentum": 1.0}, "'momentum' parameter of BinaryRBM must be a float"),
        ({"negative_phase": "tcd"}, "'negative_phase' .* Got 'tcd' instead"),
        ({"binarize": "median"}, "'binarize' .* Got 'median' instead"),
        ({"random_state": "x"}, "'random_state' parameter"),
    ],
)
def test_parameters(X, parameters, message):
    with pytest.raises(ValueError, match=message):
        BinaryRBM().set_params(**parameters).fit(X)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda r: r.sample(0), "n_samples == 0, must be >= 1"),
        (lambda r: r.sample(n_gibbs_steps=-1), "n_gibbs_steps == -1, must be >= 0"),
        (lambda r: r.gibbs([[0] * 4], -1), "n_steps == -1, must be >= 0"),
        (
            lambda r: r.estimate_log_partition("bridge"),
            "must be 'ais', 'reverse_ais', 'bracket' or 'exact'",
        ),
        (lambda r: r.estimate_log_partition(n_chains=0), "n_chains == 0, must be >= 1"),
    ],
)
def test_arguments(fitted, call, message):
    with pytest.raises(ValueError, match=message):
        call(fitted)


def test_argument_type(fitted):
    with pytest.raises(
        TypeError, match=r"n_samples must be an instance of int, not fl"
    ):
        fitted.sample(2.5)


def test_a_fitted_model_keeps_its_components(X):
    rbm = quick(warm_start=True).fit(X).set_params(n_components=5)
    with pytest.raises(
        ValueError, match=r"fitted with n_components=2 and cannot go on with 5"
    ):
        rbm.fit(X)


@pytest.mark.parametrize("container", [np.asarray, csr_array])
def test_unscaled_data_warns_once(X, container):
    with pytest.warns(DataConversionWarning, match=r"from 0\.0 to 255\.0") as record:
        rbm = quick().fit(container(255 * X), X_val=255 * X)
    assert len(record) == 1
    assert record[0].filename == __file__
    # a threshold in the units of X is a choice, not a mistake
    same = quick(binarize=127.5).fit(container(255 * X))
    assert_array_equal(same.components_, rbm.components_)
    # fitting told; using the model does not say it again
    assert_array_equal(rbm.transform(255 * X), rbm.transform(X))


def test_negative_threshold_needs_a_dense_array(X):
    with pytest.raises(ValueError, match=r"binarize=-1\.0 would turn the zeros"):
        quick(binarize=-1.0).fit(csr_array(X))
    assert quick(binarize=-1.0).fit(X).sample(50).mean() > 0.9


def test_threshold_is_strict(X):
    assert_array_equal(validation.binarized(np.array([[0.5, 0.6]]), 0.5), [[0, 1]])


def test_duplicate_entries_of_a_sparse_matrix_add_up():
    X = csr_matrix(
        (np.array([0.3, 0.3, 1.0]), np.array([1, 1, 2]), np.array([0, 2, 3])), (2, 4)
    )
    entries = X.data.copy()
    rbm = quick(binarize=0.5).fit(X)
    assert_array_equal(X.data, entries)
    assert_array_equal(rbm.transform(X), rbm.transform(X.toarray()))


@pytest.mark.parametrize("container", [np.asarray, csr_array])
def test_the_cell_is_named_whatever_the_size_of_a_block(container):
    X = np.zeros((50, 8))
    X[37, 5] = X[37, 6] = X[41, 0] = 3
    message = "got 3.0 at row 37, column 5"
    for megabytes in (0, 20 * 8 * 256 / 2**20, 1024):
        with (
            config_context(working_memory=megabytes),
            pytest.raises(ValueError, match=message),
        ):
            validation.binary(container(X), "remedy")


def test_blocks_of_rows_follow_the_working_memory():
    """512 bytes a value: 2**21 values by default, a row at least."""

    def n_rows(megabytes):
        with config_context(working_memory=megabytes):
            return [
                block.stop - block.start for block in validation.row_blocks(10, 2**20)
            ]

    assert n_rows(2048) == [4, 4, 2]
    assert n_rows(1024) == [2] * 5
    assert n_rows(0) == n_rows(0.5) == [1] * 10


def test_random_states():
    def draw(random_state):
        return validation.as_generator(random_state).integers(2**62)

    assert draw(3) == draw(3)
    assert draw(np.random.RandomState(3)) == draw(np.random.RandomState(3))
    assert draw(None) != draw(None)
    np.random.seed(3)
    assert draw(np.random) == draw(np.random.RandomState(3))
    state = np.random.RandomState(3)
    assert draw(state) != draw(state)
    with pytest.raises(ValueError, match="cannot be used to seed"):
        draw("seed")
