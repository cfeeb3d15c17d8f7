"""Corrections: what is measured on the training images and set right, before and after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from napari_ziggurat.errors import InputError
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.setup.train_setup import TrainSetup
from napari_ziggurat.training.equalize import calibrate_on_patches, is_equalized
from napari_ziggurat.training.loop import Trainee
from napari_ziggurat.training.rounds import HeldOut
from napari_ziggurat.training.share_check import Fall, find_fall
from napari_ziggurat.training.shares import Shares, estimate_shares
from napari_ziggurat.training.stroke_logits import StrokeLogits

__all__ = ["Correction", "correct_shares", "equalize"]


def equalize(trainee: Trainee, setup: TrainSetup) -> Run[None]:
    """Measure scale equalizers, if there are any, before the first step."""
    config = setup.config
    into_weights = getattr(setup.network, "equalize", "off") == "initialisation"
    trained = config.from_model is not None
    if not is_equalized(trainee.network) or (trained and into_weights):
        _refuse_unequalized(setup)
        return
    if trained and not config.recalibrate:
        yield Progress("prepare", message="scale equalizers: as measured on the data of the model; "
                       "--recalibrate measures them on these")  # fmt: skip
        return
    count = calibrate_on_patches(trainee, into_weights=into_weights)
    yield Progress("prepare", message=f"scale equalizers: measured before {count} fusion(s)")


def _refuse_unequalized(setup: TrainSetup) -> None:
    """Refuse options that need equalizers; those that went into trained weights are none."""
    config = setup.config
    asked = config.from_model is None and config.equalize in ("explicit", "initialisation")
    if config.recalibrate or asked:
        option = "--recalibrate" if config.recalibrate else "--equalize"
        raise InputError(
            f"{option} needs scale equalizers, and this network has none: it has "
            f"{setup.network.topology.levels} level(s) and --equalize "
            f"{getattr(setup.network, 'equalize', 'off')}. Leave {option} out, or train a "
            "network that fuses levels."
        )


@dataclass(frozen=True)
class Correction:
    """What was set right after a training.

    Attributes
    ----------
    shares : mapping of str to float
        How common each class is, where the logits were corrected for it; else empty.
    words : tuple of str
        What was done and what was left, as it is kept with the model.
    """

    shares: Mapping[str, float] = field(default_factory=dict)
    words: tuple[str, ...] = ()


def correct_shares(trainee: Trainee, setup: TrainSetup, held: HeldOut | None) -> Run[Correction]:
    """Correct the logits for classes that strokes show as more common than they are.

    An estimate that loses classes on the strokes is not taken; what a person told is, and it is
    said. The network is in evaluation mode.

    Parameters
    ----------
    trainee, setup : Trainee, TrainSetup
        What was trained.
    held : HeldOut or None
        Labels that were not trained on, for the estimate to be checked with; those that were are
        taken where these are too few.
    """
    trainee.network.shift.zero_()  # a model that training went on from may have had its own
    if not setup.corrects_shares:
        return Correction()
    strokes = _strokes(trainee, held)
    shares = estimate_shares(trainee, strokes, setup.told_shares)
    fall = find_fall(strokes, shares.shift)
    taken = fall is None or bool(setup.told_shares)
    if taken:
        shift = torch.from_numpy(shares.shift)
        trainee.network.shift[: len(shift)].copy_(shift)
    names = [c.name for c in setup.classes]
    words = _share_words(shares, names, told=bool(setup.told_shares), taken=taken)
    if fall is not None:
        words += _fall_words(fall, names[fall.channel], taken=taken)
    yield Progress("train", message=words)
    found = dict(zip(names, shares.estimated, strict=True)) if taken else {}
    return Correction(found, (words,))


def _strokes(trainee: Trainee, held: HeldOut | None) -> StrokeLogits:
    if held is not None:
        strokes = StrokeLogits.held_out(trainee.network, held)
        if strokes.enough:
            return strokes
    return StrokeLogits.of_training(trainee)


def _share_words(shares: Shares, names: Sequence[str], *, told: bool, taken: bool) -> str:
    each = ", ".join(
        f"{name} {share:.1%} (painted as {taught:.0%})"
        for name, share, taught in zip(names, shares.estimated, shares.taught, strict=True)
    )
    how = "told" if told else "estimated" if taken else "not taken: estimated"
    return f"{how} part of the images: {each}"


def _fall_words(fall: Fall, name: str, *, taken: bool) -> str:
    where = "strokes" if fall.trained_on else "held-out strokes"
    what = f"'{name}' is found on {fall.after:.0%} of its {where} instead of {fall.before:.0%}"
    if taken:
        return f". With them, {what}"
    return (
        f". With them, {what}: the network has learned too little to tell how common the classes "
        "are, so they are left as painted. Train for longer, or tell them with --class-shares"
    )
