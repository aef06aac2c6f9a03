"""Displays of images in a grid: samples, reconstructions and weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from skgen.plotting.display import Display
from skgen.typing import RandomState
from skgen.validation import binarized

_MAX_COMPONENTS = 64
_ASPECT = 4 / 3  # width / height of axes at matplotlib's own figure size


@dataclass(kw_only=True, eq=False, repr=False)
class SampleDisplay(Display):
    """New rows from a model as a grid of images.

    Black is 0 and white is 1. If some values lie outside [0, 1], the grey scale spans
    the 1 % to 99 % quantiles of the values instead, and a colour bar shows it. ``plot``
    passes keyword arguments to ``Axes.imshow``.

    Parameters
    ----------
    samples : array-like of shape (n_samples, n_features)
    image_shape : tuple of (height, width)

    Attributes
    ----------
    im_ : matplotlib AxesImage
        All images as one array, with NaN between them.
    ax_, figure_ : matplotlib Axes and Figure
    """

    samples: ArrayLike
    image_shape: tuple[int, int]

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        image_shape: tuple[int, int],
        n_samples: int = 48,
        random_state: RandomState = None,
        **kwargs: Any,
    ) -> Self:
        """Draw samples of a fitted model.

        Parameters
        ----------
        estimator : BinaryRBM or VariationalAutoencoder
        image_shape : tuple of (height, width)
        n_samples : int, default=48
        random_state : int, RandomState instance or None, default=None
            None: the estimator's own.
        **kwargs
            Passed to ``plot``, `ax` among them.

        Returns
        -------
        SampleDisplay

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from skgen import BinaryRBM
        >>> from skgen.plotting import SampleDisplay
        >>> rbm = BinaryRBM(2, random_state=0).fit([[0, 1, 1, 0], [1, 0, 0, 1]])
        >>> display = SampleDisplay.from_estimator(rbm, image_shape=(2, 2))
        >>> bool((display.samples == rbm.sample(48)).all())
        True
        >>> plt.close()
        """
        samples = estimator.sample(n_samples, random_state=random_state)
        return cls(samples=samples, image_shape=image_shape).plot(**kwargs)

    def _check(self):
        check_images(self.samples, "samples", self.image_shape)

    def _draw(self, ax, **kwargs):
        samples = np.asarray(self.samples, dtype=np.float64)
        n_columns = _n_columns(len(samples), *self.image_shape)
        self.im_ = draw_grey_images(ax, samples, self.image_shape, n_columns, **kwargs)
        ax.set_title(f"{len(samples)} sample{'s' * (len(samples) > 1)}")


@dataclass(kw_only=True, eq=False, repr=False)
class ReconstructionDisplay(Display):
    """Rows as images, each with its reconstruction below it.

    The grey scale is that of ``SampleDisplay``. ``plot`` passes keyword arguments to
    ``Axes.imshow``.

    Parameters
    ----------
    X, reconstructions : array-like of shape (n_samples, n_features)
    image_shape : tuple of (height, width)

    Attributes
    ----------
    im_ : matplotlib AxesImage
        All images as one array, with NaN between them.
    ax_, figure_ : matplotlib Axes and Figure
    """

    X: ArrayLike
    reconstructions: ArrayLike
    image_shape: tuple[int, int]

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, image_shape: tuple[int, int], **kwargs: Any
    ) -> Self:
        """Draw rows and their reconstructions by a fitted model.

        Parameters
        ----------
        estimator : BinaryRBM or VariationalAutoencoder
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            A few rows. If a model of binary data gets values outside [0, 1], the
            binarised rows are shown.
        image_shape : tuple of (height, width)
        **kwargs
            Passed to ``plot``, `ax` among them.

        Returns
        -------
        ReconstructionDisplay

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from skgen import BinaryRBM
        >>> from skgen.plotting import ReconstructionDisplay
        >>> X = [[0, 255, 200, 0], [250, 0, 0, 255]]
        >>> rbm = BinaryRBM(2, binarize=127, random_state=0).fit(X)
        >>> ReconstructionDisplay.from_estimator(rbm, X, image_shape=(2, 2)).X
        array([[0, 1, 1, 0],
               [1, 0, 0, 1]], dtype=uint8)
        >>> plt.close()
        """
        reconstructions = np.asarray(estimator.reconstruct(X))
        X = X.toarray() if sparse.issparse(X) else np.asarray(X)
        likelihood = getattr(estimator, "likelihood", "bernoulli")  # an RBM has none
        binary = likelihood == "bernoulli" or type(likelihood).__name__ == "Bernoulli"
        if binary and (X.min() < 0 or X.max() > 1):
            X = binarized(X, estimator.binarize)
        display = cls(X=X, reconstructions=reconstructions, image_shape=image_shape)
        return display.plot(**kwargs)

    def _check(self):
        check_images(self.X, "X", self.image_shape)
        if np.shape(self.X) != np.shape(self.reconstructions):
            raise ValueError(
                f"X has shape {np.shape(self.X)}, but its reconstructions have "
                f"{np.shape(self.reconstructions)}: pass one for each row."
            )

    def _draw(self, ax, **kwargs):
        n, n_features = np.shape(self.X)
        n_columns = _n_columns(n, 2 * self.image_shape[0], self.image_shape[1])
        n_pairs = -(-n // n_columns)
        lines = np.full((2, n_pairs * n_columns, n_features), np.nan)
        lines[0, :n], lines[1, :n] = self.X, self.reconstructions
        # lines of data and of reconstructions alternate
        lines = lines.reshape(2, n_pairs, n_columns, n_features).swapaxes(0, 1)
        images = lines.reshape(-1, n_features)
        self.im_ = draw_grey_images(ax, images, self.image_shape, n_columns, **kwargs)
        ax.set_yticks(np.arange(2 * n_pairs), ["data", "reconstruction"] * n_pairs)
        ax.tick_params(axis="y", length=0)
        for pair in range(1, n_pairs):
            ax.axhline(2 * pair - 0.5, color="white", linewidth=3)


@dataclass(kw_only=True, eq=False, repr=False)
class ComponentsDisplay(Display):
    """Weights of the hidden units of an RBM as images.

    The weight W_ij is what unit j, when on, adds to the log-odds of pixel i. The
    colours are symmetric about 0 and end at the 99 % quantile of the absolute weights.
    ``plot`` passes keyword arguments to ``Axes.imshow``.

    Parameters
    ----------
    components : array-like of shape (n_components, n_features)
    units : array-like of shape (n_components,)
        Numbers of the hidden units.
    image_shape : tuple of (height, width)

    Attributes
    ----------
    im_ : matplotlib AxesImage
        All images as one array, with NaN between them.
    ax_, figure_ : matplotlib Axes and Figure
    """

    components: ArrayLike
    units: Sequence[int] | np.ndarray
    image_shape: tuple[int, int]

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        image_shape: tuple[int, int],
        n_components: int | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the hidden units of largest norm, the largest first.

        Parameters
        ----------
        estimator : BinaryRBM
        image_shape : tuple of (height, width)
        n_components : int, default=None
            How many units; None: all, but at most 64.
        **kwargs
            Passed to ``plot``, `ax` among them.

        Returns
        -------
        ComponentsDisplay

        Raises
        ------
        TypeError
            If the model has no weights between features and hidden units.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from skgen import BinaryRBM
        >>> from skgen.plotting import ComponentsDisplay
        >>> rbm = BinaryRBM(3, random_state=0).fit([[0, 1, 1, 0], [1, 0, 0, 1]])
        >>> display = ComponentsDisplay.from_estimator(rbm, image_shape=(2, 2))
        >>> bool((display.components == rbm.components_[display.units]).all())
        True
        >>> plt.close()
        """
        if not hasattr(estimator, "free_energy"):
            raise TypeError(
                f"{type(estimator).__name__} has no weights to draw, only BinaryRBM "
                f"has: use LatentSpaceDisplay or ReconstructionDisplay."
            )
        check_is_fitted(estimator)
        weights = estimator.components_
        if n_components is None:
            n_components = min(len(weights), _MAX_COMPONENTS)
        if n_components not in range(1, len(weights) + 1):
            raise ValueError(
                f"n_components={n_components} must be None or from 1 to {len(weights)}."
            )
        norms = np.linalg.norm(weights, axis=1)
        units = np.argsort(-norms, kind="stable")[:n_components]
        display = cls(components=weights[units], units=units, image_shape=image_shape)
        return display.plot(**kwargs)

    def _check(self):
        check_images(self.components, "components", self.image_shape)

    def _draw(self, ax, **kwargs):
        weights = np.asarray(self.components, dtype=np.float64)
        bound = np.quantile(np.abs(weights), 0.99) or 1.0
        extend = "both" if np.max(np.abs(weights)) > bound else "neither"
        n_columns = _n_columns(len(weights), *self.image_shape)
        style = {"cmap": "RdBu_r", "vmin": -bound, "vmax": bound, **kwargs}
        ax.set_facecolor("silver")
        self.im_ = _draw_images(ax, weights, self.image_shape, n_columns, **style)
        _add_colorbar(self.im_, extend, "Weight (nats)")
        ax.set_title("Hidden units, largest norm first")


