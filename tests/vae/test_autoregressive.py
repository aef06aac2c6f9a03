"""The autoregressive likelihood against sums over all rows, and its refusal of gaps."""

import itertools

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression

from skgen import VariationalAutoencoder
from skgen.vae.likelihoods import Autoregressive, ChowLiu, ColumnLikelihood

N = 5
ROWS = torch.tensor(list(itertools.product([0.0, 1.0], repeat=N))).double()
ORDER = [3, 0, 4, 1, 2]


def generator():
    return torch.Generator().manual_seed(0)


OUTPUTS = torch.randn(3, N, generator=generator(), dtype=torch.float64)


def likelihood(n_hidden=7):
    """All of its parameters are random numbers."""
    built = Autoregressive(n_hidden).build(N).double()
    built.order.copy_(torch.tensor(ORDER))
    numbers = generator()
    for parameter in built.parameters():
        parameter.data.normal_(generator=numbers)
    return built.requires_grad_(False)


def chain(n, rng):
    """Six columns: each of the last three is the parity of two before it, mostly."""
    X = rng.random((n, 6)) < 0.5
    for column in (3, 4, 5):
        noise = rng.random(n) < 0.1
        X[:, column] = X[:, column - 3] ^ X[:, column - 2] ^ noise
    return X.astype(np.uint8)


@pytest.mark.parametrize("n_hidden", [1, 7, 50])
def test_probabilities_of_all_rows(n_hidden):
    built = likelihood(n_hidden)
    p = torch.exp(built.log_prob(OUTPUTS[:, None], ROWS))
    assert_allclose(p.sum(dim=1), 1)
    # of independent draws; evenly spaced ones err less
    exact = p @ ROWS
    error = (exact * (1 - exact) / 128).sqrt()
    assert torch.all((built.mean(OUTPUTS) - exact).abs() < 3 * error)


def test_a_column_depends_on_those_before_it_alone():
    built = likelihood()
    logits = built._given_others(ROWS)
    for place, column in enumerate(ORDER):
        before, later = ORDER[:place], ORDER[place:]
        for values in itertools.product([0.0, 1.0], repeat=place):
            same = (ROWS[:, before] == torch.tensor(values)).all(dim=1)
            assert len(ROWS[same][:, later].unique(dim=0)) == 2 ** len(later)
            assert_allclose(logits[same, column], logits[same, column].mean())
        if place:
            assert logits[:, column].std() > 0.1


def test_draws_are_rows_of_the_distribution():
    built = likelihood()
    draws = built.sample(OUTPUTS[:1].expand(50_000, -1), generator())
    p = built.log_prob(OUTPUTS[0], ROWS).exp()
    codes = (draws @ 2.0 ** torch.arange(N - 1, -1, -1).double()).long()
    shares = torch.bincount(codes, minlength=2**N) / 50_000
    assert torch.all((shares - p).abs() < 4.5 * (p / 50_000).sqrt() + 1e-4)


def test_the_mean_of_a_row_is_the_same_in_any_batch():
    built = likelihood()
    many = OUTPUTS.repeat(3000, 1)  # more than one chunk
    assert_allclose(built.mean(many)[-3:], built.mean(OUTPUTS))
    assert_allclose(built.mean(OUTPUTS[0]), built.mean(OUTPUTS)[0])


def test_slopes():
    built, X = likelihood().requires_grad_(), ROWS[[11, 21, 30]]
    outputs = OUTPUTS.clone().requires_grad_()
    inputs = outputs, *built.parameters()
    expected = torch.autograd.grad(built.log_prob(outputs, X).sum(), inputs)
    slopes = torch.autograd.grad(built.surrogate(outputs, X).sum(), inputs)
    for one, other in zip(slopes, expected):
        assert_allclose(one, other, atol=1e-12)


def test_training_starts_at_the_tree_of_chow_and_liu():
    rng = np.random.default_rng(0)
    X = (rng.random((300, 1)) < rng.random((300, N))).astype(float)
    log_p = []
    for kind in (Autoregressive(), ChowLiu()):
        built = kind.build(N)
        built.prepare(X)
        _, outputs = built.start(torch.zeros(N), torch.ones(N))
        log_p.append(built.log_prob(outputs, ROWS.float()).detach())
    assert_allclose(*log_p, rtol=1e-5)


