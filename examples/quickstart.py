"""
====================================================
Digits: features, likelihood and samples of an RBM
====================================================

A binary restricted Boltzmann machine learns scikit-learn's handwritten digits. The
example goes from a grid search over a pipeline to new digits:

1. under the same linear classifier its features beat the raw binary pixels;
2. on held-out digits its log-likelihood beats a model of independent pixels;
3. its samples look like digits, and it fills hidden halves in (``quickstart.png``).
"""

# %%
# The data
# --------
# There are 1,797 images of 8 x 8 pixels, scaled to [0, 1]. A fifth is held out.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_val_score,
    train_test_split,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import Binarizer

from skgen import BinaryRBM
from skgen.plotting import SampleDisplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, test_size=0.2, stratify=y, random_state=0
)

# %%
# Features for a classifier
# -------------------------
# The RBM binarises at 0.5 and passes P(h = 1 | x) to a logistic regression. Its number
# of hidden units and its learning rate are searched like any hyperparameter. The raw
# binary pixels go to the same classifier, on the same folds.
classifier = LogisticRegression(max_iter=1000)
folds = StratifiedKFold(4, shuffle=True, random_state=0)

pixels = Pipeline([("binarizer", Binarizer(threshold=0.5)), ("classifier", classifier)])
pixel_scores = cross_val_score(pixels, X_train, y_train, cv=folds)
pixels.fit(X_train, y_train)

search = GridSearchCV(
    Pipeline(
        [("rbm", BinaryRBM(max_iter=100, random_state=0)), ("classifier", classifier)]
    ),
    {"rbm__n_components": [50, 150], "rbm__learning_rate": [0.2, 0.5]},
    cv=folds,
    n_jobs=2,
    verbose=3,
)
search.fit(X_train, y_train)
best = search.best_index_

print("\nAccuracy of a logistic regression: cross-validation, then held-out digits")
print(
    f"raw binary pixels      {pixel_scores.mean():.3f} +- {pixel_scores.std():.3f}"
    f"   {pixels.score(X_test, y_test):.3f}"
)
print(
    f"features of BinaryRBM  {search.cv_results_['mean_test_score'][best]:.3f}"
    f" +- {search.cv_results_['std_test_score'][best]:.3f}"
    f"   {search.score(X_test, y_test):.3f}   {search.best_params_}"
)

# %%
# The likelihood of held-out digits
# ---------------------------------
# The RBM of the best pipeline is also a density. Its log-likelihood, in nats per digit,
# is compared with independent pixels, which are an RBM without hidden units.
rbm = search.best_estimator_["rbm"]

marginals = (np.sum(X_train > 0.5, axis=0) + 1) / (len(X_train) + 2)
binary = X_test > 0.5
independent = np.where(binary, np.log(marginals), np.log(1 - marginals)).sum(axis=1)

print("\nLog-likelihood of held-out digits, nats per digit")
print(f"independent pixels  {independent.mean():8.2f}")
print(
    f"BinaryRBM           {rbm.score(X_test):8.2f}   "
    f"(log Z = {rbm.log_partition_:.2f} +- {rbm.log_partition_std_:.2f})"
)

# %%
# New digits, and hidden halves
# -----------------------------
# ``sample`` draws new digits. ``impute`` draws what is missing, here the lower half of
# held-out digits, given what is seen.
covered = binary[:40].astype(float)
covered[:, 32:] = np.nan
panels = {
    "Digits of the data set": binary[:40].astype(float),
    "New digits: sample": rbm.sample(40, random_state=0),
    "Lower halves hidden": np.nan_to_num(covered, nan=0.3),
    "Filled in: impute": rbm.impute(covered, random_state=0),
}

figure, grid = plt.subplots(2, 2, figsize=(7, 4.7), layout="constrained")
for axes, (title, rows) in zip(grid.flat, panels.items(), strict=True):
    SampleDisplay(samples=rows, image_shape=(8, 8)).plot(axes, cmap="gray_r")
    axes.set_title(title)
figure.savefig("quickstart.png", dpi=120)
plt.show()
