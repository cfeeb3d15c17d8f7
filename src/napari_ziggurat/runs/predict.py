"""Predict: the labels of one box, in memory, and how unsure a model is of them."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box
from napari_ziggurat.images import Image
from napari_ziggurat.images.finite import refuse_not_finite
from napari_ziggurat.networks import Model
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.output.block_result import BlockResult
from napari_ziggurat.runs.plan.options import SegmentOptions
from napari_ziggurat.runs.session import Session

__all__ = ["entropy", "predict_box", "predict_unsure"]


def predict_box(
    image: Image, model: Model, level: int, box: Box, *, time: int = 0, device: str = "auto"
) -> Run[NDArray[np.uint8]]:
    """Labels of a box, in memory: the same bits that a run over the whole level gives there.

    Parameters
    ----------
    image, model : Image, Model
        What is segmented, with what.
    level : int
        Level that is read.
    box : Box
        Voxels of the level, ((Z), Y, X).
    time : int
        Time point.
    device : str
        Where it is computed, as `SegmentConfig` says it.

    Returns
    -------
    ((Z), Y, X) uint8 array
        As the generator's value.

    Raises
    ------
    ZigguratError
        Something does not fit, or a voxel that is read is NaN or infinite.
    """
    found = yield from _predict(image, model, _options(level, box, device), box, time)
    return found.labels[0]


def predict_unsure(
    image: Image, model: Model, level: int, box: Box, *, time: int = 0, device: str = "auto"
) -> Run[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """Labels of a box as `predict_box` gives them, and how unsure the model is of each voxel.

    Parameters
    ----------
    image, model : Image, Model
        What is segmented, with what.
    level : int
        Level that is read.
    box : Box
        Voxels of the level, ((Z), Y, X).
    time : int
        Time point.
    device : str
        Where it is computed, as `SegmentConfig` says it.

    Returns
    -------
    tuple of ((Z), Y, X) uint8 array and ((Z), Y, X) float32 array
        As the generator's value. The second is the entropy of the probabilities divided by its
        largest value: 0 where the model is sure, 1 where all classes are equally probable.

    Raises
    ------
    ZigguratError
        Something does not fit, or a voxel that is read is NaN or infinite.
    """
    options = replace(_options(level, box, device), probabilities=True)
    found = yield from _predict(image, model, options, box, time)
    return found.labels[0], entropy(found.probabilities[0])


def entropy(probabilities: NDArray[Any]) -> NDArray[np.float32]:
    """Give the entropy of probabilities (classes, (Z), Y, X), divided by the largest there can be.

    Returns
    -------
    ((Z), Y, X) float32 array
        From 0 to 1.
    """
    shares = np.clip(probabilities.astype(np.float32), np.finfo(np.float32).tiny, 1)
    found: NDArray[np.float32] = -(shares * np.log(shares)).sum(axis=0)
    largest = np.log(max(2, len(probabilities)))
    scaled: NDArray[np.float32] = np.clip(found / np.float32(largest), 0, 1)
    return scaled


def _options(level: int, box: Box, device: str) -> SegmentOptions:
    return SegmentOptions(level=level, box=str(box), device=device)


def _predict(
    image: Image, model: Model, options: SegmentOptions, box: Box, time: int
) -> Run[BlockResult]:
    with Session(model, options) as session:
        plan = session.plan(image)
        for number, region in plan.read_regions:
            yield from refuse_not_finite(image, number, region, time)
        found = BlockResult.empty(plan, box)
        total = plan.lattice.count(box)
        reader = session.reader(
            lambda window: image.read(plan.level, window, time),
            session.intensity(image, plan.level, time),
            session.surroundings(plan),
            time,
        )
        for done, piece in enumerate(session.cells(plan).predict(box, reader), 1):
            found.put(piece)
            yield Progress("segment", done, total)
        return found
