"""
===============================================
A table of mixed columns: density and anomalies
===============================================

The diabetes data of scikit-learn have ten measurements of 442 patients: nine numbers
and the sex. Each column has a likelihood that suits it. One model provides a density,
compared here with a Gaussian, a classifier by Bayes' theorem, anomaly scores, and new
rows.
"""

# %%
# The table
# ---------
# The numbers are standardised; the sex is a one-hot block of two columns.
import pathlib

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.datasets import load_diabetes
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skgen import VariationalAutoencoder
from skgen.vae.likelihoods import ColumnLikelihood, Gaussian

table = load_diabetes(scaled=False, as_frame=True).data
sex = OneHotEncoder(sparse_output=False).fit_transform(table[["sex"]])
numbers = table.drop(columns="sex")
names = list(numbers.columns)
train, test = train_test_split(np.arange(len(table)), test_size=0.25, random_state=0)
scaler = StandardScaler().fit(numbers.iloc[train])
Z = scaler.transform(numbers)
X = np.hstack([Z, sex])

vae = VariationalAutoencoder(
    4,
    hidden_layer_sizes=(64,),
    likelihood=ColumnLikelihood(
        [(Gaussian("heteroscedastic"), range(9)), ("categorical", [9, 10])]
    ),
    n_score_samples=500,
    random_state=0,
).fit(X[train])

# %%
# Held-out density
# ----------------
# The density of the numbers alone is the sum over both values of the sex.
as_sex = [np.hstack([Z[test], np.tile(one, (len(test), 1))]) for one in np.eye(2)]
log_joint = np.stack([vae.score_samples(rows) for rows in as_sex])
log_density = logsumexp(log_joint, axis=0)
gaussian = multivariate_normal(Z[train].mean(axis=0), np.cov(Z[train].T))
difference = log_density - gaussian.logpdf(Z[test])
print("Held-out log-likelihood of the nine numbers, nats per row")
print(f"full-covariance Gaussian  {gaussian.logpdf(Z[test]).mean():8.2f}")
print(f"VariationalAutoencoder    {log_density.mean():8.2f}")
print(
    f"difference                {difference.mean():8.2f} "
    f"+- {difference.std() / len(test) ** 0.5:.2f} (standard error over rows)"
)

# %%
# The other conditional, P(sex | numbers), is Bayes' theorem on the same two rows.
right = log_joint.argmax(axis=0) == sex[test].argmax(axis=1)
majority = sex[test].mean(axis=0).max()
print(f"\nSex predicted from the numbers: {right.mean():.2f} (majority {majority:.2f})")

# %%
# Anomalies
# ---------
# The anomalies are held-out rows whose numbers are shuffled, each column by itself.
# Each column looks normal; only the combinations do not.
rng = np.random.default_rng(0)
anomalies = np.hstack([rng.permuted(Z[test], axis=0), sex[test]])
scores = vae.score_samples(np.vstack([X[test], anomalies]))
is_anomaly = np.repeat([0, 1], len(test))
auc = roc_auc_score(is_anomaly, -scores)
print(f"\nROC AUC of -log p(x) for shuffled rows: {auc:.3f}")

# %%
# New rows
# --------
samples = vae.sample(5000, random_state=0)
new = scaler.inverse_transform(samples[:, :9])
old = numbers.to_numpy()[train]
print("\nMarginals: 10, 50, 90 % quantiles of training rows and of samples")
for j, name in enumerate(names):
    quantiles = [np.quantile(rows[:, j], [0.1, 0.5, 0.9]) for rows in (old, new)]
    print(f"{name:4}", *(f"{q:8.1f}" for q in np.concatenate(quantiles)))
shares = [rows[:, 10].mean() for rows in (X[train], samples)]
print("share of the second sex: {:.2f}, {:.2f}".format(*shares))
correlations = [np.corrcoef(rows.T) for rows in (old, new)]
print(f"largest error of a correlation: {abs(np.subtract(*correlations)).max():.2f}")

# %%
# Two numbers are far from jointly Gaussian: the ratio of cholesterol to HDL, s4, falls
# as HDL, s3, rises.
figure, axes = plt.subplots(1, 2, figsize=(8, 4), sharex=True, sharey=True)
for axis, rows, title in zip(axes, (old, new[: len(old)]), ("patients", "samples")):
    axis.scatter(rows[:, names.index("s3")], rows[:, names.index("s4")], s=8)
    axis.set(title=f"{len(old)} {title}", xlabel="s3 (HDL cholesterol)")
axes[0].set_ylabel("s4 (total cholesterol / HDL)")
figure.tight_layout()
figure.savefig(pathlib.Path(__file__).with_suffix(".png"), dpi=120)