def check_images(rows, name, image_shape):
    """Raise ValueError unless there are rows, each an image of the given shape."""
    if np.ndim(rows) != 2 or len(rows) == 0:
        raise ValueError(
            f"{name} has shape {np.shape(rows)}: pass at least one row of pixels."
        )
    n_features, shape = np.shape(rows)[1], np.asarray(image_shape)
    pair = shape.shape == (2,) and shape.dtype.kind in "iu" and np.all(shape > 0)
    if not pair or np.prod(shape) != n_features:
        raise ValueError(
            f"image_shape={image_shape!r} does not fit rows of {n_features} features: "
            f"pass (height, width), whole numbers of product {n_features}."
        )


def draw_grey_images(ax, images, image_shape, n_columns, **kwargs):
    """Draw rows as images, with NaN for an empty place, and return the AxesImage.

    Black is 0 and white is 1 if all values lie in between. Otherwise the limits are
    quantiles, and a colour bar shows them.
    """
    lowest, highest = np.nanmin(images), np.nanmax(images)
    in_unit_interval = lowest >= 0 and highest <= 1
    low, high = (0.0, 1.0) if in_unit_interval else _central_limits(images)
    style = {"cmap": "gray", "vmin": low, "vmax": high, **kwargs}
    ax.set_facecolor("lightsteelblue")  # not a grey: edges of images stay visible
    im = _draw_images(ax, images, image_shape, n_columns, **style)
    if not in_unit_interval:
        ends = "neither", "min", "max", "both"
        extend = ends[(lowest < low) + 2 * (highest > high)]
        _add_colorbar(im, extend, "Value of a feature")
    return im


