"""What a fitted RBM is on disk: its arrays by name, and their shapes."""

import numpy as np

from skgen.arrays import check_layout, flattened, restored
from skgen.rbm.enumeration import MAX_UNITS
from skgen.rbm.partition import Draws, LogPartition
from skgen.rbm.tempering import N_TEMPERATURES
from skgen.rbm.training import TrainingState

_PARAMETERS = {"weights": "fMN", "visible_bias": "fM", "hidden_bias": "fN"}
_PARTICLES = {
    "X": "fPM",
    "hidden_input": "fPN",
    "log_density": "fP",
    "beta": "fP",
    "log_weight": "fP",
}


def _under(name, layout):
    return {f"{name}.{field}": shape for field, shape in layout.items()}


# M visible and N hidden units, C chains, D of the ladder, P particles, T temperatures
# and S pairs of neighbours
_STATE = {
    **_under("parameters", _PARAMETERS),
    **_under("velocity", _PARAMETERS),
    **_under("average", _PARAMETERS),
    **_under("offsets", {"visible": "fM", "hidden": "fN"}),
    "chains": "fCN",
    **_under(
        "ladder", {"X": "fTDM", "beta": "fT", "swap_rates": "fS", "n_sweeps": "i"}
    ),
    "base_bias": "fM",
    **_under("belt.particles", _PARTICLES),
    **_under(
        "belt", {"base_bias": "fM", "stage": "iP", "n_stages": "iP", "n_moves": "i"}
    ),
    "n_updates": "i",
    "rng": "uR",
}
_DRAWS = {"model.draws.X": "fPM", "model.draws.log_weight": "fP"}


def state_from_arrays(arrays, name, n_visible, n_hidden):
    """The TrainingState that ``arrays.flattened`` was given.

    Parameters
    ----------
    arrays : dict of ndarray
        Loses those that belong to it.
    name : str
    n_visible, n_hidden : int

    Raises
    ------
    ValueError
        If arrays are missing, unknown or of other shapes.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.arrays import flattened
    >>> from skgen.rbm.saving import state_from_arrays
    >>> from skgen.rbm.training import initial_state
    >>> state = initial_state(np.full(3, 0.5), 2, 5, True, np.random.default_rng(0))
    >>> state_from_arrays(flattened(state, "state"), "state", 3, 2).n_updates
    0
    """
    sizes = {"M": n_visible, "N": n_hidden, "T": N_TEMPERATURES, "R": 6}
    sizes["S"] = N_TEMPERATURES - 1
    own = _taken(arrays, name)
    check_layout(own, _under(name, _STATE), sizes)
    state = restored(TrainingState, own, name)
    belt = state.belt
    if belt is not None and (
        belt.n_stages.min() < 1 or not np.any(belt.stage >= belt.n_stages)
    ):
        raise ValueError(f"of '{name}.belt' no particle has arrived at the model")
    return state


def model_to_arrays(log_partition, std_error, draws):
    """log Z and its standard error, and the draws behind ``sample``.

    Examples
    --------
    >>> from skgen.rbm.saving import model_to_arrays
    >>> model_to_arrays(1.5, 0.0, None)
    {'model.log_partition': array([1.5, 0. ])}
    """
    estimate = np.array([log_partition, std_error])
    return {"model.log_partition": estimate, **flattened(draws, "model.draws")}


def model_from_arrays(arrays, n_visible, n_hidden):
    """LogPartition and Draws or None, taken out of `arrays`.

    Raises
    ------
    ValueError
        As :func:`state_from_arrays`.

    Examples
    --------
    >>> from skgen.rbm.saving import model_from_arrays, model_to_arrays
    >>> model_from_arrays(model_to_arrays(1.5, 0.0, None), 3, 2)[0].value
    1.5
    """
    own = _taken(arrays, "model")
    estimate = own.pop("model.log_partition", np.empty(0))
    if estimate.shape != (2,) or estimate.dtype != np.float64:
        raise ValueError("'model.log_partition' should be two numbers of 64 bits")
    value, std_error = estimate.tolist()
    if not np.isfinite(value) or not std_error >= 0:  # infinite where it is not known
        raise ValueError("'model.log_partition' is no estimate of log Z")
    check_layout(own, _DRAWS, {"M": n_visible, "N": n_hidden})
    draws = restored(Draws | None, own, "model.draws")
    if draws is None and min(n_visible, n_hidden) > MAX_UNITS:
        raise ValueError("the arrays 'model.draws' are missing")
    return LogPartition(value, std_error, np.inf, "saved"), draws


def _taken(arrays, name):
    names = [key for key in arrays if key.startswith(f"{name}.")]
    return {key: arrays.pop(key) for key in names}
