"""
========================================
A deep belief network is a Pipeline
========================================

Two stacked RBMs are learned layer by layer: the first models the digits, the second
models the hidden units of the first. Their pipeline computes features for a classifier,
and ``sample_from`` draws new digits from it. The
likelihood of one layer is known; for two layers only a lower bound is.
"""

# %%
# Layer by layer
# --------------
# ``Pipeline.fit`` is greedy layerwise training: it fits the first RBM, transforms the
# images with it, and fits the second RBM to the result, the probabilities P(h = 1 | x).
# ``binarize="sample"`` draws binary states from these probabilities in every epoch. For
# the first RBM it draws binary pixels from the grey levels.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skgen import BinaryRBM, sample_from
from skgen.plotting import SampleDisplay
from skgen.rbm import stacked_lower_bound

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, test_size=0.25, stratify=y, random_state=0
)
network = make_pipeline(
    BinaryRBM(64, binarize="sample", max_iter=50, random_state=0),
    BinaryRBM(128, binarize="sample", max_iter=50, random_state=1),
).fit(X_train)
first, second = network

# %%
# Features for a classifier
# -------------------------
# Each layer gives its features to the same logistic regression, which is fitted to 50
# labelled images and to all of them.
features = {
    "grey levels": FunctionTransformer(),
    "first layer": FrozenEstimator(first),
    "second layer": FrozenEstimator(network),
}
print("Accuracy on 450 held-out digits")
print("              50 labels (20 draws)   1,347 labels")
for name, transformer in features.items():
    classifier = make_pipeline(transformer, LogisticRegression(max_iter=1000))
    draws = StratifiedShuffleSplit(20, train_size=50, random_state=0)
    few = [
        classifier.fit(X_train[rows], y_train[rows]).score(X_test, y_test)
        for rows, _ in draws.split(X_train, y_train)
    ]
    every = classifier.fit(X_train, y_train).score(X_test, y_test)
    error = np.std(few, ddof=1) / np.sqrt(len(few))
    print(f"{name:13} {np.mean(few):.3f} +- {error:.3f}         {every:.3f}")

# %%
# One likelihood is known, the other is bounded
# ---------------------------------------------
# For one layer, log P(x) is exact up to the error of log Z. For two layers,
# P(x) = sum_h P1(x | h) P2(h) is a sum over 2^64 states without a closed form. As in a
# variational autoencoder, with the first layer's P1(h | x) as the encoder, the bound
#
#     log P(x) >= E[log (1/k) sum_i P1(x | h_i) P2(h_i) / P1(h_i | x)],  h_i ~ P1(h | x)
#
# is the ELBO for k = 1 and grows with k towards log P(x).
binary = (np.random.default_rng(0).random(X_test.shape) < X_test).astype(float)
one_layer = first.score_samples(binary)
elbo = np.mean(
    [
        stacked_lower_bound(network, binary, n_draws=1, random_state=n)
        for n in range(20)
    ],
    axis=0,
)
bound = stacked_lower_bound(network, binary, n_draws=200, random_state=0)

print("\nHeld-out log-likelihood, nats per digit            gain over one layer")
for name, values in {
    "one layer, exact up to log Z    ": one_layer,
    "two layers, ELBO             >= ": elbo,
    "two layers, k = 200          >= ": bound,
}.items():
    gain = values - one_layer
    error = gain.std() / np.sqrt(len(gain))
    print(f"{name} {values.mean():8.2f}          {gain.mean():+.2f} +- {error:.2f}")
print(
    f"log Z of each layer, nats: {first.log_partition_:.2f} +- "
    f"{first.log_partition_std_:.2f}, {second.log_partition_:.2f} +- "
    f"{second.log_partition_std_:.2f}"
)

# %%
# Digits as small as these leave little for a second layer to do. The first layer has
# its own P(h), fitted by likelihood. As far as the bound tells, the second layer hardly
# improves on it, and the classifier gains nothing from the second layer.
#
# New digits
# ----------
# ``sample_from`` draws states of the first hidden layer from the second RBM and returns
# P(x = 1 | h). For one layer the picture shows the same probabilities, given the hidden
# state of a sample.
one = first.sample(40, random_state=0)
H = (np.random.default_rng(0).random((40, 64)) < first.transform(one)).astype(float)
panels = {
    "Held-out digits": X_test[:40],
    "One layer: P(x | h)": first.inverse_transform(H),
    "Two layers: P(x | h)": sample_from(network, 40, random_state=0),
}

figure = plt.figure(figsize=(9, 2.3), layout="constrained")
for axes, (title, rows) in zip(figure.subplots(1, 3), panels.items(), strict=True):
    SampleDisplay(samples=rows, image_shape=(8, 8)).plot(axes, cmap="gray_r")
    axes.set_title(title)
plt.show()
