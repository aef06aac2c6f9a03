"""Saving and loading of fitted models: one .safetensors file, no pickle, no code.

The arrays of the model and of the state of its training are the file's tensors. Its
metadata have one entry, "skgen": a JSON document with the class, the parameters, the
versions, all else that is no array, and the SHA-256 digest of document and arrays. A
document too large for a header is the tensor "document" instead.
Nothing in a file is run. The class is one of two, looked up by name. A fresh model of
the stored sizes says which arrays must be there, of which shapes and dtypes.
"""

import contextlib
import hashlib
import importlib
import importlib.metadata
import json
import os
import platform
import secrets
import stat
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save as as_safetensors

from skgen.arrays import check_shape, filled, named_arrays
from skgen.curve import from_history
from skgen.dtypes import table_from_plain, table_to_plain
from skgen.run import Run
from skgen.stream import Stream

FORMAT_VERSION = 1
_LONGEST_HEADER = 10_000_000  # bytes
_LONGEST_DOCUMENT = 1_000_000  # characters in a header; there may be long names
_CLASSES = {"BinaryRBM": "skgen.rbm", "VariationalAutoencoder": "skgen.vae"}
_BOUNDS = "best_bound", "gained_bound"  # of a run; -inf, which JSON has not, is null
_LIKELIHOODS = "skgen.vae.likelihoods"  # imported by name when needed, it loads torch


def save(estimator, path):
    """Write a fitted estimator to one .safetensors file, all of it or nothing."""
    document, arrays = described(estimator)
    document["sha256"] = _digest(document, arrays)
    text = json.dumps(document)
    if len(text) > _LONGEST_DOCUMENT:
        arrays["document"] = np.frombuffer(text.encode(), np.uint8)
        text = "null"
    _write(Path(path), as_safetensors(arrays, {"skgen": text}))


def described(estimator):
    """A fitted estimator as a JSON document and arrays, from which it is `restored`.

    Raises ValueError naming what stands in the way.
    """
    check_can_save(estimator)
    names = getattr(estimator, "feature_names_in_", None)
    unfinished = estimator._unfinished
    document = {
        "format_version": FORMAT_VERSION,
        "class": type(estimator).__name__,
        "versions": _versions(),
        "parameters": _all_to_plain(estimator.get_params(deep=False)),
        "fixed": _all_to_plain(estimator._fixed),
        "n_features_in": estimator.n_features_in_,
        "feature_names_in": None if names is None else names.tolist(),
        "dtype": estimator._dtype_of_X.str,
        "table": table_to_plain(estimator._table),
        "seed": estimator._seed,
        "output": getattr(estimator, "_sklearn_output_config", {}).get("transform"),
        "unfinished": None if unfinished is None else _run_to_plain(unfinished),
    }
    history = estimator.history_
    history = {name: history[name] for name in history.dtype.names}
    arrays = named_arrays(estimator._state, "state") | named_arrays(history, "history")
    arrays |= named_arrays(estimator._summary, "summary")
    arrays |= named_arrays(estimator._stream, "stream")
    arrays |= named_arrays(getattr(unfinished, "best_state", None), "best_state")
    return document, {
        name: np.require(array, None, "C") for name, array in arrays.items()
    }


def check_can_write(path):
    """Raise ValueError that says why a file cannot be written to the path."""
    target, reason = Path(os.path.realpath(path)), None
    folder = target.parent
    if target.is_dir():
        reason = "it is a folder, add the name of a file"
    elif not folder.exists():
        reason = f"the folder {folder} does not exist"
    elif not os.access(target if _is_no_file(target) else folder, os.W_OK):
        reason = f"the folder {folder} is read-only"
    if reason:
        raise ValueError(f"Cannot write to {path}: {reason}.")


def check_can_save(estimator):
    """Raise ValueError naming the parameter that prevents saving, if there is one."""
    name = type(estimator).__name__
    if name not in _CLASSES or type(estimator) is not _class_of(name):
        raise ValueError(
            f"{name} cannot be saved without pickle, only the classes "
            f"{' and '.join(_CLASSES)} of skgen can: use joblib.dump."
        )
    estimator._validate_params()  # a file that could not be loaded is not written
    json.dumps(_all_to_plain(estimator.get_params(deep=False)))


