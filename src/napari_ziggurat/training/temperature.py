"""Temperature: by what logits are divided so that probabilities say how often they are right.

A network that was trained for a short time is much less sure than it is right (Guo and others
2017, arXiv 1706.04599). How common classes are can only be told from probabilities that are right
(Alexandari and others 2020, arXiv 1901.06852).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from napari_ziggurat.training.stroke_logits import StrokeLogits

__all__ = ["fit_temperature"]

_LOW, _HIGH = 0.1, 2.0  # strokes lie where classes are plain, so all of them may be right


def fit_temperature(strokes: StrokeLogits, shares: NDArray[np.float64]) -> float:
    """Find the temperature by which labelled voxels are most probable; 1 where there are none.

    Parameters
    ----------
    strokes : StrokeLogits
        Labelled voxels, drawn class by class.
    shares : (classes,) array
        Part of all voxels that each class is given among them.
    """
    if not len(strokes.channels):
        return 1.0
    weights = (shares / np.maximum(strokes.voxels, 1))[strokes.channels]
    logits = strokes.logits.astype(np.float64)
    own = logits[np.arange(len(logits)), strokes.channels]

    def surprise(log_temperature: float) -> float:
        temperature = np.exp(log_temperature)
        said = own / temperature - logsumexp(logits / temperature, axis=1)
        return float(-(weights * said).sum())

    bounds = (np.log(_LOW), np.log(_HIGH))
    found = minimize_scalar(surprise, bounds=bounds, method="bounded", options={"xatol": 1e-3})
    return float(np.exp(found.x))
