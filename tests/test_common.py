"""scikit-learn's own checks, on the default instances, without exception."""

from unittest import SkipTest

import pytest
from sklearn.utils.estimator_checks import (
    estimator_checks_generator,
    parametrize_with_checks,
)

from skgen import BinaryRBM, VariationalAutoencoder

# the checks fit data of every scale: the warning about values outside [0, 1] is right
pytestmark = pytest.mark.filterwarnings(
    "ignore:X has values from:sklearn.exceptions.DataConversionWarning"
)


@parametrize_with_checks([BinaryRBM(), VariationalAutoencoder()])
def test_scikit_learn_check(estimator, check):
    try:
        check(estimator)
    except SkipTest as reason:
        pytest.fail(f"skipped: {reason}")


@pytest.mark.parametrize(
    "estimator, n_checks", [(BinaryRBM(), 47), (VariationalAutoencoder(), 46)]
)
def test_all_checks_are_collected(estimator, n_checks):
    """As many as scikit-learn 1.9 has; one is that NaN is refused."""
    assert len(list(estimator_checks_generator(estimator))) >= n_checks
