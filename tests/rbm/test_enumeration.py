import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp

from skgen.rbm import enumeration
from skgen.rbm.energy import RBMParameters, hidden_free_energy
from skgen.rbm.partition import exact_log_partition
from skgen.rbm.samplers import exact_samples


def random_model(n_visible, n_hidden, scale, seed=1):
    rng = np.random.default_rng(seed)
    return RBMParameters(
        rng.normal(0, scale, (n_visible, n_hidden)),
        rng.normal(0, scale, n_visible),
        rng.normal(0, scale, n_hidden),
    )


def test_partition_function(parameters, brute_force):
    assert_allclose(exact_log_partition(parameters).value, brute_force.log_partition)
    turned = exact_log_partition(parameters.transposed())
    assert_allclose(turned.value, brute_force.log_partition)


# more units than a block of low units; inputs that leave no room for a product of
# factors before the logarithm; inputs whose exponential overflows
@pytest.mark.parametrize("scale", [0.1, 3.0, 30.0, 300.0])
@pytest.mark.parametrize("n_hidden", [1, 6, 7, 8, 11])
def test_weights_of_all_states(n_hidden, scale):
    parameters = random_model(23, n_hidden, scale)
    H = enumeration.states(np.arange(2**n_hidden), n_hidden).astype(float)
    assert len(np.unique(H, axis=0)) == 2**n_hidden
    expected = -hidden_free_energy(parameters, H)
    computed = enumeration.log_state_weights(parameters)
    assert_allclose(computed, expected, rtol=1e-12, atol=1e-10)


def test_limit_is_named():
    parameters = random_model(30, 26, 1.0)
    with pytest.raises(
        ValueError, match=r"limited to 25 units, got 30 features and 26"
    ):
        exact_log_partition(parameters)
    with pytest.raises(ValueError, match=r"limited to 20 units, got 30 features"):
        exact_samples(parameters, 1, np.random.default_rng(0))


def test_many_blocks_of_states_are_never_held_at_once():
    """21 units: 2^21 weights would be 17 MB, a block has 1 kB."""
    parameters = random_model(21, 21, 0.0)._replace(hidden_bias=np.linspace(-2, 2, 21))
    tracemalloc.start()
    value = exact_log_partition(parameters).value
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    expected = np.logaddexp(0, parameters.hidden_bias).sum() + 21 * np.log(2)
    assert_allclose(value, expected)
    assert peak < 2_000_000


def test_the_smaller_layer_is_enumerated():
    small, turned = enumeration.smaller_layer_last(random_model(3, 30, 1.0))
    assert turned and small.weights.shape == (30, 3)


def test_independent_units_have_a_closed_form():
    a, b = np.array([1.0, -2.0, 0.5]), np.array([0.3, -0.7])
    parameters = RBMParameters(np.zeros((3, 2)), a, b)
    expected = np.logaddexp(0, a).sum() + np.logaddexp(0, b).sum()
    assert_allclose(exact_log_partition(parameters).value, expected)
    assert_allclose(logsumexp(enumeration.log_state_weights(parameters)), expected)


def test_states_count_in_binary():
    assert_array_equal(enumeration.states([6], 4), [[0, 1, 1, 0]])
