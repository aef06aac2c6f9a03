"""LatentSpaceDisplay: rows, or decoded images, in two latent dimensions."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.validation import check_is_fitted

from skgen.plotting.display import Display
from skgen.plotting.images import check_images, draw_grey_images
from skgen.typing import Data

# distinct for colour-blind readers too; Petroff, arXiv:2107.02270
_COLORS = (  # noqa: SIM905
    "#3f90da #ffa90e #bd1f01 #94a4a2 #832db6 #a96b59 #e76300 #b9ac70 #717581 #92dadd"
).split()
_MARKERS = "o^sDvP*X<>"
_MAX_CLASSES = 20
_IMAGES_PER_AXIS = 13  # every third image has a tick: both ends and 0 are among them


@dataclass(kw_only=True, eq=False, repr=False)
class LatentSpaceDisplay(Display):
    """Rows in two latent dimensions, or images decoded from a grid of latents.

    Classes in y differ in colour and marker. A label of one or two letters or digits is
    its own marker. Numbers that are not whole, or take more than 20 values, get a
    colour bar. ``plot`` passes keyword arguments to ``Axes.scatter``, or to
    ``Axes.imshow`` for images.

    Parameters
    ----------
    latents : array-like of shape (n_points, 2)
        With images: a square grid, line by line from the top left.
    xlabel, ylabel : str
    y : array-like of shape (n_points,), default=None
    y_name : str, default="y"
    images : array-like of shape (n_points, n_features), default=None
    image_shape : tuple of (height, width), default=None

    Attributes
    ----------
    scatters_ : list of matplotlib PathCollection
        One per class; empty with images.
    im_ : matplotlib AxesImage or None
    ax_, figure_ : matplotlib Axes and Figure
    """

    latents: ArrayLike
    xlabel: str
    ylabel: str
    y: ArrayLike | None = None
    y_name: str = "y"
    images: ArrayLike | None = None
    image_shape: tuple[int, int] | None = None

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Data | None = None,
        y: ArrayLike | None = None,
        *,
        components: tuple[int, int] | None = None,
        image_shape: tuple[int, int] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw rows of X in the latent space; without X, draw images decoded from it.

        Parameters
        ----------
        estimator : BinaryRBM or VariationalAutoencoder
        X : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
            None: the means of p(x | h) at quantiles of the prior N(0, I). This needs a
            VAE with two latent dimensions.
        y : array-like of shape (n_samples,), default=None
            Classes or numbers. The name of a pandas Series labels the legend.
        components : tuple of (int, int), default=None
            Dimensions on the horizontal and the vertical axis. None: the two in which
            ``transform(X)`` varies most, or (0, 1) without X.
        image_shape : tuple of (height, width), default=None
            Without X only.
        **kwargs
            Passed to ``plot``, `ax` among them.

        Returns
        -------
        LatentSpaceDisplay

        Raises
        ------
        ValueError
            If the model, X, y, `components` and `image_shape` do not fit together.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from sklearn.datasets import load_iris
        >>> from skgen import VariationalAutoencoder
        >>> from skgen.plotting import LatentSpaceDisplay
        >>> X, y = load_iris(return_X_y=True)
        >>> vae = VariationalAutoencoder(2, max_iter=5, random_state=0).fit(X)
        >>> display = LatentSpaceDisplay.from_estimator(vae, X, y)
        >>> [points.get_label() for points in display.scatters_]
        ['0', '1', '2']
        >>> plt.close()
        """
        check_is_fitted(estimator)
        if X is None and (y is not None or image_shape is None):
            raise ValueError(
                "X is None: pass the rows to draw (those that y belongs to), or "
                "image_shape and no y for images decoded on a grid."
            )
        if X is None:
            return cls._of_grid(estimator, components, image_shape).plot(**kwargs)
        if image_shape is not None:
            raise ValueError(
                f"image_shape={image_shape!r} is for a grid, not for X: leave out one."
            )
        return cls._of_rows(estimator, X, y, components).plot(**kwargs)

    @classmethod
    def _of_rows(cls, estimator, X, y, components):
        H = np.asarray(estimator.transform(X))
        if components is None:
            components = np.sort(np.argsort(-H.var(axis=0), kind="stable")[:2])
        components = _checked_components(components, H.shape[1])
        label = "Latent {}: mean of q(h | x)"
        if hasattr(estimator, "free_energy"):
            label = "Hidden unit {}: P(h = 1 | x)"
        xlabel, ylabel = map(label.format, components)
        y_name = getattr(y, "name", None) or "y"
        latents = H[:, components]
        return cls(latents=latents, xlabel=xlabel, ylabel=ylabel, y=y, y_name=y_name)

    @classmethod
    def _of_grid(cls, estimator, components, image_shape):
        if hasattr(estimator, "free_energy"):
            raise ValueError("A BinaryRBM has no Gaussian latents to decode: pass X.")
        prior, n_components = estimator.prior, estimator.active_units_.size
        if prior != "normal" or n_components != 2:
            raise ValueError(
                f"A grid lies at quantiles of N(0, I) in two dimensions, the model has "
                f"prior={prior!r} and n_components={n_components}: pass X to see its "
                f"latents, or fit a model with prior='normal' and n_components=2."
            )
        components = (0, 1) if components is None else components
        components = _checked_components(components, 2)
        # the middles of cells of equal probability
        quantiles = ndtri((np.arange(_IMAGES_PER_AXIS) + 0.5) / _IMAGES_PER_AXIS)
        across, up = np.meshgrid(quantiles, quantiles[::-1])
        latents = np.column_stack([across.ravel(), up.ravel()])
        images = estimator.inverse_transform(latents[:, np.argsort(components)])
        xlabel, ylabel = (f"Latent {n} (quantiles of N(0, 1))" for n in components)
        plane = {"latents": latents, "xlabel": xlabel, "ylabel": ylabel}
        return cls(**plane, images=np.asarray(images), image_shape=image_shape)

    def _check(self):
        if self.images is not None:
            check_images(self.images, "images", self.image_shape)
        if self.y is not None:
            _classes(self.y, len(self.latents))

    def _draw(self, ax, **kwargs):
        self.scatters_, self.im_ = [], None
        latents = np.asarray(self.latents)
        if self.images is not None:
            self._draw_grid(ax, latents, **kwargs)
        elif self.y is None:
            self.scatters_ = [ax.scatter(*latents.T, **{"s": 12, **kwargs})]
        else:
            self._draw_points(ax, latents, column_or_1d(self.y), **kwargs)
        ax.set(xlabel=self.xlabel, ylabel=self.ylabel)

    def _draw_grid(self, ax, latents, **kwargs):
        n = round(np.sqrt(len(latents)))
        images = np.asarray(self.images, dtype=np.float64)
        self.im_ = draw_grey_images(ax, images, self.image_shape, n, **kwargs)
        ticks = np.arange(0, n, max(1, (n - 1) // 4))
        positions = latents[ticks, 0], latents[n * ticks, 1]
        for axis, values in zip((ax.xaxis, ax.yaxis), positions):
            labels = [f"{value:.1f}".replace("-", "\N{MINUS SIGN}") for value in values]
            axis.set_ticks(ticks, labels)
        ax.tick_params(length=0)

    def _draw_points(self, ax, latents, y, **kwargs):
        classes = _classes(y, len(latents))
        if classes is None:
            points = ax.scatter(*latents.T, c=y, **{"s": 12, **kwargs})
            ax.figure.colorbar(points, ax=ax, label=self.y_name)
            self.scatters_ = [points]
            return
        for number, label in enumerate(classes):
            text = f"{label:g}" if y.dtype.kind == "f" else str(label)
            color = _COLORS[number % len(_COLORS)]
            look = {"color": color, "marker": _marker(text, number), "label": text}
            look |= {"s": 36, "linewidth": 0} | kwargs
            self.scatters_.append(ax.scatter(*latents[y == label].T, **look))
        # beside the axes, because points may lie anywhere in them
        ax.legend(title=self.y_name, loc="upper left", bbox_to_anchor=(1, 1))


def _marker(text, number):
    """The text itself if it is short and plain, else a shape."""
    if len(text) <= 2 and text.isascii() and text.isalnum():
        return rf"$\mathbf{{{text}}}$"
    # when the colours repeat, the shapes move on by one: every pair is used once
    return _MARKERS[(number + number // len(_COLORS)) % len(_MARKERS)]


def _classes(y, n_rows):
    """The distinct values of y, or None if y holds numbers for a colour bar."""
    y = column_or_1d(y)
    assert_all_finite(y, input_name="y")
    if len(y) != n_rows:
        raise ValueError(
            f"y has {len(y)} values, but X has {n_rows} rows: pass one for each row."
        )
    try:
        classes = np.unique(y)
    except TypeError as error:
        raise ValueError(
            f"Values of y cannot be compared ({error}): make all of them text."
        ) from error
    many = len(classes) > _MAX_CLASSES
    if y.dtype.kind in "fiu":
        return None if many or np.any(classes != np.rint(classes)) else classes
    if many:
        raise ValueError(
            f"y has {len(classes)} classes, but only {_MAX_CLASSES} can be told apart: "
            f"merge some, or pass numbers."
        )
    return classes


def _checked_components(components, n_components):
    if n_components < 2:
        raise ValueError(
            f"n_components={n_components}, a plane needs two: fit a model with more."
        )
    numbers = np.atleast_1d(components).tolist()
    if len(numbers) != 2 or len(set(numbers) & set(range(n_components))) != 2:
        raise ValueError(
            f"components={components!r} must be two different numbers from 0 to "
            f"{n_components - 1}."
        )
    return [int(number) for number in numbers]
