"""Each likelihood against torch.distributions, its own samples and its support."""

import itertools

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import distributions

from skgen.vae.likelihoods import (
    Bernoulli,
    Categorical,
    ChowLiu,
    ColumnLikelihood,
    FullGaussian,
    Gaussian,
    Poisson,
    as_likelihood,
    base,
)

OUTPUTS = torch.tensor([[0.3, -1.2, 0.8], [1.5, 0.1, -0.4]], dtype=torch.float64)


def binary_rows(n):
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=n))).double()


@pytest.mark.parametrize("noise_variance", [0.3, "scalar", "feature"])
def test_gaussian(noise_variance):
    gaussian = Gaussian(noise_variance).build(3).double()
    if isinstance(noise_variance, str):
        with torch.no_grad():
            steps = gaussian.log_variance.numel()
            gaussian.log_variance += torch.linspace(-1, 1, steps)
    X = torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(2, 3)
    scale = gaussian.variance().sqrt().expand(3)
    expected = distributions.Normal(OUTPUTS, scale).log_prob(X).sum(dim=1)
    assert_allclose(gaussian.log_prob(OUTPUTS, X).detach(), expected.detach())


def test_heteroscedastic_gaussian():
    gaussian = Gaussian("heteroscedastic").build(3).double()
    log_variance = torch.tensor([[0.5, -1.0, 0.0], [-99.0, 99.0, 1.0]]).double()
    X = torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(2, 3)
    std = log_variance.clamp(-14, 14).div(2).exp()
    expected = distributions.Normal(OUTPUTS, std).log_prob(X).sum(dim=1)
    outputs = torch.cat([OUTPUTS, log_variance], dim=1)
    assert_allclose(gaussian.log_prob(outputs, X), expected)
    assert_allclose(gaussian.mean(outputs), OUTPUTS)
    assert gaussian.variance() is None

    generator = torch.Generator().manual_seed(0)
    draws = gaussian.sample(outputs[:1].expand(20_000, -1), generator)
    error = std[0] / np.sqrt(2 * len(draws))
    assert torch.all((draws.std(dim=0) - std[0]).abs() < 4.5 * error)


def test_bernoulli_is_normalised():
    X = binary_rows(3)
    log_p = Bernoulli().build(3).log_prob(OUTPUTS[:1], X)
    expected = distributions.Bernoulli(logits=OUTPUTS[:1]).log_prob(X).sum(dim=1)
    assert_allclose(log_p, expected)
    assert_allclose(torch.exp(log_p).sum(), 1)


def test_poisson():
    X = torch.tensor([[0.0, 1.0, 7.0], [3.0, 2.0, 0.0]]).double()
    expected = distributions.Poisson(torch.exp(OUTPUTS)).log_prob(X).sum(dim=1)
    assert_allclose(Poisson().build(3).log_prob(OUTPUTS, X), expected)


def test_categorical_is_normalised():
    X = torch.eye(3).double()
    log_p = Categorical().build(3).log_prob(OUTPUTS[:1], X)
    assert_allclose(torch.exp(log_p).sum(), 1)
    assert_allclose(torch.exp(log_p), torch.softmax(OUTPUTS[0], dim=0))


@pytest.mark.parametrize("name", ["gaussian", "bernoulli", "poisson", "categorical"])
def test_samples_have_the_mean(name):
    likelihood = as_likelihood(name).build(3)
    outputs = OUTPUTS[0].float().repeat(20_000, 1)
    generator = torch.Generator().manual_seed(0)
    X = likelihood.sample(outputs, generator).detach()
    error = X.std(dim=0) / np.sqrt(len(X))
    difference = X.mean(dim=0) - likelihood.mean(outputs)[0]
    assert torch.all(difference.abs() < 4.5 * error)
    likelihood.check(X.double().numpy())


