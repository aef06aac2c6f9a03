import os
import sys

import pytest

# scikit-learn skips its array-API check unless scipy was imported with this set
os.environ["SCIPY_ARRAY_API"] = "1"

# parallel workers with as many threads each would wait for one another
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(autouse=True)
def no_idle_workers():
    """End joblib's workers with the test: after five idle minutes they may hang."""
    yield
    reusable = sys.modules.get("joblib.externals.loky.reusable_executor")
    if reusable is not None and reusable._executor is not None:
        reusable._executor.shutdown(wait=True)
