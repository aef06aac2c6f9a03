"""Tables of numbers that are no arrays: Parquet files and arrays of Dask.

They have a shape, a dtype, `empty`, a frame of no rows with the names of the columns,
and rows by [], a slice or sorted numbers. None of them is ever in memory as a whole.
"""

import copy
import importlib
from functools import wraps
from pathlib import Path
from typing import cast

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skgen import views
from skgen.typing import Method

_LENGTH = 2**14  # rows of a batch that is read


def as_source(X):
    """X as a source, or None if it is something else, or small.

    Raises ValueError for text and the like in columns.
    """
    dataset = _as_dataset(X)
    if dataset is not None:
        return _Parquet(dataset) if _n_values(dataset) > views.LARGEST else None
    if _is_of_pyarrow(X) and hasattr(X, "to_batches") and _is_large(X):
        return _Parquet(_pyarrow().dataset(X))
    if is_dask(X):
        return _Dask(X)
    return None


def as_table(X):
    """A table of pyarrow of a path or a dataset that is small, else X itself."""
    dataset = _as_dataset(X)
    if dataset is None or _n_values(dataset) > views.LARGEST:
        return X
    return dataset.to_table()


def _as_dataset(X):
    """The dataset of a path of Parquet files, or X if it is one, else None."""
    if _is_of_pyarrow(X) and hasattr(X, "get_fragments"):
        return X
    if not isinstance(X, str | Path):
        return None
    if not Path(X).exists():
        raise ValueError(
            f"X is {str(X)!r}, and there is no such file: pass rows of numbers, or the "
            f"path of a Parquet file or of a folder of them."
        )
    try:
        return _pyarrow().dataset(str(X), format="parquet")
    except ValueError as error:  # ArrowInvalid among them
        raise ValueError(
            f"X is {str(X)!r}, which does not hold Parquet files ({error}): read other "
            f"files first, for example with pandas.read_csv, and pass the frame."
        ) from error


def _n_values(dataset):
    return dataset.count_rows() * len(dataset.schema)


def _is_of_pyarrow(X):
    return type(X).__module__.split(".")[0] == "pyarrow"


def is_dask(X):
    """Whether X is an array or a frame of Dask."""
    return hasattr(X, "__dask_graph__")


def by_blocks(method: Method) -> Method:
    """The method, which of an X of Dask returns an array of Dask, not yet computed."""

    @wraps(method)
    def of_any(self, X):
        if not is_dask(X):
            return method(self, X)
        check_is_fitted(self)
        source, columns = _Dask(X), getattr(X, "columns", None)
        options = {"drop_axis": 1}
        if method.__name__ == "transform":
            options = {"chunks": (source.array.chunks[0], (self._n_features_out,))}
        delayed = importlib.import_module("dask").delayed
        return source.array.map_blocks(
            _of_block,
            delayed(copy.copy(self), pure=True),
            method.__name__,
            None if columns is None else list(columns),
            dtype=np.result_type(source.dtype, np.float32),
            meta=np.empty((0,) * (1 if "drop_axis" in options else 2)),
            **options,
        )

    return cast(Method, of_any)


def _of_block(block, model, name, columns):
    if columns is not None:
        block = importlib.import_module("pandas").DataFrame(block, columns=columns)
    return getattr(model, name)(block)


def _pyarrow():
    try:
        return importlib.import_module("pyarrow.dataset")
    except ImportError as error:
        raise ImportError(
            'Parquet files need pyarrow: pip install "scikit-gen[table]", or pass an '
            "array."
        ) from error


