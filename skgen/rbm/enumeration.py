"""Enumeration of a small layer: every state of N binary units, and its weight.

The marginal of one layer is a product over the units of the other. A model whose
smaller layer has few units is therefore known exactly: its partition function, its
expectations and independent draws from it all come from the 2^N weights
f(h) = exp(b.h) prod_i (1 + exp(a_i + W_i:'h)).
"""

import numpy as np

from skgen.rbm.energy import softplus_sum

MAX_UNITS = 20  # 2^20 states: a few seconds at 784 other units
MAX_UNITS_SUMMED = 25  # on request, summed and not held: a minute or two

_MAX_EXPONENT = 700.0  # float64 overflows at exp(709)
_LOW_UNITS = 7  # 2^7 states of 1,000 units fit a core's cache


def check_size(n_visible, n_hidden, limit=MAX_UNITS):
    """Raise ValueError, naming the limit, if neither layer can be enumerated."""
    if min(n_visible, n_hidden) > limit:
        raise ValueError(
            f"Exact computation enumerates the smaller layer and is limited to "
            f"{limit} units, got {n_visible} features and {n_hidden} components. Use "
            f"another method than 'exact', or n_components <= {limit}."
        )


def smaller_layer_last(parameters, limit=MAX_UNITS):
    """The model with its smaller layer as the hidden one, and whether it was turned."""
    n_visible, n_hidden = parameters.weights.shape
    check_size(n_visible, n_hidden, limit)
    turned = n_visible < n_hidden
    return (parameters.transposed() if turned else parameters), turned


def states(indices, n_units):
    """Binary states with the given numbers, uint8: bit j of a number is unit j."""
    bits = np.asarray(indices)[:, None] >> np.arange(n_units)
    return (bits & 1).astype(np.uint8)


def log_state_weights(parameters):
    """log f(h) of all 2^N hidden states in float64, in the order of :func:`states`."""
    return np.concatenate(list(blocks_of_log_state_weights(parameters)))


def blocks_of_log_state_weights(parameters):
    """The values of :func:`log_state_weights` in blocks of at most 2^7 states.

    The states of the low units form a block. Each state of the high units shifts the
    inputs of the block, so the exponentials are computed once and only multiplied:
    1 + exp(low + high) = 1 + exp(low) exp(high). As many factors are multiplied before
    a logarithm as the largest possible input allows without overflow.
    """
    weights, visible_bias, hidden_bias = parameters.astype(np.float64)
    n_visible, n_hidden = weights.shape
    n_low = min(n_hidden, _LOW_UNITS)
    low_states = states(np.arange(2**n_low), n_low)
    low = low_states @ weights[:, :n_low].T
    low_bias = low_states @ hidden_bias[:n_low]

    largest = np.max(np.abs(visible_bias) + np.abs(weights).sum(axis=1)) + np.log(2)
    factors_per_log = int(_MAX_EXPONENT / largest)
    groups = np.arange(0, n_visible, max(factors_per_log, 1))
    exp_low = np.exp(low) if factors_per_log else None
    factors = np.empty_like(low)

    for index in range(2 ** (n_hidden - n_low)):
        high_state = states([index], n_hidden - n_low)[0]
        high = visible_bias + weights[:, n_low:] @ high_state
        if factors_per_log:
            np.multiply(exp_low, np.exp(high), out=factors)
            np.add(factors, 1, out=factors)
            products = np.multiply.reduceat(factors, groups, axis=1)
            block = np.log(products).sum(axis=1)
        else:
            block = softplus_sum(low + high)
        yield block + low_bias + hidden_bias[n_low:] @ high_state
