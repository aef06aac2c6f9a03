"""NamedTuples as flat dicts of arrays, and back: what a training state is on disk.

Fields may be arrays, whole numbers, NumPy generators, further NamedTuples, or None.
"""

from typing import get_args, get_type_hints

import numpy as np

_WORD = 2**64
_DTYPES = {"f": ("<f4", "<f8"), "i": ("<i8",), "u": ("<u8",)}


def flattened(value, name):
    """The arrays of a NamedTuple by their dotted names; nothing of None.

    Examples
    --------
    >>> from typing import NamedTuple
    >>> from skgen.arrays import flattened
    >>> class Count(NamedTuple):
    ...     n: int
    >>> flattened(Count(3), "count")
    {'count.n': array(3)}
    """
    if value is None:
        return {}
    if isinstance(value, np.random.Generator):
        return {name: _words_of(value)}
    if isinstance(value, tuple):
        parts = (flattened(v, f"{name}.{f}") for f, v in zip(value._fields, value))
        return {key: array for part in parts for key, array in part.items()}
    return {name: np.asarray(value)}


def restored(kind, arrays, name):
    """What :func:`flattened` was given, taken out of `arrays`.

    Parameters
    ----------
    kind : type
        The NamedTuple's class, whose annotations say what is where.
    arrays : dict of ndarray
        Loses what is used.
    name : str

    Raises
    ------
    ValueError
        If an array is missing, or not of the shape of a number or a generator.

    Examples
    --------
    >>> import numpy as np
    >>> from typing import NamedTuple
    >>> from skgen.arrays import restored
    >>> class Count(NamedTuple):
    ...     n: int
    >>> restored(Count, {"count.n": np.array(3)}, "count")
    Count(n=3)
    """
    options = get_args(kind)
    if type(None) in options:
        if not any(key.startswith(f"{name}.") for key in arrays):
            return None
        kind = options[0]
    if issubclass(kind, tuple):
        hints = get_type_hints(kind)
        return kind(*(restored(hints[f], arrays, f"{name}.{f}") for f in kind._fields))
    if name not in arrays:
        raise ValueError(f"the array {name!r} is missing")
    array = arrays.pop(name)
    if kind is np.ndarray:
        return array
    if kind is np.random.Generator:
        return _generator_of(array, name)
    if array.shape or array.dtype != np.int64:
        raise ValueError(f"{name!r} should be a whole number of 64 bits")
    return int(array)


def check_layout(arrays, layout, sizes):
    """Raise ValueError unless the arrays have the kinds and shapes that are named.

    Parameters
    ----------
    arrays : dict of ndarray
    layout : dict of str
        By the arrays' names, the kind of their dtype and a letter for each dimension:
        "fMN" are floating-point numbers of shape (M, N), of 32 or 64 bits and finite;
        "i" and "u" are whole numbers of 64 bits that are not negative.
    sizes : dict of int
        The letters whose sizes are known; all others mean at least one, and the same
        wherever they occur.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.arrays import check_layout
    >>> check_layout({"bias": np.zeros(3)}, {"bias": "fM"}, {"M": 2})
    Traceback (most recent call last):
        ...
    ValueError: 'bias' has shape (3,), where (2,) is expected
    """
    sizes = dict(sizes)
    for name, array in arrays.items():
        if name not in layout:
            raise ValueError(f"the array {name!r} is unknown")
        kind, *letters = layout[name]
        if array.dtype.str not in _DTYPES[kind]:
            raise ValueError(f"{name!r} has dtype {array.dtype}")
        if len(letters) == array.ndim and array.size:
            sizes = dict(zip(letters, array.shape)) | sizes
        expected = tuple(sizes.get(letter) for letter in letters)
        if array.shape != expected:
            raise ValueError(
                f"{name!r} has shape {array.shape}, where {expected} is expected"
            )
        if not np.all(np.isfinite(array) if kind == "f" else array >= 0):
            raise ValueError(f"{name!r} holds values that are not finite or negative")


def _words_of(generator):
    state = generator.bit_generator.state
    numbers = state["state"]["state"], state["state"]["inc"]
    words = [word for number in numbers for word in divmod(number, _WORD)]
    return np.array([*words, state["has_uint32"], state["uinteger"]], np.uint64)


def _generator_of(words, name):
    if words.shape != (6,) or words.dtype != np.uint64:
        raise ValueError(f"{name!r} should be six words of a PCG64 generator")
    words = [int(word) for word in words]
    bit_generator = np.random.PCG64()
    bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {
            "state": words[0] * _WORD + words[1],
            "inc": words[2] * _WORD + words[3],
        },
        "has_uint32": words[4] % 2,
        "uinteger": words[5] % 2**32,
    }
    return np.random.Generator(bit_generator)
