"""What is looked at, compared, exported or shown."""

from pathlib import Path
from typing import Annotated, Literal

from napari_ziggurat.runs.config.shared import (
    DeviceSetting,
    NanSetting,
    OverwriteSetting,
    SeedSetting,
    SourceSettings,
)
from napari_ziggurat.runs.settings import Settings, setting
from napari_ziggurat.runs.values import BoxText, ImageSource, Level, LocalPath, Positive

__all__ = [
    "DemoConfig",
    "ExplainConfig",
    "ExportConfig",
    "InfoConfig",
    "NetworksConfig",
]


class InfoConfig(SourceSettings):
    """What ``ziggurat info`` shows."""

    image: Annotated[
        ImageSource,
        setting(
            "Image file, OME-Zarr (also by URL) or folder of images; or folder of a model.",
            positional=True,
        ),
    ]


class NetworksConfig(Settings):
    """What ``ziggurat networks`` shows."""

    show: Annotated[
        str | None,
        setting("Show the parts of this network as YAML, to start from.", metavar="NAME"),
    ] = None


class ExportConfig(Settings):
    """What ``ziggurat export`` writes."""

    model: Annotated[LocalPath, setting("Folder of the model.", positional=True)]
    format: Annotated[
        Literal["onnx", "tensorrt"],
        setting("Format of the file; tensorrt needs TensorRT and makes an engine for this GPU."),
    ] = "onnx"
    out: Annotated[
        LocalPath | None, setting("File to write; beside the model unless given.", metavar="PATH")
    ] = None
    overwrite: OverwriteSetting = False


class ExplainConfig(SourceSettings):
    """What ``ziggurat explain`` looks at: a network at work on one region of an image."""

    model: Annotated[LocalPath, setting("Folder of the model.", positional=True)]
    image: Annotated[ImageSource, setting("Image file or OME-Zarr (also by URL).", positional=True)]
    out: Annotated[LocalPath, setting("Folder for everything that is found.")]
    level: Annotated[
        Level | None,
        setting("Resolution level; chosen by the model's spacing unless given.", metavar="N"),
    ] = None
    box: Annotated[
        BoxText | None,
        setting(
            "Look at these voxels of the level, such as 0:16,100:612,0:512; one window in the "
            "middle unless given.",
            metavar="START:STOP,...",
        ),
    ] = None
    overwrite: OverwriteSetting = False
    nan_as: NanSetting = None
    device: DeviceSetting = "auto"


class DemoConfig(Settings):
    """What ``ziggurat demo`` makes."""

    out: Annotated[LocalPath, setting("Folder for everything that the demo writes.")] = Path(
        "ziggurat-demo"
    )
    minutes: Annotated[Positive, setting("Wall time of training.", metavar="M")] = 1.5
    seed: SeedSetting = 0
    device: DeviceSetting = "auto"
    overwrite: OverwriteSetting = False
