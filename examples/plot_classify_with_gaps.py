"""
==========================
Classifying rows with gaps
==========================

A density for each class is a classifier by Bayes' theorem. Where cells are missing it
goes by what is observed, without filling anything in. Three classifiers that see means
in place of the gaps, or learn what a gap says, stand beside it. Cells are missing at
random, in training and in held-out rows alike.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgen import VariationalAutoencoder
from skgen.meta import GenerativeClassifier

density = VariationalAutoencoder(
    5, hidden_layer_sizes=(), noise_variance="feature", max_iter=20, random_state=0
)
CLASSIFIERS = {
    "VAE of each class": make_pipeline(StandardScaler(), GenerativeClassifier(density)),
    "means, GaussianNB": make_pipeline(SimpleImputer(), GaussianNB()),
    "means, logistic regression": make_pipeline(
        SimpleImputer(), StandardScaler(), LogisticRegression()
    ),
    "gradient boosting": HistGradientBoostingClassifier(random_state=0),
}
SHARES = 0.0, 0.2, 0.5
SETS = {"wine": load_wine, "breast cancer": load_breast_cancer, "digits": load_digits}

figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
for ax, (title, load) in zip(axes, SETS.items()):
    X, y = load(return_X_y=True)
    rng = np.random.default_rng(0)
    print(f"{title}: accuracy, 3-fold, with {SHARES} of the cells missing")
    missing = [np.where(rng.random(X.shape) < share, np.nan, X) for share in SHARES]
    for name, classifier in CLASSIFIERS.items():
        accuracy = [
            cross_val_score(classifier, rows, y, cv=3).mean() for rows in missing
        ]
        print(f"{name:26}", *(f"{value:.3f}" for value in accuracy))
        ax.plot(SHARES, accuracy, marker="o", label=name)
    ax.set(title=title, xlabel="share of missing cells", ylabel="accuracy")
axes[0].legend()
plt.show()
