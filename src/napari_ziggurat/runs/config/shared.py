"""Settings that several commands share."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from napari_ziggurat.errors import InputError
from napari_ziggurat.images import Source
from napari_ziggurat.runs.settings import Settings, setting
from napari_ziggurat.runs.values import (
    AxesText,
    Count,
    DeviceText,
    Dims,
    Finite,
    ImageSources,
    MemoryText,
    PatchShape,
    Positive,
    Seed,
    SpacingValues,
)

__all__ = [
    "IMAGE",
    "MACHINE",
    "NETWORK",
    "AxesSetting",
    "BatchSetting",
    "DepthSetting",
    "DeviceSetting",
    "DimsSetting",
    "FeaturesSetting",
    "LabelledSettings",
    "MemorySetting",
    "NanSetting",
    "OverwriteSetting",
    "PatchSetting",
    "RateSetting",
    "SeedSetting",
    "SourceSettings",
    "check_pairs",
]

IMAGE = "Where the file is silent"
NETWORK = "Network and training, chosen from the data unless given"
MACHINE = "Machine"


DeviceSetting = Annotated[
    DeviceText,
    setting("auto, cpu, cuda, cuda:1 or mps; auto takes a GPU where there is one.", panel=MACHINE),
]
OverwriteSetting = Annotated[bool, setting("Replace what is already at --out.", once=True)]
NanSetting = Annotated[
    Finite | None,
    setting("Read this value where a voxel is NaN or infinite.", metavar="VALUE", panel=IMAGE),
]
BatchSetting = Annotated[
    Count | None,
    setting("Windows or patches that are computed together.", metavar="N", panel=MACHINE),
]
MemorySetting = Annotated[
    MemoryText | None,
    setting("Memory that may be used, such as 8GB.", metavar="SIZE", panel=MACHINE),
]
AxesSetting = Annotated[
    AxesText | None,
    setting("Axes of the stored array, such as zyx or czyx.", metavar="AXES", panel=IMAGE),
]
SeedSetting = Annotated[Seed, setting("Seed of everything random.", metavar="S")]
DimsSetting = Annotated[Dims | None, setting("Network over slices or over volumes.", panel=NETWORK)]
PatchSetting = Annotated[
    PatchShape | None,
    setting("Shape of a training patch, such as 32,128,128.", metavar="Z,Y,X", panel=NETWORK),
]
DepthSetting = Annotated[
    Count | None, setting("Number of resolutions in the network.", metavar="N", panel=NETWORK)
]
FeaturesSetting = Annotated[
    Count | None, setting("Features at the finest resolution.", metavar="N", panel=NETWORK)
]
RateSetting = Annotated[
    Positive | None, setting("Learning rate at the start.", metavar="RATE", panel=NETWORK)
]


class SourceSettings(Settings):
    """What a person can say about an image where its file is silent."""

    last: ClassVar = ("axes", "spacing", "unit")

    axes: AxesSetting = None
    spacing: Annotated[
        SpacingValues | None,
        setting(
            "Voxel size per spatial axis, such as 0.05,0.0046,0.0046.",
            metavar="Z,Y,X",
            panel=IMAGE,
        ),
    ] = None
    unit: Annotated[
        str | None, setting("Unit of the spacing, such as um.", metavar="UNIT", panel=IMAGE)
    ] = None


class LabelledSettings(SourceSettings):
    """Images with either dense ``labels`` or a sparse ``annotation`` for each."""

    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (("labels", "annotation"),)

    image: Annotated[
        ImageSources,
        Field(min_length=1),
        setting("Image file, OME-Zarr (also by URL) or folder; may be said again."),
    ]
    labels: Annotated[
        ImageSources,
        setting("Labels of every voxel of the image; 0 is background."),
    ] = ()
    annotation: Annotated[
        ImageSources,
        setting("Labels of some voxels: 0 unlabelled, 1 to 254 a class, 255 background."),
    ] = ()

    @model_validator(mode="after")
    def _check_labels(self) -> Self:
        if bool(self.labels) == bool(self.annotation):
            given = "both" if self.labels else "neither"
            raise InputError(
                f"Give either --labels (every voxel) or --annotation (some voxels); got {given}."
            )
        check_pairs("--labels" if self.labels else "--annotation", self.image, self.truth)
        return self

    @property
    def truth(self) -> tuple[Source, ...]:
        """Labels or annotation, one for each image."""
        return self.labels or self.annotation

    @property
    def sparse(self) -> bool:
        """Only some voxels are labelled."""
        return bool(self.annotation)


def check_pairs(
    option: str, images: tuple[Source, ...], truth: tuple[Source, ...], image: str = "--image"
) -> None:
    """Refuse images and labels that are not as many."""
    if len(images) != len(truth):
        raise InputError(
            f"Each {image} needs its {option}, in the same order; got {len(images)} and "
            f"{len(truth)}."
        )
