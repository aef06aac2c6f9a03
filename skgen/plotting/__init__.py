"""Displays of fitted models: learning curves, samples, weights and latent spaces.

They follow scikit-learn's displays: ``from_estimator`` computes and draws, the
constructor stores plain data, ``plot`` draws them. Only ``plot`` needs matplotlib, and
it changes nothing of its global state.
"""

from skgen.plotting.images import (
    ComponentsDisplay,
    ReconstructionDisplay,
    SampleDisplay,
)
from skgen.plotting.latent import LatentSpaceDisplay
from skgen.plotting.learning_curve import LearningCurveDisplay

__all__ = [
    "ComponentsDisplay",
    "LatentSpaceDisplay",
    "LearningCurveDisplay",
    "ReconstructionDisplay",
    "SampleDisplay",
]
