"""
===================================================
The number of hidden units, by held-out likelihood
===================================================

How many hidden units does an RBM need? ``GridSearchCV`` answers this as for any
density: ``score`` is the mean log-likelihood, so `scoring` need not be given. On a
small set of 200 digits the picture shows the size beyond which more units only learn
the training digits by heart.
"""

# %%
# The search
# ----------
# There are 200 binary digits and four folds, and training is long. Up to 20 hidden
# units the partition function is enumerated; for more it is estimated during ``fit``.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, KFold, train_test_split

from skgen import BinaryRBM

X = (load_digits().data > 8).astype(np.uint8)
X, _ = train_test_split(X, train_size=200, random_state=0)
search = GridSearchCV(
    BinaryRBM(learning_rate=0.5, max_iter=100, random_state=0),
    {"n_components": [8, 16, 32, 64, 128]},
    cv=KFold(4, shuffle=True, random_state=0),
    return_train_score=True,
).fit(X)

# %%
# Log-likelihoods
# ---------------
# The standard error is over the folds. All sizes have the same folds, so the difference
# to the best size is taken fold by fold.
results = search.cv_results_
sizes = np.asarray(results["param_n_components"], dtype=int)
train, test = (
    np.array([results[f"split{fold}_{part}_score"] for fold in range(4)])
    for part in ("train", "test")
)
difference = test - test[:, [search.best_index_]]


def error(scores):
    return scores.std(axis=0, ddof=1) / np.sqrt(len(scores))


print("Log-likelihood, nats per digit, mean +- standard error over 4 folds")
print("hidden units  training          held out          held out, less the best")
for i, size in enumerate(sizes):
    print(
        f"{size:12}",
        *(
            f"{scores.mean(axis=0)[i]:8.2f} +- {error(scores)[i]:.2f} "
            for scores in (train, test, difference)
        ),
    )
print(f"\nBest: {search.best_params_['n_components']} hidden units")

# %%
figure = plt.figure(figsize=(7, 4.5), layout="constrained")
axes = figure.subplots()
for scores, name, color, style in (
    (train, "training digits", "#E69F00", "^--"),
    (test, "held-out digits", "#0072B2", "o-"),
):
    axes.errorbar(
        sizes,
        scores.mean(axis=0),
        error(scores),
        fmt=style,
        color=color,
        capsize=3,
        label=name,
    )
axes.axvline(sizes[search.best_index_], color="0.5", linestyle=":", label="best")
axes.set_xscale("log", base=2)
axes.set(
    xticks=sizes,
    xticklabels=sizes,
    xlabel="hidden units",
    ylabel="log-likelihood, nats per digit",
    title="BinaryRBM on 200 binary digits, 4-fold cross-validation",
)
axes.grid(alpha=0.3)
axes.legend()
plt.show()