def load(path: str | os.PathLike[str]) -> Any:
    """Read the estimator that ``save`` or a ``Checkpoint`` wrote.

    It scores, samples and goes on training exactly as the estimator that was saved.
    Loading runs no code from the file.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    BinaryRBM or VariationalAutoencoder

    Raises
    ------
    ValueError
        If the file is no model of skgen, has an unknown format version, or is truncated
        or altered.

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
            f"reads {FORMAT_VERSION}: install versions {document.get('versions')}."
        )
    try:
        return restored(document, arrays)
    except ImportError:  # torch is missing, and the message says what to install
        raise
    except Exception as error:  # whatever a hostile document may cause
        raise ValueError(f"{path} holds no valid model of skgen: {error}") from error


def restored(document, arrays):
    """The estimator that was `described` so; the arrays are taken out of the dict."""
    cls = _class_of(document["class"])
    parameters, fixed = _parameters(document, cls)
    estimator, as_fitted = cls(**parameters), cls(**parameters | fixed)
    for one in (estimator, as_fitted):
        one._validate_params()
    n_features, dtype = document["n_features_in"], np.dtype(document["dtype"])
    if not _is_count(n_features, 1, np.inf) or dtype.kind not in "biuf":
        raise ValueError("'n_features_in' or 'dtype' is not one of a model")
    seed, names = document["seed"], document["feature_names_in"]
    if not _is_count(seed):
        raise ValueError("'seed' is not the seed of a model")
    if names is not None:
        estimator.feature_names_in_ = _names(names, n_features)
    table = table_from_plain(document["table"])
    if table is not None and len(table.columns) != n_features:
        raise ValueError("'table' does not describe each feature")
    state, summary = as_fitted._template(arrays, n_features, table)
    if not any(name.startswith(_training_prefixes(cls)) for name in arrays):
        state = state._replace(**dict.fromkeys(cls._training_parts))
    unfinished = _run_from_plain(document["unfinished"])
    if unfinished is not None and unfinished.best_bound > -np.inf:
        own = {n[5:]: arrays[n] for n in arrays if n.startswith("best_state.")}
        best_state, _ = as_fitted._template(own, n_features, table)
        unfinished.best_state = filled(best_state, arrays, "best_state")
    state, summary = filled(state, arrays, "state"), filled(summary, arrays, "summary")
    stream = filled(_stream_like(arrays), arrays, "stream")
    curve = from_history(_history(arrays, cls))
    if arrays:
        raise ValueError(f"unknown arrays {sorted(arrays)[:5]}")
    parts = state, summary, curve, dtype, table, seed, stream, fixed, unfinished
    vars(estimator).update(estimator._all_attributes(*parts))
    estimator.n_features_in_ = n_features
    return estimator.set_output(transform=document["output"])


def _names(names, n_features):
    if len(names) != n_features or not all(type(name) is str for name in names):
        raise ValueError("'feature_names_in' does not name each feature")
    return np.array(names, dtype=object)


def _stream_like(arrays):
    """What is known of blocks, with NaN where the rows gathered may have gaps."""
    rows = arrays.get("stream.gathered")
    if rows is None:
        return Stream()
    check_shape(arrays, "stream.gathered", (None, None))
    anything = {"f": np.nan, "i": -1}.get(rows.dtype.kind, 0)
    return Stream(gathered=np.full_like(rows, anything))


def _training_prefixes(cls):
    return tuple(f"state.{part}." for part in cls._training_parts)


def _class_of(name):
    if name not in _CLASSES:
        raise ValueError(f"the class {name!r} is none of {tuple(_CLASSES)}")
    return getattr(importlib.import_module(_CLASSES[name]), name)


def _parameters(document, cls):
    """The parameters as they are, and those fixed by fit as they were then."""
    unknown = set(document["parameters"]) - set(cls().get_params(deep=False))
    if unknown:
        raise ValueError(f"unknown parameters {sorted(unknown)}")
    if set(document["fixed"]) != set(cls._fixed_by_fit):
        raise ValueError(f"the parameters in 'fixed' are not {cls._fixed_by_fit}")
    return tuple(
        {name: _from_plain(name, value) for name, value in document[part].items()}
        for part in ("parameters", "fixed")
    )


def _history(arrays, cls):
    names = ["epoch", "seconds", *cls._scores._fields]
    columns = [arrays.pop(f"history.{name}") for name in names]
    history = np.rec.fromarrays(columns, names=names)  # refuses different shapes
    kinds = "".join(column.dtype.kind for column in columns)
    if history.ndim != 1 or not history.size or kinds != "i" + "f" * (len(names) - 1):
        raise ValueError("the learning curve has columns of another shape or type")
    return history


def _run_to_plain(run):
    """What is no array of a fit that was cut short."""
    plain = {name: _scalar(value) for name, value in vars(run).items()}
    for name in ("state", "best_state", "lowest", "curve"):
        del plain[name]
    for name in _BOUNDS:
        plain[name] = None if plain[name] == -np.inf else plain[name]
    return plain


def _run_from_plain(plain):
    if plain is None:
        return None
    run = Run(state=None, **plain)
    run.n_rows = tuple(run.n_rows)
    for name in _BOUNDS:
        setattr(run, name, -np.inf if plain[name] is None else plain[name])
    numbers = run.position, run.seconds, run.tol, run.best_bound, run.gained_bound
    numbers += run.seconds_before, run.seconds_of_epochs
    counts = run.n_left, run.n_epochs, run.n_stale, run.n_warmup
    counts += run.n_halved, run.n_most, run.n_typical, *run.n_rows
    if (
        not all(type(number) is float and number == number for number in numbers)
        or not all(map(_is_count, counts))
        or not (run.patience is None or _is_count(run.patience, 1))
        or not (run.max_time is None or run.max_time > 0)
        or run.schedule not in ("constant", "linear", "cosine")
        or len(run.n_rows) != 2
        or not 0 <= run.position <= 1.001  # a sum of rounded shares
        or type(run.finishing) is not bool
        or run.is_fit is not True
    ):
        raise ValueError(f"'unfinished' is no schedule of a fit cut short: {plain}")
    return run


def _is_count(value, smallest=0, limit=2**31):
    return type(value) is int and smallest <= value < limit


def _versions():
    versions = {"python": platform.python_version()}
    for package in ("scikit-gen", "numpy", "scikit-learn", "torch"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions


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
    if name == "likelihood" and isinstance(value, dict):
        return {"kinds": [[_to_plain(name, key), kind] for key, kind in value.items()]}
    if name == "likelihood":
        with contextlib.suppress(ValueError):
            likelihoods = importlib.import_module(_LIKELIHOODS)
            return {"likelihood": likelihoods.likelihood_to_plain(value)}
    if name == "hidden_layer_sizes":
        items = [_to_plain("a size", item) for item in value]
        return {"tuple": items} if isinstance(value, tuple) else items
    remedy = "joblib.dump"
    if name in ("encoder", "decoder"):
        remedy += f", or save {name}_.state_dict() with torch.save"
    raise ValueError(f"{name}={value!r} cannot be saved without pickle: use {remedy}.")


def _from_plain(name, value):
    if isinstance(value, list):
        return [_from_plain(name, item) for item in value]
    if not isinstance(value, dict):
        return value
    ((tag, content),) = value.items()
    if tag == "tuple":
        return tuple(_from_plain(name, item) for item in content)
    if tag == name == "random_state":
        return _random_state(*content)
    if tag == "kinds" and name == "likelihood":
        return dict(content)
    if tag == name == "likelihood":
        return importlib.import_module(_LIKELIHOODS).likelihood_from_plain(content)
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
    for name, array in sorted(arrays.items()):
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _write(path, content):
    """All of the content, or nothing: an earlier file stays until it is complete.

    The target of a symlink is written, and an earlier file's mode is kept. A pipe or a
    device, which nothing can replace, is written to.
    """
    path = Path(os.path.realpath(path))
    if _is_no_file(path):
        path.write_bytes(content)
        return
    earlier = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
    partial = path.with_name(f".{secrets.token_hex(8)}.partial")  # short in any case
    try:
        with open(partial, "xb", opener=_opener(earlier)) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if earlier is not None:
            partial.chmod(earlier)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _opener(mode):
    """Opens a new file that at no time can be read by more than this mode allows."""
    mode = 0o666 if mode is None else mode & 0o600
    return lambda path, flags: os.open(path, flags, mode)


def _is_no_file(path):
    """Whether the path is a pipe, a socket or a device."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _read(path):
    """The JSON document and the arrays of a file that is whole."""
    with path.open("rb") as file:
        start = file.read(8)
    if len(start) < 8 or int.from_bytes(start, "little") > _LONGEST_HEADER:
        raise ValueError(f"{path} is no .safetensors file, or one with a huge header.")
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get("skgen", "null")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if text == "null" and "document" in arrays:
            text = arrays.pop("document").tobytes()
        document = json.loads(text)
    except Exception as error:  # whatever a foreign file may cause
        raise ValueError(f"{path} is no whole file of skgen: {error}") from error
    if not isinstance(document, dict):
        raise ValueError(f"{path} was not written by skgen.")
    if document.pop("sha256", None) != _digest(document, arrays):
        raise ValueError(f"{path} has been altered since skgen wrote it.")
    return document, arrays
