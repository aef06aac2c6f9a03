"""LearningCurveDisplay: log-likelihoods after each epoch."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skgen.plotting.display import Display

_EARLY_SHARE = 10  # the first tenth of the epochs may leave the axis
_MOST_HEIGHT = 4  # if they would leave less than a quarter of it to the others
_FEWEST_EPOCHS = 5  # of which some are early


class LearningCurveDisplay(Display):
    """Log-likelihoods of training and held-out rows after each epoch.

    Where the first tenth of the epochs would take more than three quarters of the
    height, the axis spans the later ones; triangles at its edge are at the epochs
    beyond it, and the legend tells how far they go. Keyword arguments of ``plot`` are
    those of ``Axes.plot``.

    Parameters
    ----------
    epoch : array-like of shape (n_epochs,)
    train, validation : array-like of shape (n_epochs,)
        Nats per row. NaN is not drawn.
    log_partition_std : array-like of shape (n_epochs,), default=None
        Standard error of log Z, nats, which all rows share; a band of two of them is
        drawn about each curve.
    score_name : str, default="Log-likelihood"

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
    bands_ : list of matplotlib PolyCollection
        One per line, or none if log Z is exact.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from skgen.plotting import LearningCurveDisplay
    >>> display = LearningCurveDisplay(
    ...     epoch=[1, 2], train=[-3.0, -2.0], validation=[-3.5, -2.8]
    ... )
    >>> [line.get_label() for line in display.plot().lines_]
    ['train', 'validation']
    >>> plt.close()
    """

    def __init__(
        self,
        *,
        epoch,
        train,
        validation,
        log_partition_std=None,
        score_name="Log-likelihood",
    ):
        self.epoch = epoch
        self.train = train
        self.validation = validation
        self.log_partition_std = log_partition_std
        self.score_name = score_name

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **kwargs):
        """Draw the ``history_`` of a fitted model.

        Parameters
        ----------
        estimator : BinaryRBM or VariationalAutoencoder
        ax : matplotlib Axes, default=None
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        LearningCurveDisplay

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from skgen import BinaryRBM
        >>> from skgen.plotting import LearningCurveDisplay
        >>> rbm = BinaryRBM(2, random_state=0).fit([[0, 1], [1, 1]])
        >>> LearningCurveDisplay.from_estimator(rbm).ax_.get_ylabel()
        'Log-likelihood (nats per row)'
        >>> plt.close()
        """
        check_is_fitted(estimator)
        history = estimator.history_
        if "train_elbo" in history.dtype.names:
            curves = history.train_elbo, history.validation_elbo, None, "ELBO"
        else:
            curves = (
                history.train_log_likelihood,
                history.validation_log_likelihood,
                history.log_partition_std,
                "Log-likelihood",
            )
        train, validation, log_partition_std, score_name = curves
        return cls(
            epoch=history.epoch,
            train=train,
            validation=validation,
            log_partition_std=log_partition_std,
            score_name=score_name,
        ).plot(ax, **kwargs)

    def _check(self):
        train, n_epochs = np.asarray(self.train, dtype=np.float64), len(self.epoch)
        shapes = {np.shape(self.epoch), np.shape(train), np.shape(self.validation)}
        if shapes != {(n_epochs,)} or np.all(np.isnan(train)):
            raise ValueError(
                f"epoch, train and validation have shapes {sorted(shapes)}: pass one "
                f"number for each epoch, not all of train NaN."
            )
        if np.any(np.isinf(train)) or np.any(np.isinf(self.validation)):
            raise ValueError("train and validation must be finite or NaN, got inf.")

    def _draw(self, ax, **kwargs):
        from matplotlib.ticker import MaxNLocator

        before = ax.get_ylim() if ax.has_data() else ()
        margin = np.zeros(len(self.epoch))
        if self.log_partition_std is not None:
            margin = 2 * np.asarray(self.log_partition_std)
        self.lines_, self.bands_ = [], []
        for name in ("train", "validation"):
            scores = np.asarray(getattr(self, name), dtype=np.float64)
            if not np.all(np.isnan(scores)):
                self._draw_curve(ax, scores, margin, {"label": name, **kwargs})
        if self.bands_:
            self.bands_[-1].set_label("\N{PLUS-MINUS SIGN} 2 standard errors of log Z")
        # one particle alone says nothing of its error: it is infinite
        self._limit(ax, np.nan_to_num(margin[-1], posinf=0.0), before)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.set(xlabel="Epoch", ylabel=f"{self.score_name} (nats per row)")
        ax.legend()

    def _draw_curve(self, ax, scores, margin, style):
        alone = len(scores) == 1  # a line through one point cannot be seen
        (line,) = ax.plot(self.epoch, scores, **{"marker": "o" * alone, **style})
        self.lines_.append(line)
        if np.any(margin):
            band = ax.fill_between(
                self.epoch,
                scores - margin,
                scores + margin,
                color=line.get_color(),
                alpha=0.2,
                linewidth=4 * alone,
            )
            self.bands_.append(band)

    def _limit(self, ax, margin, before):
        """Limits in which the curves can be read, and marks of what lies beyond."""
        scores = np.array([line.get_ydata() for line in self.lines_])
        low, high = _readable_range(scores)
        pad = (0.05 * (high - low) + 1.2 * margin) or 0.5
        low, high = min([low - pad, *before]), max([high + pad, *before])
        ax.set_ylim(low, high)
        self._mark(ax, scores < low, 0, "v", f"below: down to {np.nanmin(scores):.4g}")
        self._mark(ax, scores > high, 1, "^", f"above: up to {np.nanmax(scores):.4g}")

    def _mark(self, ax, beyond, edge, marker, label):
        """Triangles at an edge of the axes, at the epochs of scores beyond it."""
        epochs = np.asarray(self.epoch)[beyond.any(axis=0)]
        if len(epochs) > 0:
            ax.plot(
                epochs,
                np.full(len(epochs), edge),
                marker,
                color="black",
                clip_on=False,
                transform=ax.get_xaxis_transform(),
                label=label.replace("-", "\N{MINUS SIGN}"),
            )


def _readable_range(scores):
    """Lowest and highest score, of the first epochs too if the others stay readable."""
    low, high = np.nanmin(scores), np.nanmax(scores)
    n_epochs = scores.shape[1]
    later = scores[:, -(-n_epochs // _EARLY_SHARE) :]
    if n_epochs < _FEWEST_EPOCHS or np.all(np.isnan(later)):
        return low, high
    later_low, later_high = np.nanmin(later), np.nanmax(later)
    if 0 < _MOST_HEIGHT * (later_high - later_low) < high - low:
        return later_low, later_high
    return low, high
