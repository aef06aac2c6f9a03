"""Images in a grid: samples, reconstructions and weights."""

from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from skgen.plotting.display import Display
from skgen.validation import binarized

_MOST_COMPONENTS = 64
_ASPECT = 4 / 3  # of axes at matplotlib's own figure size


def check_image_shape(image_shape, n_features):
    """Raise ValueError unless an image of that shape has as many pixels as features.

    Examples
    --------
    >>> from skgen.plotting.images import check_image_shape
    >>> check_image_shape((7, 9), 64)
    Traceback (most recent call last):
        ...
    ValueError: image_shape=(7, 9) has 63 pixels, but rows have 64 features: pass ...
    """
    shape = tuple(np.atleast_1d(image_shape))
    pair = len(shape) == 2 and all(isinstance(n, Integral) and n > 0 for n in shape)
    if pair and shape[0] * shape[1] == n_features:
        return
    found = f"has {shape[0] * shape[1]} pixels" if pair else "is no height and width"
    raise ValueError(
        f"image_shape={image_shape!r} {found}, but rows have {n_features} features: "
        f"pass (height, width), whole numbers with height * width = {n_features}."
    )


def draw_grey_images(ax, images, image_shape, n_columns, **kwargs):
    """Images in lines of n_columns, with limits from their values.

    Black is 0 and white is 1 if all values are in between; else the limits are the 1 %
    and the 99 % quantile, and a colour bar tells them. The images are at whole numbers
    of the axes, the first one, at the top left, at (0, 0).

    Parameters
    ----------
    ax : matplotlib Axes
    images : ndarray of shape (n_images, height * width)
        A row of NaN leaves its place empty.
    image_shape : tuple of (int, int)
    n_columns : int
    **kwargs : dict
        Passed to ``Axes.imshow``.

    Returns
    -------
    matplotlib AxesImage

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from skgen.plotting.images import draw_grey_images
    >>> ax = Figure().subplots()
    >>> draw_grey_images(ax, np.eye(4), (2, 2), n_columns=2).get_clim()
    (0.0, 1.0)
    """
    low, high = np.nanmin(images), np.nanmax(images)
    if low >= 0 and high <= 1:
        limits, extend = (0.0, 1.0), None
    else:
        limits, extend = _central_limits(images, low, high)
    style = {"cmap": "gray", "vmin": limits[0], "vmax": limits[1], **kwargs}
    im = _draw_images(ax, images, image_shape, n_columns, "lightsteelblue", **style)
    if extend is not None:
        _add_colorbar(im, extend, "Value of a feature")
    return im


def _central_limits(values, lowest, highest):
    """Limits of a colour bar, and which of its ends have values beyond."""
    low, high = np.nanquantile(values, [0.01, 0.99])
    if low == high:
        low, high = lowest, highest
    if low == high:
        low, high = low - 0.5, high + 0.5
    ends = ("neither", "min", "max", "both")
    return (low, high), ends[(lowest < low) + 2 * (highest > high)]


