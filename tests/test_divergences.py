import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.stats import norm

from skgen.divergences import gaussian_kl_divergence, kl_divergence


def test_discrete_definition():
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(6), 3), rng.dirichlet(np.ones(6), 3)
    assert_allclose(kl_divergence(p, q), (p * np.log(p / q)).sum(axis=1))
    assert_allclose(kl_divergence(p.T, q.T, axis=0), kl_divergence(p, q))
    assert np.all(kl_divergence(p, q) > 0)


def test_equal_distributions_have_none():
    p = np.random.default_rng(1).dirichlet(np.ones(6))
    assert kl_divergence(p, p) == 0


def test_zero_times_log_zero_is_zero():
    assert_allclose(kl_divergence([0.0, 1.0], [0.5, 0.5]), np.log(2))
    assert kl_divergence([0.0, 1.0], [0.0, 1.0]) == 0


def test_infinite_where_the_model_excludes_the_data():
    assert kl_divergence([0.5, 0.5], [0.0, 1.0]) == np.inf


@pytest.mark.parametrize(
    "p, message",
    [
        ([-0.5, 1.5], r"p must hold probabilities, got -0\.5"),
        ([0.5, 0.6], r"p must sum to 1 along axis -1, got 1\.1"),
        ([np.nan, 1.0], r"p must hold probabilities, got nan"),
    ],
)
def test_not_a_distribution(p, message):
    with pytest.raises(ValueError, match=message):
        kl_divergence(p, [0.5, 0.5])


@pytest.mark.parametrize("mean, std, mean2, std2", [(0.3, 0.5, -1, 2), (2, 3, 1, 0.7)])
def test_gaussian_closed_form_against_integration(mean, std, mean2, std2):
    p, q = norm(mean, std), norm(mean2, std2)

    def integrand(x):
        return p.pdf(x) * (p.logpdf(x) - q.logpdf(x))

    integral, _ = quad(integrand, mean - 12 * std, mean + 12 * std, epsabs=1e-12)
    assert_allclose(gaussian_kl_divergence(mean, std, mean2, std2), integral)


def test_gaussian_sums_over_the_last_axis_only():
    rng = np.random.default_rng(2)
    mean, std = rng.normal(size=(4, 3)), rng.uniform(0.5, 2, (4, 3))
    terms = [
        [gaussian_kl_divergence(m, s) for m, s in zip(*row)] for row in zip(mean, std)
    ]
    assert_allclose(gaussian_kl_divergence(mean, std), np.sum(terms, axis=1))
    assert gaussian_kl_divergence(np.zeros(3), np.ones(3)) == 0


def test_gaussian_needs_positive_deviations():
    with pytest.raises(ValueError, match=r"std must be positive everywhere, got 0\.0"):
        gaussian_kl_divergence([0.0], [0.0])
