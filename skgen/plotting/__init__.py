"""Displays of fitted models: training curves, samples, columns, weights and latents.

They work like scikit-learn's displays. ``from_estimator`` computes the data and draws
them; the constructor stores plain data, and ``plot`` draws these. Only ``plot`` imports
matplotlib. It leaves matplotlib's global settings unchanged.
"""

from skgen.plotting.columns import ColumnsDisplay
from skgen.plotting.comparison import ComparisonDisplay
from skgen.plotting.images import (
    ComponentsDisplay,
    ReconstructionDisplay,
    SampleDisplay,
)
from skgen.plotting.latent import LatentSpaceDisplay
from skgen.plotting.training_curve import TrainingCurveDisplay

__all__ = [
    "ColumnsDisplay",
    "ComparisonDisplay",
    "ComponentsDisplay",
    "LatentSpaceDisplay",
    "ReconstructionDisplay",
    "SampleDisplay",
    "TrainingCurveDisplay",
]
