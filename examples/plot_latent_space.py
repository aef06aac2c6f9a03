"""
============================
The latent space of digits
============================

A variational autoencoder with two latent dimensions maps every handwritten digit to a
point of a plane, and every point to a digit.
"""

# %%
# Two dimensions
# --------------
# A mixture of 100 Gaussians as the prior would fit better. But N(0, I) has quantiles:
# the picture decodes a grid of them.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skgen import VariationalAutoencoder
from skgen.plotting import LatentSpaceDisplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
vae = VariationalAutoencoder(
    2,
    likelihood="bernoulli",
    binarize="sample",
    batch_size=50,
    max_iter=120,
    random_state=0,
).fit(X_train)

# %%
# What the plane knows
# --------------------
# The model has not seen the classes. Neighbours in the plane have similar images, as
# far as two numbers can express it.
neighbours = KNeighborsClassifier(15)
for name, rows in {"two latents": vae.transform(X_test), "64 pixels": X_test}.items():
    accuracy = cross_val_score(neighbours, rows, y_test, cv=5)
    error = accuracy.std(ddof=1) / np.sqrt(len(accuracy))
    print(f"15 nearest neighbours, {name:12} {accuracy.mean():.3f} +- {error:.3f}")
binary = (X_test > 0.5).astype(float)
elbo, reconstruction, kl = vae.elbo(binary, return_terms=True)
print(f"KL of a digit's posterior to the prior, mean: {kl.mean() / np.log(2):.1f} bits")

# %%
# The plane, and what it decodes to
# ---------------------------------
figure = plt.figure(figsize=(11, 5.4), layout="constrained")
left, right = figure.subplots(1, 2)
LatentSpaceDisplay.from_estimator(vae, X_test, y_test, ax=left)
LatentSpaceDisplay.from_estimator(vae, image_shape=(8, 8), ax=right)
plt.show()
