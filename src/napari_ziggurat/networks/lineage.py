"""Lineage: what a model was trained on, round by round from its first ancestor, in its record.

Every model holds the whole chain, so that it is known when the folders of its ancestors are gone.
"""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import torch

__all__ = ["Round", "Score", "TrainedOn", "weights_digest"]


class TrainedOn(BaseModel):
    """An image with its labels, as a round of training found them.

    Attributes
    ----------
    image, labels : str
        Absolute path or URL.
    dense : bool
        Every voxel was labelled and 0 was background.
    level : int
        Level of the image.
    shape : tuple of int
        Of the level, ((Z), Y, X).
    image_digest : str
        SHA-256 of a sample of the level's voxels.
    label_digest : str
        SHA-256 of the labels.
    voxels : mapping of int to int
        Labelled voxels of each class value.
    strokes : int or None
        Number of the last stroke of an annotation's history; None for other labels.
    painted : mapping of int to int
        Strokes up to that one that painted each class value.
    complete : int
        Boxes among them that were said to be complete.
    held_out : tuple of str
        Boxes of the level, ``"0:16,100:164"``, whose labels were kept out of training to score on;
        they stay out in all rounds that follow.
    axes, spacing, unit, nan_as
        What a person said where the file is silent.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: str
    labels: str
    dense: bool
    level: int
    shape: tuple[int, ...]
    image_digest: str
    label_digest: str
    voxels: Mapping[int, int]
    strokes: int | None = None
    painted: Mapping[int, int] = {}
    complete: int = 0
    held_out: tuple[str, ...] = ()
    axes: str | None = None
    spacing: tuple[float, ...] | None = None
    unit: str | None = None
    nan_as: float | None = None


class Score(BaseModel):
    """Dice of a class before and after a round, on labels that were held out.

    Attributes
    ----------
    name : str
        Of the class.
    before, after : float or None
        Dice of the parent and of the new model; None where there is none.
    voxels, blocks : int
        Labelled voxels of the class, and blocks that hold some, behind the two.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    before: float | None
    after: float | None
    voxels: int
    blocks: int

    @property
    def difference(self) -> float | None:
        """After less before; None where one of them is missing."""
        if self.before is None or self.after is None:
            return None
        return self.after - self.before


class Round(BaseModel):
    """One training, from a parent or from a fresh network, to the weights that it ended with.

    Attributes
    ----------
    model, path : str
        Name of the model's folder, and where it was written.
    weights : str
        SHA-256 of the weights; see `weights_digest`.
    when : str
        Time in UTC at its end; empty for a model from before rounds were recorded.
    began : str
        Time in UTC at its beginning, of a training that went on while somebody painted.
    data : tuple of TrainedOn or None
        What was new in the round; None where that is not known.
    replayed : int
        Images of earlier rounds that were trained on again.
    steps, seconds, loss
        Length of the training, and the mean loss of its last steps.
    scores : tuple of Score
        By class, on labels that were held out; none where there were not enough.
    accepted : bool
        It was taken over though it lowered the mean score by more than was allowed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    path: str
    weights: str
    when: str = ""
    began: str = ""
    data: tuple[TrainedOn, ...] | None = None
    replayed: int = 0
    steps: int | None = None
    seconds: float | None = None
    loss: float | None = None
    scores: tuple[Score, ...] = ()
    accepted: bool = False


def weights_digest(state: "Mapping[str, torch.Tensor]") -> str:
    """SHA-256 of the names, types, shapes and values of tensors, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
