"""What is done to annotations: made, imported, exported, looked at, named, completed, adopted."""

from typing import Annotated, ClassVar, Self

from pydantic import model_validator

from napari_ziggurat.errors import InputError
from napari_ziggurat.runs.config.shared import OverwriteSetting, SourceSettings
from napari_ziggurat.runs.settings import Settings, setting
from napari_ziggurat.runs.values import (
    BoxText,
    ClassTexts,
    ImageSource,
    Level,
    LocalPath,
    VoxelPlace,
)

__all__ = [
    "AnnotationInfoConfig",
    "AnnotationNewConfig",
    "ClassesConfig",
    "CompleteConfig",
    "CopyConfig",
    "ImportConfig",
    "OwnerConfig",
]

_IMAGE = "Image that is annotated: a file or OME-Zarr (also by URL)."
_StoreSetting = Annotated[LocalPath, setting("Folder of the annotation.", positional=True)]
_PlaceSetting = Annotated[
    LocalPath | None,
    setting(
        "Folder of the annotation, such as IMAGE.ome.zarr/labels/NAME; IMAGE.annotation.ome.zarr "
        "beside the image unless given.",
        metavar="PATH",
    ),
]
_LevelSetting = Annotated[
    Level | None,
    setting(
        "Resolution level of the image that is drawn on; the finest that fits unless given.",
        metavar="N",
    ),
]
_ClassesSetting = Annotated[
    ClassTexts,
    setting("Classes, such as 1=nucleus,2=wall:#4477aa.", metavar="VALUE=NAME[:#RRGGBB],..."),
]


class AnnotationNewConfig(SourceSettings):
    """What ``ziggurat annotation create`` makes."""

    image: Annotated[ImageSource, setting(_IMAGE, positional=True)]
    annotation: _PlaceSetting = None
    level: Annotated[
        Level, setting("Resolution level that is drawn on; 0 is the finest.", metavar="N")
    ] = 0
    classes: _ClassesSetting = ()


class ImportConfig(SourceSettings):
    """What ``ziggurat annotation import`` paints."""

    alternatives: ClassVar = (("dense", "sparse"),)

    labels: Annotated[
        ImageSource, setting("Label file or OME-Zarr (also by URL).", positional=True)
    ]
    image: Annotated[ImageSource, setting(_IMAGE)]
    annotation: _PlaceSetting = None
    dense: Annotated[bool, setting("Every voxel is labelled; 0 is background.")] = False
    sparse: Annotated[
        bool,
        setting("Some voxels are: 0 unlabelled, 1 to 254 a class, 255 background."),
    ] = False
    level: _LevelSetting = None
    at: Annotated[
        VoxelPlace | None,
        setting(
            "Voxel of the level on which the first voxel of smaller labels lies.", metavar="Z,Y,X"
        ),
    ] = None
    classes: _ClassesSetting = ()

    @model_validator(mode="after")
    def _check_code(self) -> Self:
        if self.dense == self.sparse:
            given = "both" if self.dense else "neither"
            raise InputError(
                "Say --dense where every voxel is labelled and 0 is background, or --sparse where "
                f"0 is unlabelled; got {given}."
            )
        return self


class CopyConfig(Settings):
    """What ``ziggurat annotation export`` writes."""

    annotation: _StoreSetting
    out: Annotated[
        LocalPath, setting("File .tif, .nii.gz or .png, or folder .ome.zarr.", positional=True)
    ]
    overwrite: OverwriteSetting = False


class AnnotationInfoConfig(Settings):
    """What ``ziggurat annotation info`` shows."""

    annotation: _StoreSetting


class ClassesConfig(Settings):
    """What ``ziggurat annotation classes`` names."""

    annotation: _StoreSetting
    classes: Annotated[
        ClassTexts,
        setting(
            "Names and colours, such as 1=nucleus,2=wall:#4477aa; others stay as they are.",
            option="--set",
            metavar="VALUE=NAME[:#RRGGBB],...",
        ),
    ] = ()


class CompleteConfig(Settings):
    """What ``ziggurat annotation complete`` fills."""

    annotation: _StoreSetting
    box: Annotated[
        BoxText,
        setting(
            "Voxels of the level in which all that is unlabelled is background, such as "
            "0:16,100:612,0:512.",
            metavar="START:STOP,...",
        ),
    ]


class OwnerConfig(SourceSettings):
    """What ``ziggurat annotation adopt`` takes down."""

    annotation: _StoreSetting
    image: Annotated[ImageSource, setting(_IMAGE)]
