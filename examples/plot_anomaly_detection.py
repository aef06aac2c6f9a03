"""
===================================
Anomalies: rows with low density
===================================

A density learned from normal rows alone finds the anomalies: ``-score_samples`` is an
anomaly score. Here the normal rows are benign tumours with thirty measurements each,
and the anomalies are malignant tumours. The example compares a variational autoencoder
with the detectors and densities of scikit-learn.
"""

# %%
# The models
# ----------
# Every model follows a ``StandardScaler``. A pipeline's ``score_samples`` is the log
# density of the scaled measurements. The log density of the measurements themselves is
# smaller by a constant, the sum of log(scale), so the order of the rows is the same.
#
# ``noise_variance="heteroscedastic"`` lets the noise depend on the latents. On tables
# this gives the better likelihood.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgen import VariationalAutoencoder


def vae(n_components):
    return VariationalAutoencoder(
        n_components,
        hidden_layer_sizes=(64,),
        noise_variance="heteroscedastic",
        batch_size=32,
        max_iter=60,
    )


densities = {
    "VAE, 5 latents": vae(5),
    "VAE, 10 latents": vae(10),
    "Gaussian, full covariance": GaussianMixture(1),
    "mixture of two Gaussians": GaussianMixture(2),
    "PCA, 10 components": PCA(10),
}
detectors = {
    "IsolationForest": IsolationForest(),
    "LocalOutlierFactor": LocalOutlierFactor(novelty=True),
}

# %%
# Five splits
# -----------
# The models learn from three fifths of the benign tumours. They rank the other benign
# tumours and all malignant ones. The table also shows the mean log-density of the
# held-out benign tumours, which needs no label.
X, y = load_breast_cancer(return_X_y=True)
benign, malignant = X[y == 1], X[y == 0]


def auc_and_density(model, seed):
    train, held_out = train_test_split(benign, test_size=0.4, random_state=seed)
    if "random_state" in model.get_params():
        model.set_params(random_state=seed)
    pipeline = make_pipeline(StandardScaler(), model).fit(train)
    normal, other = pipeline.score_samples(held_out), pipeline.score_samples(malignant)
    is_malignant = np.repeat([0, 1], [len(normal), len(other)])
    auc = roc_auc_score(is_malignant, -np.concatenate([normal, other]))
    return auc, normal.mean()


results = {
    name: np.array([auc_and_density(model, seed) for seed in range(5)])
    for name, model in (densities | detectors).items()
}


def error(values):
    return np.std(values, axis=0, ddof=1) / np.sqrt(len(values))


print("Malignant among benign tumours, mean +- standard error over 5 splits")
print(f"{'':26} ROC AUC           log-density of benign rows, nats")
for name, values in results.items():
    (auc, density), (auc_error, density_error) = values.mean(axis=0), error(values)
    shown = f"{density:8.2f} +- {density_error:.2f}" if name in densities else "none"
    print(f"{name:26} {auc:.3f} +- {auc_error:.3f}   {shown:>16}")

best, ours = "Gaussian, full covariance", "VAE, 5 latents"
difference = results[ours][:, 0] - results[best][:, 0]
print(
    f"\n{ours} less {best}, split by split: ROC AUC "
    f"{difference.mean():+.3f} +- {error(difference):.3f}"
)

# %%
# The table teaches two things. Malignant tumours differ from benign ones in almost
# every direction, and a single Gaussian sees this as well as any network does. And the
# model with the better density is not the better detector, because the density is
# judged on benign rows alone.
figure = plt.figure(figsize=(7, 4), layout="constrained")
axes = figure.subplots()
order = sorted(results, key=lambda name: results[name][:, 0].mean())
for i, name in enumerate(order):
    auc = results[name][:, 0]
    color = "#0072B2" if name.startswith("VAE") else "#000000"
    axes.plot(auc, np.full(len(auc), i), "o", color=color, alpha=0.3, markersize=5)
    axes.errorbar(auc.mean(), i, xerr=error(auc), fmt="D", color=color, capsize=4)
axes.set(
    yticks=range(len(order)),
    yticklabels=order,
    xlabel="ROC AUC, malignant tumours among held-out benign ones",
    title="Five splits, their mean and its standard error",
)
axes.grid(axis="x", alpha=0.3)
plt.show()
