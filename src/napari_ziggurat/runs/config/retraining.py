"""Going on from a model: what is replayed, held out and taken over."""

from typing import Annotated, Literal, Self

from pydantic import model_validator

from napari_ziggurat.errors import InputError
from napari_ziggurat.runs.settings import Settings, setting
from napari_ziggurat.runs.values import LocalPath, Positive, Share

__all__ = ["LineageConfig", "RetrainSettings"]

_FROM = "Going on from a model"
_ONLY_FROM = ("replay", "classes", "tolerance", "accept", "encoder_rate", "pull")


class RetrainSettings(Settings):
    """What ``ziggurat train --from`` does beside training."""

    from_model: Annotated[
        LocalPath | None,
        setting(
            "Model to go on from instead of a fresh network.", option="--from", metavar="MODEL"
        ),
    ] = None
    replay: Annotated[
        Literal["on", "off"],
        setting("Train on the labels of earlier rounds, too: half of the patches.", panel=_FROM),
    ] = "on"
    classes: Annotated[
        Literal["keep", "labels"] | None,
        setting(
            "Where classes of the model are gone from the labels or have other names there: keep "
            "those of the model, or take those of the labels; refused unless given.",
            panel=_FROM,
        ),
    ] = None
    tolerance: Annotated[
        Share,
        setting(
            "A round that lowers the mean validation Dice by more than this is not taken over.",
            metavar="DICE",
            panel=_FROM,
        ),
    ] = 0.02
    accept: Annotated[
        bool,
        setting(
            "Take the round over all the same; one that is kept beside is not trained again.",
            panel=_FROM,
            once=True,
        ),
    ] = False
    hold_out: Annotated[
        Literal["auto", "on", "off"],
        setting(
            "Keep blocks of labels out of training to score on, where there is no --val-image; "
            "auto: with --from, and with --thresholds held-out.",
            panel=_FROM,
        ),
    ] = "auto"
    thresholds: Annotated[
        Literal["held-out", "none"],
        setting(
            "Fit to held-out labels from which probability on a voxel is of a class; none: it is "
            "of the most probable one.",
            panel=_FROM,
        ),
    ] = "none"
    encoder_rate: Annotated[
        Positive,
        setting(
            "Learning rate of the encoder, as a part of that of the rest.",
            metavar="PART",
            panel=_FROM,
        ),
    ] = 0.1
    pull: Annotated[
        Share,
        setting(
            "How strongly the encoder is drawn to the weights of the model; 0 not at all.",
            metavar="ALPHA",
            panel=_FROM,
        ),
    ] = 0.1

    @model_validator(mode="after")
    def _check_from(self) -> Self:
        fields = type(self).model_fields
        given = [f for f in _ONLY_FROM if getattr(self, f) != fields[f].default]
        if given and self.from_model is None:
            options = ", ".join(map(self.option, given))
            raise InputError(f"{options} need a model to go on from; say --from MODEL as well.")
        return self

    @property
    def holds_out(self) -> bool:
        """Whether blocks of labels are kept out of training, where no validation is given."""
        wanted = self.from_model is not None or self.thresholds == "held-out"
        return self.hold_out == "on" or (self.hold_out == "auto" and wanted)


class LineageConfig(Settings):
    """What ``ziggurat lineage`` shows."""

    model: Annotated[LocalPath, setting("Folder of the model.", positional=True)]
