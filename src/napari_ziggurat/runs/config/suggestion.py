"""What is said about where to annotate next: suggest."""

from typing import Annotated

from napari_ziggurat.runs.config.shared import (
    MACHINE,
    BatchSetting,
    DeviceSetting,
    MemorySetting,
    NanSetting,
    OverwriteSetting,
    SeedSetting,
    SourceSettings,
)
from napari_ziggurat.runs.settings import setting
from napari_ziggurat.runs.values import (
    BoxText,
    Count,
    ImageSource,
    Level,
    LocalPath,
    PatchShape,
    Positive,
    Share,
    TimePoint,
    parse_bytes,
)

__all__ = ["SuggestConfig"]


class SuggestConfig(SourceSettings):
    """What ``ziggurat suggest`` looks for: the boxes of an image that are worth annotating most."""

    image: Annotated[ImageSource, setting("Image file or OME-Zarr (also by URL).", positional=True)]
    model: Annotated[LocalPath, setting("Folder of the model.")]
    count: Annotated[Count, setting("Boxes to suggest.", option="-n", metavar="N")] = 10
    annotation: Annotated[
        ImageSource | None,
        setting("Labels of some voxels: boxes in which some are labelled already are left out."),
    ] = None
    annotated: Annotated[
        Share,
        setting(
            "With --annotation: share of labelled voxels up to which a box is suggested still.",
            metavar="SHARE",
        ),
    ] = 0.0
    box: Annotated[
        BoxText | None,
        setting(
            "Look only at these voxels of level 0, such as 0:16,100:612,0:512.",
            metavar="START:STOP,...",
        ),
    ] = None
    time: Annotated[
        TimePoint | None, setting("Time point to look at; all of them unless given.", metavar="T")
    ] = None
    level: Annotated[
        Level | None,
        setting(
            "Resolution level to look at everywhere; unless given the one that fits the model, or "
            "a coarser one where that takes longer than --minutes.",
            metavar="N",
        ),
    ] = None
    minutes: Annotated[
        Positive,
        setting(
            "Time that looking everywhere may take, as far as it is known before.", metavar="M"
        ),
    ] = 10.0
    size: Annotated[
        PatchShape | None,
        setting(
            "Shape of a box, in voxels of the level that fits the model; the patch it was trained "
            "on unless given.",
            metavar="Z,Y,X",
        ),
    ] = None
    out: Annotated[
        LocalPath | None,
        setting("Write the boxes to a .csv or .json file as well.", metavar="FILE"),
    ] = None
    overwrite: OverwriteSetting = False
    seed: SeedSetting = 0
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