class _Parquet:
    """The rows of a dataset of pyarrow, read in batches."""

    def __init__(self, dataset):
        self.dataset = dataset
        self.empty = dataset.schema.empty_table()
        for field in dataset.schema:
            if not _is_number(field):
                raise ValueError(
                    f"X has the column {field.name!r} of {field.type}: large files are "
                    f"read for numbers and booleans alone. Leave the column out of "
                    f"the file, or pass a frame."
                )
        kinds = [field.type.to_pandas_dtype() for field in dataset.schema]
        dtype = np.result_type(*kinds) if kinds else np.dtype(float)
        self.dtype = np.dtype(dtype)
        self.shape = dataset.count_rows(), len(dataset.schema)
        try:
            list(dataset.get_fragments())
        except ValueError as error:
            raise ValueError(
                "X is a dataset of pyarrow that is filtered or projected: write its "
                "rows to a file of their own, or pass the dataset before that."
            ) from error
        self._next = -1, None, None  # where reading would go on
        if self.dtype.kind != "f" and self._has_null():
            self.dtype = np.dtype(np.float64)

    def __getitem__(self, index):
        if isinstance(index, slice):
            start, stop, _ = index.indices(self.shape[0])
            return self._between(start, stop)
        result, done = np.empty((len(index), self.shape[1]), self.dtype), 0
        for first, batch in self._batches(_LENGTH):
            end = np.searchsorted(index, first + batch.num_rows)
            if end > done:
                rows = self._as_array(batch)
                result[done:end] = rows[index[done:end] - first]
                done = end
            if done == len(index):
                break
        return result

    def parts(self, length, rng):
        """Neighbouring rows and the number of the first, row groups in random order."""
        for first, batch in self._batches(length, rng):
            yield first, self._as_array(batch)

    def _batches(self, length, rng=None):
        """Batches of at most `length` rows, and the number of their first row."""
        groups, start = [], 0
        for fragment in self.dataset.get_fragments():
            split = getattr(fragment, "split_by_row_group", lambda f=fragment: [f])
            for group in split():
                groups.append((start, group))
                start += _n_rows(group)
        order = range(len(groups)) if rng is None else rng.permutation(len(groups))
        # without reading ahead, which would hold row groups in memory
        options = {"batch_readahead": 0, "fragment_readahead": 0, "batch_size": length}
        options["schema"] = self.dataset.schema
        for place in order:
            first, group = groups[place]
            for batch in group.to_batches(**options):
                yield first, batch
                first += batch.num_rows

    def _has_null(self):
        """Whether a value is missing: by the statistics of the files, or by reading."""
        names = set(self.dataset.schema.names)
        files = self.dataset.get_fragments()
        if all(_null_count(file, names) == 0 for file in files):
            return False
        return any(
            column.null_count
            for _, batch in self._batches(_LENGTH)
            for column in batch.columns
        )

    def _between(self, start, stop):
        """Rows start to stop; reading goes on where it has stopped before."""
        position, batch, rest = self._next
        if position != start:
            position, batch = 0, None
            rest = (batch for _, batch in self._batches(_LENGTH))
        result, done = np.empty((stop - start, self.shape[1]), self.dtype), 0
        while done < len(result):
            batch = next(rest) if batch is None else batch
            skipped = min(max(start - position, 0), batch.num_rows)
            taken = batch.slice(skipped, len(result) - done)
            result[done : done + taken.num_rows] = self._as_array(taken)
            done += taken.num_rows
            position += skipped + taken.num_rows
            left = batch.slice(skipped + taken.num_rows)
            batch = left if left.num_rows else None
        self._next = position, batch, rest
        return result

    def _as_array(self, table):
        rows = np.empty((table.num_rows, self.shape[1]), self.dtype)
        for number, column in enumerate(table.columns):
            rows[:, number] = column.to_numpy(zero_copy_only=False)
        return rows

    def __getstate__(self):
        return vars(self) | {"_next": (-1, None, None)}


def _is_number(field):
    kinds = importlib.import_module("pyarrow").types
    tests = kinds.is_floating, kinds.is_integer, kinds.is_boolean
    return any(test(field.type) for test in tests)


def _is_large(table):
    """Whether it is not to become an array; one with text is for frames to refuse."""
    n_values = table.num_rows * table.num_columns
    return n_values > views.LARGEST and all(map(_is_number, table.schema))


def _holds_numbers(dtype):
    return getattr(dtype, "numpy_dtype", dtype).kind in "biuf"


def _n_rows(fragment):
    """Of a fragment of some row groups count_rows would count the whole file."""
    groups = getattr(fragment, "row_groups", None)
    if groups is None:
        return fragment.count_rows()
    return sum(group.num_rows for group in groups)


def _null_count(fragment, names):
    """Of a Parquet file with these columns, or None if its statistics do not tell."""
    metadata = getattr(fragment, "metadata", None)
    if metadata is None or set(fragment.physical_schema.names) != names:
        return None
    total = 0
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(metadata.num_columns)):
            statistics = column.statistics
            if statistics is None or not statistics.has_null_count:
                return None
            total += statistics.null_count
    return total


class _Dask:
    """The rows of an array of Dask, a block at a time."""

    def __init__(self, X):
        self.empty = getattr(X, "_meta", None) if hasattr(X, "columns") else None
        array = X
        if hasattr(X, "columns"):
            if not all(_holds_numbers(kind) for kind in X.dtypes):
                raise ValueError(
                    f"X has columns of {sorted({str(t) for t in X.dtypes})}: of a "
                    f"frame of Dask all are to be numbers or booleans."
                )
            dtype = np.result_type(*(getattr(t, "numpy_dtype", t) for t in X.dtypes))
            nullable = any(hasattr(t, "numpy_dtype") for t in X.dtypes)
            dtype = np.dtype(np.float64) if nullable else dtype
            array = X.astype(dtype).to_dask_array(lengths=True)
        elif X.dtype.kind not in "biuf":
            raise ValueError(f"X is a Dask array of {X.dtype}: pass numbers.")
        if array.ndim != 2:
            raise ValueError(
                f"X is a Dask array of {array.ndim} dimensions: reshape it to rows and "
                f"columns."
            )
        if np.isnan(array.shape).any():
            array = array.compute_chunk_sizes()
        self.array = array.rechunk({1: -1})
        self.shape, self.dtype = array.shape, array.dtype
        if self.empty is None:
            self.empty = np.empty((0, self.shape[1]), self.dtype)

    def __getitem__(self, index):
        return np.asarray(self.array[index].compute())

    def parts(self, length, rng):
        """Neighbouring rows and the number of the first, blocks in random order."""
        lengths = self.array.chunks[0]
        starts = np.cumsum([0, *lengths])
        for number in rng.permutation(len(lengths)):
            block = np.asarray(self.array.blocks[number].compute())
            for start in range(0, len(block), length):
                yield starts[number] + start, block[start : start + length]
