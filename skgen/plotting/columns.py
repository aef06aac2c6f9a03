"""Display of a table: the distribution of each column, in the data and in samples."""

from dataclasses import dataclass
from typing import Any, Self

import narwhals.stable.v2 as nw
import numpy as np
from sklearn.utils.validation import check_is_fitted

from skgen.containers import as_frame
from skgen.plotting.display import Display
from skgen.typing import Data, RandomState

_MOST_COLUMNS = 24
_MOST_VALUES = 30  # bins, or values with a bin each
_MOST_BARS = 12  # of categories: the most frequent ones


@dataclass(kw_only=True, eq=False, repr=False)
class ColumnsDisplay(Display):
    """The distribution of each column, of data and of samples, in a panel each.

    Numbers, dates and durations (in hours) have histograms, all else has bars. Gaps are
    left out. The axis bears the name of the column. ``plot`` divides `ax` into panels
    and passes keyword arguments to ``Axes.stairs`` and ``Axes.bar``.

    Parameters
    ----------
    data, samples : data frame or array-like of shape (n_rows, n_features)
        Of the same columns, of which the first 24 are drawn.

    Attributes
    ----------
    axes_ : list of matplotlib Axes
        One for each column.
    ax_, figure_ : matplotlib Axes and Figure
    """

    data: Data
    samples: Data

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        n_samples: int | None = None,
        random_state: RandomState = None,
        **kwargs: Any,
    ) -> Self:
        """Draw samples of a fitted model and compare them with the rows of X.

        Parameters
        ----------
        estimator : BinaryRBM or VariationalAutoencoder
        X : data frame or array-like of shape (n_rows, n_features)
        n_samples : int, default=None
            None: as many as X has rows.
        random_state : int, RandomState instance or None, default=None
            None: the estimator's own.
        **kwargs
            Passed to ``plot``, `ax` among them.

        Returns
        -------
        ColumnsDisplay

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn.datasets import load_iris
        >>> from skgen import VariationalAutoencoder
        >>> from skgen.plotting import ColumnsDisplay
        >>> frame = load_iris(as_frame=True).data
        >>> vae = VariationalAutoencoder(2, max_iter=5, random_state=0).fit(frame)
        >>> display = ColumnsDisplay.from_estimator(vae, frame)
        >>> display.axes_[0].get_xlabel()
        'sepal length (cm)'
        >>> plt.close()
        """
        check_is_fitted(estimator)
        n_samples = len(X) if n_samples is None else n_samples
        samples = estimator.sample(n_samples, random_state=random_state)
        return cls(data=X, samples=samples).plot(**kwargs)

    def _check(self):
        names = [list(_columns(rows)) for rows in (self.data, self.samples)]
        if names[0] != names[1]:
            raise ValueError(
                f"data and samples have other columns: {names[0]} and {names[1]}."
            )

    def _draw(self, ax, **kwargs):
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
        from matplotlib.gridspec import GridSpecFromSubplotSpec

        data, samples = _columns(self.data), _columns(self.samples)
        n_across = int(np.ceil(np.sqrt(len(data))))
        shape = -(-len(data) // n_across), n_across
        grid = GridSpecFromSubplotSpec(*shape, subplot_spec=ax.get_subplotspec())
        ax.set_axis_off()
        self.axes_ = [ax.figure.add_subplot(grid[n]) for n in range(len(data))]
        for panel, (name, values) in zip(self.axes_, data.items()):
            draw = _draw_bars if values.dtype == object else _draw_histograms
            draw(panel, values, samples[name], **kwargs)
            panel.set(xlabel=name, yticks=[])
            if values.dtype.kind == "M":
                locator = AutoDateLocator(maxticks=4)
                panel.xaxis.set_major_locator(locator)
                panel.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        self.axes_[0].legend()


def _columns(rows):
    """Numbers, times or text of the first columns by their names, without gaps."""
    frame = as_frame(rows)
    if frame is None:
        columns = np.asarray(rows, dtype=np.float64).T[:_MOST_COLUMNS]
        return {f"column {n}": c[~np.isnan(c)] for n, c in enumerate(columns)}
    names = frame.columns[:_MOST_COLUMNS]
    return {str(name): _values(frame[name].drop_nulls()) for name in names}


def _values(series):
    dtype = series.dtype
    if dtype.is_numeric():
        values = series.cast(nw.Float64()).to_numpy()
        return values[~np.isnan(values)]
    if isinstance(dtype, nw.Datetime | nw.Date):
        return series.to_numpy().astype("datetime64[us]")
    if isinstance(dtype, nw.Duration):
        return series.to_numpy() / np.timedelta64(1, "h")
    return np.array([str(value) for value in series.to_list()], dtype=object)


def _draw_histograms(ax, data, samples, **kwargs):
    dtype, parts = data.dtype, [data, samples]
    if dtype.kind == "M":
        parts = [part.astype(np.int64).astype(np.float64) for part in parts]
    both = np.concatenate(parts)
    distinct = np.unique(both)
    edges = np.histogram_bin_edges(both, _MOST_VALUES)
    if 1 < len(distinct) <= _MOST_VALUES and np.ptp(np.diff(distinct)) == 0:
        half = (distinct[1] - distinct[0]) / 2
        edges = np.append(distinct - half, distinct[-1] + half)
    looks = {"fill": True, "alpha": 0.4, "label": "data"}, {"label": "samples"}
    for part, look in zip(parts, looks):
        heights = np.histogram(part, edges)[0] / max(len(part), 1)
        places = edges if dtype.kind != "M" else edges.astype(np.int64).astype(dtype)
        ax.stairs(heights, places, **look | kwargs)


def _draw_bars(ax, data, samples, **kwargs):
    values, counts = np.unique(np.concatenate([data, samples]), return_counts=True)
    most = np.argsort(-counts, kind="stable")[:_MOST_BARS]
    values = values[np.sort(most)]
    for place, part, label in ((-0.2, data, "data"), (0.2, samples, "samples")):
        shares = [np.mean(part == value) for value in values]
        look = {"width": 0.4, "label": label, "alpha": 0.4 if label == "data" else 1}
        ax.bar(np.arange(len(values)) + place, shares, **look | kwargs)
    ax.set_xticks(np.arange(len(values)), values, rotation=90 if len(values) > 4 else 0)
