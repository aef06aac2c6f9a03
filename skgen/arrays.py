"""States as flat dicts of arrays, and back: what a training state is in a file.

A state may hold arrays, numbers, NumPy generators, None, further NamedTuples, and what
has a ``state_dict`` (torch's modules and optimisers). To read a state, a fresh one of
the same sizes is the template: it says which arrays there are, their shapes and dtypes.
"""

import numpy as np

_WORD = 2**64


def named_arrays(value, name):
    """The arrays of a state by their dotted names; those of torch share its memory."""
    if value is None:
        return {}
    if isinstance(value, np.random.Generator):
        return {name: _words_of(value)}
    if hasattr(value, "state_dict"):
        tensors = value.state_dict()
        optimizer = "param_groups" in tensors
        return named_arrays(tensors["state"] if optimizer else tensors, name)
    if hasattr(value, "numpy"):
        return {name: value.numpy(force=True)}
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if not isinstance(value, dict):
        return {name: np.asarray(value)}
    parts = (named_arrays(part, f"{name}.{key}") for key, part in value.items())
    return {key: array for part in parts for key, array in part.items()}


def filled(template, arrays, name):
    """The state whose `named_arrays` these are, which it takes out of the dict.

    Raises ValueError naming the first array that is missing, or whose dtype or shape is
    not as in the template, or whose values are not finite. Where all values of the
    template are NaN, there may be some.
    """
    if template is None:
        return None
    if hasattr(template, "state_dict"):
        for key, memory in named_arrays(template, name).items():
            memory[...] = _taken(arrays, key, memory)
        return template
    if hasattr(template, "_fields"):
        fields = zip(template._fields, template)
        return type(template)(*(filled(v, arrays, f"{name}.{f}") for f, v in fields))
    ((_, like),) = named_arrays(template, name).items()
    array = _taken(arrays, name, like)
    if isinstance(template, np.random.Generator):
        return _generator_of(array)
    return array if isinstance(template, np.ndarray) else array.item()


def check_shape(arrays, name, shape):
    """The shape of an array, checked where `shape` is not None; no size is 0."""
    if name not in arrays:
        raise ValueError(f"the array {name!r} is missing")
    found = arrays[name].shape
    fits = len(found) == len(shape) and 0 not in found
    if not fits or any(n not in (None, m) for n, m in zip(shape, found)):
        raise ValueError(f"{name!r} has shape {found}, where {shape} is expected")
    return found


def _taken(arrays, name, like):
    if name not in arrays:
        raise ValueError(f"the array {name!r} is missing")
    array = arrays.pop(name)
    if array.dtype != like.dtype or array.shape != like.shape:
        raise ValueError(
            f"{name!r} is of dtype {array.dtype} and shape {array.shape}, where "
            f"{like.dtype} and {like.shape} are expected"
        )
    if array.dtype.kind == "f":
        # a single number may be infinite: a standard error that is not known
        fits = np.isfinite(array).all() if array.ndim else not np.isnan(array)
        # where the template has gaps there may be some
        fits |= array.ndim > 0 and np.isnan(like).all() and not np.isinf(array).any()
    else:
        fits = np.all(array >= 0) or (like.size > 0 and np.all(like < 0))
    if not fits:
        raise ValueError(f"{name!r} holds values that are not finite or negative")
    return array


def _words_of(generator):
    state = generator.bit_generator.state
    numbers = state["state"]["state"], state["state"]["inc"]
    words = [word for number in numbers for word in divmod(number, _WORD)]
    return np.array([*words, state["has_uint32"], state["uinteger"]], np.uint64)


def _generator_of(words):
    high, low, inc_high, inc_low, has_uint32, uinteger = map(int, words)
    bit_generator = np.random.PCG64()
    bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": high * _WORD + low, "inc": inc_high * _WORD + inc_low},
        "has_uint32": has_uint32 % 2,
        "uinteger": uinteger % 2**32,
    }
    return np.random.Generator(bit_generator)
