"""The base class of all displays."""

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:  # only ``plot`` imports matplotlib
    from matplotlib.axes import Axes


class Display:
    """Stored data that ``plot`` checks and draws; a subclass says how."""

    ax_: "Axes"
    figure_: Any  # of a SubFigure, too, but that has no savefig

    def plot(self, ax: "Axes | None" = None, **kwargs: Any) -> Self:
        """Draw the stored data.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None: axes of a new figure. Create your own figure with
            ``layout="constrained"``: it keeps room for legends and colour bars.
        **kwargs : dict
            Passed to the matplotlib method that the class documents.

        Returns
        -------
        self
            With the attributes ``ax_`` and ``figure_``.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If the stored data do not fit together. No figure is made.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from skgen.plotting import SampleDisplay
        >>> display = SampleDisplay(samples=[[0, 1, 1, 0]], image_shape=(2, 2))
        >>> display.plot(cmap="gray_r").ax_.get_title()
        '1 sample'
        >>> plt.close()
        """
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError(
                f"{type(self).__name__} needs matplotlib: pip install "
                f'"scikit-gen[plot]".'
            ) from error
        self._check()
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        self._draw(ax, **kwargs)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _check(self):
        """Raise ValueError if the data cannot be drawn, before a figure is made."""

    def _draw(self, ax, **kwargs):
        """Draw on the axes and store the artists; every subclass has its own."""
