"""Calibration: what each level finds alone, what they find together, and what that costs."""

from collections.abc import Mapping
from dataclasses import dataclass

from napari_ziggurat.evaluation.metrics import Confusion
from napari_ziggurat.networks import GateLevel
from napari_ziggurat.progress import duration
from napari_ziggurat.runs.plan.gate import AUTO_RECALL

__all__ = ["CalibrateResult", "LevelScore"]


@dataclass(frozen=True)
class LevelScore:
    """A level alone, or all of them fused.

    Attributes
    ----------
    name : str
        ``"level 1"`` or ``"fused"``.
    windows : int
        Windows that were needed.
    voxels : int
        Voxels of these windows: those of a small level are smaller.
    seconds : float
        Wall time of these; without those that an interrupted run had computed before.
    confusion : Confusion
        Over all labelled voxels.
    weights : tuple of float
        One for each class; empty for the fused result.
    """

    name: str
    windows: int
    voxels: int
    seconds: float
    confusion: Confusion
    weights: tuple[float, ...] = ()

    @property
    def dice(self) -> float:
        """Mean Dice over the foreground classes; 0 where there is none."""
        return self.confusion.mean_dice or 0.0


@dataclass(frozen=True)
class CalibrateResult:
    """What a calibration found and wrote into the model.

    Attributes
    ----------
    model : str
        Its folder.
    levels : tuple of LevelScore
        Each level alone, finest first.
    fused : LevelScore
        All of them with the weights that were fitted.
    names : mapping of int to str
        Classes by value, in the order of the weights.
    gates : tuple of GateLevel
        What coarser levels tell of where the finest one finds foreground.
    """

    model: str
    levels: tuple[LevelScore, ...]
    fused: LevelScore
    names: Mapping[int, str]
    gates: tuple[GateLevel, ...] = ()

    @property
    def gain(self) -> float:
        """Mean Dice of the fused result less that of the best level alone."""
        return self.fused.dice - max(each.dice for each in self.levels)

    def as_dict(self) -> dict[str, object]:
        """Give everything as JSON can hold it."""
        return {
            "model": self.model,
            "gain": self.gain,
            "gain_over_finest": self.fused.dice - self.levels[0].dice,
            "levels": [self._row(each) for each in (*self.levels, self.fused)],
            "gates": [each.model_dump() for each in self.gates],
        }

    def render(self) -> str:
        """Give a table of the scores, one of the weights, and what it comes to."""
        rows = (*self.levels, self.fused)
        scores = [self._header("mean", *self._foreground.values(), "windows", "seconds")]
        scores += [self._score(each) for each in rows]
        weights = [self._header(*self.names.values())]
        weights += [_line(each.name, [f"{w:.4f}" for w in each.weights]) for each in self.levels]
        verdict = [self._verdict, *map(_gate, self.gates), f"-> {self.model}"]
        return "\n".join(("Dice", *scores, "", "weights", *weights, "", *verdict))

    @property
    def _foreground(self) -> dict[int, str]:
        return {value: name for value, name in self.names.items() if value}

    @property
    def _verdict(self) -> str:
        finest = self.levels[0]
        more = self.fused.voxels / max(1, finest.voxels) - 1
        best = max(self.levels, key=lambda each: each.dice)
        time = duration(self.fused.seconds)
        return (
            f"Fused, the mean Dice is {self.fused.dice:.4f}: {self.fused.dice - finest.dice:+.4f} "
            f"over {finest.name} and {self.gain:+.4f} over the best level alone ({best.name}), for "
            f"{more:.0%} more voxels to compute than {finest.name} ({time} in all). It is scored "
            "on the labels that the weights were fitted to."
        )

    @staticmethod
    def _header(*names: str) -> str:
        return _line("", [name[:11] for name in names])

    def _score(self, score: LevelScore) -> str:
        dice = [f"{self._dice(score, value):.4f}" for value in self._foreground]
        return _line(
            score.name, [f"{score.dice:.4f}", *dice, str(score.windows), f"{score.seconds:.1f}"]
        )

    def _row(self, score: LevelScore) -> dict[str, object]:
        return {
            "name": score.name,
            "mean_dice": score.dice,
            "dice": {str(value): self._dice(score, value) for value in self._foreground},
            "weights": list(score.weights),
            "windows": score.windows,
            "voxels": score.voxels,
            "seconds": round(score.seconds, 1),
        }

    @staticmethod
    def _dice(score: LevelScore, value: int) -> float:
        overlap = score.confusion.overlap(value)
        return overlap.dice if overlap.truth + overlap.prediction else 1.0


def _gate(gate: GateLevel) -> str:
    size = " x ".join(f"{value:.4g}" for value in gate.spacing)
    threshold = min(pair for pair in gate.thresholds if pair[0] >= AUTO_RECALL)[1]
    return (
        f"Voxels of {size} tell where there is foreground: a probability of {threshold:.3g} there "
        f"keeps {AUTO_RECALL} of it and {gate.kept:.0%} of everything (segment --gate)."
    )


def _line(name: str, values: list[str]) -> str:
    return f"{name:<10}" + "".join(f"{value:>12}" for value in values)
