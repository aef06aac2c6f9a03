"""What all displays share."""


class Display:
    """What all displays share: ``plot`` finds the axes, a subclass draws."""

    def plot(self, ax=None, **kwargs):
        """Draw the stored data.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None: axes of a new figure. A figure of several displays leaves room for
            their legends and colour bars with ``layout="constrained"``.
        **kwargs : dict
            Passed to the matplotlib method that the class names.

        Returns
        -------
        self
            With the attributes ``ax_`` and ``figure_``.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If the stored data do not fit together.

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
                f"{type(self).__name__}.plot needs matplotlib: install it with "
                f'pip install "skgen[plot]".'
            ) from error
        self._check()
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        self._draw(ax, **kwargs)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _check(self):
        """Raise ValueError if the data cannot be drawn, before a figure is made."""
