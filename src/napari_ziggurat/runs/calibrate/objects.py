"""Objects that agree best with drawn ones: the settings with which maps are made into objects."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.errors import InputError
from napari_ziggurat.evaluation.contingency import Contingency
from napari_ziggurat.evaluation.matching import Matching
from napari_ziggurat.evaluation.object_counts import ObjectCounts
from napari_ziggurat.geometry import BlockGrid, Box
from napari_ziggurat.images import Image, image_from_array
from napari_ziggurat.images.annotation import whole_numbers
from napari_ziggurat.inference.objects import Ground, Joining, Saddles, merge_basins
from napari_ziggurat.networks import ObjectSettings
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.objects.parting import Found, Parting
from napari_ziggurat.runs.objects.voxels import ClassVoxels

__all__ = ["ObjectsFit", "Scene", "fit_objects"]

_AT_ONCE = {2: 2048, 3: 192}  # voxels along an axis; objects are cut where such a part ends
_FOREGROUND = (0.3, 0.4, 0.5, 0.6, 0.7)
_BOUNDARY = (0.0, 0.5, 1.0)
_SPLIT = tuple(round(0.1 * n, 1) for n in range(1, 10))

Scores = dict[ObjectSettings, ObjectCounts]


@dataclass(frozen=True)
class Scene:
    """A map, and the objects that a person drew in it.

    Attributes
    ----------
    voxels : ClassVoxels
        Of the map.
    truth : Image
        One number for each object.
    level : int
        Level of the truth that has the shape of the map.
    """

    voxels: ClassVoxels
    truth: Image
    level: int


@dataclass(frozen=True)
class ObjectsFit:
    """What was found.

    Attributes
    ----------
    settings : ObjectSettings
        Those that agree best, and of several of them the ones nearest to what is usual.
    best, usual : ObjectCounts
        With these settings, and with what is usual.
    """

    settings: ObjectSettings
    best: ObjectCounts
    usual: ObjectCounts


def fit_objects(scenes: Sequence[Scene]) -> Run[ObjectsFit]:
    """Try settings on a grid, and keep those with the greatest mean of AP50 and F1.

    Images are read in parts of 2048 voxels a side, or 192 in a volume, so that memory does not
    grow with them.

    Raises
    ------
    InputError
        The truth does not number objects.
    """
    _check(scenes)
    scores: Scores = {}
    parts = [(scene, box, t) for scene in scenes for box, t in _parts(scene)]
    for done, (scene, box, time) in enumerate(parts):
        yield Progress("fit", done, len(parts))
        for settings, counts in _tried(scene, box, time):
            scores[settings] = scores.get(settings, ObjectCounts()) + counts
    yield Progress("fit", len(parts), len(parts))
    best = max(scores, key=lambda each: (*_rank(scores[each]), -_unusual(each)))
    return ObjectsFit(best, scores[best], scores[ObjectSettings()])


def _check(scenes: Sequence[Scene]) -> None:
    for scene in scenes:
        found: set[int] = set()
        for box, time in _parts(scene):
            found |= set(np.unique(_truth(scene, box, time)).tolist()) - {0}
            if len(found) > 1:
                break
        if len(found) < 2:
            held = f"the number {found.pop()} alone" if found else "no object"
            raise InputError(
                f"'{scene.truth.name}' holds {held}. The settings of objects are fitted to labels "
                "that give each object a number of its own, at least two of them; give such as "
                "--labels."
            )


def _parts(scene: Scene) -> Iterator[tuple[Box, int]]:
    shape = scene.voxels.source.levels[0].shape
    side = _AT_ONCE[len(shape)]
    grid = BlockGrid(Box.whole(shape), (side,) * len(shape))
    times = range(scene.voxels.source.times)
    return ((block.write_box, time) for time in times for block in grid)


def _truth(scene: Scene, box: Box, time: int) -> NDArray[np.int64]:
    stored = scene.truth.read(scene.level, box, time if scene.truth.times > 1 else 0)[0]
    return whole_numbers(stored, scene.truth.name).astype(np.int64)


def _tried(scene: Scene, box: Box, time: int) -> Iterator[tuple[ObjectSettings, ObjectCounts]]:
    """Give all settings, and how the objects of a part agree."""
    source, truth = scene.voxels.source, _truth(scene, box, time)
    held = image_from_array(source.read(0, box, time), axes=f"c{source.axes.spatial}")
    spacing, ground = source.levels[0].spacing.values, Ground(Box.whole(box.shape), box.shape)
    weights = _BOUNDARY if "boundary" in scene.voxels.shapes else (1.0,)
    for foreground, boundary in product(_FOREGROUND, weights):
        voxels = ClassVoxels(held, scene.voxels.values, True, scene.voxels.shapes, foreground)
        settings = ObjectSettings(foreground=foreground, boundary=boundary)
        parting = Parting(voxels, settings, "full", spacing)
        found = parting.find(ground)
        pairs = Contingency.count(truth, found.fragments.astype(np.int64))
        for split in _SPLIT:
            table = _objects(found, split, parting.least)
            counts = ObjectCounts.of(Matching(pairs.renamed(None, table)))
            yield settings.model_copy(update={"split": split}), counts


def _objects(found: Found, split: float, least: int) -> NDArray[np.int64]:
    """Give the number of the object of each fragment; 0 at 0."""
    kept: dict[str, NDArray[Any]] = dict(found.basins)
    saddles = Saddles(kept["saddle_pairs"], kept["saddle_depths"], kept["saddle_places"])
    joining = Joining(found.count)
    joining.join(merge_basins(saddles, kept["bottoms"], split, least).joined)
    return np.concatenate([np.zeros(1, np.int64), joining.roots() + 1])


def _rank(counts: ObjectCounts) -> tuple[float, float]:
    return ((counts.ap[0] or 0.0) + (counts.f1 or 0.0)) / 2, counts.mean_ap or 0.0


def _unusual(settings: ObjectSettings) -> float:
    """How far settings are from what is usual."""
    usual = ObjectSettings()
    names = ("split", "foreground", "boundary")
    return float(sum(abs(getattr(settings, name) - getattr(usual, name)) for name in names))
