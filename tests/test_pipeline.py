"""Samples come from the last step of a pipeline and go back through the others."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    StandardScaler,
)

from skgen import BinaryRBM, VariationalAutoencoder, sample_from

IRIS = load_iris().data
DIGITS = load_digits().data[:200] / 16


def small_vae(**parameters):
    return VariationalAutoencoder(
        2, hidden_layer_sizes=(8,), max_iter=2, random_state=0, **parameters
    )


def small_rbm(n_components=8, **parameters):
    return BinaryRBM(n_components, max_iter=2, random_state=0, **parameters)


def test_scaler_and_vae():
    pipeline = make_pipeline(StandardScaler(), small_vae()).fit(IRIS)
    scaler, vae = pipeline
    expected = scaler.inverse_transform(vae.sample(50, random_state=3))
    assert_array_equal(sample_from(pipeline, 50, random_state=3), expected)


def test_steps_go_back_last_to_first():
    sinh = FunctionTransformer(np.sinh, np.arcsinh)
    pipeline = make_pipeline(MinMaxScaler(), sinh, PCA(3), KernelDensity()).fit(IRIS)
    scaler, _, pca, density = pipeline
    X = pca.inverse_transform(density.sample(9, random_state=1))
    expected = scaler.inverse_transform(np.arcsinh(X))
    assert_array_equal(sample_from(pipeline, 9, 1), expected)


@pytest.mark.parametrize("nothing", ["passthrough", None])
def test_passthrough_is_left_out(nothing):
    plain = make_pipeline(StandardScaler(), small_vae()).fit(IRIS)
    padded = Pipeline([("a", nothing), *plain.steps, ("b", nothing)])
    assert_array_equal(sample_from(padded, 5), sample_from(plain, 5))


def test_nested_pipelines_count_as_their_steps():
    flat = make_pipeline(MinMaxScaler(), StandardScaler(), small_vae()).fit(IRIS)
    (_, first), (_, second), (_, third) = flat.steps
    nested = make_pipeline(make_pipeline(first), make_pipeline(second, third))
    assert_array_equal(sample_from(nested, 5), sample_from(flat, 5))


def test_deep_belief_network():
    pipeline = make_pipeline(small_rbm(), small_rbm(4, binarize="sample")).fit(DIGITS)
    below, above = pipeline
    P = sample_from(pipeline, 30, random_state=5)
    assert_array_equal(P, below.inverse_transform(above.sample(30, random_state=5)))
    assert P.shape == (30, 64)
    assert np.all((P > 0) & (P < 1))


def test_one_hot_columns_go_back_to_their_categories():
    species = np.array(["setosa", "virginica", "virginica"])[:, None]
    pipeline = make_pipeline(OneHotEncoder(), small_vae(likelihood="categorical"))
    samples = sample_from(pipeline.fit(species), 20)
    assert samples.shape == (20, 1)
    assert set(samples.ravel()) <= {"setosa", "virginica"}


@pytest.mark.parametrize("random_state", [3, None])
def test_a_plain_estimator_is_sampled(random_state):
    rbm = small_rbm().fit(DIGITS)
    expected = rbm.sample(4, random_state=random_state)
    assert_array_equal(sample_from(rbm, 4, random_state), expected)


def test_a_random_state_instance_moves_on():
    rbm, rng = small_rbm().fit(DIGITS), np.random.RandomState(0)
    first, second = (sample_from(rbm, 20, random_state=rng) for _ in range(2))
    assert np.any(first != second)


def test_a_search_is_its_best_estimator():
    pipeline = make_pipeline(MinMaxScaler(), small_rbm())
    grid = {"binaryrbm__n_components": [2, 3]}
    search = GridSearchCV(pipeline, grid, cv=2)
    with pytest.raises(NotFittedError, match="refit=True"):
        sample_from(search)
    search.fit(DIGITS)
    assert_array_equal(sample_from(search, 3), sample_from(search.best_estimator_, 3))


class Unsampled(VariationalAutoencoder):
    def sample(self, n_samples=1, *, random_state=None):
        raise AssertionError("sampled")


def test_a_step_without_inverse_is_named_before_sampling():
    union = FeatureUnion([("pca", PCA(2))])
    pipeline = Pipeline(
        [("inner", Pipeline([("union", union)])), ("vae", Unsampled(max_iter=1))]
    ).fit(IRIS)
    with pytest.raises(TypeError, match=r"'inner__union' \(FeatureUnion\)"):
        sample_from(pipeline)
    pipeline = make_pipeline(Binarizer(), small_rbm()).fit(DIGITS)
    with pytest.raises(TypeError, match=r"'binarizer'.*take a transformer"):
        sample_from(pipeline)


def test_a_last_step_that_cannot_be_sampled_is_named():
    y = np.arange(200) % 2
    pipeline = make_pipeline(small_rbm(), LogisticRegression()).fit(DIGITS, y)
    with pytest.raises(TypeError, match=r"'logisticregression'.*generative model"):
        sample_from(pipeline)
    with pytest.raises(TypeError, match=r"^PCA has no sample method"):
        sample_from(PCA().fit(IRIS))
    with pytest.raises(TypeError, match=r"no step to sample"):
        sample_from(Pipeline([("a", "passthrough")]))


def test_sample_without_random_state_is_refused():
    pipeline = make_pipeline(StandardScaler(), GaussianMixture(2)).fit(IRIS)
    with pytest.raises(TypeError, match=r"'gaussianmixture'.*without random_state"):
        sample_from(pipeline)


def test_not_fitted():
    with pytest.raises(NotFittedError):
        sample_from(make_pipeline(StandardScaler(), small_vae()))
    with pytest.raises(NotFittedError):
        sample_from(make_pipeline(StandardScaler(), small_vae().fit(IRIS)))
    with pytest.raises(NotFittedError):
        sample_from(small_rbm())
