"""
===================================================
Digits: reconstructions and samples of a VAE
===================================================

A variational autoencoder with a Bernoulli likelihood on scikit-learn's handwritten
digits: held-out log-likelihood, reconstructions of held-out digits and new digits.
"""

# %%
# The model
# ---------
# Grey levels are probabilities: each epoch draws new binary digits from them.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skgen import VariationalAutoencoder
from skgen.plotting import SampleDisplay

X = load_digits().data / 16
X_train, X_test = train_test_split(X, test_size=0.2, random_state=0)
binary = (X_test > 0.5).astype(float)

vae = VariationalAutoencoder(
    16,
    likelihood="bernoulli",
    binarize="sample",
    batch_size=50,
    max_iter=120,
    random_state=0,
).fit(X_train)

# %%
# The likelihood of held-out digits
# ---------------------------------
marginals = (X_train.sum(axis=0) + 1) / (len(X_train) + 2)
independent = np.where(binary, np.log(marginals), np.log(1 - marginals)).sum(axis=1)
elbo, reconstruction, kl = vae.elbo(binary, return_terms=True)
print("Held-out digits, nats per digit")
print(f"independent pixels                  {independent.mean():8.2f}")
print(f"ELBO = reconstruction - KL          {elbo.mean():8.2f} =", end="")
print(f" {reconstruction.mean():.2f} - {kl.mean():.2f}")
print(f"log-likelihood, importance sampled  {vae.score(binary):8.2f}")

# %%
# Reconstructions and samples
# ---------------------------
panels = {
    "Held-out digits": X_test[:40],
    "Their reconstructions": vae.reconstruct(X_test[:40]),
    "New digits: means of p(x | h)": vae.inverse_transform(
        np.random.default_rng(0).normal(size=(40, 16))
    ),
}
figure = plt.figure(figsize=(9, 2.3), layout="constrained")
for axes, (title, rows) in zip(figure.subplots(1, 3), panels.items(), strict=True):
    SampleDisplay(samples=rows, image_shape=(8, 8)).plot(axes, cmap="gray_r")
    axes.set_title(title)
plt.show()
