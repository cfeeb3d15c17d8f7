"""Predict: the labels of one box, in memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box
from napari_ziggurat.images import Image
from napari_ziggurat.images.finite import refuse_not_finite
from napari_ziggurat.inference.labels import most_probable
from napari_ziggurat.networks import Model
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.options import SegmentOptions
from napari_ziggurat.runs.plan import SegmentPlan
from napari_ziggurat.runs.session import Session

__all__ = ["BlockResult", "predict_box"]


@dataclass(frozen=True)
class BlockResult:
    """Labels of a block, and its probabilities where they are wanted."""

    box: Box
    values: tuple[int, ...]
    labels: NDArray[np.uint8]
    probabilities: NDArray[np.float32] | None

    @classmethod
    def empty(cls, plan: SegmentPlan, box: Box) -> "BlockResult":
        """Make room for a block; every voxel is to be put."""
        values = tuple(c.value for c in plan.spec.classes)
        more = np.empty((len(values), *box.shape), np.float32) if plan.probabilities else None
        return cls(box, values, np.empty(box.shape, np.uint8), more)

    def put(self, box: Box, probabilities: NDArray[np.float32]) -> None:
        """Take the probabilities (classes, (Z), Y, X) of a box inside the block."""
        inside = box.relative_to(self.box.start).slices
        self.labels[inside] = most_probable(probabilities, self.values)
        if self.probabilities is not None:
            self.probabilities[(slice(None), *inside)] = probabilities


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
        yield from refuse_not_finite(image, level, plan.read_region, time)
        found = BlockResult.empty(plan, box)
        total = plan.lattice.count(box)
        pieces = session.predict(plan, box, session.intensity(image, level, time), time)
        for done, piece in enumerate(pieces, 1):
            found.put(*piece)
            yield Progress("segment", done, total)
        return found.labels
