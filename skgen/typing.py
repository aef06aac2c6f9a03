"""Names of types that public signatures share."""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np


class HasShape(Protocol):
    """An array, a sparse matrix, a frame or a table, of any library."""

    @property
    def shape(self) -> Any:
        """Numbers of rows and of columns."""


Data: TypeAlias = HasShape | Sequence[Any] | PathLike[str]
"""Rows, or the path of Parquet files. A list may hold None, which ArrayLike may not."""

Result: TypeAlias = Any
"""An array; a frame after ``set_output`` or of a model of frames; of Dask if X is.

A union would allow neither ``.head()`` nor ``.compute()``.
"""

RandomState: TypeAlias = int | np.random.RandomState | None

Method = TypeVar("Method", bound=Callable[..., Any])
"""What a decorator takes and gives back with the same signature."""
