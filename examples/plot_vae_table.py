"""
===============================================
A table of mixed columns: density and anomalies
===============================================

The diabetes data of scikit-learn have ten measurements of 442 patients: nine numbers
and the sex. One model of the frame provides a density, compared here with a Gaussian, a
classifier by Bayes' theorem, and anomaly scores. Its samples keep what is not Gaussian.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import multivariate_normal
from sklearn.datasets import load_diabetes
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from skgen import VariationalAutoencoder

table = load_diabetes(scaled=False, as_frame=True).data
table["sex"] = table.sex.map({1.0: "female", 2.0: "male"}).astype("category")
train, test = train_test_split(table, test_size=0.25, random_state=0)
vae = VariationalAutoencoder(random_state=0).fit(train)

# %%
# Held-out density
# ----------------
# A row with gaps has the density of what is observed: here of the nine numbers. Part of
# the gain over a Gaussian is that values repeat, which the map of a column knows.
numbers = test.drop(columns="sex").columns
log_density = vae.score_samples(test.assign(sex=None))
known = train[numbers]
gaussian = multivariate_normal(known.mean(), known.cov()).logpdf(test[numbers])
difference = log_density - gaussian
print("Held-out log-likelihood of the nine numbers, nats per row")
print(f"full-covariance Gaussian  {gaussian.mean():8.2f}")
print(f"VariationalAutoencoder    {log_density.mean():8.2f}")
print(
    f"difference                {difference.mean():8.2f} "
    f"+- {difference.std() / len(test) ** 0.5:.2f} (standard error over rows)"
)

# %%
# A conditional is a difference: log p(sex | numbers) = log p(sex, numbers) - log p(
# numbers).
log_p = [vae.score_samples(test.assign(sex=s)) for s in ("female", "male")]
p_male = np.exp(log_p[1] - log_density)
right = (p_male > 0.5) == (test.sex == "male")
majority = test.sex.value_counts(normalize=True).max()
print(f"\nSex predicted from the numbers: {right.mean():.2f} (majority {majority:.2f})")

# %%
# Anomalies
# ---------
# The anomalies are held-out rows whose numbers are shuffled, each column by itself.
# Each column looks normal; only the combinations do not.
anomalies = test.copy()
anomalies[numbers] = np.random.default_rng(0).permuted(test[numbers], axis=0)
scores = np.concatenate([vae.score_samples(rows) for rows in (test, anomalies)])
auc = roc_auc_score(np.repeat([0, 1], len(test)), -scores)
print(f"\nROC AUC of -log p(x) for shuffled rows: {auc:.3f}")

# %%
# New rows
# --------
# Two numbers are far from jointly Gaussian: the ratio of cholesterol to HDL, s4, falls
# as HDL, s3, rises.
samples = vae.sample(len(train), random_state=0)
figure, axes = plt.subplots(1, 2, figsize=(8, 4), sharex=True, sharey=True)
for axis, rows, title in zip(axes, (train, samples), ("patients", "samples")):
    axis.scatter(rows.s3, rows.s4, s=8)
    axis.set(title=f"{len(rows)} {title}", xlabel="s3 (HDL cholesterol)")
axes[0].set_ylabel("s4 (total cholesterol / HDL)")
figure.tight_layout()
plt.show()
