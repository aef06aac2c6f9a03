"""What a fitted VAE is on disk: its arrays by name, and likelihoods as plain data."""

import itertools

import numpy as np
import torch

from skgen.arrays import flattened, restored
from skgen.vae.likelihoods import NAMES, ColumnLikelihood, Gaussian, Likelihood
from skgen.vae.training import TrainingState, initial_state

_MEMORY = ("step", "exp_avg", "exp_avg_sq")  # of AdamW, for each parameter


def state_to_arrays(state, name):
    """The arrays of a TrainingState by their dotted names.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skgen.vae.likelihoods import Bernoulli
    >>> from skgen.vae.networks import Autoencoder
    >>> from skgen.vae.saving import state_to_arrays
    >>> from skgen.vae.training import initial_state
    >>> linear = torch.nn.Linear
    >>> model = Autoencoder(linear(3, 4), linear(2, 3), Bernoulli().build(3), 2)
    >>> state = initial_state(model, np.random.default_rng(0))
    >>> state_to_arrays(state, "state")["state.n_updates"]
    array(0)
    """
    arrays = flattened(state.rng, f"{name}.rng")
    arrays[f"{name}.n_updates"] = np.asarray(state.n_updates)
    for part in ("model", "average"):
        for key, value in getattr(state, part).state_dict().items():
            arrays[f"{name}.{part}.{key}"] = value.numpy(force=True)
    for key, parameter in state.model.named_parameters():
        for kind, value in state.optimizer.state.get(parameter, {}).items():
            arrays[f"{name}.optimizer.{key}.{kind}"] = value.numpy(force=True)
    return arrays


def state_from_arrays(arrays, name, model):
    """The TrainingState of which they are.

    Parameters
    ----------
    arrays : dict of ndarray
        Loses those that belong to it.
    name : str
    model : Autoencoder
        Of the same architecture; it becomes part of the state.

    Raises
    ------
    ValueError
        If arrays are missing, of other shapes or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skgen.vae.likelihoods import Bernoulli
    >>> from skgen.vae.networks import Autoencoder
    >>> from skgen.vae.saving import state_from_arrays, state_to_arrays
    >>> from skgen.vae.training import initial_state
    >>> linear = torch.nn.Linear
    >>> model = Autoencoder(linear(3, 4), linear(2, 3), Bernoulli().build(3), 2)
    >>> state = initial_state(model, np.random.default_rng(0))
    >>> state_from_arrays(state_to_arrays(state, "a"), "a", model).n_updates
    0
    """
    rng = restored(np.random.Generator, arrays, f"{name}.rng")
    n_updates = restored(int, arrays, f"{name}.n_updates")
    state = initial_state(model, rng)
    for part in ("model", "average"):
        with torch.no_grad():
            for key, value in getattr(state, part).state_dict().items():
                value.copy_(_tensor(arrays, f"{name}.{part}.{key}", value.shape))
    for key, parameter in model.named_parameters():
        if f"{name}.optimizer.{key}.step" in arrays:
            state.optimizer.state[parameter] = {
                kind: _tensor(
                    arrays,
                    f"{name}.optimizer.{key}.{kind}",
                    () if kind == "step" else parameter.shape,
                )
                for kind in _MEMORY
            }
    return TrainingState(state.model, state.average, state.optimizer, n_updates, rng)


def _tensor(arrays, name, shape):
    if name not in arrays:
        raise ValueError(f"the array {name!r} is missing")
    array = arrays.pop(name)
    if array.dtype != np.float32 or array.shape != tuple(shape):
        raise ValueError(
            f"{name!r} is of dtype {array.dtype} and shape {array.shape}, where "
            f"float32 and {tuple(shape)} are expected"
        )
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name!r} holds values that are not finite")
    return torch.from_numpy(array.copy())


def check_size(arrays, n_features, hidden_layer_sizes, n_components):
    """Raise ValueError if networks of these sizes need more than the arrays hold.

    Examples
    --------
    >>> from skgen.vae.saving import check_size
    >>> check_size({}, 3, (5,), 2)
    Traceback (most recent call last):
        ...
    ValueError: hidden_layer_sizes=(5,) for 3 features do not fit the arrays in the ...
    """
    sizes = (n_features, *hidden_layer_sizes, n_components)
    n_weights = 2 * sum(a * b for a, b in itertools.pairwise(sizes))
    n_values = sum(array.size for array in arrays.values())
    if len(hidden_layer_sizes) > len(arrays) or n_weights > n_values:
        raise ValueError(
            f"hidden_layer_sizes={hidden_layer_sizes!r} for {n_features} features do "
            f"not fit the arrays in the file"
        )


def likelihood_to_plain(likelihood):
    """A likelihood of this package, a name included, as lists, strings and numbers.

    Raises
    ------
    ValueError
        On a class of the user's.

    Examples
    --------
    >>> from skgen.vae.likelihoods import Gaussian
    >>> from skgen.vae.saving import likelihood_to_plain
    >>> likelihood_to_plain(Gaussian(noise_variance=2.0))
    ['gaussian', {'noise_variance': 2.0}]
    """
    if not isinstance(likelihood, Likelihood):
        return likelihood
    if type(likelihood) is ColumnLikelihood:
        parts = [
            [likelihood_to_plain(part), np.asarray(columns).tolist()]
            for part, columns in likelihood.parts
        ]
        return ["columns", {"parts": parts}]
    if type(likelihood) is Gaussian:
        variance = likelihood.noise_variance
        named = isinstance(variance, str)
        return ["gaussian", {"noise_variance": variance if named else float(variance)}]
    for name, kind in NAMES.items():
        if type(likelihood) is kind:
            return [name, {}]
    raise ValueError(f"{type(likelihood).__name__} is not a likelihood of skgen")


def likelihood_from_plain(plain):
    """The likelihood, or the name, that :func:`likelihood_to_plain` was given.

    Raises
    ------
    ValueError
        On an unknown name.

    Examples
    --------
    >>> from skgen.vae.saving import likelihood_from_plain
    >>> likelihood_from_plain(["poisson", {}])
    Poisson()
    """
    if isinstance(plain, str):
        return plain
    name, parameters = plain
    if name == "columns":
        parts = [
            (likelihood_from_plain(part), columns)
            for part, columns in parameters["parts"]
        ]
        return ColumnLikelihood(parts)
    if name not in NAMES:
        raise ValueError(f"the likelihood {name!r} is unknown")
    return NAMES[name](**parameters)