def _draw_images(ax, images, image_shape, n_columns, gap_color, **style):
    height, width = image_shape
    gap = max(1, round(max(height, width) / 16))
    array = _tiled(images.reshape(-1, height, width), n_columns, gap)
    n_lines = -(-len(images) // n_columns)
    # half an image and the gap around it
    x, y = 0.5 + gap / (width + gap) / 2, 0.5 + gap / (height + gap) / 2
    style = {
        "extent": (-x, n_columns - 1 + x, n_lines - 1 + y, -y),
        "aspect": (height + gap) / (width + gap),
        **style,
    }
    # a colour of no image, lest their edges vanish
    ax.set(xticks=[], yticks=[], facecolor=gap_color)
    ax.spines[:].set_visible(False)
    return ax.imshow(array, **style)


def _tiled(images, n_columns, gap):
    """Images side by side, lines of n_columns, with NaN around each of them."""
    n, height, width = images.shape
    n_lines = -(-n // n_columns)
    tiles = np.full((n_lines * n_columns, height + gap, width + gap), np.nan)
    tiles[:n, gap:, gap:] = images
    tiles = tiles.reshape(n_lines, n_columns, height + gap, width + gap)
    array = tiles.transpose(0, 2, 1, 3).reshape(n_lines * (height + gap), -1)
    return np.pad(array, ((0, gap), (0, gap)), constant_values=np.nan)


def _add_colorbar(im, extend, label):
    height, width = im.get_array().shape
    im.axes.figure.colorbar(
        im, ax=im.axes, extend=extend, label=label, shrink=min(1, 1.1 * height / width)
    )


def _n_columns(n_images, height, width):
    """Columns of a grid of about the shape of the axes, with few places left empty."""
    ideal = np.sqrt(n_images * _ASPECT * height / width)
    fewest = min(max(1, int(0.7 * ideal)), n_images)
    most = min(max(fewest, int(1.5 * ideal)), n_images)
    columns = range(fewest, most + 1)
    return min(columns, key=lambda n: (-n_images % n, max(n / ideal, ideal / n)))


class SampleDisplay(Display):
    """New rows from a model as a grid of images.

    Black is 0 and white is 1; values beyond [0, 1] have a colour bar, whose limits are
    their 1 % and 99 % quantiles.
    Keyword arguments of ``plot`` are those of ``Axes.imshow``.

    Parameters
    ----------
    samples : array-like of shape (n_samples, n_features)
    image_shape : tuple of (int, int)
        Height and width in pixels.

    Attributes
    ----------
    im_ : matplotlib AxesImage
        All images as one array, with NaN between them.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from skgen.plotting import SampleDisplay
    >>> samples = [[0, 1, 1, 0], [1, 0, 0, 1]]
    >>> display = SampleDisplay(samples=samples, image_shape=(2, 2)).plot()
    >>> plt.close()
    """

    def __init__(self, *, samples, image_shape):
        self.samples = samples
        self.image_shape = image_shape

    @classmethod
    def from_estimator(
        cls,
        estimator,
        *,
        image_shape,
        n_samples=48,
        random_state=None,
        ax=None,
        **kwargs,
    ):
        """Draw samples of a fitted model.

        Parameters
        ----------
        estimator : BinaryRBM or VariationalAutoencoder
        image_shape : tuple of (int, int)
            Height and width in pixels.
        n_samples : int, default=48
        random_state : int, RandomState instance or None, default=None
            None: that of the estimator.
        ax : matplotlib Axes, default=None
        **kwargs : dict
            Passed to ``Axes.imshow``.

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
        >>> display.samples.shape
        (48, 4)
        >>> plt.close()
        """
        check_is_fitted(estimator)
        samples = estimator.sample(n_samples, random_state=random_state)
        return cls(samples=samples, image_shape=image_shape).plot(ax, **kwargs)

    def _check(self):
        _check_rows(self.samples, "samples", self.image_shape)

    def _draw(self, ax, **kwargs):
        samples = np.asarray(self.samples, dtype=np.float64)
        n_columns = _n_columns(len(samples), *self.image_shape)
        self.im_ = draw_grey_images(ax, samples, self.image_shape, n_columns, **kwargs)
        ax.set_title(f"{len(samples)} sample{'s' * (len(samples) > 1)}")


class ReconstructionDisplay(Display):
    """Rows as images, and below each of them its reconstruction.

    Grey levels are those of ``SampleDisplay``. Keyword arguments of ``plot`` are those
    of ``Axes.imshow``.

    Parameters
    ----------
    X, reconstructions : array-like of shape (n_samples, n_features)
    image_shape : tuple of (int, int)
        Height and width in pixels.

    Attributes
    ----------
    im_ : matplotlib AxesImage
        All images as one array, with NaN between them.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from skgen.plotting import ReconstructionDisplay
    >>> display = ReconstructionDisplay(
    ...     X=[[0, 1, 1, 0]], reconstructions=[[0.1, 0.8, 0.9, 0]], image_shape=(2, 2)
    ... ).plot()
    >>> plt.close()
    """

    def __init__(self, *, X, reconstructions, image_shape):
        self.X = X
        self.reconstructions = reconstructions
        self.image_shape = image_shape

    @classmethod
    def from_estimator(cls, estimator, X, *, image_shape, ax=None, **kwargs):
        """Draw rows and their reconstructions by a fitted model.

        Parameters
        ----------
        estimator : BinaryRBM or VariationalAutoencoder
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            A few rows. Where a binary model binarises values beyond [0, 1], it is the
            result that is shown.
        image_shape : tuple of (int, int)
            Height and width in pixels.
        ax : matplotlib Axes, default=None
        **kwargs : dict
            Passed to ``Axes.imshow``.

        Returns
        -------
        ReconstructionDisplay

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from skgen import BinaryRBM
        >>> from skgen.plotting import ReconstructionDisplay
        >>> X = [[0, 1, 1, 0], [1, 0, 0, 1]]
        >>> rbm = BinaryRBM(2, random_state=0).fit(X)
        >>> display = ReconstructionDisplay.from_estimator(rbm, X, image_shape=(2, 2))
        >>> display.reconstructions.shape
        (2, 4)
        >>> plt.close()
        """
        check_is_fitted(estimator)
        reconstructions = np.asarray(estimator.reconstruct(X))
        X = X.toarray() if sparse.issparse(X) else np.asarray(X)
        binary = hasattr(estimator, "free_energy") or estimator._is_bernoulli()
        if binary and (X.min() < 0 or X.max() > 1):
            X = binarized(X, estimator.binarize)
        display = cls(X=X, reconstructions=reconstructions, image_shape=image_shape)
        return display.plot(ax, **kwargs)

    def _check(self):
        _check_rows(self.X, "X", self.image_shape)
        if np.shape(self.X) != np.shape(self.reconstructions):
            raise ValueError(
                f"X has shape {np.shape(self.X)}, but its reconstructions have "
                f"{np.shape(self.reconstructions)}: pass one for each row."
            )

    def _draw(self, ax, **kwargs):
        height, width = self.image_shape
        n_columns = _n_columns(len(self.X), 2 * height, width)
        images = _alternating_lines(self.X, self.reconstructions, n_columns)
        self.im_ = draw_grey_images(ax, images, self.image_shape, n_columns, **kwargs)
        n_pairs = len(images) // n_columns // 2
        ax.set_yticks(np.arange(2 * n_pairs), ["data", "reconstruction"] * n_pairs)
        ax.tick_params(axis="y", length=0)
        for pair in range(1, n_pairs):
            ax.axhline(2 * pair - 0.5, color="white", linewidth=3)


def _check_rows(rows, name, image_shape):
    if np.ndim(rows) != 2 or len(rows) == 0:
        raise ValueError(
            f"{name} has shape {np.shape(rows)}: pass rows of pixels, at least one."
        )
    check_image_shape(image_shape, np.shape(rows)[1])


def _alternating_lines(X, reconstructions, n_columns):
    """Lines of n_columns rows of X, each followed by one of their reconstructions."""
    n, n_features = np.shape(X)
    n_pairs = -(-n // n_columns)
    lines = np.full((2, n_pairs * n_columns, n_features), np.nan)
    lines[0, :n], lines[1, :n] = X, reconstructions
    lines = lines.reshape(2, n_pairs, n_columns, n_features)
    return lines.swapaxes(0, 1).reshape(-1, n_features)


class ComponentsDisplay(Display):
    """Weights of hidden units of an RBM as images.

    The weight W_ij is what unit j, switched on, adds to the log-odds of pixel i. The
    colours are symmetric about 0, up to the 99 % quantile of the absolute weights.
    Keyword arguments of ``plot`` are those of ``Axes.imshow``.

    Parameters
    ----------
    components : array-like of shape (n_components, n_features)
    units : array-like of shape (n_components,)
        Numbers of the hidden units.
    image_shape : tuple of (int, int)
        Height and width in pixels.

    Attributes
    ----------
    im_ : matplotlib AxesImage
        All images as one array, with NaN between them.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from skgen.plotting import ComponentsDisplay
    >>> display = ComponentsDisplay(
    ...     components=[[0.5, -2.0, 1.0, 0.0]], units=[3], image_shape=(2, 2)
    ... ).plot()
    >>> plt.close()
    """

    def __init__(self, *, components, units, image_shape):
        self.components = components
        self.units = units
        self.image_shape = image_shape

    @classmethod
    def from_estimator(
        cls, estimator, *, image_shape, n_components=None, ax=None, **kwargs
    ):
        """Draw the hidden units of largest norm, the largest first.

        Parameters
        ----------
        estimator : BinaryRBM
        image_shape : tuple of (int, int)
            Height and width in pixels.
        n_components : int, default=None
            How many units; None: all, but at most 64.
        ax : matplotlib Axes, default=None
        **kwargs : dict
            Passed to ``Axes.imshow``.

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
        >>> sorted(display.units.tolist())
        [0, 1, 2]
        >>> plt.close()
        """
        if not hasattr(estimator, "free_energy"):
            raise TypeError(
                f"ComponentsDisplay draws the weights of a BinaryRBM, got "
                f"{type(estimator).__name__}: use LatentSpaceDisplay or "
                f"ReconstructionDisplay."
            )
        check_is_fitted(estimator)
        weights = estimator.components_
        if n_components is None:
            n_components = min(len(weights), _MOST_COMPONENTS)
        whole = isinstance(n_components, Integral)
        if not whole or not 1 <= n_components <= len(weights):
            raise ValueError(
                f"n_components={n_components} units cannot be shown, the model has "
                f"{len(weights)}: pass a number from 1 to {len(weights)}, or None."
            )
        norms = np.linalg.norm(weights, axis=1)
        units = np.argsort(-norms, kind="stable")[:n_components]
        display = cls(components=weights[units], units=units, image_shape=image_shape)
        return display.plot(ax, **kwargs)

    def _check(self):
        _check_rows(self.components, "components", self.image_shape)

    def _draw(self, ax, **kwargs):
        weights = np.asarray(self.components, dtype=np.float64)
        bound = np.quantile(np.abs(weights), 0.99) or 1.0
        style = {"cmap": "RdBu_r", "vmin": -bound, "vmax": bound}
        n_columns = _n_columns(len(weights), *self.image_shape)
        self.im_ = _draw_images(
            ax, weights, self.image_shape, n_columns, "silver", **{**style, **kwargs}
        )
        exceeded = np.max(np.abs(weights)) > bound
        _add_colorbar(self.im_, "both" if exceeded else "neither", "Weight (nats)")
        ax.set_title("Hidden units, largest norm first")
