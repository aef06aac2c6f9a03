"""
===================================================
Digits: filling in missing pixels
===================================================

Half of the pixels of held-out digits are missing. A generative model draws them from
their distribution given the other pixels, or fills in the mean of this distribution.
The example compares this mean with the mean of each pixel over the training digits and
with nearest neighbours.
"""

# %%
# The models
# ----------
# All methods see black and white digits, in training without missing pixels.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.model_selection import train_test_split

from skgen import BinaryRBM, VariationalAutoencoder

X = (load_digits().data > 8).astype(float)
X_train, X_test = train_test_split(X, test_size=0.2, random_state=0)
rbm = BinaryRBM(200, max_iter=100, random_state=0).fit(X_train)
vae = VariationalAutoencoder(
    16,
    likelihood="bernoulli",
    objective="iwae",
    n_importance_samples=5,
    learning_rate=4e-3,
    batch_size=40,
    max_iter=60,
    random_state=0,
).fit(X_train)

# %%
# The error of the mean
# ---------------------
missing = np.random.default_rng(0).random(X_test.shape) < 0.5
X_missing = np.where(missing, np.nan, X_test)
five, ten = (KNNImputer(n_neighbors=k).fit(X_train) for k in (5, 10))
filled = {
    "mean of the pixel": SimpleImputer().fit(X_train).transform(X_missing),
    "5 nearest neighbours": five.transform(X_missing),
    "10 nearest neighbours": ten.transform(X_missing),
    "BinaryRBM": rbm.impute(X_missing, return_mean=True),
    "VariationalAutoencoder": vae.impute(X_missing, n_gibbs_steps=50, return_mean=True),
}
print("Root mean squared error of the missing pixels")
for name, rows in filled.items():
    print(f"{name:24}{np.sqrt(np.mean((rows - X_test)[missing] ** 2)):.3f}")

# %%
# Draws given the observed pixels
# -------------------------------
# Several draws of the lower half show what the model considers possible.
n_digits, n_draws = 6, 4
digits = X_test[:n_digits]
covered = digits.copy()
covered[:, 32:] = np.nan
copies = np.repeat(covered, n_draws, axis=0)
columns = {"digit": digits, "observed": covered}
for name, model in (("RBM", rbm), ("VAE", vae)):
    columns[f"{name}: mean"] = model.impute(covered, return_mean=True)
    draws = model.impute(copies).reshape(n_digits, n_draws, -1)
    columns |= {f"{name}: draw {i + 1}": draws[:, i] for i in range(n_draws)}

figure = plt.figure(figsize=(12, 6.6), layout="constrained")
grid = figure.subplots(n_digits, len(columns))
for axes, (title, rows) in zip(grid.T, columns.items(), strict=True):
    axes[0].set_title(title, fontsize=9)
    for ax, row in zip(axes, rows, strict=True):
        ax.set(xticks=[], yticks=[], facecolor="lightsteelblue")
        ax.imshow(row.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
plt.show()
