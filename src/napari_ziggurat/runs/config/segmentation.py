"""What is segmented, how, and by whom: segment, slurm."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from napari_ziggurat.errors import InputError
from napari_ziggurat.runs.config.shared import (
    MACHINE,
    BatchSetting,
    DeviceSetting,
    MemorySetting,
    NanSetting,
    OverwriteSetting,
    SourceSettings,
)
from napari_ziggurat.runs.settings import setting
from napari_ziggurat.runs.values import (
    BoxText,
    Count,
    GateText,
    ImageSource,
    Level,
    Levels,
    LocalPath,
    OmeZarrVersion,
    PartText,
    PatchShape,
    RimShape,
    Views,
    parse_bytes,
)

__all__ = ["SegmentConfig", "SlurmConfig"]

_MANY = "Several processes and machines"
_SLURM = "Slurm"


class SegmentConfig(SourceSettings):
    """What ``ziggurat segment`` does: one image to one output, a folder to a folder."""

    alternatives: ClassVar = (("level", "levels"),)

    image: Annotated[
        ImageSource,
        setting("Image file, OME-Zarr (also by URL) or folder of images.", positional=True),
    ]
    model: Annotated[LocalPath, setting("Folder of the model.")]
    out: Annotated[
        LocalPath,
        setting(
            "Output: .ome.zarr, IMAGE.ome.zarr/labels/NAME, .tif, .nii.gz or .png; "
            "a folder for a folder.",
        ),
    ]
    level: Annotated[
        Level | None,
        setting("Resolution level; chosen by the model's spacing unless given.", metavar="N"),
    ] = None
    levels: Annotated[
        Levels,
        setting(
            "Segment several levels and fuse what they say, on the grid of the finest, such as "
            "0,1,2.",
            metavar="N,N,...",
        ),
    ] = ()
    box: Annotated[
        BoxText | None,
        setting(
            "Segment only these voxels of the level, such as 0:16,100:612,0:512.",
            metavar="START:STOP,...",
        ),
    ] = None
    probabilities: Annotated[bool, setting("Write the probability of each class as well.")] = False
    probability_type: Annotated[
        Literal["float32", "float16", "uint8"],
        setting("How --probabilities are stored; uint8 counts in steps of 1/255."),
    ] = "float32"
    blend: Annotated[
        bool,
        setting(
            "Let neighbouring windows fade into each other: smoother probabilities, more windows."
        ),
    ] = False
    augment: Annotated[
        Views,
        setting(
            "Compute each window several times, mirrored, at other sizes, or both, and take the "
            "mean.",
            metavar="flips|scales|flips,scales",
        ),
    ] = ()
    all_scales: Annotated[
        bool,
        setting(
            "Write what the coarser outputs of the network predict as the levels of their "
            "resolutions; OME-Zarr only."
        ),
    ] = False
    depth: Annotated[
        Count | None,
        setting("UNet++ only: steps down to compute; fewer are faster.", metavar="N"),
    ] = None
    gate: Annotated[
        GateText,
        setting(
            "Compute only where a coarser level shows foreground: off, auto (keeps 0.999 of it) or "
            "the share to keep; needs a calibrated model.",
            metavar="auto|off|RECALL",
        ),
    ] = "off"
    gate_level: Annotated[
        Level | None,
        setting(
            "Level that --gate looks at; of those that the model was calibrated at the one that "
            "costs least unless given.",
            metavar="N",
        ),
    ] = None
    dry_run: Annotated[
        bool, setting("Print what would be done, how long and how much it takes.", once=True)
    ] = False
    verify: Annotated[
        bool,
        setting("Read again what is written already, and do anew what was changed.", once=True),
    ] = False
    overwrite: OverwriteSetting = False
    version: Annotated[
        OmeZarrVersion,
        setting("Version of the OME-Zarr that is written.", option="--ome-zarr-version"),
    ] = "0.5"
    nan_as: NanSetting = None
    device: DeviceSetting = "auto"
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"],
        setting("auto takes bfloat16 where the device computes it.", panel=MACHINE),
    ] = "auto"
    batch: BatchSetting = None
    memory: MemorySetting = None
    threads: Annotated[
        Count | None,
        setting(
            "Threads; on the CPU each computes windows, beside a GPU they read ahead.",
            metavar="N",
            panel=MACHINE,
        ),
    ] = None
    window: Annotated[
        PatchShape | None,
        setting(
            "Shape of what goes through the network at once; the model's unless given.",
            metavar="Z,Y,X",
            panel=MACHINE,
        ),
    ] = None
    rim: Annotated[
        RimShape | None,
        setting(
            "Context around what a window decides; the model's unless given.",
            metavar="Z,Y,X",
            panel=MACHINE,
        ),
    ] = None
    block: Annotated[
        PatchShape | None,
        setting(
            "Voxels that are written as one file, rounded up to whole cells.",
            metavar="Z,Y,X",
            panel=MACHINE,
        ),
    ] = None
    exact: Annotated[
        bool,
        setting(
            "Stop when the device's memory runs out instead of computing fewer windows at a time, "
            "which changes the last bits.",
            panel=MACHINE,
        ),
    ] = False
    workers: Annotated[
        Count | None,
        setting(
            "Processes; one for each device, or that share the cores.",
            metavar="N",
            panel=_MANY,
            once=True,
        ),
    ] = None
    part: Annotated[
        PartText | None,
        setting(
            "Do a share of the work beside other processes that were given the same command, such "
            "as 2/8; what one leaves undone another does.",
            metavar="I/N",
            panel=_MANY,
            once=True,
        ),
    ] = None
    dask: Annotated[
        str | None,
        setting(
            "Let the workers of a Dask cluster compute, such as tcp://host:8786.",
            metavar="ADDRESS",
            panel=_MANY,
            once=True,
        ),
    ] = None

    @model_validator(mode="after")
    def _check_levels(self) -> Self:
        if self.levels and self.level is not None:
            raise InputError(
                "Give --levels, which are fused on the grid of the finest of them, or --level."
            )
        if self.levels and self.all_scales:
            raise InputError(
                "--levels fuses into one result what --all-scales keeps apart; leave one out."
            )
        if self.augment and self.all_scales:
            raise InputError("--augment is for the finest output only; leave out --all-scales.")
        return self

    @model_validator(mode="after")
    def _check_who(self) -> Self:
        ways = {"--workers": self.workers, "--part": self.part, "--dask": self.dask}
        given = [name for name, value in ways.items() if value is not None]
        if len(given) > 1:
            raise InputError(f"Give one of {', '.join(ways)}; got {' and '.join(given)}.")
        if self.part is not None and self.verify:
            raise InputError(
                "--verify cannot go with --part: it takes the journal into its own hands, and "
                "others are at work. Say it without --part when no part is running."
            )
        if self.part is not None and self.overwrite:
            raise InputError(
                "--part cannot go with --overwrite: parts begin at different times, and one would "
                "remove what another has done. Remove the output first."
            )
        return self

    @property
    def memory_bytes(self) -> int | None:
        """Memory that may be used, in bytes."""
        return None if self.memory is None else parse_bytes(self.memory)


class SlurmConfig(SegmentConfig):
    """What ``ziggurat slurm`` writes a job script for: a segmentation, and what Slurm is asked."""

    parts: Annotated[
        Count, setting("Jobs of the array that share the work.", metavar="N", panel=_SLURM)
    ] = 8
    time: Annotated[str, setting("Time limit of each job.", metavar="HH:MM:SS", panel=_SLURM)] = (
        "08:00:00"
    )
    cpus: Annotated[Count, setting("Cores of each job.", metavar="N", panel=_SLURM)] = 8
    mem: Annotated[
        str, setting("Memory of each job, as Slurm counts it.", metavar="SIZE", panel=_SLURM)
    ] = "32G"
    gpus: Annotated[int, Field(ge=0), setting("GPUs of each job.", metavar="N", panel=_SLURM)] = 0
    partition: Annotated[
        str | None, setting("Partition of the cluster.", metavar="NAME", panel=_SLURM)
    ] = None
    account: Annotated[str | None, setting("Account that pays.", metavar="NAME", panel=_SLURM)] = (
        None
    )
    setup: Annotated[
        str | None,
        setting(
            "Line of shell before the run, such as the activation of an environment.",
            metavar="LINE",
            panel=_SLURM,
        ),
    ] = None
