"""Result: what a training made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from napari_ziggurat.networks import Model
from napari_ziggurat.runs.retrain.mix import NOT_ENOUGH
from napari_ziggurat.runs.retrain.table import Comparison

__all__ = ["TrainResult", "result_of"]


@dataclass(frozen=True)
class TrainResult:
    """What a training made.

    Attributes
    ----------
    model : str
        Folder of the model.
    steps, seconds, loss
        Length of the training, and the mean loss of its last steps.
    val_dice : mapping of str to float
        Dice by class on the validation images; empty without them.
    class_shares : mapping of str to float
        How common each class is in the training images, estimated after training on strokes;
        empty after dense labels, where it is known, and where the estimate was not taken.
    comparison : Comparison or None
        Before and after, where labels were held out.
    worse : bool
        The round lowers the mean score by more than it may.
    corrections : tuple of str
        What was set right after the last step, and what was left as it is, in words.
    """

    model: str
    steps: int
    seconds: float
    loss: float
    val_dice: Mapping[str, float] = field(default_factory=dict)
    class_shares: Mapping[str, float] = field(default_factory=dict)
    comparison: Comparison | None = None
    worse: bool = False
    corrections: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Give the result as JSON can hold it."""
        compared = {} if self.comparison is None else {"comparison": self.comparison.as_dict()}
        return {
            "model": self.model,
            "steps": self.steps,
            "seconds": round(self.seconds, 1),
            "loss": round(self.loss, 4),
            "val_dice": {name: round(value, 4) for name, value in self.val_dice.items()},
            "class_shares": {n: round(value, 5) for n, value in self.class_shares.items()},
            "corrections": list(self.corrections),
            **compared,
        }

    def render(self) -> str:
        """Say where the model lies and how good it is."""
        lines = [f"{self.model}: {self.steps} steps in {self.seconds:.0f} s, loss {self.loss:.3f}"]
        lines += [f"  {each}" for each in self.corrections]
        if self.comparison is not None:
            told = self.comparison.told
            lines.append(self.comparison.render() if told else f"  {NOT_ENOUGH}")
            return "\n".join(lines)
        lines += [f"  validation Dice {value:.3f}  {name}" for name, value in self.val_dice.items()]
        return "\n".join(lines)


def result_of(model: Model, out: Path) -> TrainResult:
    """Give the result that a model's record tells."""
    told = model.spec.training
    return TrainResult(
        str(out), told["steps"], told["seconds"], told["loss"], told["val_dice"],
        told["class_shares"], Comparison(model.spec.rounds[-1].scores, ()),
        corrections=tuple(told.get("corrections", ())),
    )  # fmt: skip
