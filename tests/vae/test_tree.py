"""Chow-Liu trees against sums over all rows and all trees."""

import itertools

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgen import VariationalAutoencoder
from skgen.vae.likelihoods import ChowLiu
from skgen.vae.likelihoods.tree import chow_liu_tree

N = 5
ROWS = torch.tensor(list(itertools.product([0.0, 1.0], repeat=N))).double()
GENERATOR = torch.Generator().manual_seed(0)
OUTPUTS = torch.randn(3, 2 * N, generator=GENERATOR, dtype=torch.float64)
OBSERVED = torch.tensor([[1, 0, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 1]]).bool()
X = ROWS[[11, 21, 30]]


def likelihood(parents=(1, 1, 1, 2, 2)):
    built = ChowLiu().build(N).double()
    built.parents.copy_(torch.tensor(parents))
    return built


TREES = [(1, 1, 1, 2, 2), (0, 0, 1, 2, 3), (4, 4, 4, 4, 4)]


@pytest.mark.parametrize("parents", TREES)
def test_probabilities_of_all_rows(parents):
    tree = likelihood(parents)
    p = torch.exp(tree.log_prob(OUTPUTS[:, None], ROWS))
    assert_allclose(p.sum(dim=1), 1)
    assert_allclose(tree.mean(OUTPUTS), p @ ROWS)
    # the definition, row by row
    for outputs, row in zip(OUTPUTS, X):
        log_p = 0
        for i, parent in enumerate(parents):
            logit = outputs[i + N * int(parent != i and row[parent])]
            log_p += torch.nn.functional.logsigmoid(logit if row[i] else -logit)
        assert_allclose(tree.log_prob(outputs, row), log_p)


@pytest.mark.parametrize("parents", TREES)
def test_marginals_and_conditionals(parents):
    tree = likelihood(parents)
    filled = X.where(OBSERVED, 7)  # what is missing does not matter
    log_p = tree.observed_log_prob(OUTPUTS, filled, OBSERVED)
    means = tree.conditional_mean(OUTPUTS, filled, OBSERVED)
    draws = tree.conditional_sample(
        OUTPUTS.expand(20_000, -1, -1), filled, OBSERVED, GENERATOR
    )
    for n, (outputs, row, known) in enumerate(zip(OUTPUTS, X, OBSERVED)):
        rows = ROWS[(row == ROWS)[:, known].all(dim=1)]
        p = tree.log_prob(outputs, rows).exp()
        assert_allclose(log_p[n], p.sum().log())
        assert_allclose(means[n], p @ rows / p.sum())
        error = (means[n] * (1 - means[n]) / 20_000).sqrt()
        assert torch.all((draws[:, n].mean(0) - means[n]).abs() <= 4.5 * error)
        pair = (draws[:, n, 0] * draws[:, n, 4]).mean()
        expected = p @ (rows[:, 0] * rows[:, 4]) / p.sum()
        assert abs(pair - expected) <= 4.5 * (0.25 / 20_000) ** 0.5


def test_draws_are_rows_of_the_distribution():
    tree = likelihood()
    draws = tree.sample(OUTPUTS[:1].expand(50_000, -1), GENERATOR)
    p = tree.log_prob(OUTPUTS[0], ROWS).exp()
    codes = (draws @ 2.0 ** torch.arange(N - 1, -1, -1).double()).long()
    shares = torch.bincount(codes, minlength=2**N) / 50_000
    assert torch.all((shares - p).abs() < 4.5 * (p / 50_000).sqrt() + 1e-4)


def test_slopes():
    tree, outputs = likelihood(), OUTPUTS.clone().requires_grad_()
    function = tree.observed_log_prob
    assert torch.autograd.gradcheck(lambda o: function(o, X, OBSERVED), outputs)
    (slope,) = torch.autograd.grad(tree.surrogate(outputs, X).sum(), outputs)
    (expected,) = torch.autograd.grad(tree.log_prob(outputs, X).sum(), outputs)
    assert_allclose(slope, expected)


