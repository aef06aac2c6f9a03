"""
=======================================
A log of the epochs that a tracker reads
=======================================

scikit-learn's callbacks watch ``fit``. This one writes a line of comma-separated values
after every epoch, which experiment trackers and spreadsheets read while training is
still running (``plot_log_epochs.csv``; the picture is ``plot_log_epochs.png``).
"""

# %%
# The callback
# ------------
# A hook that asks for ``fitted_estimator`` is given the model as it is after the epoch.
import csv
from pathlib import Path

from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import skgen
from skgen import BinaryRBM
from skgen.callbacks import Checkpoint
from skgen.plotting import LearningCurveDisplay


class EpochLog:
    """Append the newest record of the learning curve to a file, epoch by epoch."""

    def __init__(self, path):
        self.path = Path(path)

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name == "epoch":
            history, is_new = fitted_estimator.history_, not self.path.exists()
            with self.path.open("a", newline="") as file:
                writer = csv.writer(file)
                if is_new:
                    writer.writerow(history.dtype.names)
                writer.writerow(history[-1])

    def teardown(self, estimator, context):
        pass


# %%
# A model that is watched
# -----------------------
X_train, X_val = train_test_split(load_digits().data / 16, random_state=0)
path = Path(__file__).with_suffix(".csv")
path.unlink(missing_ok=True)  # of an earlier run; a fit that goes on appends to it
rbm = BinaryRBM(64, max_iter=30, random_state=0).set_callbacks(
    EpochLog(path), Checkpoint(path.with_suffix(".safetensors"), every=10)
)
rbm.fit(X_train, X_val=X_val)
print(*path.read_text().splitlines()[:4], "...", sep="\n")

# %%
# The same as a picture
# ---------------------
# The checkpoint holds the model, for ``skgen.load``; with ``warm_start=True`` a ``fit``
# that was cut short goes on from there.
figure = Figure(figsize=(6, 3.6), layout="constrained")
LearningCurveDisplay.from_estimator(
    skgen.load(path.with_suffix(".safetensors")), ax=figure.subplots()
)
figure.savefig(path.with_suffix(".png"), dpi=120)
print(f"\nThe learning curve: {path.with_suffix('.png')}")
