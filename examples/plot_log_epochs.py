"""
=========================================
A log of the epochs for a tracker to read
=========================================

scikit-learn's callbacks follow ``fit``. This one writes a line of comma-separated
values after every epoch. Experiment trackers and spreadsheets can read the file while
training still runs.
"""

# %%
# The callback
# ------------
# A hook with an argument ``fitted_estimator`` gets the model after the epoch.
import csv
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import skgen
from skgen import BinaryRBM
from skgen.callbacks import Checkpoint
from skgen.plotting import TrainingCurveDisplay


class EpochLog:
    """Append the newest record of the training curve to a file, epoch by epoch."""

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
# A model with callbacks
# ----------------------
X_train, X_val = train_test_split(load_digits().data / 16, random_state=0)
path = Path(tempfile.mkdtemp()) / "epochs.csv"
rbm = BinaryRBM(64, max_iter=30, random_state=0).set_callbacks(
    EpochLog(path), Checkpoint(path.with_suffix(".safetensors"), every=10)
)
rbm.fit(X_train, X_val=X_val)
print(*path.read_text().splitlines()[:4], "...", sep="\n")

# %%
# The same as a picture
# ---------------------
# ``skgen.load`` reads the model from the checkpoint. After an interrupted ``fit``,
# ``fit`` with ``warm_start=True`` continues from there.
figure = plt.figure(figsize=(6, 3.6), layout="constrained")
TrainingCurveDisplay.from_estimator(
    skgen.load(path.with_suffix(".safetensors")), ax=figure.subplots()
)
plt.show()
