"""LatentSpaceDisplay: rows, or decoded images, in two latent dimensions."""

import numpy as np
from scipy.special import ndtri
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.validation import check_is_fitted

from skgen.plotting.display import Display
from skgen.plotting.images import check_image_shape, draw_grey_images

# told apart by the colour-blind too; Petroff, arXiv:2107.02270
_COLORS = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
_MARKERS = "o^sDvP*X<>"
_MOST_CLASSES = 20
_IMAGES_PER_AXIS = 13  # a tick at every third: at both ends and at 0


class LatentSpaceDisplay(Display):
    """Rows in two dimensions of the latent space, or images decoded from all over it.

    Classes in y differ in colour and in marker: a label of one or two letters or digits
    is its own marker. Numbers that are not whole, or of more than 20 values, have a
    colour bar. Keyword arguments of ``plot`` are those of ``Axes.scatter``, and of
    ``Axes.imshow`` for images.

    Parameters
    ----------
    latents : array-like of shape (n_points, 2)
        With images, a square grid: rows from top left to bottom right.
    xlabel, ylabel : str
    y : array-like of shape (n_points,), default=None
    y_name : str, default="y"
    images : array-like of shape (n_points, n_features), default=None
    image_shape : tuple of (int, int), default=None
        Height and width in pixels.

    Attributes
    ----------
    scatters_ : list of matplotlib PathCollection
        One per class; empty with images.
    im_ : matplotlib AxesImage or None
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from skgen.plotting import LatentSpaceDisplay
    >>> display = LatentSpaceDisplay(
    ...     latents=[[0.0, 1.0], [-1.0, 0.5]], xlabel="h0", ylabel="h1", y=["a", "b"]
    ... )
    >>> len(display.plot().scatters_)
    2
    >>> plt.close()
    """

    def __init__(
        self,
        *,
        latents,
        xlabel,
        ylabel,
        y=None,
        y_name="y",
        images=None,
        image_shape=None,
    ):
        self.latents = latents
        self.xlabel = xlabel
        self.ylabel = ylabel
        self.y = y
        self.y_name = y_name
        self.images = images
        self.image_shape = image_shape

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X=None,
        y=None,
        *,
        components=None,
        image_shape=None,
        ax=None,
        **kwargs,
    ):
        """Draw rows of X in the latent space; without X, what a VAE decodes there.

        Parameters
        ----------
        estimator : BinaryRBM or VariationalAutoencoder
        X : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
            None: images of the means of p(x | h) at quantiles of the prior N(0, I), for
            a VAE of two latent dimensions.
        y : array-like of shape (n_samples,), default=None
            Classes or numbers; a pandas Series gives its name to the legend.
        components : tuple of (int, int), default=None
            Dimensions on the horizontal and the vertical axis; None: the two in which
            ``transform(X)`` varies most, or (0, 1) without X.
        image_shape : tuple of (int, int), default=None
            Height and width in pixels, without X.
        ax : matplotlib Axes, default=None
        **kwargs : dict
            Passed to ``Axes.scatter``, or to ``Axes.imshow`` without X.

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
        >>> LatentSpaceDisplay.from_estimator(vae, X, y).latents.shape
        (150, 2)
        >>> plt.close()
        """
        check_is_fitted(estimator)
        if X is not None:
            if image_shape is not None:
                raise ValueError(
                    f"image_shape={image_shape!r} is for images decoded on a grid, not "
                    f"for a scatter of X: leave out one of the two."
                )
            display = cls._of_rows(estimator, X, y, components)
        elif y is not None or image_shape is None:
            raise ValueError(
                "X is None: pass the rows to be drawn (those y belongs to), or "
                "image_shape and no y for images decoded on a grid."
            )
        else:
            display = cls._of_grid(estimator, components, image_shape)
        return display.plot(ax, **kwargs)

    @classmethod
    def _of_rows(cls, estimator, X, y, components):
        H = np.asarray(estimator.transform(X))
        if components is None:
            components = np.sort(np.argsort(-H.var(axis=0), kind="stable")[:2])
        components = _checked_components(components, H.shape[1])
        xlabel, ylabel = (_axis_label(estimator, number) for number in components)
        return cls(
            latents=H[:, components],
            xlabel=xlabel,
            ylabel=ylabel,
            y=y,
            y_name=getattr(y, "name", None) or "y",
        )

    @classmethod
    def _of_grid(cls, estimator, components, image_shape):
        _check_decodable(estimator)
        components = _checked_components(
            (0, 1) if components is None else components, 2
        )
        # in the middle of cells of equal probability
        quantiles = ndtri((np.arange(_IMAGES_PER_AXIS) + 0.5) / _IMAGES_PER_AXIS)
        across, up = np.meshgrid(quantiles, quantiles[::-1])
        latents = np.column_stack([across.ravel(), up.ravel()])
        images = estimator.inverse_transform(latents[:, np.argsort(components)])
        xlabel, ylabel = (f"Latent {n} (quantiles of N(0, 1))" for n in components)
        return cls(
            latents=latents,
            xlabel=xlabel,
            ylabel=ylabel,
            images=np.asarray(images),
            image_shape=image_shape,
        )

    def _check(self):
        if self.images is not None:
            check_image_shape(self.image_shape, np.shape(self.images)[1])
        if self.y is not None:
            _check_y(self.y, len(self.latents))

    def _draw(self, ax, **kwargs):
        self.scatters_, self.im_ = [], None
        latents = np.asarray(self.latents)
        if self.images is not None:
            self._draw_grid(ax, latents, **kwargs)
        elif self.y is None:
            self.scatters_ = [ax.scatter(*latents.T, **{"s": 12, **kwargs})]
        elif _are_classes(y := column_or_1d(self.y)):
            self._draw_classes(ax, latents, y, **kwargs)
        else:
            points = ax.scatter(*latents.T, c=y, **{"s": 12, **kwargs})
            ax.figure.colorbar(points, ax=ax, label=self.y_name)
            self.scatters_ = [points]
        ax.set(xlabel=self.xlabel, ylabel=self.ylabel)

    def _draw_grid(self, ax, latents, **kwargs):
        n = round(np.sqrt(len(latents)))
        images = np.asarray(self.images, dtype=np.float64)
        self.im_ = draw_grey_images(ax, images, self.image_shape, n, **kwargs)
        for axis, values in ((ax.xaxis, latents[:n, 0]), (ax.yaxis, latents[::n, 1])):
            labels = [f"{value:.1f}".replace("-", "\N{MINUS SIGN}") for value in values]
            step = max(1, (n - 1) // 4)
            axis.set_ticks(np.arange(n)[::step], labels[::step])
        ax.tick_params(length=0)

    def _draw_classes(self, ax, latents, y, **kwargs):
        for number, label in enumerate(np.unique(y)):
            text = f"{label:g}" if y.dtype.kind == "f" else str(label)
            style = {
                "color": _COLORS[number % len(_COLORS)],
                "marker": _marker(text, number),
                "s": 36,
                "linewidth": 0,
                "label": text,
                **kwargs,
            }
            self.scatters_.append(ax.scatter(*latents[y == label].T, **style))
        # beside the points, which are everywhere
        ax.legend(title=self.y_name, loc="upper left", bbox_to_anchor=(1, 1))


def _marker(text, number):
    """The text itself if it is short and plain, else a shape."""
    if len(text) <= 2 and text.isascii() and text.isalnum():
        return rf"$\mathbf{{{text}}}$"
    # another pairing with the colours in the second round of them
    return _MARKERS[(number + number // len(_COLORS)) % len(_MARKERS)]


def _are_classes(y):
    if y.dtype.kind not in "fiu":
        return True
    return len(np.unique(y)) <= _MOST_CLASSES and bool(np.all(y == np.rint(y)))


def _axis_label(estimator, number):
    if hasattr(estimator, "free_energy"):
        return f"Hidden unit {number}: P(h = 1 | x)"
    return f"Latent {number}: mean of q(h | x)"


def _checked_components(components, n_components):
    numbers = np.atleast_1d(components).tolist()
    if n_components < 2:
        raise ValueError(
            f"The model has n_components={n_components}, a plane needs two: fit one of "
            f"more components."
        )
    distinct = len(numbers) == len(set(numbers)) == 2
    if not distinct or not set(numbers) <= set(range(n_components)):
        raise ValueError(
            f"components={components!r} must be two different numbers from 0 to "
            f"{n_components - 1}."
        )
    return [int(number) for number in numbers]


def _check_decodable(estimator):
    name = type(estimator).__name__
    if hasattr(estimator, "free_energy"):
        raise ValueError(f"{name} has no Gaussian latents to decode: pass X.")
    fitted = estimator._fixed  # set_params may have changed the parameters
    if fitted["n_components"] != 2:
        raise ValueError(
            f"A grid is decoded from two latent dimensions, the model has n_components="
            f"{fitted['n_components']}: pass X to see two of them, or fit one with 2."
        )
    if fitted["prior"] != "normal":
        raise ValueError(
            f"The grid is at quantiles of N(0, I), the model has prior="
            f"{fitted['prior']!r}: pass X to see where its latents are."
        )


def _check_y(y, n_rows):
    y = column_or_1d(y)
    assert_all_finite(y, input_name="y")
    if len(y) != n_rows:
        raise ValueError(
            f"y has {len(y)} values, but X has {n_rows} rows: pass one for each row."
        )
    try:
        n_classes = len(np.unique(y))
    except TypeError as error:
        raise ValueError(
            f"y holds values that cannot be compared ({error}): make all of them text, "
            f"or all of them numbers."
        ) from error
    if y.dtype.kind not in "fiu" and n_classes > _MOST_CLASSES:
        raise ValueError(
            f"y has {n_classes} classes, of which no more than {_MOST_CLASSES} can be "
            f"told apart: merge some, or pass numbers."
        )
