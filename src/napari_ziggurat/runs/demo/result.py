"""Result of the demo: how good it is, where everything lies, what to type next."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_ziggurat.runs.demo.folder import (
    FIGURE,
    METRICS,
    MODEL,
    SEGMENTATION,
    STROKES,
    TRUTH,
    VOLUME,
)

__all__ = ["DemoResult"]

_SAID = {
    VOLUME: "the volume; its labels are truth, strokes and segmentation",
    MODEL: "the trained model",
    METRICS: "these numbers",
    FIGURE: "a picture of it all",
}
_FILES = (*_SAID, TRUTH, STROKES, SEGMENTATION)


@dataclass(frozen=True)
class DemoResult:
    """What the demo made and how good it is.

    Attributes
    ----------
    out : Path
        Folder that everything lies in.
    dice, threshold : mapping of str to float
        Per class, away from the strokes: our Dice, and that of the best single threshold.
    painted : float
        Part of the voxels that strokes cover.
    stages : mapping of str to float
        Seconds of each stage.
    """

    out: Path
    dice: Mapping[str, float]
    threshold: Mapping[str, float]
    painted: float
    stages: Mapping[str, float]

    @property
    def mean_dice(self) -> float:
        """Mean over the classes."""
        return sum(self.dice.values()) / len(self.dice)

    @property
    def threshold_dice(self) -> float:
        """Mean over the classes, each with the threshold that is best for it."""
        return sum(self.threshold.values()) / len(self.threshold)

    @property
    def seconds(self) -> float:
        """Wall time of all stages."""
        return sum(self.stages.values())

    def as_dict(self) -> dict[str, object]:
        """Give what ``metrics.json`` holds."""
        return {
            "mean_dice": round(self.mean_dice, 4),
            "threshold_dice": round(self.threshold_dice, 4),
            "classes": {
                name: {"dice": round(dice, 4), "threshold_dice": round(self.threshold[name], 4)}
                for name, dice in self.dice.items()
            },
            "painted": round(self.painted, 6),
            "seconds": round(self.seconds, 1),
            "stages": {name: round(seconds, 1) for name, seconds in self.stages.items()},
            "files": {
                name: str(self.out / name) for name in (*_SAID, TRUTH, STROKES, SEGMENTATION)
            },
        }

    def render(self) -> str:
        """Say how good it is, where everything lies and what to type next."""
        return "\n".join([*self._scores(), "", *self._files(), "", *self._commands()])

    def _scores(self) -> list[str]:
        rows = [(name, self.dice[name], self.threshold[name]) for name in self.dice]
        rows.append(("mean", self.mean_dice, self.threshold_dice))
        return [
            f"Trained on strokes on {self.painted:.2%} of the voxels; {self.seconds:.0f} s in all.",
            "Dice away from the strokes, and that of the best threshold:",
            *(f"  {name:<8} {ours:.3f}   {theirs:.3f}" for name, ours, theirs in rows),
        ]

    def _files(self) -> list[str]:
        return [
            f"Everything lies in '{self.out}':",
            *(f"  {name:<16} {said}" for name, said in _SAID.items()),
        ]

    def _commands(self) -> list[str]:
        volume, model, truth, strokes, found = (
            shlex.quote(str(self.out / name))
            for name in (VOLUME, MODEL, TRUTH, STROKES, SEGMENTATION)
        )
        return [
            "What to type next:",
            f"  ziggurat info {volume}",
            f"  ziggurat train --image {volume} --annotation {strokes} --out my-model",
            f"  ziggurat segment {volume} --model {model} --out mine.ome.zarr",
            f"  ziggurat evaluate {found} {truth}",
            f"  napari {volume}    # where napari is installed",
        ]
