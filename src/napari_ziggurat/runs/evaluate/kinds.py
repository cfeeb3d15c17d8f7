"""Kinds: what an object is in the truth and in the prediction, as said or as the record says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from napari_ziggurat.evaluation.gathering import ObjectKind
from napari_ziggurat.images.marks import OBJECTS
from napari_ziggurat.runs.config import EvaluateConfig

__all__ = ["Kinds"]

_SAID = {
    "ids": "each label is an object",
    "components": "each connected piece of a class is an object",
    "between": "each piece between the labels is an object",
}


@dataclass(frozen=True)
class Kinds:
    """What is compared.

    Attributes
    ----------
    truth, prediction : ObjectKind or None
        What an object is; None where objects are not scored.
    foreground : bool
        Every label is class 1: its numbers are those of objects, or not to be told apart.
    """

    truth: ObjectKind | None
    prediction: ObjectKind | None
    foreground: bool

    @classmethod
    def of(cls, config: EvaluateConfig, record: Mapping[str, Any]) -> "Kinds":
        """Take what is said, and where nothing is said what the prediction's record says."""
        task = record.get("task")
        has_ids = task == "instance" or record.get("content") == OBJECTS
        truth = config.objects or ("ids" if has_ids else None)
        # The labels of a model that tells of objects are classes still: objects are made of them.
        told = bool(record.get("shapes")) and record.get("content") != OBJECTS
        semantic = truth == "ids" and (told or task in ("semantic", "foreground"))
        prediction = config.predicted_objects or ("components" if semantic else truth)
        foreground = (config.task or task) == "foreground" or "ids" in (truth, prediction)
        return cls(truth, prediction, foreground)

    @property
    def notes(self) -> list[str]:
        """What a person should know, a sentence each."""
        found = []
        if self.foreground:
            found.append("Foreground: every non-zero label is class 1.")
        if self.truth is not None and self.prediction is not None:
            truth, prediction = _SAID[self.truth], _SAID[self.prediction]
            said = truth if truth == prediction else f"in the truth {truth}, predicted {prediction}"
            found.append(f"Objects: {said}.")
        return found
