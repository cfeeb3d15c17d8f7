"""Thresholds: offsets of the logits that are fitted to held-out labels."""

import numpy as np
import torch
from numpy.typing import NDArray

from napari_ziggurat.networks.network import SegmentationNetwork
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.retrain.mix import NOT_ENOUGH
from napari_ziggurat.runs.setup.train_setup import TrainSetup
from napari_ziggurat.runs.train.corrections import Correction
from napari_ziggurat.training.offsets import Fitted, fit_offsets
from napari_ziggurat.training.rounds import HeldOut
from napari_ziggurat.training.stroke_logits import StrokeLogits

__all__ = ["fit_thresholds"]


def fit_thresholds(
    network: SegmentationNetwork, setup: TrainSetup, held: HeldOut | None, done: Correction
) -> Run[Correction]:
    """Add offsets to the logits, where they find held-out labels better that they do not know.

    Parameters
    ----------
    network : SegmentationNetwork
        Trained, in evaluation mode, with the class shares corrected.
    setup : TrainSetup
        Says whether it is wanted.
    held : HeldOut or None
        Labels that were not trained on.
    done : Correction
        Of the class shares, which tell how much a voxel of each class counts.
    """
    if setup.config.thresholds == "none":
        return done
    fitted = None if held is None else _fit(network, setup, held, done)
    if fitted is not None and fitted.pays:
        offsets = torch.from_numpy(fitted.offsets).to(network.shift)
        network.shift[: len(offsets)] += offsets
    words = _words(fitted)
    yield Progress("train", message=words)
    return Correction(done.shares, (*done.words, words))


def _fit(
    network: SegmentationNetwork, setup: TrainSetup, held: HeldOut, done: Correction
) -> Fitted | None:
    strokes = StrokeLogits.held_out(network, held)
    if not strokes.enough:
        return None
    counted = np.array([c.value != 0 for c in setup.classes])
    return fit_offsets(strokes, counted, _weights(strokes, setup, done))


def _weights(
    strokes: StrokeLogits, setup: TrainSetup, done: Correction
) -> NDArray[np.float64] | None:
    """Let the classes count as they are in the images, where that is known, not as painted."""
    if not done.shares:
        return None
    shares = np.array([done.shares[c.name] for c in setup.classes])
    return shares / np.maximum(strokes.voxels, 1)


def _words(fitted: Fitted | None) -> str:
    if fitted is None:
        return (
            f"thresholds: none, {NOT_ENOUGH}: four blocks are needed, and 50 voxels of each class "
            "in either half of them"
        )
    behind = f"{fitted.voxels} held-out voxels in {fitted.blocks} blocks"
    dice = f"mean Dice {fitted.before:.3f} -> {fitted.after:.3f}"
    if not fitted.pays:
        return f"thresholds: none, those of one half of {behind} give the other half {dice}"
    return f"thresholds: fitted to {behind}; those of one half give the other half {dice}"
