import os

# scikit-learn skips its array-API check unless scipy was imported with this set
os.environ["SCIPY_ARRAY_API"] = "1"
