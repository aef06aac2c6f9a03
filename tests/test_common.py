"""scikit-learn's own checks, on the default instances, without exception."""

import pytest
from sklearn.utils.estimator_checks import (
    check_estimator,
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


@pytest.mark.parametrize("estimator", [BinaryRBM()])
def test_all_checks_are_collected_and_pass(estimator):
    """None fails, is skipped, or is excused by a tag; 47 in scikit-learn 1.9."""
    collected = list(estimator_checks_generator(estimator))
    assert len(collected) >= 47
    results = check_estimator(estimator)
    assert len(results) == len(collected)
    assert {result["status"] for result in results} == {"passed"}
