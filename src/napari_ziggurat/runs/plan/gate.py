"""Gate: by which level of the image, and which threshold, it is decided where to compute."""

import math
from dataclasses import dataclass

import numpy as np

from napari_ziggurat.errors import InputError
from napari_ziggurat.images import Image
from napari_ziggurat.networks import GateLevel, ModelSpec
from napari_ziggurat.runs.plan.options import SegmentOptions

__all__ = ["AUTO_RECALL", "GateRule", "choose_gate"]

AUTO_RECALL = 0.999
"""Share of the foreground voxels that ``auto`` keeps."""

# Coarse probabilities are kept as float16, whose steps below 1 are a quarter of this.
_TELLING = 0.002
_SAME_SIZE = 0.1  # a level is the one that was calibrated when its voxels differ by no more
_CALIBRATE = "'ziggurat calibrate' finds out, or leave --gate out."


@dataclass(frozen=True)
class GateRule:
    """What decides where the fine level is computed.

    Attributes
    ----------
    level : int
        Coarser level of the image that is computed everywhere.
    threshold : float
        Tiles whose largest probability of foreground is below it are left out.
    radius : int
        Voxels of the coarser level around a tile that count for it.
    recall : float
        Share of the foreground voxels that is kept, as far as the model was calibrated.
    """

    level: int
    threshold: float
    radius: int
    recall: float


def choose_gate(
    image: Image, spec: ModelSpec, level: int, options: SegmentOptions
) -> GateRule | None:
    """Find the level that tells with the fewest windows where there is foreground.

    Of the levels that the model was calibrated at it is the one where what it costs to compute it,
    as a share of the fine level, and the share that it then kept are smallest together.

    Parameters
    ----------
    image, spec : Image, ModelSpec
        What is segmented, with what.
    level : int
        Level that is segmented.
    options : SegmentOptions
        Whether a gate is wanted, with which recall, by which level.

    Returns
    -------
    GateRule or None
        None where no gate is wanted.

    Raises
    ------
    InputError
        The model was not calibrated for it, or no level of the image fits what it was calibrated
        at, or another setting does not go with a gate.
    """
    if options.gate == "off":
        return None
    _check_settings(options)
    if not spec.gate:
        raise InputError(
            "--gate needs a model that knows how its coarse probabilities go with fine foreground, "
            f"and this one was never calibrated for that. {_CALIBRATE}"
        )
    recall = AUTO_RECALL if options.gate == "auto" else float(options.gate)
    known = _calibrated(image, spec, level)
    if options.gate_level is not None:
        known = {options.gate_level: _asked(known, options.gate_level)}
    rules = [_rule(number, record, recall) for number, record in sorted(known.items())]
    telling = [rule for rule in rules if rule is not None and rule.threshold >= _TELLING]
    if not telling:
        raise InputError(_refusal(known, recall))
    return min(telling, key=lambda rule: _cost(image, level, rule.level, known[rule.level]))


def _check_settings(options: SegmentOptions) -> None:
    other = {
        "--blend": options.blend,
        "--probabilities": options.probabilities,
        "--levels": bool(options.levels),
    }
    if given := [name for name, value in other.items() if value]:
        raise InputError(
            f"--gate leaves out windows that {' and '.join(given)} would need everywhere; give "
            "one of them."
        )


def _calibrated(image: Image, spec: ModelSpec, level: int) -> dict[int, GateLevel]:
    """Levels of the image that the model was calibrated at, in proportion to the fine one."""
    fine = np.array(image.levels[level].spacing.values)
    found: dict[int, GateLevel] = {}
    for number, coarse in enumerate(image.levels[level + 1 :], level + 1):
        size = np.array(coarse.spacing.values) / fine
        for record in spec.gate:
            wanted = np.array(record.spacing) / np.array(spec.spacing)
            if (np.abs(size / wanted - 1) <= _SAME_SIZE).all():
                found[number] = record
    return found


def _asked(known: dict[int, GateLevel], level: int) -> GateLevel:
    if level not in known:
        fit = ", ".join(map(str, sorted(known))) or "none"
        raise InputError(
            f"--gate-level {level} is no level that the model was calibrated at; those of this "
            f"image are: {fit}. Give one of them, or leave --gate-level out."
        )
    return known[level]


def _rule(level: int, record: GateLevel, recall: float) -> GateRule | None:
    """Take the threshold of the smallest recall that is enough; None where there is none."""
    enough = sorted(pair for pair in record.thresholds if pair[0] >= recall)
    return GateRule(level, enough[0][1], record.radius, recall) if enough else None


def _cost(image: Image, level: int, coarse: int, record: GateLevel) -> float:
    """Say what a gate takes, in runs over the whole fine level."""
    voxels = [math.prod(image.levels[number].shape) for number in (coarse, level)]
    return voxels[0] / voxels[1] + record.kept


def _refusal(known: dict[int, GateLevel], recall: float) -> str:
    if not known:
        return (
            "The image has no coarser level with voxels of a size that the model's gate was "
            f"calibrated at. {_CALIBRATE}"
        )
    levels = ", ".join(map(str, sorted(known)))
    return (
        f"No coarser level of the image (calibrated: {levels}) tells well enough where "
        f"{recall:.4g} of the foreground is. Give a smaller recall, such as --gate 0.99, or leave "
        "--gate out."
    )
