"""Display of a comparison of models."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from skgen.comparison import Comparison
from skgen.plotting.display import Display


@dataclass(kw_only=True, eq=False, repr=False)
class ComparisonDisplay(Display):
    """Differences of mean log-likelihoods to the best model, with standard errors.

    ``plot`` passes keyword arguments to ``Axes.errorbar``.

    Parameters
    ----------
    names : list of str
    differences, errors : array-like of shape (n_models,)
        Nats a row.

    Attributes
    ----------
    errorbar_ : matplotlib ErrorbarContainer
    ax_, figure_ : matplotlib Axes and Figure
    """

    names: list[str]
    differences: ArrayLike
    errors: ArrayLike

    @classmethod
    def from_comparison(cls, comparison: Comparison, **kwargs: Any) -> Self:
        """Draw what ``skgen.compare`` returns.

        Parameters
        ----------
        comparison : skgen.comparison.Comparison
        **kwargs
            Passed to ``plot``, `ax` among them.

        Returns
        -------
        ComparisonDisplay

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> import numpy as np
        >>> from skgen.comparison import Comparison
        >>> from skgen.plotting import ComparisonDisplay
        >>> comparison = Comparison(["a", "b"], np.array([[1.0, 2.0], [0.0, 0.5]]))
        >>> ComparisonDisplay.from_comparison(comparison).ax_.get_xlabel()
        'Nats a row less than a'
        >>> plt.close()
        """
        display = cls(
            names=comparison.names,
            differences=comparison.differences,
            errors=comparison.difference_errors,
        )
        return display.plot(**kwargs)

    def _draw(self, ax, **kwargs):
        places = np.arange(len(self.names))
        look = {"fmt": "o", "capsize": 3} | kwargs
        self.errorbar_ = ax.errorbar(self.differences, places, xerr=self.errors, **look)
        ax.axvline(0, color="grey", linewidth=1)
        ax.set(xlabel=f"Nats a row less than {self.names[0]}")
        ax.set_yticks(places, self.names)
        ax.invert_yaxis()
