"""
=================================================
Features for a classifier that sees few labels
=================================================

There are many images but few labels. An RBM learns features from all training images
without their labels; a logistic regression on these features sees only a few labels.
The example compares it with the same classifier on the grey levels and on principal
components.
"""

# %%
# The experiment
# --------------
# Grey levels in [0, 1] are probabilities of a black pixel: the RBM draws new binary
# images from them in every epoch. ``FrozenEstimator`` keeps the features that were
# learned from all images while the classifier after them is fitted again. Each of four
# repetitions has a new held-out quarter, a new RBM, and three new sets of labelled
# images for each number of labels.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skgen import BinaryRBM

X, y = load_digits(return_X_y=True)
X /= 16
sizes = [10, 20, 50, 100, 200, 500]
features = {
    "grey levels": FunctionTransformer(),
    "PCA, 64 to 30": PCA(30),
    "BinaryRBM, 64 units": BinaryRBM(64, binarize="sample", max_iter=50),
}


def learning_curve(transformer, X_train, X_test, y_train, y_test, seed):
    """Held-out accuracy for each number of labels, the mean over three draws."""
    if "random_state" in transformer.get_params():
        transformer.set_params(random_state=seed)
    frozen = FrozenEstimator(transformer.fit(X_train))
    pipeline = make_pipeline(frozen, LogisticRegression(max_iter=1000))
    curve = []
    for size in sizes:
        draws = StratifiedShuffleSplit(3, train_size=size, random_state=seed)
        accuracies = [
            pipeline.fit(X_train[rows], y_train[rows]).score(X_test, y_test)
            for rows, _ in draws.split(X_train, y_train)
        ]
        curve.append(np.mean(accuracies))
    return curve


curves = {name: [] for name in features}
for seed in range(4):
    split = train_test_split(X, y, test_size=0.25, stratify=y, random_state=seed)
    for name, transformer in features.items():
        curves[name].append(learning_curve(transformer, *split, seed))

# %%
# Accuracy against the number of labels
# -------------------------------------
# The last rows are differences from the grey levels, taken within each repetition.


def mean_and_error(values):
    values = np.asarray(values)
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))


def row(name, values, sign=""):
    cells = (f"{m:{sign}.3f} +- {s:.3f}" for m, s in zip(*mean_and_error(values)))
    print(f"{name:20}", *cells)


print("Accuracy on held-out digits, mean +- standard error over 4 repetitions")
print(f"{'number of labels':20}", *(f"{size:9}    " for size in sizes))
for name, curve in curves.items():
    row(name, curve)
print("\nDifference from the grey levels")
for name in list(features)[1:]:
    row(name, np.subtract(curves[name], curves["grey levels"]), sign="+")

# %%
figure = plt.figure(figsize=(7, 4.5), layout="constrained")
axes = figure.subplots()
styles = zip(("#000000", "#E69F00", "#0072B2"), ("s--", "^-.", "o-"), strict=True)
for (name, curve), (color, style) in zip(curves.items(), styles, strict=True):
    mean, error = mean_and_error(curve)
    axes.errorbar(sizes, mean, error, fmt=style, color=color, capsize=3, label=name)
axes.set(
    xscale="log",
    xticks=sizes,
    xticklabels=sizes,
    xlabel="labelled images, of 1,347",
    ylabel="accuracy on held-out digits",
    title="Logistic regression, features learned without labels",
)
axes.minorticks_off()
axes.grid(alpha=0.3)
axes.legend(loc="lower right")
plt.show()
