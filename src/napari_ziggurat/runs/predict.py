"""Predict: the labels of one box, in memory."""

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box
from napari_ziggurat.images import Image
from napari_ziggurat.images.finite import refuse_not_finite
from napari_ziggurat.networks import Model
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.block_result import BlockResult
from napari_ziggurat.runs.options import SegmentOptions
from napari_ziggurat.runs.session import Session

__all__ = ["predict_box"]


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
    with Session(model, SegmentOptions(level=level, box=str(box), device=device)) as session:
        plan = session.plan(image)
        for number, region in plan.read_regions:
            yield from refuse_not_finite(image, number, region, time)
        found = BlockResult.empty(plan, box)
        total = plan.lattice.count(box)
        reader = session.reader(
            lambda window: image.read(level, window, time),
            session.intensity(image, level, time),
            session.surroundings(plan),
            time,
        )
        for done, piece in enumerate(session.cells(plan).predict(box, reader), 1):
            found.put(piece)
            yield Progress("segment", done, total)
        return found.labels[0]
