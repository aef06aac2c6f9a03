"""Callbacks for ``set_callbacks``, by the protocol of ``sklearn.callback``."""

import warnings
from os import PathLike
from pathlib import Path
from typing import Any

from skgen.persistence import check_can_save, check_can_write
from skgen.validation import check_count


class Checkpoint:
    """Save the model to a file during ``fit`` and once more at its end.

    The file has the format of ``save``: ``skgen.load`` returns an estimator that scores
    and samples. If ``fit`` was interrupted, load the file, set ``warm_start=True`` and
    fit on the same X (and X_val). Training then continues from the saved epoch with the
    original `max_iter` and schedule, and reaches the same model as without the
    interruption. Once ``fit`` has finished, the file holds its result.

    Parameters
    ----------
    path : str or path-like
        The file is replaced in one step, so it always holds a complete model. A path
        that cannot be written, such as a folder, is a ValueError when ``fit`` begins.
    every : int, default=1
        Save every so many epochs.

    Warns
    -----
    RuntimeWarning
        If the file cannot be written. ``fit`` continues.

    Notes
    -----
    Clones share their callbacks, so all candidates of a grid search would write to the
    same path. Set the callback on the final estimator or on ``best_estimator_``.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import skgen
    >>> from skgen.callbacks import Checkpoint
    >>> rbm = skgen.BinaryRBM(2, max_iter=5, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "rbm.safetensors"
    ...     rbm = rbm.set_callbacks(Checkpoint(path, every=2)).fit([[0, 1], [1, 0]])
    ...     skgen.load(path).n_iter_
    5
    """

    def __init__(self, path: str | PathLike[str], *, every: int = 1) -> None:
        self.path = Path(path)
        self.every = check_count(every, "every", 1)

    def setup(self, estimator: Any, context: Any) -> None:
        """Raise ValueError before training if the file could not be written."""
        check_can_save(estimator)
        check_can_write(self.path)

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def on_fit_task_end(
        self, estimator: Any, context: Any, *, fitted_estimator: Any = None
    ) -> None:
        """Write the file at the end of fit and of every `every`-th epoch."""
        if context.task_name == "epoch" and fitted_estimator.n_iter_ % self.every:
            return
        try:
            fitted_estimator.save(self.path)
        except OSError as error:
            message = f"The checkpoint {self.path} was not written: {error}."
            warnings.warn(message, RuntimeWarning, stacklevel=2)

    def teardown(self, estimator: Any, context: Any) -> None:
        """Do nothing."""
