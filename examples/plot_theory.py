"""
============================
The theory, computed twice
============================

This example checks every formula behind the two models, on models so small that exact
values can be computed. The left column is computed by the library, the right column by
brute force (sums over all states in plain NumPy) or by a closed form. The picture shows
how four ways of training an RBM change the exact likelihood.
"""

# %%
# A restricted Boltzmann machine with 6 visible and 4 hidden units
# ----------------------------------------------------------------
# The features of the training rows are far from independent. After the fit, all 64 x 16
# configurations are listed, with f(x, h) = exp(a.x + b.h + x'Wh). The tables show the
# value of the last configuration, all ones, and the largest difference over all.
import itertools

import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import quad
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

from skgen import BinaryRBM, VariationalAutoencoder
from skgen.divergences import gaussian_kl_divergence, kl_divergence
from skgen.rbm.energy import (
    RBMParameters,
    log_conditional_hidden,
    log_conditional_visible,
)
from skgen.rbm.gradients import log_likelihood_gradient

rng = np.random.default_rng(0)
left = rng.random((200, 3)) < 0.3
data = np.hstack([left, left ^ (rng.random((200, 3)) < 0.1)]).astype(float)
rbm = BinaryRBM(4, max_iter=200, weight_decay=0.0, random_state=0).fit(data)

W, a, b = rbm.components_.T, rbm.intercept_visible_, rbm.intercept_hidden_
all_x = np.array(list(itertools.product([0.0, 1.0], repeat=6)))
all_h = np.array(list(itertools.product([0.0, 1.0], repeat=4)))
f = np.exp((all_x @ a)[:, None] + all_h @ b + all_x @ W @ all_h.T)
Z = f.sum()
P_xh = f / Z
P_x, P_h = P_xh.sum(axis=1), P_xh.sum(axis=0)
P_h_given_x, P_x_given_h = P_xh / P_x[:, None], P_xh / P_h


def heading(title, columns=("library", "brute force", "largest diff.")):
    print(f"\n{title:46}", *(f"{column:>13}" for column in columns))


def compare(formula, library, other):
    """Print the last value of both sides and the largest difference over all."""
    library, other = np.broadcast_arrays(library, other)
    difference = np.abs(library - other).max()
    last = library.flat[-1], other.flat[-1]
    print(f"{formula:46} {last[0]:13.6f} {last[1]:13.6f} {difference:13.1e}")


# %%
# The joint distribution, the partition function and both marginal distributions, nats.
pairs_x, pairs_h = np.repeat(all_x, 16, axis=0), np.tile(all_h, (64, 1))
heading("RBM, log-probabilities in nats")
compare("E(x, h)", rbm.energy(pairs_x, pairs_h), -np.log(f).ravel())
compare("log Z", rbm.log_partition_, np.log(Z))
compare("log P(x, h)", rbm.log_joint(pairs_x, pairs_h), np.log(P_xh).ravel())
compare("F(x) = -log sum_h f(x, h)", rbm.free_energy(all_x), -np.log(f.sum(axis=1)))
compare("log P(x) = -F(x) - log Z", rbm.score_samples(all_x), np.log(P_x))
compare("log P(h)", rbm.score_hidden_samples(all_h), np.log(P_h))
compare("sum_x P(x)", np.exp(rbm.score_samples(all_x)).sum(), 1)

# %%
# The joint distribution is a table. Its sums over rows and columns are the marginals.
figure, axes = plt.subplot_mosaic(
    [[".", "x"], ["h", "joint"]],
    width_ratios=(1, 5),
    height_ratios=(1, 2),
    figsize=(8, 3.6),
    layout="constrained",
)
axes["joint"].imshow(P_xh.T, aspect="auto", cmap="Blues")
axes["joint"].set(xlabel="x, 64 configurations", yticks=[], title="P(x, h)")
axes["x"].bar(np.arange(64), P_x)
axes["x"].set(title="P(x)", xlim=(-0.5, 63.5), xticks=[])
axes["h"].barh(np.arange(16), P_h)
axes["h"].set(title="P(h)", ylim=(15.5, -0.5), ylabel="h, 16 configurations")
axes["h"].invert_xaxis()
plt.show()