def trees():
    """The parents of all trees of four columns; the root is its own."""
    for edges in itertools.combinations(itertools.combinations(range(4), 2), 3):
        near, parents = {0}, {0: 0}
        for _ in range(3):
            for edge in edges:
                for a, b in (edge, edge[::-1]):
                    if a in near and b not in near:
                        near.add(b)
                        parents[b] = a
        if len(near) == 4:
            yield [parents[i] for i in range(4)]


def smoothed_likelihood(X, parents):
    """The likelihood of the tree, with half a count in each cell of a pair."""
    total = 0.0
    for child, parent in enumerate(parents):
        for a, b in itertools.product((0, 1), repeat=2):
            if parent == child:
                count, given = np.sum(X[:, child] == a) + 1, len(X) + 2
            else:
                count = np.sum((X[:, child] == a) & (X[:, parent] == b)) + 0.5
                given = np.sum(X[:, parent] == b) + 1
            weight = count / 2 if parent == child else count
            total += weight * np.log(count / given)
    return total


def test_the_tree_is_the_likeliest_of_all():
    rng = np.random.default_rng(0)
    for _ in range(10):
        hidden = rng.random((200, 1)) < 0.5
        X = (hidden ^ (rng.random((200, 4)) < rng.random(4))).astype(np.uint8)
        parents = chow_liu_tree(X).parents
        all_trees = list(trees())
        assert len(all_trees) == 16
        best = max(smoothed_likelihood(X, tree) for tree in all_trees)
        assert_allclose(smoothed_likelihood(X, parents), best, rtol=1e-6)


def test_training_starts_at_the_tree():
    rng = np.random.default_rng(0)
    X = (rng.random((300, 1)) < rng.random((300, 4))).astype(float)
    tree = ChowLiu().build(4)
    tree.prepare(X)
    logits = tree.start(torch.zeros(4), torch.ones(4))[1]
    p = tree.mean(logits[None])[0]
    assert_allclose(p, X.mean(axis=0), atol=0.01)


def test_pairs_with_gaps_count_where_both_are_observed():
    rng = np.random.default_rng(0)
    X = (rng.random((300, 1)) < rng.random((300, 4))).astype(float)
    whole = X.astype(np.uint8)
    for one, other in zip(chow_liu_tree(whole), chow_liu_tree(sparse.csr_array(whole))):
        assert_array_equal(one, other)
    X[:40, 2] = np.nan
    _, parents, logits = chow_liu_tree(X)
    child = int(np.flatnonzero(parents != np.arange(4))[0])
    pair = X[:, [parents[child], child]]
    pair = pair[~np.isnan(pair).any(axis=1)]
    for value in (0, 1):
        column = pair[pair[:, 0] == value, 1]
        odds = (column.sum() + 0.5) / ((1 - column).sum() + 0.5)
        assert_allclose(logits[value, child], np.log(odds), rtol=1e-6)


def repeated_pairs(n, rng):
    """Six columns: three, each beside a copy that differs in a tenth of the rows."""
    first = rng.random((n, 3)) < 0.5
    return np.hstack([first, first ^ (rng.random((n, 3)) < 0.1)]).astype(np.uint8)


@pytest.mark.parametrize("gaps", [False, True])
def test_columns_that_follow_each_other(gaps):
    rng = np.random.default_rng(0)
    X, test = repeated_pairs(1000, rng), repeated_pairs(1000, rng)
    if gaps:
        X = np.where(rng.random(X.shape) < 0.2, np.nan, X)
    vae = VariationalAutoencoder(
        1, likelihood="chow_liu", max_iter=10, random_state=0
    ).fit(X)
    assert vae.decoder_ is not None
    exact = 3 * (np.log(0.5) + 0.1 * np.log(0.1) + 0.9 * np.log(0.9))
    scores = vae.score_samples(test)
    error = scores.std() / len(scores) ** 0.5
    assert exact - 0.1 - 4.5 * error < scores.mean() < exact + 4.5 * error
    filled = vae.impute(np.where([[1, 1, 1, 0, 0, 0]], test, np.nan), return_mean=True)
    assert_allclose(filled[:, 3:], 0.1 + 0.8 * test[:, :3], atol=0.1)


def test_a_single_column():
    vae = VariationalAutoencoder(1, likelihood="chow_liu", max_iter=2, random_state=0)
    vae.fit([[0], [1], [1], [1]])
    assert vae.sample(3).shape == (3, 1)
