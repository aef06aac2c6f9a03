"""Every formula of the theory against brute-force summation over all states."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgen.rbm import energy


def pairs(brute_force):
    """All joint configurations as two aligned arrays, and their shape as a table."""
    n_x, n_h = brute_force.joint.shape
    X = np.repeat(brute_force.X, n_h, axis=0)
    H = np.tile(brute_force.H, (n_x, 1))
    return X, H, (n_x, n_h)


def test_energy_and_joint(parameters, brute_force):
    X, H, shape = pairs(brute_force)
    energies = energy.energy(parameters, X, H).reshape(shape)
    assert_allclose(energies, brute_force.energy, atol=1e-12)
    joint = np.exp(-energies - brute_force.log_partition)
    assert_allclose(joint, brute_force.joint, rtol=1e-12)


def test_both_marginals(parameters, brute_force):
    log_z = brute_force.log_partition
    visible = np.exp(-energy.free_energy(parameters, brute_force.X) - log_z)
    assert_allclose(visible, brute_force.visible, rtol=1e-12)
    hidden = np.exp(-energy.hidden_free_energy(parameters, brute_force.H) - log_z)
    assert_allclose(hidden, brute_force.hidden, rtol=1e-12)


def test_both_conditionals_of_single_units(parameters, brute_force):
    hidden = energy.hidden_probability(parameters, brute_force.X)
    assert_allclose(hidden, brute_force.hidden_given_visible @ brute_force.H)
    visible = energy.visible_probability(parameters, brute_force.H)
    assert_allclose(visible, brute_force.visible_given_hidden.T @ brute_force.X)


def test_both_conditionals_of_whole_layers(parameters, brute_force):
    X, H, shape = pairs(brute_force)
    hidden = np.exp(energy.log_conditional_hidden(parameters, H, X)).reshape(shape)
    assert_allclose(hidden, brute_force.hidden_given_visible, rtol=1e-10)
    visible = np.exp(energy.log_conditional_visible(parameters, X, H)).reshape(shape)
    assert_allclose(visible, brute_force.visible_given_hidden, rtol=1e-10)


def test_bayes_theorem(parameters, brute_force):
    X, H, _ = pairs(brute_force)
    log_z = brute_force.log_partition
    left = energy.log_conditional_hidden(parameters, H, X)
    right = (
        energy.log_conditional_visible(parameters, X, H)
        + (-energy.hidden_free_energy(parameters, H) - log_z)
        - (-energy.free_energy(parameters, X) - log_z)
    )
    assert_allclose(left, right, atol=1e-10)


def test_pseudo_log_likelihood(parameters, brute_force):
    log_p = np.log(brute_force.visible)
    index = {tuple(x): i for i, x in enumerate(brute_force.X)}
    expected = np.zeros(len(log_p))
    for row, x in enumerate(brute_force.X):
        for i in range(x.size):
            flipped = x.copy()
            flipped[i] = 1 - flipped[i]
            other = log_p[index[tuple(flipped)]]
            expected[row] += log_p[row] - np.logaddexp(log_p[row], other)
    computed = energy.pseudo_log_likelihood(parameters, brute_force.X)
    assert_allclose(computed, expected, atol=1e-10)


@pytest.mark.parametrize("dtype, rtol", [(np.float32, 1e-6), (np.float64, 1e-14)])
def test_softplus_sum_at_extremes(dtype, rtol):
    x = np.array([[-1e4, -50, -1e-3, 0, 1e-3, 50, 1e4] * 40], dtype=dtype)
    expected = np.logaddexp(0, x.astype(np.float64)).sum(axis=1)
    assert_allclose(energy.softplus_sum(x), expected, rtol=rtol)


def test_logistic_float32_is_accurate_and_silent():
    x = np.linspace(-200, 200, 4001)
    computed = energy.logistic(x.astype(np.float32))
    expected = 1 / (1 + np.exp(-x))
    assert_allclose(computed, expected, rtol=1e-5, atol=1e-38)
