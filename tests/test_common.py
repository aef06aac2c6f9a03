"""scikit-learn's own checks, on the default instances, without exception."""

import pytest
from sklearn.utils.estimator_checks import (
    estimator_checks_generator,
    parametrize_with_checks,
)

from skgen import BinaryRBM

# the checks fit data of every scale: the warning about values outside [0, 1] is right
pytestmark = pytest.mark.filterwarnings(
    "ignore:X has values from:sklearn.exceptions.DataConversionWarning"
)


@parametrize_with_checks([BinaryRBM()])
def test_scikit_learn_check(estimator, check):
    check(estimator)
