"""Lineage: the rounds that led to a model, from its first ancestor."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_ziggurat.errors import ZigguratError
from napari_ziggurat.networks import Round, Score, TrainedOn, read_spec

__all__ = ["Lineage", "trace_lineage"]


@dataclass(frozen=True)
class Lineage:
    """The chain of a model.

    Attributes
    ----------
    rounds : tuple of Round
        The first ancestor's comes first, its own last.
    places : tuple of str
        What lies now where each was written: ``"there"``, ``"gone"`` or ``"other weights"``.
    """

    rounds: tuple[Round, ...]
    places: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """Give the chain as JSON can hold it; each round names its parent's weights."""
        parents = [None, *(each.weights for each in self.rounds)]
        chain = zip(self.rounds, self.places, parents, strict=False)
        return {
            "rounds": [
                {"number": n, "parent": parent, "place": place, **each.model_dump(mode="json")}
                for n, (each, place, parent) in enumerate(chain, 1)
            ]
        }

    def render(self) -> str:
        """Lay the chain out as lines of text."""
        if not self.rounds:
            return "nothing is recorded: the model is from before rounds were"
        chain = enumerate(zip(self.rounds, self.places, strict=True), 1)
        return "\n".join(line for n, each in chain for line in _lines(n, *each))


def trace_lineage(folder: Path) -> Lineage:
    """Tell how a model came to be.

    The record of a model holds the whole chain; the folders of ancestors are only looked for.

    Parameters
    ----------
    folder : Path
        Of the model.

    Raises
    ------
    ZigguratError
        The folder holds no model.
    """
    own = read_spec(folder).rounds
    places = [_place(each) for each in own[:-1]]
    return Lineage(own, (*places, *(["there"] if own else [])))


def _place(each: Round) -> str:
    try:
        rounds = read_spec(Path(each.path)).rounds
    except (ZigguratError, OSError):
        return "gone"
    # A model without a record cannot tell whether it is the same.
    return "there" if not rounds or rounds[-1].weights == each.weights else "other weights"


def _lines(number: int, each: Round, place: str) -> list[str]:
    where = each.path if place == "there" else f"{each.path} ({place})"
    lines = [f"round {number}  {each.model}  {each.weights[:12]}  {each.when}".rstrip()]
    lines.append(f"  at      {where}")
    if each.steps is not None and each.loss is not None:
        lines.append(f"  length  {each.steps} steps in {each.seconds or 0:.0f} s, "
                     f"loss {each.loss:.3f}")  # fmt: skip
    if each.began:
        lines.append(f"  live    from {each.began} on, while strokes were painted")
    if each.data is None:
        lines.append("  data    not recorded")
    lines += [f"  data    {_data(image)}" for image in each.data or ()]
    lines += [f"  replay  {each.replayed} image(s) of earlier rounds"] if each.replayed else []
    lines += [f"  score   {text}" for text in _scores(each.scores)]
    return [*lines, *(["  accepted though it is worse"] if each.accepted else [])]


def _data(image: TrainedOn) -> str:
    kind = "every voxel" if image.dense else "strokes"
    voxels = ", ".join(f"{n} of class {value}" for value, n in image.voxels.items())
    strokes = f" in {image.strokes} stroke(s)" if image.strokes else ""
    boxes = f", {image.complete} of them complete boxes" if image.complete else ""
    held = f"; {len(image.held_out)} block(s) held out" if image.held_out else ""
    painted = f"({voxels}{strokes}{boxes})"
    return f"{image.image}, level {image.level}, {kind} of {image.labels} {painted}{held}"


def _scores(scores: Sequence[Score]) -> list[str]:
    told = [each for each in scores if each.after is not None]
    return [
        f"{each.name}: {'' if each.before is None else f'{each.before:.3f} -> '}{each.after:.3f} "
        f"({each.voxels} voxels in {each.blocks} block(s))"
        for each in told
    ]
