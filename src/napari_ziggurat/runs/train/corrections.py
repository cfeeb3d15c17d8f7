"""Corrections: what is measured on the training images and set right, before and after."""

import torch

from napari_ziggurat.errors import InputError
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.train_setup import TrainSetup
from napari_ziggurat.training.equalize import calibrate_on_patches, is_equalized
from napari_ziggurat.training.loop import Trainee
from napari_ziggurat.training.shares import estimate_shares

__all__ = ["correct_shares", "equalize"]


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


def correct_shares(trainee: Trainee, setup: TrainSetup) -> Run[dict[str, float]]:
    """Correct the logits for classes that strokes show as more common than they are."""
    trainee.network.shift.zero_()  # a model that training went on from may have had its own
    if not setup.corrects_shares:
        return {}
    shares = estimate_shares(trainee, setup.told_shares)
    shift = torch.from_numpy(shares.shift)
    trainee.network.shift[: len(shift)].copy_(shift)
    named = [c.name for c in setup.classes]
    told = ", ".join(
        f"{name} {share:.1%} (painted as {taught:.0%})"
        for name, share, taught in zip(named, shares.estimated, shares.taught, strict=True)
    )
    how = "told" if setup.told_shares else "estimated"
    yield Progress("train", message=f"{how} part of the images: {told}")
    return dict(zip(named, shares.estimated, strict=True))
