import os

# scikit-learn skips its array-API check unless scipy was imported with this set
os.environ["SCIPY_ARRAY_API"] = "1"

# parallel workers with as many threads each would wait for one another
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"