def _central_limits(values):
    """The 1 % and 99 % quantiles, or wider limits if these are equal."""
    low, high = np.nanquantile(values, [0.01, 0.99])
    if low == high:
        low, high = np.nanmin(values), np.nanmax(values)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return low, high


def _draw_images(ax, images, image_shape, n_columns, **style):
    """Draw a grid of images, the first one at the top left, centred at (0, 0)."""
    height, width = image_shape
    gap = max(1, round(max(height, width) / 16))
    line_height, column_width = height + gap, width + gap
    n_lines = -(-len(images) // n_columns)
    tiles = np.full((n_lines * n_columns, line_height, column_width), np.nan)
    tiles[: len(images), gap:, gap:] = images.reshape(-1, height, width)
    lines = tiles.reshape(n_lines, n_columns, line_height, column_width).swapaxes(1, 2)
    array = lines.reshape(n_lines * line_height, n_columns * column_width)
    array = np.pad(array, (0, gap), constant_values=np.nan)
    # from the centre of the first or the last image to the edge of the axes
    x, y = 0.5 + gap / column_width / 2, 0.5 + gap / line_height / 2
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    extent = -x, n_columns - 1 + x, n_lines - 1 + y, -y
    aspect = line_height / column_width
    return ax.imshow(array, **{"extent": extent, "aspect": aspect, **style})


def _add_colorbar(im, extend, label):
    height, width = im.get_array().shape
    shrink = min(1, 1.1 * height / width)
    im.axes.figure.colorbar(im, ax=im.axes, extend=extend, label=label, shrink=shrink)


def _n_columns(n_images, height, width):
    """Columns of a grid of about the shape of the axes, with few empty places."""
    ideal = np.sqrt(n_images * _ASPECT * height / width)
    fewest = min(max(1, int(0.7 * ideal)), n_images)
    most = min(max(fewest, int(1.5 * ideal)), n_images)
    columns = range(fewest, most + 1)
    return min(columns, key=lambda n: (-n_images % n, max(n / ideal, ideal / n)))
