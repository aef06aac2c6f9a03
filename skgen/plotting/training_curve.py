"""TrainingCurveDisplay: log-likelihoods after each epoch."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from skgen.plotting.display import Display


@dataclass(kw_only=True, eq=False, repr=False)
class TrainingCurveDisplay(Display):
    """Log-likelihoods of training and held-out rows after each epoch.

    If the first tenth of the epochs would take up more than three quarters of the axis,
    the axis spans only the later epochs. Triangles at its edge then mark the epochs
    beyond it, and the legend gives the most extreme score. ``plot`` passes keyword
    arguments to ``Axes.plot``.

    Parameters
    ----------
    epoch : array-like of shape (n_epochs,)
    train, validation : array-like of shape (n_epochs,)
        Nats per row. NaN is not drawn.
    log_partition_std : array-like of shape (n_epochs,), default=None
        Standard error of log Z in nats. All rows share this error: each curve gets a
        band of two standard errors.
    score_name : str, default="Log-likelihood"

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
    bands_ : list of matplotlib PolyCollection
        One per line, or none if log Z is exact.
    ax_, figure_ : matplotlib Axes and Figure
    """

    epoch: ArrayLike
    train: ArrayLike
    validation: ArrayLike
    log_partition_std: ArrayLike | None = None
    score_name: str = "Log-likelihood"

    @classmethod
    def from_estimator(cls, estimator: Any, **kwargs: Any) -> Self:
        """Draw the ``history_`` of a fitted model.

        Parameters
        ----------
        estimator : BinaryRBM or VariationalAutoencoder
        **kwargs
            Passed to ``plot``, `ax` among them.

        Returns
        -------
        TrainingCurveDisplay

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from skgen import BinaryRBM
        >>> from skgen.plotting import TrainingCurveDisplay
        >>> rbm = BinaryRBM(2, random_state=0).fit([[0, 1], [1, 1]])
        >>> TrainingCurveDisplay.from_estimator(rbm).ax_.get_ylabel()
        'Log-likelihood (nats per row)'
        >>> plt.close()
        """
        check_is_fitted(estimator)
        history = estimator.history_
        score, name = "log_likelihood", "Log-likelihood"
        if "train_elbo" in history.dtype.names:
            score, name = "elbo", "ELBO"
        if np.all(np.isnan(history[f"train_{score}"])):
            raise ValueError(
                "The fit did not follow the log-likelihood: fit with X_val, with "
                "early_stopping, with verbose=1 or with partition_method='rolling'."
            )
        return cls(
            epoch=history.epoch,
            train=history[f"train_{score}"],
            validation=history[f"validation_{score}"],
            log_partition_std=getattr(history, "log_partition_std", None),
            score_name=name,
        ).plot(**kwargs)

    def _check(self):
        train = np.asarray(self.train, dtype=np.float64)
        validation = np.asarray(self.validation, dtype=np.float64)
        shapes = {np.shape(self.epoch), train.shape, validation.shape}
        if shapes != {(len(self.epoch),)} or np.all(np.isnan(train)):
            raise ValueError(
                f"epoch, train and validation have shapes {sorted(shapes)}: pass one "
                f"number per epoch, and not only NaN for train."
            )
        if np.any(np.isinf([train, validation])):
            raise ValueError("train and validation must be finite or NaN, got inf.")

    def _draw(self, ax, **kwargs):
        from matplotlib.ticker import MaxNLocator

        earlier_limits = ax.get_ylim() if ax.has_data() else ()
        std = 0.0 if self.log_partition_std is None else self.log_partition_std
        margin = 2 * np.broadcast_to(std, len(self.epoch))
        self.lines_, self.bands_ = [], []
        for name in ("train", "validation"):
            scores = np.asarray(getattr(self, name), dtype=np.float64)
            if not np.all(np.isnan(scores)):
                self._draw_curve(ax, scores, margin, {"label": name, **kwargs})
        if self.bands_:
            self.bands_[-1].set_label("\N{PLUS-MINUS SIGN} 2 standard errors of log Z")
        # with a single particle the standard error is infinite
        self._set_limits(ax, np.nan_to_num(margin[-1], posinf=0.0), earlier_limits)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.set(xlabel="Epoch", ylabel=f"{self.score_name} (nats per row)")
        ax.legend()

    def _draw_curve(self, ax, scores, margin, style):
        alone = len(scores) == 1  # a line through one point would be invisible
        (line,) = ax.plot(self.epoch, scores, **{"marker": "o" * alone, **style})
        self.lines_.append(line)
        if np.any(margin):
            look = {"color": line.get_color(), "alpha": 0.2, "linewidth": 4 * alone}
            edges = scores - margin, scores + margin
            self.bands_.append(ax.fill_between(self.epoch, *edges, **look))

    def _set_limits(self, ax, margin, earlier_limits):
        """Choose limits that keep the curves readable, and mark the scores beyond."""
        scores = np.array([line.get_ydata() for line in self.lines_])
        low, high = _readable_range(scores)
        pad = (0.05 * (high - low) + 1.2 * margin) or 0.5
        low = min([low - pad, *earlier_limits])
        high = max([high + pad, *earlier_limits])
        ax.set_ylim(low, high)
        self._mark(ax, scores < low, 0, "vk", f"below: down to {np.nanmin(scores):.4g}")
        self._mark(ax, scores > high, 1, "^k", f"above: up to {np.nanmax(scores):.4g}")

    def _mark(self, ax, beyond, edge, marker, label):
        """Draw triangles at one edge of the axes, at the epochs of scores beyond it."""
        epochs = np.asarray(self.epoch)[beyond.any(axis=0)]
        if len(epochs) > 0:
            edges, transform = np.full(len(epochs), edge), ax.get_xaxis_transform()
            (line,) = ax.plot(epochs, edges, marker, transform=transform, clip_on=False)
            line.set_label(label.replace("-", "\N{MINUS SIGN}"))


def _readable_range(scores):
    """Lowest and highest score to show.

    The first tenth of five or more epochs does not count if it would leave less than a
    quarter of the axis to the later ones.
    """
    n_epochs = scores.shape[1]
    low, high = np.nanmin(scores), np.nanmax(scores)
    later = scores[:, -(-n_epochs // 10) :]
    if n_epochs >= 5 and not np.all(np.isnan(later)):
        later_low, later_high = np.nanmin(later), np.nanmax(later)
        if 0 < 4 * (later_high - later_low) < high - low:
            return later_low, later_high
    return low, high
