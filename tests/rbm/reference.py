"""Reference computations: all states, brute-force probabilities, a test of draws."""

import itertools

import numpy as np
from scipy.stats import chisquare


def all_states(n_units):
    return np.array(list(itertools.product([0.0, 1.0], repeat=n_units)))


def state_numbers(X):
    """Positions of the rows of X among all_states."""
    return (X @ (2 ** np.arange(X.shape[1])[::-1])).astype(int)


def p_value(X, probability):
    """Chi-squared test that X was drawn from `probability` over all_states."""
    counts = np.bincount(state_numbers(X), minlength=probability.size)
    expected = probability * len(X)
    order = np.argsort(expected)
    # the rarest states share a cell, so that every cell expects five draws or more
    n_rare = np.searchsorted(np.cumsum(expected[order]), 5) + 1
    cells = np.maximum(np.argsort(order) - n_rare + 1, 0)
    expected = np.bincount(cells, expected)
    expected *= len(X) / expected.sum()
    return chisquare(np.bincount(cells, counts), expected).pvalue


class BruteForce:
    """Every probability of a model from its energy alone, by summing over all states.

    ``joint[i, j]`` is the probability of visible state i with hidden state j.
    """

    def __init__(self, parameters):
        W, a, b = parameters
        self.X, self.H = all_states(a.size), all_states(b.size)
        self.energy = np.array(
            [[-(a @ x + b @ h + x @ W @ h) for h in self.H] for x in self.X]
        )
        self.log_partition = np.log(np.exp(-self.energy).sum())
        self.joint = np.exp(-self.energy - self.log_partition)
        self.visible = self.joint.sum(axis=1)
        self.hidden = self.joint.sum(axis=0)
        self.hidden_given_visible = self.joint / self.visible[:, None]
        self.visible_given_hidden = self.joint / self.hidden
