"""What is learned, and from what: train, search, calibrate."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from napari_ziggurat.classes import SHAPES, Shape
from napari_ziggurat.errors import InputError
from napari_ziggurat.runs.config.class_shares import ESTIMATED, PAINTED, check_shares
from napari_ziggurat.runs.config.retraining import RetrainSettings
from napari_ziggurat.runs.config.shared import (
    MACHINE,
    NETWORK,
    BatchSetting,
    DepthSetting,
    DeviceSetting,
    DimsSetting,
    FeaturesSetting,
    LabelledSettings,
    MemorySetting,
    NanSetting,
    OverwriteSetting,
    PatchSetting,
    RateSetting,
    SeedSetting,
    check_pairs,
)
from napari_ziggurat.runs.settings import setting
from napari_ziggurat.runs.values import (
    Count,
    ImageSources,
    LearnedTask,
    Level,
    Levels,
    LocalPath,
    LossWeights,
    NotNegative,
    Positive,
    Scales,
    Share,
    parse_bytes,
)

__all__ = ["DEFAULT_MINUTES", "CalibrateConfig", "PlanConfig", "SearchConfig", "TrainConfig"]

DEFAULT_MINUTES = 10.0
SEARCH_MINUTES = 30.0


class _LearningSettings(LabelledSettings):
    """What is learned from, and where the model goes."""

    out: Annotated[LocalPath, setting("Folder that the model is written to.")]
    task: Annotated[
        LearnedTask,
        setting(
            "semantic: classes as labelled; foreground: every label is class 1; instance: each "
            "label is an object of its own, and where objects end is learned as well."
        ),
    ] = "semantic"
    level: Annotated[
        Level | None,
        setting("Resolution level to train on; 0 is the finest.", metavar="N"),
    ] = None
    val_image: Annotated[ImageSources, setting("Image to validate on; may be said again.")] = ()
    val_labels: Annotated[ImageSources, setting("Labels of --val-image.")] = ()
    overwrite: OverwriteSetting = False

    @property
    def foreground(self) -> bool:
        """Every label that is not background is class 1."""
        return self.task != "semantic"

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """What is learned of objects beside their class."""
        return SHAPES if self.task == "instance" else ()

    @model_validator(mode="after")
    def _check_validation(self) -> Self:
        check_pairs("--val-labels", self.val_image, self.val_labels, image="--val-image")
        return self


class TrainConfig(RetrainSettings, _LearningSettings):
    """What ``ziggurat train`` does.

    Training ends after ``minutes`` of wall time, validation included, or after ``steps``.
    """

    alternatives: ClassVar = (("minutes", "steps"), *_LearningSettings.alternatives)

    minutes: Annotated[
        Positive | None,
        setting(
            f"Wall time of training; {DEFAULT_MINUTES:g} unless --steps is given.", metavar="M"
        ),
    ] = None
    steps: Annotated[
        Count | None,
        setting("Number of training steps; a seeded run repeats bit for bit.", metavar="N"),
    ] = None
    seed: SeedSetting = 0
    network: Annotated[
        str,
        setting(
            "Architecture: a name that 'ziggurat networks' lists, or a YAML file of parts.",
            panel=NETWORK,
        ),
    ] = "residual_unet"
    dims: DimsSetting = None
    patch: PatchSetting = None
    depth: DepthSetting = None
    features: FeaturesSetting = None
    upsampling: Annotated[
        Literal["linear", "deconv", "pixelshuffle"] | None,
        setting("How coarse features are brought to a finer grid.", panel=NETWORK),
    ] = None
    equalize: Annotated[
        Literal["explicit", "initialisation", "off"] | None,
        setting("Scale equalizers before features of several levels are joined.", panel=NETWORK),
    ] = None
    recalibrate: Annotated[
        bool,
        setting("With --from: measure the scale equalizers on these images.", panel=NETWORK),
    ] = False
    deep_supervision: Annotated[
        LossWeights | None,
        setting(
            "Weight of the loss at each output, best first; 1,0.5,0.25 unless given, and 1 alone "
            "teaches the last output only.",
            metavar="W,W,...",
            panel=NETWORK,
        ),
    ] = None
    learning_rate: RateSetting = None
    class_shares: Annotated[
        str,
        BeforeValidator(check_shares),
        setting(
            "Strokes only. How common classes are: estimated from the images, as painted, or as "
            "you say, such as membrane=0.2; a class that is not named gets the rest.",
            metavar="estimated|painted|CLASS=SHARE,...",
            panel=NETWORK,
        ),
    ] = "estimated"
    unlabelled: Annotated[
        NotNegative,
        setting(
            "Strokes only. How much is learned from voxels that nobody labelled: weight, beside "
            "the strokes, of what the average of the network so far is sure of there.",
            metavar="WEIGHT",
            panel=NETWORK,
        ),
    ] = 0.0
    confidence: Annotated[
        Share,
        setting(
            "With --unlabelled: probability from which on the average is sure.",
            metavar="P",
            panel=NETWORK,
        ),
    ] = 0.9
    alike: Annotated[
        NotNegative,
        setting(
            "Strokes only. Weight by which neighbours that look alike are taken for the same "
            "class, so that borders lie where the image changes.",
            metavar="WEIGHT",
            panel=NETWORK,
        ),
    ] = 0.0
    focal: Annotated[
        NotNegative,
        setting(
            "Gamma of the focal loss, by which voxels that are right already count less; 0 is "
            "cross-entropy.",
            metavar="GAMMA",
            panel=NETWORK,
        ),
    ] = 0.0
    scales: Annotated[
        Scales | None,
        setting(
            "Train at random scales between these, so that one model serves several levels: 2 "
            "sees the image at half its resolution.",
            metavar="LOW,HIGH",
            panel=NETWORK,
        ),
    ] = None
    nan_as: NanSetting = None
    device: DeviceSetting = "auto"
    batch: BatchSetting = None
    memory: MemorySetting = None

    @model_validator(mode="before")
    @classmethod
    def _default_minutes(cls, values: object) -> object:
        if isinstance(values, dict) and values.get("minutes") is values.get("steps") is None:
            return {**values, "minutes": DEFAULT_MINUTES}
        return values

    @model_validator(mode="after")
    def _check_length(self) -> Self:
        if self.minutes is not None and self.steps is not None:
            raise InputError("Training ends after --minutes or after --steps; give one of them.")
        return self

    @model_validator(mode="after")
    def _check_thresholds(self) -> Self:
        if self.thresholds == "held-out" and self.hold_out == "off" and not self.val_image:
            raise InputError(
                "--thresholds held-out fits to labels that are not trained on, and --hold-out off "
                "holds none out. Leave --hold-out out, or give --val-image and --val-labels."
            )
        return self

    @model_validator(mode="after")
    def _check_strokes(self) -> Self:
        """Refuse what is about unlabelled voxels where there are none."""
        told = self.class_shares not in (ESTIMATED, PAINTED)
        asked = {"unlabelled": self.unlabelled, "alike": self.alike, "class_shares": told}
        for field, given in asked.items():
            if given and not self.sparse:
                raise InputError(
                    f"{self.option(field)} is for strokes, which leave voxels unlabelled; --labels "
                    f"labels every voxel. Leave out {self.option(field)}, or give --annotation."
                )
        return self

    @model_validator(mode="after")
    def _check_objects(self) -> Self:
        """Refuse what teaches voxels without a label where the shape of objects is learned."""
        for field in ("unlabelled", "alike"):
            if self.shapes and getattr(self, field):
                raise InputError(
                    f"{self.option(field)} tells of classes and not of where objects end; leave "
                    f"it out, or say another --task than instance."
                )
        return self

    @property
    def memory_bytes(self) -> int | None:
        """Memory that may be used, in bytes."""
        return None if self.memory is None else parse_bytes(self.memory)


class PlanConfig(TrainConfig):
    """What ``ziggurat plan`` does: the settings of a training, which is not made."""

    image: Annotated[
        ImageSources,
        Field(min_length=1),
        setting("Image file, OME-Zarr (also by URL) or folder.", positional=True),
    ]
    out: Annotated[LocalPath, setting("Folder of the model in the command that is printed.")] = (
        Path("model")
    )


class SearchConfig(_LearningSettings):
    """What ``ziggurat search`` does.

    It ends after ``minutes`` of wall time or after so many ``candidates``.
    """

    alternatives: ClassVar = (("minutes", "candidates"), *_LearningSettings.alternatives)

    out: Annotated[LocalPath, setting("Folder that the log and the best network are written to.")]
    minutes: Annotated[
        Positive | None,
        setting(
            f"Wall time of the search; {SEARCH_MINUTES:g} unless --candidates is given.",
            metavar="M",
        ),
    ] = None
    candidates: Annotated[
        Count | None,
        setting(
            "Number of pyramids to try, the first included; a seeded search repeats bit for bit.",
            metavar="N",
        ),
    ] = None
    steps: Annotated[Count, setting("Training steps of each candidate.", metavar="N")] = 100
    random_start: Annotated[
        bool, setting("Start from random connections instead of those of the network.")
    ] = False
    seed: SeedSetting = 0
    network: Annotated[
        str,
        setting(
            "Network whose neck is searched: nas_fpn, or a YAML file of parts with such a neck.",
            panel=NETWORK,
        ),
    ] = "nas_fpn"
    dims: DimsSetting = None
    patch: PatchSetting = None
    depth: DepthSetting = None
    features: Annotated[
        Count | None,
        setting(
            "Features at the finest resolution while searching; half of what training takes "
            "unless given.",
            metavar="N",
            panel=NETWORK,
        ),
    ] = None
    learning_rate: RateSetting = None
    nan_as: NanSetting = None
    device: DeviceSetting = "auto"
    batch: BatchSetting = None
    memory: MemorySetting = None

    @model_validator(mode="before")
    @classmethod
    def _default_minutes(cls, values: object) -> object:
        if isinstance(values, dict) and values.get("minutes") is values.get("candidates") is None:
            return {**values, "minutes": SEARCH_MINUTES}
        return values

    @model_validator(mode="after")
    def _check_length(self) -> Self:
        if self.minutes is not None and self.candidates is not None:
            raise InputError("A search ends after --minutes or after --candidates; give one.")
        return self


class CalibrateConfig(LabelledSettings):
    """What ``ziggurat calibrate`` fits: weights of levels, or how maps become objects."""

    model: Annotated[
        LocalPath, setting("Folder of the model; the weights are kept in it.", positional=True)
    ]
    levels: Annotated[
        Levels,
        setting(
            "Levels to fuse, such as 0,1,2; the one that fits the model and the next two unless "
            "given.",
            metavar="N,N,...",
        ),
    ] = ()
    overwrite: Annotated[
        bool, setting("Replace what was fitted for the model before.", once=True)
    ] = False
    nan_as: NanSetting = None
    device: DeviceSetting = "auto"
    batch: BatchSetting = None
    memory: MemorySetting = None
    threads: Annotated[
        Count | None, setting("Threads that compute or read.", metavar="N", panel=MACHINE)
    ] = None

    @property
    def memory_bytes(self) -> int | None:
        """Memory that may be used, in bytes."""
        return None if self.memory is None else parse_bytes(self.memory)