# %%
# Both conditionals, for single units and whole layers, and Bayes' theorem, which
# connects them.
parameters = RBMParameters(W, a, b)
log_h_given_x = log_conditional_hidden(parameters, pairs_h, pairs_x)
log_x_given_h = log_conditional_visible(parameters, pairs_x, pairs_h)
heading("RBM, conditionals")
compare(
    "P(h_j = 1 | x) = sigmoid(b_j + x'W_:j)", rbm.transform(all_x), P_h_given_x @ all_h
)
compare(
    "P(x_i = 1 | h) = sigmoid(a_i + W_i:'h)",
    rbm.inverse_transform(all_h),
    P_x_given_h.T @ all_x,
)
compare(
    "log P(h | x) = sum_j log P(h_j | x)", log_h_given_x, np.log(P_h_given_x).ravel()
)
compare(
    "log P(x | h) = sum_i log P(x_i | h)", log_x_given_h, np.log(P_x_given_h).ravel()
)
bayes = log_x_given_h + rbm.score_hidden_samples(pairs_h) - rbm.score_samples(pairs_x)
compare("log P(h | x) = log P(x | h) P(h) / P(x)", bayes, np.log(P_h_given_x).ravel())

# %%
# The gradient of the log-likelihood, positive phase minus negative phase, against
# finite differences of the brute-force likelihood.


def log_likelihood(W, a, b):
    """Mean log P(x) of the data, by enumeration."""

    def log_f(x):
        return logsumexp((x @ a)[:, None] + all_h @ b + x @ W @ all_h.T, axis=1)

    return log_f(data).mean() - logsumexp(log_f(all_x))


def finite_differences(name, step=1e-5):
    value = getattr(parameters, name)
    slopes = np.empty_like(value)
    for index in np.ndindex(value.shape):
        up, down = value.copy(), value.copy()
        up[index] += step
        down[index] -= step
        slopes[index] = (
            log_likelihood(*parameters._replace(**{name: up}))
            - log_likelihood(*parameters._replace(**{name: down}))
        ) / (2 * step)
    return slopes


# halved parameters: at the maximum the gradient would be almost 0
parameters = RBMParameters(0.5 * W, 0.5 * a, 0.5 * b)
gradient = log_likelihood_gradient(parameters, data)
heading("RBM, gradient", ("library", "finite diff.", "largest diff."))
compare(
    "d log P / dW = <x h'>_data - <x h'>_model",
    gradient[0],
    finite_differences("weights"),
)
compare(
    "d log P / da = <x>_data - <x>_model",
    gradient[1],
    finite_differences("visible_bias"),
)
compare(
    "d log P / db = <h>_data - <h>_model",
    gradient[2],
    finite_differences("hidden_bias"),
)

# %%
# Divergences
# -----------
# KL[data || model] = -H - mean log P(x), where H is the entropy of the data. No
# parameter changes H, so minimising the divergence maximises the likelihood.
numbers = (data @ 2 ** np.arange(6)[::-1]).astype(int)
p_data = np.bincount(numbers, minlength=64) / len(data)
seen = p_data > 0
entropy = -np.sum(p_data[seen] * np.log(p_data[seen]))
kl = kl_divergence(p_data, np.exp(rbm.score_samples(all_x)))
heading("Divergences, nats")
compare("KL[data || RBM]", kl, np.sum(p_data[seen] * np.log(p_data[seen] / P_x[seen])))
compare("KL[data || RBM] + H = -mean log P(x)", kl + entropy, -rbm.score(data))
compare("KL[p || p]", kl_divergence(P_x, P_x), 0)
compare(
    "0 log 0 = 0: KL[(0, 1) || (1/2, 1/2)]",
    kl_divergence([0, 1], [0.5, 0.5]),
    np.log(2),
)


def integrand(x):
    return norm.pdf(x, 1, 0.5) * (norm.logpdf(x, 1, 0.5) - norm.logpdf(x, 0, 2))


integral, _ = quad(integrand, -5, 7)
compare(
    "KL[N(1, 0.5^2) || N(0, 2^2)], integral",
    gaussian_kl_divergence(1, 0.5, 0, 2),
    integral,
)

