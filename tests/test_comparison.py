"""Differences of log-likelihoods that are paired by row."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

import skgen
from skgen.comparison import Comparison
from skgen.plotting import ComparisonDisplay

X = np.random.default_rng(0).normal(size=(300, 2)) * [1, 5]


@pytest.fixture(scope="module")
def comparison():
    models = {
        "kernels": KernelDensity(bandwidth=0.2).fit(X[:150]),
        "Gaussian": GaussianMixture().fit(X[:150]),
    }
    return skgen.compare(models, X[150:])


def test_best_first_and_paired(comparison):
    assert comparison.names == ["Gaussian", "kernels"]
    one, other = comparison.scores
    assert_allclose(comparison.means, [one.mean(), other.mean()])
    assert_allclose(comparison.differences, [0, (other - one).mean()])
    error = (other - one).std(ddof=1) / 150**0.5
    assert_allclose(comparison.difference_errors, [0, error])
    # a constant for each row leaves the error of the difference as it is
    shifted = Comparison(comparison.names, comparison.scores + 100 * X[150:, 0])
    assert_allclose(shifted.difference_errors, [0, error])
    assert shifted.std_errors.min() > 5


def test_the_table(comparison):
    lines = repr(comparison).splitlines()
    assert [line.split()[0] for line in lines] == ["model", "Gaussian", "kernels"]
    assert lines[1].split()[1] == f"{comparison.means[0]:.2f}"
    assert lines[2].split()[-1] == f"{comparison.difference_errors[1]:.2f}"
    assert comparison._repr_html_() == f"<pre>{comparison!r}</pre>"


def test_the_picture(comparison):
    display = ComparisonDisplay.from_comparison(comparison)
    points = display.errorbar_.lines[0]
    assert_allclose(points.get_xdata(), comparison.differences)
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == comparison.names
    display.figure_.clear()


def test_what_cannot_be_compared(comparison):
    with pytest.raises(ValueError, match="models is empty"):
        skgen.compare({}, X)
    with pytest.raises(ValueError, match="single row"):
        skgen.compare({"one": GaussianMixture().fit(X)}, X[:1])
