"""
A data frame with gaps
======================

A VAE takes a frame as it is: numbers, a category and missing cells. It scores rows,
draws new ones, fills gaps in, and draws rows that satisfy a condition.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_iris

from skgen import VariationalAutoencoder
from skgen.plotting import ColumnsDisplay

# %%
# The frame
# ---------
# A tenth of the cells are removed.
iris = load_iris(as_frame=True)
species = pd.Categorical.from_codes(iris.target, list(iris.target_names))
frame = iris.data.assign(species=species)
frame = frame.mask(np.random.default_rng(0).random(frame.shape) < 0.1)
print(frame.head(3))

# %%
# What the model does with it
# ---------------------------
# The log-likelihood of a row is that of its observed cells.
vae = VariationalAutoencoder(3, random_state=0).fit(frame)
print(f"{vae.score(frame):.2f} nats a row")
print(vae.sample(3))
print(vae.impute(frame).head(3))
print(vae.sample(3, given={"species": "virginica", "petal width (cm)": 2.0}))

# %%
# Columns of the data and of samples
# ----------------------------------
ColumnsDisplay.from_estimator(vae, frame, n_samples=1000, random_state=0)
plt.show()
