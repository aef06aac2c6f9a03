"""Missing entries of a VAE against conditionals in closed form and on a grid."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.datasets import load_digits, load_wine
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler

from skgen import VariationalAutoencoder
from skgen.vae import imputation
from skgen.vae.likelihoods import Bernoulli, ColumnLikelihood, Gaussian, as_likelihood
from skgen.vae.networks import Autoencoder
from skgen.vae.priors import Mixture
from skgen.vae.proposals import quasi_random_draws

NAN = np.nan


def conditional_moments(mean, covariance, x):
    """Of the NaN of x, given the rest, in a Gaussian."""
    mis, obs = np.isnan(x), ~np.isnan(x)
    gain = covariance[np.ix_(mis, obs)] @ np.linalg.inv(covariance[np.ix_(obs, obs)])
    return (
        mean[mis] + gain @ (x[obs] - mean[obs]),
        covariance[np.ix_(mis, mis)] - gain @ covariance[np.ix_(obs, mis)],
    )


def deviations(draws, mean, covariance):
    """Of moments of the draws, in standard errors of their own."""
    variance = np.diag(covariance)
    of_mean = (draws.mean(axis=0) - mean) / np.sqrt(variance / len(draws))
    error = np.sqrt((np.outer(variance, variance) + covariance**2) / len(draws))
    centered = draws - mean
    of_covariance = (centered.T @ centered / len(draws) - covariance) / error
    return np.abs(np.concatenate([of_mean, of_covariance.ravel()]))


class LinearGaussian:
    """x = W h + c + noise, and an encoder that is off by a shift and a factor."""

    def __init__(self, variance=0.3):
        rng = np.random.default_rng(0)
        self.W, self.c = rng.normal(size=(5, 2)), rng.normal(size=5)
        self.variance = variance
        self.covariance = self.W @ self.W.T + variance * np.eye(5)
        self.posterior = np.linalg.inv(np.eye(2) + self.W.T @ self.W / variance)

    def model(self, shift=0.0, factor=1.0):
        encoder, decoder = torch.nn.Linear(5, 4), torch.nn.Linear(2, 5)
        weight = self.posterior @ self.W.T / self.variance
        log_variance = np.log(factor**2 * np.diag(self.posterior))
        with torch.no_grad():
            encoder.weight.copy_(torch.from_numpy(np.vstack([weight, 0 * weight])))
            bias = np.concatenate([shift - weight @ self.c, log_variance])
            encoder.bias.copy_(torch.from_numpy(bias))
            decoder.weight.copy_(torch.from_numpy(self.W))
            decoder.bias.copy_(torch.from_numpy(self.c))
        likelihood = Gaussian(noise_variance=self.variance).build(5)
        return Autoencoder(encoder, decoder, likelihood, 2).requires_grad_(False)


@pytest.fixture(scope="module")
def known():
    return LinearGaussian()


def repeated(x, n):
    return torch.tensor(x, dtype=torch.float32).expand(n, -1)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def prior_draws(n, seed=1):
    return torch.randn((n, 2), generator=generator(seed))


ROWS = [[0.5, NAN, NAN, -1.0, NAN], [NAN, 3.0, 1.0, NAN, 2.0], [NAN] * 5]


@pytest.mark.parametrize("x", ROWS)
@pytest.mark.parametrize("shift, factor", [(0.0, 1.0), (1.0, 0.3), (-1.0, 30.0)])
def test_linear_gaussian(known, x, shift, factor):
    """Whatever the encoder is."""
    model, X = known.model(shift, factor), repeated(x, 3000)
    draws, _ = imputation.conditional(model, X, prior_draws(500), 30, generator())
    mis = np.isnan(x)
    assert_array_equal(draws[:, ~mis], X[:, ~mis])
    expected = conditional_moments(known.c, known.covariance, np.array(x))
    assert deviations(draws[:, mis].double().numpy(), *expected).max() < 4.5


def filled(model, X, n_components, *, means=False):
    draws = quasi_random_draws(imputation.N_DRAWS, n_components, 0)
    starts = model.latent_prior().sample((500, n_components), generator(4))
    chains = imputation.Chains(starts, 30)
    return imputation.filled(model, X, draws, chains, generator(), 16, means=means)


@pytest.mark.parametrize("x", ROWS)
@pytest.mark.parametrize("shift, factor", [(0.0, 1.0), (1.0, 0.3), (-1.0, 30.0)])
def test_draws_by_proposals(known, x, shift, factor):
    """All rows choose from the same draws, which moves then make different ones."""
    X, mis = repeated(x, 3000), np.isnan(x)
    draws = filled(known.model(shift, factor), X, 2)
    assert_array_equal(draws[:, ~mis], X[:, ~mis])
    expected = conditional_moments(known.c, known.covariance, np.array(x))
    assert deviations(draws[:, mis].double().numpy(), *expected).max() < 4.5


@pytest.mark.parametrize("x", ROWS)
def test_means_by_proposals(known, x):
    """Quasi-random draws around the mode have nearly no error in a linear model."""
    mis = np.isnan(x)
    means = filled(known.model(0.5, 0.5), repeated(x, 2), 2, means=True)
    expected, _ = conditional_moments(known.c, known.covariance, np.array(x))
    assert_allclose(means[0, mis], expected, atol=0.1)


def test_rows_without_a_good_proposal_run_chains(known, monkeypatch):
    called = []
    monkeypatch.setattr(imputation, "_SMALLEST_SIZE", 200)
    chain = imputation.conditional
    monkeypatch.setattr(
        imputation, "conditional", lambda *a: called.append(len(a[1])) or chain(*a)
    )
    X = torch.cat([repeated(ROWS[0], 3), repeated(ROWS[1], 2)])
    assert not filled(known.model(), X, 2).isnan().any()
    assert called == [5]


@torch.no_grad()
def pseudo_gibbs(model, X, n_steps, draws):
    """h from the encoder, x_mis ~ p(x_mis | h), and nothing accepted or refused."""
    missing = torch.isnan(X)
    X = torch.where(missing, 0.0, X)
    for _ in range(n_steps):
        mean, log_std = model.posterior(X)
        noise = torch.empty_like(mean).normal_(generator=draws)
        outputs = model.decode(mean + log_std.exp() * noise)
        X = torch.where(missing, model.likelihood.sample(outputs, draws), X)
    return X


def test_the_encoder_alone_fails(known):
    """So the tests above can tell."""
    x = np.array(ROWS[0])
    X = pseudo_gibbs(known.model(1.0, 0.3), repeated(x, 3000), 30, generator())
    expected = conditional_moments(known.c, known.covariance, x)
    draws = X[:, np.isnan(x)].double().numpy()
    assert deviations(draws, *expected).max() > 20


@pytest.mark.parametrize("x", ROWS)
def test_means(known, x):
    model, X = known.model(0.5, 0.5), repeated(x, 500)
    H = prior_draws(500)
    means = imputation.conditional_means(model, X, H, 20, generator())
    mis = np.isnan(x)
    means = means[:, mis].double().numpy()
    expected, _ = conditional_moments(known.c, known.covariance, np.array(x))
    error = means.std(axis=0) / np.sqrt(len(means))
    assert np.all(np.abs(means.mean(axis=0) - expected) < 4.5 * error)


def test_learned_prior_and_binary_features_on_a_grid():
    """P(x_mis | x_obs) of a nonlinear decoder by integration over its one latent."""
    prior = Mixture(1, generator(3)).requires_grad_(False)
    prior.means[:, 0] = torch.linspace(-3, 3, 100)
    prior.log_stds[:] = -0.5
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        decoder = torch.nn.Sequential(
            torch.nn.Linear(1, 8), torch.nn.Tanh(), torch.nn.Linear(8, 4)
        )
        encoder = torch.nn.Linear(4, 2)
    decoder[2].weight.data *= 4
    model = Autoencoder(encoder, decoder, Bernoulli().build(4), 1, prior)
    model.requires_grad_(False)
    x = torch.tensor([1.0, NAN, 0.0, NAN])
    missing = torch.isnan(x)
    X = x.expand(4000, -1)
    H = model.latent_prior().sample((500, 1), generator(4))
    chains, _ = imputation.conditional(model, X, H, 20, generator(5))

    grid = torch.linspace(-9, 9, 4001)[:, None]
    p = torch.sigmoid(decoder(grid)).double()
    likelihood = torch.where(x == 1, p, 1 - p)[:, ~missing].prod(dim=1)
    posterior = likelihood * model.latent_prior().log_prob(grid).double().exp()
    posterior /= posterior.sum()
    a, b = p[:, missing].T
    expected = torch.stack(
        [(posterior * c).sum() for c in (a * b, a * (1 - b), (1 - a) * b)]
    )
    for draws in (chains, filled(model, X, 1)):
        a, b = draws[:, missing].T
        shares = torch.stack([c.mean() for c in (a * b, a * (1 - b), (1 - a) * b)])
        error = (expected * (1 - expected) / len(draws)).sqrt()
        assert torch.all((shares - expected).abs() < 4.5 * error)


@pytest.mark.parametrize(
    "likelihood",
    [
        "poisson",
        "bernoulli",
        Gaussian("heteroscedastic"),
        ColumnLikelihood([("gaussian", [1]), ("categorical", [2, 0])]),
    ],
)
def test_only_observed_entries_count(likelihood):
    built = as_likelihood(likelihood).build(3)
    outputs = torch.randn((6, built.n_outputs), generator=generator())
    X = built.sample(outputs, generator(1))
    observed = torch.tensor([True, False, True])
    log_p = built.observed_log_prob(outputs, X, observed)
    terms = built.terms(outputs, X)
    torch.testing.assert_close(log_p, terms[:, 0] + terms[:, 2])
    X[:, 1] += 1
    other = built.observed_log_prob(outputs, X, observed)
    torch.testing.assert_close(other, log_p)


# --- the estimator


def quick(**parameters):
    options = {"n_components": 2, "hidden_layer_sizes": (8,), "max_iter": 2}
    return VariationalAutoencoder(**(options | {"random_state": 0} | parameters))


@pytest.fixture(scope="module")
def wine():
    return StandardScaler().fit_transform(load_wine().data)


@pytest.mark.parametrize("noise_variance", ["scalar", "feature"])
def test_fitted_linear_model(wine, noise_variance):
    vae = quick(hidden_layer_sizes=(), noise_variance=noise_variance).fit(wine)
    wine = wine.astype(np.float32)
    x = np.where(np.arange(13) % 3 == 1, wine[0], NAN)
    zero, units = vae.inverse_transform([[0, 0]]), vae.inverse_transform(np.eye(2))
    loadings = units - zero
    noise = np.broadcast_to(vae.noise_variance_, 13)
    covariance = loadings.T @ loadings + np.diag(noise)
    expected = conditional_moments(zero[0], covariance, x)
    draws = vae.impute(np.tile(x, (2000, 1)))[:, np.isnan(x)].astype(np.float64)
    assert deviations(draws, *expected).max() < 4.5


def test_observed_entries_as_given(wine):
    vae = quick().fit(wine)
    missing = np.random.default_rng(0).random(wine.shape) < 0.3
    missing[:3] = [[False], [True], [False]]
    for dtype in (np.float16, np.float32, np.float64):
        X = np.where(missing, NAN, wine).astype(dtype)
        for return_mean in (False, True):
            filled = vae.impute(X, return_mean=return_mean, n_gibbs_steps=3)
            assert filled.dtype == (np.float64 if dtype == np.float64 else np.float32)
            assert_array_equal(filled[~missing], X[~missing])
            assert np.isfinite(filled).all()
    assert np.isnan(X[missing]).all()
    integers = vae.impute(np.arange(26).reshape(2, 13))
    assert_array_equal(integers, np.arange(26.0).reshape(2, 13))
    assert integers.dtype == np.float64


def test_reproducible(wine):
    vae = quick(prior="mixture").fit(wine)
    X = np.where(np.random.default_rng(0).random(wine.shape) < 0.3, NAN, wine)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    assert_array_equal(vae.impute(X), vae.impute(X, random_state=0))
    assert torch.equal(before, torch.get_rng_state())
    assert not np.array_equal(vae.impute(X), vae.impute(X, random_state=1))


@pytest.mark.parametrize("binarize", [0.5, "sample"])
def test_better_than_the_mean_of_the_columns(binarize):
    grey = load_digits().data / 16
    vae = quick(
        n_components=8,
        hidden_layer_sizes=(32,),
        likelihood="bernoulli",
        binarize=binarize,
        learning_rate=0.01,
        batch_size=10,
        max_iter=10,
        early_stopping=False,
    ).fit(grey[:600])
    X = (grey[1500:] > 0.5).astype(np.float32)
    missing = np.random.default_rng(0).random(X.shape) < 0.5
    filled = vae.impute(np.where(missing, NAN, X), return_mean=True)
    marginal = (grey[:600] > 0.5).mean(axis=0)
    error = np.mean((filled - X)[missing] ** 2)
    assert error < 0.85 * np.mean((marginal - X)[missing] ** 2)
    drawn = vae.impute(np.where(missing, NAN, X))
    assert set(np.unique(drawn)) == {0, 1}


def test_columns_of_different_kinds(wine):
    kinds = np.eye(3)[load_wine().target]
    X = np.hstack([wine[:, [6, 12]], kinds, np.rint(wine[:, 2:3] + 4)])
    likelihood = ColumnLikelihood(
        [("gaussian", [0, 1]), ("categorical", [2, 3, 4]), ("poisson", [5])]
    )
    vae = quick(likelihood=likelihood, batch_size=10, learning_rate=0.02, max_iter=30)
    vae.fit(X)
    X[::2, 2:5] = X[1::4, 5] = X[::3, 0] = NAN
    filled = vae.impute(X)
    assert_array_equal(filled[:, 2:5].sum(axis=1), 1)
    assert np.all(filled[:, 5] % 1 == 0)
    right = (filled[::2, 2:5] * kinds[::2]).sum(axis=1).mean()
    assert right > 0.5
    X[4, 3] = 0
    with pytest.raises(ValueError, match=r"got row 4 with NaN in some .* \[2, 3, 4\]"):
        vae.impute(X)
    X[4, 3], X[5, 5] = NAN, -1
    with pytest.raises(ValueError, match=r"got -1\.0 at row 5, column 5"):
        vae.impute(X)


def test_feature_names(wine):
    frame = pd.DataFrame(wine, columns=load_wine().feature_names)
    vae = quick().set_output(transform="pandas").fit(frame)
    frame.iloc[0, 3] = NAN
    filled = vae.impute(frame[:5])
    assert filled.index.equals(frame.index[:5]) and np.isfinite(filled).all(axis=None)
    with pytest.raises(ValueError, match="feature names should match"):
        vae.impute(frame[:5].rename(columns={"alcohol": "other"}))


def test_errors(wine):
    with pytest.raises(NotFittedError):
        quick().impute(wine)
    vae, X = quick().fit(wine), wine[:2].copy()
    with pytest.raises(TypeError, match=r"its zeros are values: pass X\.toarray"):
        vae.impute(csr_array(X))
    with pytest.raises(ValueError, match="X has 3 features, but Variational"):
        vae.impute([[0, 1, NAN]])
    with pytest.raises(ValueError, match="n_gibbs_steps == 0, must be >= 1"):
        vae.impute(X, n_gibbs_steps=0)
    X[1, 5], X[1, 3] = -np.inf, NAN
    with pytest.raises(ValueError, match="X contains -inf at row 1, column 5"):
        vae.impute(X)