def test_columns():
    mixed = ColumnLikelihood(
        [("categorical", [3, 0, 4]), (Gaussian(2.0), [1]), ("poisson", [2])]
    ).build(5)
    outputs = torch.randn(6, 5, generator=torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(2)
    X = mixed.sample(outputs, generator)
    mixed.check(X.numpy())
    parts = (
        Categorical().build(3).log_prob(outputs[:, :3], X[:, [3, 0, 4]]),
        Gaussian(2.0).build(1).log_prob(outputs[:, 3:4], X[:, [1]]),
        Poisson().build(1).log_prob(outputs[:, 4:], X[:, [2]]),
    )
    assert_allclose(mixed.log_prob(outputs, X), sum(parts), rtol=1e-5)
    mean = mixed.mean(outputs)
    assert_allclose(mean[:, [3, 0, 4]], torch.softmax(outputs[:, :3], dim=1), rtol=1e-6)
    assert_allclose(mean[:, 1], outputs[:, 3])


@pytest.mark.parametrize(
    "likelihood",
    [
        "poisson",
        Gaussian("scalar"),
        Gaussian("feature"),
        Gaussian("heteroscedastic"),
        ColumnLikelihood([("categorical", [3, 0]), ("gaussian", [1, 2])]),
    ],
)
def test_terms_are_those_of_the_columns(likelihood):
    built = as_likelihood(likelihood).build(4)
    shape = 6, built.n_outputs
    outputs = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    X = built.sample(outputs, torch.Generator().manual_seed(2)).detach()
    terms = built.terms(outputs, X).detach()
    assert_allclose(terms.sum(dim=1), built.log_prob(outputs, X).detach(), rtol=1e-5)
    other = X.clone()
    other[:, 1] += 1
    changed = (built.terms(outputs, other) != terms).any(dim=0)
    assert changed.tolist() == [False, True, False, False]


MIXED = ColumnLikelihood(
    [("categorical", [3, 0]), (Gaussian("feature"), [1]), ("bernoulli", [2])]
)


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli", "poisson", MIXED])
def test_surrogate_has_the_gradient_of_log_prob(likelihood):
    built = as_likelihood(likelihood).build(4).double()
    outputs = torch.randn(6, 4, generator=torch.Generator().manual_seed(1)).double()
    X = built.sample(outputs, torch.Generator().manual_seed(2)).detach()
    variables = [outputs.requires_grad_(), *built.parameters()]
    slopes = [
        torch.autograd.grad(function(outputs, X).sum(), variables)
        for function in (built.surrogate, built.log_prob)
    ]
    for one, other in zip(*slopes):
        assert_allclose(one, other, atol=1e-12)


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli", "poisson", MIXED])
def test_start_is_the_mean_of_the_data(likelihood):
    built = as_likelihood(likelihood).build(4)
    mean = torch.tensor([0.25, 0.9, 0.4, 0.75])
    input_scale, shift = built.start(mean, torch.tensor([0.3, 2.0, 0.5, 0.0]))
    assert_allclose(built.mean(shift[None])[0].detach(), mean, rtol=1e-5)
    assert torch.all(input_scale > 0)


def test_units():
    """One for each column, or one for all if they share a variance."""
    mean, std = np.array([5.0, 6.0, 7.0]), np.array([0.5, 2.0, 0.0])
    for name, scale in (
        ("feature", [0.5, 2, 1]),
        ("heteroscedastic", [0.5, 2, 1]),
        ("scalar", [np.sqrt(4.25 / 3)] * 3),
    ):
        units = Gaussian(name).build(3).standardize(mean, std)
        assert_allclose(units, [mean, scale])
    assert_allclose(Gaussian().build(3).standardize(mean, 0 * std)[1][0] ** 2, 110 / 3)
    fixed = Gaussian(0.7).build(3)
    units = fixed.standardize(mean, std)
    assert_allclose(fixed.variance() * units[1][0] ** 2, [0.7], rtol=1e-6)
    mixed = ColumnLikelihood([("poisson", [1]), (Gaussian("feature"), [2, 0])]).build(3)
    assert_allclose(mixed.standardize(mean, std), [[5, 0, 7], [0.5, 1, 1]])


@pytest.mark.parametrize(
    "columns",
    [[[0], [1]], [[0, 1], [1, 2]], [[0, 1], [3]], [[0.0, 1.0, 2.0]], [0, 1, 2]],
)
def test_every_column_belongs_to_one_part(columns):
    mixed = ColumnLikelihood([("gaussian", part) for part in columns])
    with pytest.raises(ValueError, match="must name each of 3 columns of X once"):
        mixed.build(3)


@pytest.mark.parametrize(
    "name, X, message",
    [
        (
            "bernoulli",
            [[0, 1], [1, 0.5]],
            r"and 1, got 0\.5 at row 11, column 1",
        ),
        ("poisson", [[0, 1], [-2, 3]], r"counts >= 0, got -2\.0 at row 11, column 0"),
        ("poisson", [[0, 1.5]], r"counts >= 0, got 1\.5 at row 10, column 1"),
        (
            "categorical",
            [[0, 1], [1, 1]],
            r"got row 11 with 2 ones among",
        ),
        ("categorical", [[0, 2]], r"one-hot columns, got 2\.0 at row 10, column 1"),
    ],
)
def test_support(name, X, message):
    with pytest.raises(ValueError, match=message):
        as_likelihood(name).build(2).check(np.array(X, dtype=float), first_row=10)


def test_what_is_missing_is_in_the_support():
    X = np.array([[np.nan, 0, 1], [1, np.nan, np.nan], [np.nan] * 3])
    for name in ("gaussian", "bernoulli", "poisson"):
        as_likelihood(name).build(3).check(X)
    for name, message in (("bernoulli", "got 5"), ("poisson", "got -2")):
        wrong = np.where(X == 1, -2 if name == "poisson" else 5, X)
        with pytest.raises(ValueError, match=message):
            as_likelihood(name).build(3).check(wrong)


def test_one_hot_columns_are_missing_together():
    mixed = ColumnLikelihood([("gaussian", [1]), ("categorical", [3, 0, 2])]).build(4)
    X = np.array([[1, np.nan, 0, 0], [np.nan, 7, np.nan, np.nan], [0, 1, 1, 0]])
    mixed.check(X)
    X[1, 2] = 0
    message = r"got row 11 with NaN in some of the columns \[3, 0, 2\]: set all of them"
    with pytest.raises(ValueError, match=message):
        mixed.check(X, first_row=10)
    X[1, 2], X[2, 0] = np.nan, 1
    with pytest.raises(ValueError, match="got row 2 with 2 ones"):
        mixed.check(X)


def test_names():
    with pytest.raises(ValueError, match=r"likelihood must be one of .*got 'cauchy'"):
        as_likelihood("cauchy")


@pytest.mark.parametrize(
    "likelihood",
    [
        Gaussian("feature"),
        FullGaussian(),
        Bernoulli(),
        ChowLiu(),
        Poisson(),
        ColumnLikelihood([("bernoulli", [0, 2]), ("poisson", [1])]),
    ],
)
def test_all_pairs_of_rows_and_outputs(likelihood, monkeypatch):
    built = likelihood.build(3).double()
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(4, built.n_outputs, generator=generator).double()
    X = binary_rows(3)
    observed = torch.rand(X.shape, generator=generator) < 0.6
    for size in (2**20, 30):  # all outputs at once, and one at a time
        monkeypatch.setattr(base, "VALUES_PER_CHUNK", size)
        pairs = built.log_prob_of_pairs(outputs, X)
        filled = X.where(observed, 7)
        marginal = built.log_prob_of_pairs(outputs, filled, observed)
        for k, n in itertools.product(range(4), range(len(X))):
            expected = built.log_prob(outputs[k], X[n])
            assert_allclose(pairs[k, n].detach(), expected.detach())
            given = outputs[k], X[n].where(observed[n], 7), observed[n]
            expected = built.observed_log_prob(*given)
            assert_allclose(marginal[k, n].detach(), expected.detach())