# %%
# A variational autoencoder with a closed form
# --------------------------------------------
# Without hidden layers the decoder is linear, p(x | h) = N(x | c + V h, s^2 I). So
# p(x) = N(c, V V' + s^2 I), and the posterior is the Gaussian with precision
# M = I + V'V / s^2. ``beta=3`` keeps the encoder away from the posterior. Without it
# the gap between the bound and the likelihood would be almost 0.
n_draws, variance = 20_000, 0.25
loadings = rng.normal(size=(2, 5))
X = rng.normal(size=(500, 2)) @ loadings + 0.5 * rng.normal(size=(500, 5))
vae = VariationalAutoencoder(
    2,
    hidden_layer_sizes=(),
    noise_variance=variance,
    beta=3,
    max_iter=30,
    n_score_samples=n_draws,
    batch_size=50,
    random_state=0,
).fit(X)
X = X[:5]

c = vae.inverse_transform(np.zeros((1, 2)))[0]
V = (vae.inverse_transform(np.eye(2)) - c).T
log_p = multivariate_normal(c, V @ V.T + variance * np.eye(5)).logpdf(X)
M = np.eye(2) + V.T @ V / variance
posterior_mean = (X - c) @ V @ np.linalg.inv(M) / variance
q_mean, q_std = vae.posterior(X)

# KL[q(h | x) || p(h | x)] of Gaussians with covariances diag(q_std^2) and M^-1
gap = posterior_mean - q_mean
kl_posterior = 0.5 * (
    q_std**2 @ np.diag(M)
    + np.einsum("ij,jk,ik->i", gap, M, gap)
    - 2
    - np.linalg.slogdet(M)[1]
    - 2 * np.log(q_std).sum(axis=1)
)
# E_q[log N(x | c + V h, s^2 I)]
distance = ((X - c - q_mean @ V.T) ** 2).sum(axis=1) + q_std**2 @ (V**2).sum(axis=0)
expected = -0.5 * (distance / variance + 5 * np.log(2 * np.pi * variance))

# standard errors, in nats, of sampling with n_draws draws
H = q_mean + q_std * rng.normal(size=(n_draws, 1, 2))
log_x_given_h = norm.logpdf(X, c + H @ V.T, np.sqrt(variance)).sum(axis=2)
log_ratio = (norm.logpdf(H) - norm.logpdf(H, q_mean, q_std)).sum(axis=2)
relative_weights = np.exp(log_x_given_h + log_ratio - log_p)
errors = [
    v.std(axis=0).max() / np.sqrt(n_draws) for v in (log_x_given_h, relative_weights)
]

elbo, reconstruction, kl = vae.elbo(X, return_terms=True)
likelihood = vae.score_samples(X)
heading("VAE, five rows, nats", ("library", "closed form", "largest diff."))
compare("KL[q(h | x) || p(h)]", kl, gaussian_kl_divergence(q_mean, q_std))
compare("E_q[log p(x | h)], sampled", reconstruction, expected)
compare("ELBO = E_q[log p(x | h)] - KL, sampled", elbo, log_p - kl_posterior)
compare("the same, both sides in closed form", expected - kl, log_p - kl_posterior)
compare("log p(x), sampled with importance weights", likelihood, log_p)
compare("log p(x) - ELBO = KL[q || p(h | x)]", likelihood - elbo, kl_posterior)
print("standard errors of sampling: {:.3f} of E_q, {:.3f} of log p(x)".format(*errors))

# %%
# Two ways to sample log p(x): the direct approach draws h from the prior, importance
# sampling from a distribution that starts at the encoder's mean and is fitted to the
# posterior. For a linear model the fit is exact. Each is repeated 50 times with 1,000
# draws; the error is the standard error of the mean over the repetitions.
print("\nlog p(x) of a row, nats    exact    direct approach    importance sampling")
estimates = {
    proposal: np.array(
        [
            vae.log_likelihood(X, n_samples=1000, proposal=proposal, random_state=seed)
            for seed in range(50)
        ]
    )
    for proposal in ("prior", "encoder")
}
for i, exact in enumerate(log_p):
    cells = []
    for values in estimates.values():
        p = np.exp(values[:, i])  # the estimate is unbiased for p(x), not log p(x)
        error = p.std(ddof=1) / np.sqrt(50) / p.mean()
        cells.append(f"{np.log(p.mean()):9.3f} +- {error:.3f}")
    print(f"{i:22}  {exact:9.3f} {cells[0]:>18} {cells[1]:>22}")

