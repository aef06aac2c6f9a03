"""Saving and loading of fitted models: one .safetensors file, no pickle, no code.

The arrays of the model and of the state of its training are the file's tensors. Its
metadata have one entry, "skgen": a JSON document with the class, the parameters, the
versions, what else is no array, and the SHA-256 digest of that document and all arrays.
Nothing in a file is run: a class is looked up by name among the two there are, and
arrays are checked for names, types and shapes before a model is made of them.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import secrets
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as as_safetensors

import skgen
from skgen.base import Course, Unfinished
from skgen.fitting import Progress

FORMAT_VERSION = 1
_LONGEST_HEADER = 10_000_000  # bytes
_CLASSES = "BinaryRBM", "VariationalAutoencoder"
_NETWORKS = "encoder", "decoder"
_OF_BAD_FILES = (  # what safetensors, NumPy and json raise
    SafetensorError,
    AttributeError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
)
_PACKAGES = "numpy", "scikit-learn", "torch"


def save(estimator, path):
    """Write a fitted estimator to one .safetensors file, all of it or nothing.

    Parameters
    ----------
    estimator : BinaryRBM or VariationalAutoencoder
        Fitted.
    path : str or path-like
        What is there is replaced, in one step.

    Raises
    ------
    ValueError
        Naming what cannot be saved without pickle: networks, likelihoods and subclasses
        of the user's. ``joblib.dump`` saves them.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from skgen import BinaryRBM
    >>> from skgen.persistence import load, save
    >>> rbm = BinaryRBM(2, max_iter=5, random_state=0).fit([[0, 1], [1, 0]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "rbm.safetensors"
    ...     save(rbm, path)
    ...     load(path).score([[0, 1]]) == rbm.score([[0, 1]])
    True
    """
    document = _document(estimator)
    arrays = estimator._to_arrays()
    unfinished = estimator._unfinished
    if unfinished is not None and unfinished.progress.kept is not None:
        arrays |= estimator._state_to_arrays(unfinished.progress.kept, "kept")
    for field in estimator.history_.dtype.names:
        arrays[f"history.{field}"] = estimator.history_[field]
    arrays = {name: np.require(array, None, "C") for name, array in arrays.items()}
    document["sha256"] = _digest(document, arrays)
    _write(Path(path), as_safetensors(arrays, {"skgen": json.dumps(document)}))


def check_can_save(estimator):
    """Raise ValueError naming the parameter that keeps the estimator from being saved.

    Examples
    --------
    >>> import torch
    >>> from skgen import VariationalAutoencoder
    >>> from skgen.persistence import check_can_save
    >>> check_can_save(VariationalAutoencoder(2, encoder=torch.nn.Linear(3, 4)))
    Traceback (most recent call last):
        ...
    ValueError: encoder=Linear(...) cannot be saved without pickle: ...
    """
    name = type(estimator).__name__
    if name not in _CLASSES or type(estimator) is not _class_of(name):
        raise ValueError(
            f"{name} cannot be saved without pickle, which only the classes "
            f"{' and '.join(_CLASSES)} of skgen can: use joblib.dump."
        )
    estimator._validate_params()  # a file that could not be loaded is not written
    for parameter, value in estimator.get_params(deep=False).items():
        json.dumps(_to_plain(parameter, value))


def load(path):
    """The estimator that ``save`` or a ``Checkpoint`` wrote.

    It scores, samples and goes on training exactly as the one that was saved. Loading
    runs no code from the file.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    BinaryRBM or VariationalAutoencoder

    Raises
    ------
    ValueError
        If the file is no model of skgen, of an unknown format version, truncated or
        altered.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import skgen
    >>> rbm = skgen.BinaryRBM(2, max_iter=5, random_state=0).fit([[0, 1], [1, 0]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "rbm.safetensors"
    ...     rbm.save(path)
    ...     skgen.load(path)
    BinaryRBM(max_iter=5, n_components=2, random_state=0)
    """
    document, arrays = _read(Path(path))
    if document.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"{path} has format version {document.get('format_version')!r}, this skgen "
            f"reads {FORMAT_VERSION}: install the version that wrote it, "
            f"{document.get('versions')}."
        )
    try:
        return _estimator(document, arrays)
    except Exception as error:  # whatever a hostile document may cause
        raise ValueError(f"{path} holds no valid model of skgen: {error}") from error


def _document(estimator):
    """What is no array, as JSON takes it."""
    check_can_save(estimator)
    names = getattr(estimator, "feature_names_in_", None)
    return {
        "format_version": FORMAT_VERSION,
        "class": type(estimator).__name__,
        "versions": _versions(),
        "parameters": _all_to_plain(estimator.get_params(deep=False)),
        "fixed": _all_to_plain(estimator._fixed),
        "n_features_in": estimator.n_features_in_,
        "feature_names_in": None if names is None else names.tolist(),
        "dtype": estimator._dtype_of_X.str,
        "seed": estimator._seed,
        "output": getattr(estimator, "_sklearn_output_config", {}).get("transform"),
        "unfinished": _unfinished_to_plain(estimator._unfinished),
    }


def _versions():
    versions = {"skgen": skgen.__version__, "python": platform.python_version()}
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions


def _unfinished_to_plain(unfinished):
    if unfinished is None:
        return None
    progress = unfinished.progress._asdict()
    for name in ("state", "history", "kept"):
        del progress[name]
    progress["best"] = None if progress["best"] == -np.inf else progress["best"]
    return {
        "course": unfinished.course._asdict(),
        "n_rows": unfinished.n_rows,
        "progress": {name: _scalar(value) for name, value in progress.items()},
    }


def _estimator(document, arrays):
    cls = _class_of(document["class"])
    parameters, fixed = _parameters(document, cls)
    estimator, as_fitted = cls(**parameters), cls(**parameters | fixed)
    for one in (estimator, as_fitted):
        one._validate_params()
    n_features, dtype = document["n_features_in"], np.dtype(document["dtype"])
    if not isinstance(n_features, int) or n_features < 1 or dtype.kind not in "biuf":
        raise ValueError("'n_features_in' or 'dtype' is not one of a model")
    seed = document["seed"]
    if type(seed) is not int or not 0 <= seed < 2**31:
        raise ValueError("'seed' is not the seed of a model")
    names = _feature_names(document["feature_names_in"], n_features)
    history = _history(arrays, cls)
    state, model = as_fitted._from_arrays(arrays, n_features)
    unfinished = _unfinished(document["unfinished"], arrays, as_fitted, n_features)
    if arrays:
        raise ValueError(f"unknown arrays {sorted(arrays)[:5]}")
    attributes = estimator._all_attributes(
        state, model, history, dtype, seed, fixed, unfinished
    )
    estimator.set_output(transform=document["output"])
    vars(estimator).update(names | {"n_features_in_": n_features} | attributes)
    return estimator


def _parameters(document, cls):
    """As they are, and those that were fixed by fit as they were then."""
    unknown = set(document["parameters"]) - set(cls().get_params(deep=False))
    if unknown:
        raise ValueError(f"unknown parameters {sorted(unknown)}")
    if set(document["fixed"]) != set(cls._fixed_by_fit):
        raise ValueError(f"the parameters in 'fixed' are not {cls._fixed_by_fit}")
    return tuple(
        {name: _from_plain(name, value) for name, value in document[part].items()}
        for part in ("parameters", "fixed")
    )


def _feature_names(names, n_features):
    if names is None:
        return {}
    if len(names) != n_features or not all(isinstance(name, str) for name in names):
        raise ValueError("'feature_names_in' does not name each feature")
    return {"feature_names_in_": np.array(names, dtype=object)}


def _class_of(name):
    if name not in _CLASSES:
        raise ValueError(f"the class {name!r} is none of {_CLASSES}")
    return getattr(skgen, name)


def _history(arrays, cls):
    names = ["epoch", "seconds", *cls._scores._fields]
    columns = [arrays.pop(f"history.{name}") for name in names]
    shapes = {column.shape for column in columns}
    kinds = "".join(column.dtype.kind for column in columns)
    fit = len(shapes) == 1 and columns[0].ndim == 1 and columns[0].size
    if not fit or kinds != "i" + "f" * (len(names) - 1):
        raise ValueError("the learning curve has columns that do not fit together")
    return np.rec.fromarrays(columns, names=names)


def _unfinished(plain, arrays, as_fitted, n_features):
    if plain is None:
        return None
    course = Course(**plain["course"])
    progress = plain["progress"]
    kept = None
    if progress["best"] is None:
        progress["best"] = -np.inf
    else:
        kept = as_fitted._state_from_arrays(arrays, "kept", n_features)
    progress = Progress(state=None, kept=kept, **progress)
    n_rows = tuple(plain["n_rows"])
    as_begun = {"max_iter": course.max_iter, "learning_rate_schedule": course.schedule}
    type(as_fitted)(**as_begun)._validate_params()
    counts = progress.n_left, progress.n_epochs, progress.n_stale, *n_rows
    shares = progress.done, progress.pace
    if (
        len(n_rows) != 2
        or not all(type(count) is int and 0 <= count < 2**31 for count in counts)
        or not all(0 <= share <= 1.001 for share in shares)  # sums of rounded ones
        or not isinstance(progress.best, float)
        or {type(flag) for flag in (course.continues, progress.cooling)} != {bool}
        or course.whole is not True
        or progress.n_left > course.max_iter
    ):
        raise ValueError("'unfinished' does not describe a fit that was cut short")
    return Unfinished(course, n_rows, progress)


def _all_to_plain(parameters):
    return {name: _to_plain(name, value) for name, value in parameters.items()}


def _to_plain(name, value):
    """A parameter as JSON takes it; tuples and generators become tagged dicts."""
    value = _scalar(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.random.RandomState):
        state = value.get_state(legacy=False)
        if state["bit_generator"] == "MT19937":
            _, keys, *rest = value.get_state()
            return {"random_state": [keys.tolist(), *rest]}
    if name == "likelihood":
        from skgen.vae.saving import likelihood_to_plain

        with contextlib.suppress(ValueError):
            return {"likelihood": likelihood_to_plain(value)}
    if name == "hidden_layer_sizes":
        items = [_to_plain("a size", item) for item in value]
        return {"tuple": items} if isinstance(value, tuple) else items
    remedy = " or save encoder_.state_dict() and decoder_.state_dict() with torch.save"
    raise ValueError(
        f"{name}={value!r} cannot be saved without pickle: use joblib.dump"
        f"{remedy if name in _NETWORKS else ''}."
    )


def _from_plain(name, value):
    if isinstance(value, list):
        return [_from_plain(name, item) for item in value]
    if not isinstance(value, dict):
        return value
    ((tag, content),) = value.items()
    if tag == "tuple":
        return tuple(_from_plain(name, item) for item in content)
    if tag == "random_state" and name == "random_state":
        return _random_state(*content)
    if tag == "likelihood" and name == "likelihood":
        from skgen.vae.saving import likelihood_from_plain

        return likelihood_from_plain(content)
    raise ValueError(f"the parameter {name!r} has the unknown form {tag!r}")


def _random_state(keys, position, has_gauss, cached):
    keys = np.array(keys, dtype=np.uint32)
    if keys.shape != (624,) or position not in range(625):
        raise ValueError("random_state is not the state of a RandomState")
    state = np.random.RandomState()
    state.set_state(("MT19937", keys, position, int(has_gauss), float(cached)))
    return state


def _scalar(value):
    return value.item() if isinstance(value, np.generic) else value


def _digest(document, arrays):
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _write(path, content):
    """All of the content, or nothing: what was there stays until it is complete."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with partial.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _read(path):
    """The JSON document and the arrays of a file that is whole."""
    with path.open("rb") as file:
        start = file.read(8)
    if len(start) < 8 or int.from_bytes(start, "little") > _LONGEST_HEADER:
        raise ValueError(f"{path} is no .safetensors file, or one with a huge header.")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            document = json.loads(metadata.get("skgen", "null"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except _OF_BAD_FILES as error:
        raise ValueError(
            f"{path} is no whole .safetensors file of skgen: {error}"
        ) from error
    if not isinstance(document, dict):
        raise ValueError(f"{path} was not written by skgen.")
    if document.pop("sha256", None) != _digest(document, arrays):
        raise ValueError(f"{path} has been altered since skgen wrote it.")
    return document, arrays
