"""Demo: draw a volume, train from strokes, segment, compare; offline, in a few minutes."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.evaluation.metrics import Confusion
from napari_ziggurat.evaluation.threshold import threshold_dice
from napari_ziggurat.geometry import Axes, Box, Spacing
from napari_ziggurat.images import (
    OutputGrid,
    create_output,
    fill_coarser,
    open_image,
    read_attributes,
    write_attributes,
)
from napari_ziggurat.images.samples import Drawn, draw_volume
from napari_ziggurat.images.strokes import draw_strokes
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.config import DemoConfig, SegmentConfig, TrainConfig
from napari_ziggurat.runs.demo.figure import Views, save_figure
from napari_ziggurat.runs.demo.folder import (
    FIGURE,
    METRICS,
    MODEL,
    SEGMENTATION,
    STROKES,
    TRUTH,
    VOLUME,
    claim,
    remove,
)
from napari_ziggurat.runs.demo.result import DemoResult

__all__ = ["DemoRecipe", "DemoResult", "demo"]

_CHUNK = 128
_COMPLETE = {"ziggurat": {"status": "complete"}}

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class DemoRecipe:
    """What is drawn, and how the network is trained on it; tests make it small.

    Strokes lie in sections, so a network over sections learns soonest from them. Small batches and
    a high rate give most for the minute or two that two cores have.

    Attributes
    ----------
    shape : tuple of int
        Voxels of the volume (Z, Y, X); above 512 pixels it has more than one level.
    fraction : float
        Part of the voxels that strokes may cover.
    dims : int
        Network over sections (2) or volumes (3).
    patch, depth, batch, learning_rate
        As in `TrainConfig`. One window of inference, four patches wide, holds a whole section.
    steps : int or None
        Training steps, instead of the minutes of the config.
    """

    shape: tuple[int, int, int] = (96, 576, 576)
    fraction: float = 0.005
    dims: Literal[2, 3] = 2
    patch: tuple[int, ...] = (1, 144, 144)
    depth: int = 4
    batch: int = 3
    learning_rate: float = 4e-3
    steps: int | None = None


def demo(config: DemoConfig, recipe: DemoRecipe | None = None) -> Run[DemoResult]:
    """Run the demo; one that was interrupted goes on.

    Parameters
    ----------
    config : DemoConfig
        Where to, how long, on what.
    recipe : DemoRecipe, optional
        How large and how trained.

    Returns
    -------
    DemoResult
        As the generator's value; ``metrics.json`` holds the same.

    Raises
    ------
    ExistsError
        The folder holds a finished demo, another one, or something of the same name.
    """
    recipe = recipe or DemoRecipe()
    claim(
        config.out,
        config.model_dump(include={"seed", "minutes"}) | asdict(recipe),
        config.overwrite,
    )
    clock = _Clock()
    drawn, strokes = yield from _draw(config, recipe)
    clock.lap("draw")
    yield from _train(config, recipe)
    clock.lap("train")
    yield from _segment(config)
    clock.lap("segment")
    yield Progress("compare", 0, 1)
    dice, threshold = _compare(config.out, drawn, strokes)
    clock.lap("compare")
    painted = np.count_nonzero(strokes) / strokes.size
    result = DemoResult(config.out, dice, threshold, painted, clock.laps)
    content = json.dumps(result.as_dict(), indent=2) + "\n"
    (config.out / METRICS).write_text(content, encoding="utf-8")
    yield Progress("compare", 1, 1)
    return result


class _Clock:
    """Seconds of each stage, in order."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        """End a stage."""
        now = time.monotonic()
        self.laps[name] = now - self._last
        self._last = now


def _draw(config: DemoConfig, recipe: DemoRecipe) -> Run[tuple[Drawn, Bytes]]:
    """Draw volume, truth and strokes, and write them as one OME-Zarr."""
    shape = " x ".join(map(str, recipe.shape))
    yield Progress("draw", 0, 3, f"drawing a volume of {shape} voxels with three classes")
    drawn = draw_volume(recipe.shape, config.seed)
    strokes = draw_strokes(drawn.labels, recipe.fraction, config.seed)
    _write(config.out / VOLUME, drawn.image, drawn.spacing)
    yield Progress("draw", 1, 3)
    _write(config.out / TRUTH, drawn.labels, drawn.spacing, drawn.classes)
    yield Progress("draw", 2, 3)
    _write(config.out / STROKES, strokes, drawn.spacing, drawn.classes)
    yield Progress("draw", 3, 3)
    return drawn, strokes


def _write(path: Path, voxels: Bytes, spacing: Spacing, classes: Sequence[LabelClass] = ()) -> None:
    """Write an image, or labels when there are classes, with all its levels."""
    if path.exists():
        if read_attributes(path).get("ziggurat") == _COMPLETE["ziggurat"]:
            return
        remove(path)
    chunk = tuple(min(n, _CHUNK) for n in voxels.shape)
    shard = tuple(c * min(2, -(-n // c)) for c, n in zip(chunk, voxels.shape, strict=True))
    origin = (0.0,) * voxels.ndim
    grid = OutputGrid(Axes("zyx"), voxels.shape, voxels.dtype, spacing, origin, chunk, shard)
    levels = create_output(path, grid, kind="labels" if classes else "image", classes=classes)
    levels[0][...] = voxels
    for _ in fill_coarser(path, "labels" if classes else "image"):
        pass
    write_attributes(path, _COMPLETE)


def _train(config: DemoConfig, recipe: DemoRecipe) -> Run[None]:
    from napari_ziggurat.runs.train import train  # brings torch, which `import` must not

    model = config.out / MODEL
    if (model / "model.json").exists():
        yield Progress("train", 1, 1, "the model is trained already")
        return
    settings = TrainConfig(
        image=(config.out / VOLUME,),
        annotation=(config.out / STROKES,),
        out=model,
        minutes=None if recipe.steps else config.minutes,
        steps=recipe.steps,
        seed=config.seed,
        device=config.device,
        dims=recipe.dims,
        patch=recipe.patch,
        depth=recipe.depth,
        batch=recipe.batch,
        learning_rate=recipe.learning_rate,
    )
    yield from train(settings)


def _segment(config: DemoConfig) -> Run[None]:
    from napari_ziggurat.runs.segment import segment

    settings = SegmentConfig(
        image=config.out / VOLUME,
        model=config.out / MODEL,
        out=config.out / SEGMENTATION,
        device=config.device,
    )
    yield from segment(settings)


def _compare(out: Path, drawn: Drawn, strokes: Bytes) -> tuple[dict[str, float], dict[str, float]]:
    """Score what lies away from the strokes, by class: ours and the best threshold's; draw it."""
    found = _read(out / SEGMENTATION)
    keep = strokes == 0
    planes = zip(drawn.labels, found, keep, strict=True)
    confusion = sum((Confusion.count(*each) for each in planes), start=Confusion.empty())
    dice = {c.value: confusion.overlap(c.value).dice for c in drawn.classes}
    threshold = threshold_dice(drawn.image, drawn.labels, list(dice), keep)
    views = Views(drawn.image, strokes, drawn.labels, found, drawn.spacing, drawn.classes)
    save_figure(views, dice, out / FIGURE)
    names = {c.value: c.name for c in drawn.classes}
    return (
        {names[value]: score for value, score in dice.items()},
        {names[value]: score for value, score in threshold.items()},
    )


def _read(path: Path) -> Bytes:
    image = open_image(path)
    labels: Bytes = image.read(0, Box.whole(image.levels[0].shape))[0]
    return labels