# %%
# More draws give a tighter bound: the mean logarithm of k averaged weights rises to
# log p(x). Here the draws come from the prior.
print("\nMean over the five rows, nats")
print(f"ELBO, closed form            {np.mean(log_p - kl_posterior):9.3f}")
iwae = {}
for k, n_repetitions in ((1, 400), (5, 400), (50, 100), (500, 50)):
    bounds = [
        vae.log_likelihood(X, n_samples=k, proposal="prior", random_state=seed).mean()
        for seed in range(n_repetitions)
    ]
    error = np.std(bounds, ddof=1) / np.sqrt(n_repetitions)
    iwae[k] = np.mean(bounds), error
    print(f"IWAE, k = {k:<3}                {np.mean(bounds):9.3f} +- {error:.3f}")
print(f"log p(x), closed form        {log_p.mean():9.3f}")

figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
bounds, errors = np.transpose(list(iwae.values()))
axes.errorbar(
    list(iwae), bounds, errors, marker="o", label="bound, k draws of the prior"
)
axes.axhline(log_p.mean(), color="black", label="log p(x)")
axes.axhline(np.mean(log_p - kl_posterior), color="C1", linestyle="--", label="ELBO")
axes.set(xscale="log", xlabel="k", ylabel="nats", title="More draws, a tighter bound")
axes.grid(alpha=0.3)
axes.legend(loc="lower right")
plt.show()

# %%
# Four ways to the gradient
# -------------------------
# Bars and stripes are the 14 images of 3 x 3 pixels in which every row, or every
# column, has one colour. All are equally likely, so no model has a mean log-likelihood
# above minus their entropy, -log 14 nats. Every RBM has 9 hidden units, the same step
# size and an exact score after each epoch. Only the negative phase differs.
patterns = np.array(list(itertools.product([0, 1], repeat=3)))
stripes, bars = np.repeat(patterns, 3, axis=1), np.tile(patterns, 3)
images = np.unique(np.vstack([stripes, bars]), axis=0)
limit = -np.log(len(images))
rows = np.tile(images, (10, 1))

phases = {
    "exact gradient": "exact",
    "parallel tempering": "tempered",
    "contrastive divergence (CD-1)": "cd",
    "persistent chains (PCD)": "pcd",
}
curves = {
    name: np.array(
        [
            BinaryRBM(
                9,
                negative_phase=phase,
                learning_rate=0.8,
                learning_rate_schedule="constant",
                weight_decay=0.0,
                averaging=0.99,
                batch_size=35,
                max_iter=300,
                random_state=seed,
            )
            .fit(rows)
            .history_.train_log_likelihood
            for seed in range(3)
        ]
    )
    for name, phase in phases.items()
}
print("\nBars and stripes: exact log-likelihood, nats per image")
print("                                   best epoch     last epoch (3 runs)")
for name, runs in curves.items():
    best, last = runs.max(axis=1).mean(), runs[:, -1]
    error = last.std(ddof=1) / np.sqrt(len(last))
    print(f"{name:32} {best:12.3f}   {last.mean():12.3f} +- {error:.3f}")
print(f"{'upper limit, -log 14':32} {limit:12.3f}   {limit:12.3f}")

# %%
# The exact gradient comes as near to the limit as the number of epochs allows, and
# chains at several temperatures keep up with it. The gradient of contrastive
# divergence, one Gibbs step from the data, is biased. Persistent chains do as well as
# the exact gradient at first. Once the weights are large, a Gibbs chain no longer moves
# from image to image, and the likelihood falls. A decreasing step size, the default,
# softens this but does not cure it.
figure = plt.figure(figsize=(7, 4.5), layout="constrained")
axes = figure.subplots()
styles = zip(("#000000", "#009E73", "#0072B2", "#D55E00"), ("-", "--", "-", "-"))
for (name, runs), (color, line) in zip(curves.items(), styles, strict=True):
    epochs = np.arange(1, runs.shape[1] + 1)
    axes.plot(epochs, runs.mean(axis=0), line, color=color, label=name)
    axes.fill_between(
        epochs, runs.min(axis=0), runs.max(axis=0), color=color, alpha=0.15, linewidth=0
    )
axes.axhline(limit, color="0.4", linestyle=":", label="upper limit, -log 14")
axes.set(
    xlabel="epochs",
    ylabel="exact log-likelihood, nats per image",
    title="Bars and stripes: mean and range of three runs",
    xlim=(0, 300),
)
axes.grid(alpha=0.3)
axes.legend(loc="lower right")
plt.show()
