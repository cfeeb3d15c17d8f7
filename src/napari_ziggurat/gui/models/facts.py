"""Facts: what a model is, in a few lines of rich text for the dock."""

from collections.abc import Iterator
from html import escape
from statistics import mean
from typing import TYPE_CHECKING

from napari_ziggurat.geometry import Spacing
from napari_ziggurat.gui.layers import spacing_text

if TYPE_CHECKING:
    from napari_ziggurat.networks import ModelSpec, Round

__all__ = ["describe", "lineage_of", "score_of"]


def describe(spec: "ModelSpec") -> str:
    """Network, spacing, classes, lineage and score of a model, as rich text."""
    channels = len(spec.channels)
    facts = [
        spec.network.name.replace("_", " "),
        f"{spec.dims}D",
        "1 channel" if channels == 1 else f"{channels} channels",
    ]
    spacing = spacing_text(Spacing(spec.spacing, spec.unit))
    lines = [escape(" · ".join(facts)), f"trained at {escape(spacing)}", _chips(spec)]
    came = ", ".join(filter(None, [lineage_of(spec), score_of(spec)]))
    return "<br>".join([*lines, *([escape(came)] if came else [])])


def lineage_of(spec: "ModelSpec") -> str:
    """Say which round a model is of, and of which parent; nothing where none is recorded."""
    rounds = spec.rounds
    if not rounds:
        return ""
    return f"round {len(rounds)}" + (f", from {rounds[-2].model}" if len(rounds) > 1 else "")


def score_of(spec: "ModelSpec") -> str:
    """Say the mean Dice on labels that were kept out of training; nothing where there are none."""
    told = dict(_told(spec.rounds[-1])) if spec.rounds else {}
    told = told or dict(spec.training.get("val_dice") or {})
    return f"held-out Dice {mean(told.values()):.3f}" if told else ""


def _told(last: "Round") -> Iterator[tuple[str, float]]:
    return ((each.name, each.after) for each in last.scores if each.after is not None)


def _chips(spec: "ModelSpec") -> str:
    """Each class with its colour."""
    return " &nbsp; ".join(
        f"<span style='color:{escape(c.color)}'>■</span>&nbsp;{escape(c.name)}"
        for c in spec.classes
        if c.value
    )
