"""Demo: draw a volume, train from strokes, segment, compare, all in a few minutes and offline."""

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.errors import ExistsError
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
from napari_ziggurat.runs.demo_figure import Views, save_figure
from napari_ziggurat.runs.demo_result import (
    FIGURE,
    METRICS,
    MODEL,
    SEGMENTATION,
    STROKES,
    TRUTH,
    VOLUME,
    DemoResult,
)

__all__ = ["DemoResult", "DemoSize", "demo"]

_RECORD = ".ziggurat-demo.json"
_CHUNK = 128

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class DemoSize:
    """How large the demo is; tests make it small.

    Attributes
    ----------
    shape : tuple of int
        Voxels of the volume (Z, Y, X).
    fraction : float
        Part of the voxels that strokes may cover.
    patch : tuple of int or None
        Training patch; chosen from the data when None.
    features, depth : int or None
        Of the network; chosen from the data when None.
    steps : int or None
        Training steps, instead of the minutes of the config.
    """

    shape: tuple[int, int, int] = (96, 512, 512)
    fraction: float = 0.005
    patch: tuple[int, ...] | None = None
    features: int | None = None
    depth: int | None = None
    steps: int | None = None


def demo(config: DemoConfig, size: DemoSize | None = None) -> Run[DemoResult]:
    """Run the demo; one that was interrupted goes on.

    Parameters
    ----------
    config : DemoConfig
        Where to, how long, on what.
    size : DemoSize, optional
        How large.

    Returns
    -------
    DemoResult
        As the generator's value; ``metrics.json`` holds the same.

    Raises
    ------
    ExistsError
        The folder holds a finished demo, another one, or something else of the same names.
    """
    size = size or DemoSize()
    _claim(config, size)
    clock = _Clock()
    drawn, strokes = yield from _draw(config, size)
    clock.lap("draw")
    yield from _train(config, size)
    clock.lap("train")
    yield from _segment(config)
    clock.lap("segment")
    yield Progress("compare", 0, 1)
    dice, threshold = _compare(config.out, drawn, strokes)
    clock.lap("compare")
    painted = np.count_nonzero(strokes) / strokes.size
    result = DemoResult(config.out, dice, threshold, painted, clock.laps)
    _write_text(config.out / METRICS, json.dumps(result.as_dict(), indent=2) + "\n")
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


def _claim(config: DemoConfig, size: DemoSize) -> None:
    """Make the folder ours, or find in it what an interrupted demo left; never anything else."""
    out = config.out
    settings = json.loads(json.dumps({"seed": config.seed, "minutes": config.minutes} | asdict(size)))
    record = out / _RECORD
    theirs = out.is_file() or not record.is_file()
    found = [name for name in (VOLUME, MODEL, METRICS, FIGURE) if (out / name).exists()]
    if out.is_file() or (found and not record.is_file()):
        raise ExistsError(
            f"'{out}' holds {', '.join(found)}, which no demo made. Give another --out."
            if found
            else f"'{out}' is a file. Give a folder with --out."
        )
    same = not theirs and json.loads(record.read_text(encoding="utf-8")) == settings
    if found and not config.overwrite and (METRICS in found or not same):
        raise ExistsError(
            f"'{out}' holds a demo already. Give another --out, or --overwrite to replace it."
        )
    out.mkdir(parents=True, exist_ok=True)
    if config.overwrite or not same:
        for name in found:
            _remove(out / name)
    _write_text(record, json.dumps(settings))