@pytest.mark.parametrize("binarize", [0.5, "sample"])
def test_probabilities_add_up(binarize):
    """Of all 64 rows, by one set of draws from the prior."""
    X = chain(400, np.random.default_rng(0))
    vae = VariationalAutoencoder(
        2, likelihood="autoregressive", binarize=binarize, max_iter=5, random_state=0
    ).fit(X)
    rows = np.array(list(itertools.product([0, 1], repeat=6)), dtype=float)
    log_p = vae.log_likelihood(rows, n_samples=512, proposal="prior", random_state=0)
    assert_allclose(np.exp(log_p).sum(), 1)


def test_parities_are_learned():
    """Log p comes near its exact mean; logistic regressions, one a column, do not."""
    rng = np.random.default_rng(0)
    X, test = chain(2000, rng), chain(2000, rng)
    vae = VariationalAutoencoder(
        1, likelihood="autoregressive", max_iter=100, random_state=0
    ).fit(X)
    exact = 3 * np.log(0.5) + 3 * (0.1 * np.log(0.1) + 0.9 * np.log(0.9))
    scores = vae.score_samples(test)
    error = scores.std() / len(scores) ** 0.5
    assert exact - 0.1 - 4.5 * error < scores.mean() < exact + 4.5 * error
    linear = np.log(X[:, 0].mean())
    for column in range(1, 6):
        model = LogisticRegression().fit(X[:, :column], X[:, column])
        linear += model.predict_log_proba(test[:, :column])[
            np.arange(len(test)), test[:, column]
        ].mean()
    assert scores.mean() > linear + 0.5
    # samples follow the probabilities of rows
    rows = np.array(list(itertools.product([0, 1], repeat=6)))
    p = np.exp(vae.log_likelihood(rows, n_samples=2**12, random_state=0))
    samples = vae.sample(20_000, random_state=0)
    for columns in ([0, 1, 3], [1, 2, 4], [2, 3, 5]):
        expected = p @ (rows[:, columns].sum(axis=1) % 2)
        error = np.sqrt(expected * (1 - expected) / len(samples))
        found = np.mean(samples[:, columns].sum(axis=1) % 2)
        assert abs(found - expected) < 4.5 * error


def test_gaps_are_refused():
    X = chain(100, np.random.default_rng(0)).astype(float)
    gap = X.copy()
    gap[7, 2] = np.nan
    vae = VariationalAutoencoder(
        1, likelihood="autoregressive", max_iter=1, random_state=0
    )
    place = r"X contains NaN at row 7, column 2: .* likelihood='chow_liu'"
    assert not vae.__sklearn_tags__().input_tags.allow_nan
    with pytest.raises(ValueError, match=place):
        vae.fit(gap)
    vae.fit(X)
    for method in (vae.transform, vae.score_samples, vae.elbo, vae.posterior):
        with pytest.raises(ValueError, match=place):
            method(gap)
    needs_complete = "needs complete rows: .* likelihood='chow_liu'"
    with pytest.raises(ValueError, match=needs_complete):
        vae.impute(gap)
    with pytest.raises(ValueError, match=needs_complete):
        vae.sample(3, given={0: 1})
    assert_array_equal(vae.impute(X), X)


def test_as_a_part_of_the_columns():
    """Its own columns must be complete; others may have gaps."""
    rng = np.random.default_rng(0)
    X = np.hstack([chain(200, rng), rng.normal(size=(200, 2))])
    parts = [(Autoregressive(5), [0, 1, 2, 3, 4, 5]), ("gaussian", [6, 7])]
    vae = VariationalAutoencoder(
        1, likelihood=ColumnLikelihood(parts), max_iter=2, random_state=0
    )
    X[3, 7] = np.nan
    vae.fit(X)
    assert np.isfinite(vae.score_samples(X)).all()
    for means in (False, True):
        filled = vae.impute(X, return_mean=means, random_state=0)
        assert np.isfinite(filled).all()
        assert_array_equal(filled[~np.isnan(X)], X[~np.isnan(X)])
    X[5, 2] = np.nan
    place = "X: NaN at row 5, column 2. An autoregressive .* needs complete rows"
    for method in (vae.fit, vae.score_samples, vae.elbo):
        with pytest.raises(ValueError, match=place):
            method(X)


@pytest.mark.parametrize("n_hidden", [0, 2.5, "10"])
def test_number_of_units(n_hidden):
    with pytest.raises(ValueError, match=r"n_hidden is .*, not an integer of at least"):
        Autoregressive(n_hidden).build(3)
