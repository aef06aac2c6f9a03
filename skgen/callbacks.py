"""Callbacks for ``set_callbacks``, in the protocol of ``sklearn.callback``."""

import os
import warnings
from pathlib import Path

from skgen.persistence import check_can_save
from skgen.validation import check_count


class Checkpoint:
    """Save the model to a file while ``fit`` runs, and once more at its end.

    The file is that of ``save``: ``skgen.load`` makes an estimator of it that scores
    and samples. If ``fit`` was cut short, fitting the loaded estimator on the same X
    (and X_val), with ``warm_start=True``, goes on where the file was written, by the
    `max_iter` and the schedule that it began with, and comes to the same model as
    without interruption. After a ``fit`` that came to its end the file holds its
    result.

    Parameters
    ----------
    path : str or path-like
        Replaced in one step each time: it always holds a whole model.
    every : int, default=1
        Epochs between two files.

    Warns
    -----
    RuntimeWarning
        If a file cannot be written while ``fit`` runs, which goes on.

    Notes
    -----
    Clones share their callbacks: in a grid search all candidates would write to the
    same path. Set it on the estimator that is fitted last, or on ``best_estimator_``.

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

    def __init__(self, path, *, every=1):
        self.path = Path(path)
        self.every = check_count(every, "every", 1)

    def setup(self, estimator, context):
        """Refuse what could not be written, before any time is spent on it."""
        check_can_save(estimator)
        folder = self.path.parent
        if not os.access(folder, os.W_OK):
            raise ValueError(
                f"Checkpoint cannot write to {self.path}: the folder {folder} "
                f"{'is read-only' if folder.exists() else 'does not exist'}."
            )

    def on_fit_task_begin(self, estimator, context):
        """Nothing."""

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        """Write the file, if it is time."""
        if context.task_name == "epoch" and fitted_estimator.n_iter_ % self.every:
            return
        try:
            fitted_estimator.save(self.path)
        except OSError as error:
            warnings.warn(
                f"The checkpoint {self.path} was not written: {error}.",
                RuntimeWarning,
                stacklevel=2,
            )

    def teardown(self, estimator, context):
        """Nothing."""
