"""Likelihoods and networks of the user's own: errors name the cause, nothing is raw."""

import numpy as np
import pytest
from torch import nn

import skgen
from skgen import VariationalAutoencoder
from skgen.vae.likelihoods import ColumnLikelihood, Gaussian

X = np.random.default_rng(0).normal(size=(61, 4))


def vae(**parameters):
    return VariationalAutoencoder(
        1, max_iter=1, early_stopping=False, random_state=0, **parameters
    )


@pytest.mark.parametrize("kinds", [["bernoulli"], ["gaussian", "poisson"]])
def test_a_likelihood_in_another_names_the_column_of_X(kinds):
    """Columns 3 and 1 are the inner likelihood's 0 and 1."""
    Y = np.rint(np.abs(X)).clip(0, 1)
    Y[5, 1] = 0.5
    inner = [("gaussian", [0]), (kinds[-1], [1])]
    for _ in kinds:
        inner = [(ColumnLikelihood(inner), [0, 1])]
    likelihood = ColumnLikelihood([("gaussian", [0, 2]), (inner[0][0], [3, 1])])
    with pytest.raises(ValueError, match=r"got 0\.5 at row 5, column 1: "):
        vae(likelihood=likelihood).fit(Y)
    one_hot = ("categorical", [0, 1])
    likelihood = ColumnLikelihood(
        [("gaussian", [0, 2]), (ColumnLikelihood([one_hot]), [3, 1])]
    )
    Y[:, 1] = 1 - Y[:, 3]
    Y[7, 1] = np.nan
    with pytest.raises(ValueError, match=r"row 7 with NaN in some .* \[3, 1\]"):
        vae(likelihood=likelihood).fit(Y)


@pytest.mark.parametrize(
    "variance", [np.inf, -np.inf, np.nan, 0, -1, "wide", None, np.ones(4)]
)
def test_noise_variance_that_is_none(variance):
    with pytest.raises(ValueError, match="finite positive number, got"):
        vae(likelihood=Gaussian(variance)).fit(X)


def normalised(n_in, n_out):
    return nn.Sequential(nn.Linear(n_in, 6), nn.BatchNorm1d(6), nn.Linear(6, n_out))


@pytest.mark.parametrize("batch_size, n_updates", [(10, 6), (20, 3), (60, 1), (61, 1)])
def test_a_last_batch_of_one_row_joins_the_one_before(batch_size, n_updates):
    model = vae(encoder=normalised, decoder=normalised, batch_size=batch_size).fit(X)
    assert np.isfinite(model.score(X))
    assert model._state.n_updates == n_updates
    assert vae(batch_size=batch_size).fit(X)._state.n_updates == n_updates
    assert vae(batch_size=1).fit(X[:3])._state.n_updates == 3


def test_batch_normalisation_of_single_rows():
    model = vae(encoder=normalised).fit(X)
    before = model.score(X)
    for call in (
        lambda: vae(encoder=normalised, batch_size=1).fit(X),
        lambda: vae(decoder=normalised).partial_fit(X[:1]),
        lambda: model.partial_fit(X[:1]),
    ):
        with pytest.raises(ValueError, match=r"batch normalisation, .*two rows"):
            call()
    assert model.score(X) == before
    assert model.n_iter_ == 1


def test_only_weights_and_X_val_are_metadata():
    for model in (skgen.BinaryRBM(), VariationalAutoencoder()):
        requests = model.get_metadata_routing()._serialize()
        weights = {"sample_weight": None}
        assert requests == {"fit": weights | {"X_val": None}, "partial_fit": weights}
