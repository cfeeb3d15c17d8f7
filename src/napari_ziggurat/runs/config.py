"""Configurations: everything that can be said about a run, once.

The command line, the YAML files, the forms and the record in the output are made from these models.
"""

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from napari_ziggurat.errors import InputError
from napari_ziggurat.images import Source
from napari_ziggurat.runs.settings import Settings, setting
from napari_ziggurat.runs.values import (
    AxesText,
    BoxText,
    Count,
    DeviceText,
    Dims,
    Finite,
    GateText,
    ImageSource,
    ImageSources,
    Level,
    Levels,
    LocalPath,
    LossWeights,
    MemoryText,
    OmeZarrVersion,
    PartText,
    PatchShape,
    Positive,
    RimShape,
    Seed,
    SpacingValues,
    Task,
    Views,
    parse_bytes,
)

__all__ = [
    "DEFAULT_MINUTES",
    "CalibrateConfig",
    "DemoConfig",
    "EvaluateConfig",
    "ExplainConfig",
    "ExportConfig",
    "InfoConfig",
    "NetworksConfig",
    "SearchConfig",
    "SegmentConfig",
    "SlurmConfig",
    "TrainConfig",
]

DEFAULT_MINUTES = 10.0
SEARCH_MINUTES = 30.0

_IMAGE = "Where the file is silent"
_NETWORK = "Network and training, chosen from the data unless given"
_MACHINE = "Machine"
_MANY = "Several processes and machines"
_SLURM = "Slurm"


_DeviceSetting = Annotated[
    DeviceText,
    setting("auto, cpu, cuda, cuda:1 or mps; auto takes a GPU where there is one.", panel=_MACHINE),
]
_OverwriteSetting = Annotated[bool, setting("Replace what is already at --out.", once=True)]
_NanSetting = Annotated[
    Finite | None,
    setting("Read this value where a voxel is NaN or infinite.", metavar="VALUE", panel=_IMAGE),
]
_BatchSetting = Annotated[
    Count | None,
    setting("Windows or patches that are computed together.", metavar="N", panel=_MACHINE),
]
_MemorySetting = Annotated[
    MemoryText | None,
    setting("Memory that may be used, such as 8GB.", metavar="SIZE", panel=_MACHINE),
]
_AxesSetting = Annotated[
    AxesText | None,
    setting("Axes of the stored array, such as zyx or czyx.", metavar="AXES", panel=_IMAGE),
]
_SeedSetting = Annotated[Seed, setting("Seed of everything random.", metavar="S")]
_DimsSetting = Annotated[
    Dims | None, setting("Network over slices or over volumes.", panel=_NETWORK)
]
_PatchSetting = Annotated[
    PatchShape | None,
    setting("Shape of a training patch, such as 32,128,128.", metavar="Z,Y,X", panel=_NETWORK),
]
_DepthSetting = Annotated[
    Count | None, setting("Number of resolutions in the network.", metavar="N", panel=_NETWORK)
]
_FeaturesSetting = Annotated[
    Count | None, setting("Features at the finest resolution.", metavar="N", panel=_NETWORK)
]
_RateSetting = Annotated[
    Positive | None, setting("Learning rate at the start.", metavar="RATE", panel=_NETWORK)
]


class _SourceSettings(Settings):
    """What a person can say about an image where its file is silent."""

    last: ClassVar = ("axes", "spacing", "unit")

    axes: _AxesSetting = None
    spacing: Annotated[
        SpacingValues | None,
        setting(
            "Voxel size per spatial axis, such as 0.05,0.0046,0.0046.",
            metavar="Z,Y,X",
            panel=_IMAGE,
        ),
    ] = None
    unit: Annotated[
        str | None, setting("Unit of the spacing, such as um.", metavar="UNIT", panel=_IMAGE)
    ] = None


class InfoConfig(_SourceSettings):
    """What ``ziggurat info`` shows."""

    image: Annotated[
        ImageSource,
        setting("Image file, OME-Zarr (also by URL) or folder of images.", positional=True),
    ]


class NetworksConfig(Settings):
    """What ``ziggurat networks`` shows."""

    show: Annotated[
        str | None,
        setting("Show the parts of this network as YAML, to start from.", metavar="NAME"),
    ] = None


class _LabelledSettings(_SourceSettings):
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
        _check_pairs("--labels" if self.labels else "--annotation", self.image, self.truth)
        return self

    @property
    def truth(self) -> tuple[Source, ...]:
        """Labels or annotation, one for each image."""
        return self.labels or self.annotation

    @property
    def sparse(self) -> bool:
        """Only some voxels are labelled."""
        return bool(self.annotation)


class _LearningSettings(_LabelledSettings):
    """What is learned from, and where the model goes."""

    out: Annotated[LocalPath, setting("Folder that the model is written to.")]
    task: Annotated[
        Task,
        setting("semantic: classes as labelled; foreground: every label is class 1."),
    ] = "semantic"
    level: Annotated[
        Level | None,
        setting("Resolution level to train on; 0 is the finest.", metavar="N"),
    ] = None
    val_image: Annotated[ImageSources, setting("Image to validate on; may be said again.")] = ()
    val_labels: Annotated[ImageSources, setting("Labels of --val-image.")] = ()
    overwrite: _OverwriteSetting = False

    @model_validator(mode="after")
    def _check_validation(self) -> Self:
        _check_pairs("--val-labels", self.val_image, self.val_labels, image="--val-image")
        return self


class TrainConfig(_LearningSettings):
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
    seed: _SeedSetting = 0
    from_model: Annotated[
        LocalPath | None,
        setting(
            "Model to go on from instead of a fresh network.", option="--from", metavar="MODEL"
        ),
    ] = None
    network: Annotated[
        str,
        setting(
            "Architecture: a name that 'ziggurat networks' lists, or a YAML file of parts.",
            panel=_NETWORK,
        ),
    ] = "residual_unet"
    dims: _DimsSetting = None
    patch: _PatchSetting = None
    depth: _DepthSetting = None
    features: _FeaturesSetting = None
    upsampling: Annotated[
        Literal["linear", "deconv", "pixelshuffle"] | None,
        setting("How coarse features are brought to a finer grid.", panel=_NETWORK),
    ] = None
    equalize: Annotated[
        Literal["explicit", "initialisation", "off"] | None,
        setting("Scale equalizers before features of several levels are joined.", panel=_NETWORK),
    ] = None
    recalibrate: Annotated[
        bool,
        setting("With --from: measure the scale equalizers on these images.", panel=_NETWORK),
    ] = False
    deep_supervision: Annotated[
        LossWeights | None,
        setting(
            "Weight of the loss at each output, best first; 1,0.5,0.25 unless given, and 1 alone "
            "teaches the last output only.",
            metavar="W,W,...",
            panel=_NETWORK,
        ),
    ] = None
    learning_rate: _RateSetting = None
    class_shares: Annotated[
        Literal["estimated", "painted"],
        setting(
            "Strokes only. How common classes are: estimated from the images, or as painted.",
            panel=_NETWORK,
        ),
    ] = "estimated"
    nan_as: _NanSetting = None
    device: _DeviceSetting = "auto"
    batch: _BatchSetting = None
    memory: _MemorySetting = None

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

    @property
    def memory_bytes(self) -> int | None:
        """Memory that may be used, in bytes."""
        return None if self.memory is None else parse_bytes(self.memory)


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
    seed: _SeedSetting = 0
    network: Annotated[
        str,
        setting(
            "Network whose neck is searched: nas_fpn, or a YAML file of parts with such a neck.",
            panel=_NETWORK,
        ),
    ] = "nas_fpn"
    dims: _DimsSetting = None
    patch: _PatchSetting = None
    depth: _DepthSetting = None
    features: Annotated[
        Count | None,
        setting(
            "Features at the finest resolution while searching; half of what training takes "
            "unless given.",
            metavar="N",
            panel=_NETWORK,
        ),
    ] = None
    learning_rate: _RateSetting = None
    nan_as: _NanSetting = None
    device: _DeviceSetting = "auto"
    batch: _BatchSetting = None
    memory: _MemorySetting = None

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


class SegmentConfig(_SourceSettings):
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
    overwrite: _OverwriteSetting = False
    version: Annotated[
        OmeZarrVersion,
        setting("Version of the OME-Zarr that is written.", option="--ome-zarr-version"),
    ] = "0.5"
    nan_as: _NanSetting = None
    device: _DeviceSetting = "auto"
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"],
        setting("auto takes bfloat16 where the device computes it.", panel=_MACHINE),
    ] = "auto"
    batch: _BatchSetting = None
    memory: _MemorySetting = None
    threads: Annotated[
        Count | None,
        setting(
            "Threads; on the CPU each computes windows, beside a GPU they read ahead.",
            metavar="N",
            panel=_MACHINE,
        ),
    ] = None
    window: Annotated[
        PatchShape | None,
        setting(
            "Shape of what goes through the network at once; the model's unless given.",
            metavar="Z,Y,X",
            panel=_MACHINE,
        ),
    ] = None
    rim: Annotated[
        RimShape | None,
        setting(
            "Context around what a window decides; the model's unless given.",
            metavar="Z,Y,X",
            panel=_MACHINE,
        ),
    ] = None
    block: Annotated[
        PatchShape | None,
        setting(
            "Voxels that are written as one file, rounded up to whole cells.",
            metavar="Z,Y,X",
            panel=_MACHINE,
        ),
    ] = None
    exact: Annotated[
        bool,
        setting(
            "Stop when the device's memory runs out instead of computing fewer windows at a time, "
            "which changes the last bits.",
            panel=_MACHINE,
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


class EvaluateConfig(Settings):
    """What ``ziggurat evaluate`` compares: two files, or two folders matched by stem."""

    prediction: Annotated[
        ImageSource, setting("Predicted labels: a file or a folder.", positional=True)
    ]
    labels: Annotated[ImageSource, setting("True labels: a file or a folder.", positional=True)]
    mask: Annotated[
        ImageSource | None,
        setting("Compare only where this is not 0: a file or a folder.", metavar="PATH"),
    ] = None
    task: Annotated[
        Task | None,
        setting(
            "foreground: every label is class 1; taken from the prediction's record unless given."
        ),
    ] = None
    axes: _AxesSetting = None


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
    overwrite: _OverwriteSetting = False


class ExplainConfig(_SourceSettings):
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
    overwrite: _OverwriteSetting = False
    nan_as: _NanSetting = None
    device: _DeviceSetting = "auto"


class CalibrateConfig(_LabelledSettings):
    """What ``ziggurat calibrate`` fits: weights of levels, to ``labels`` or an ``annotation``."""

    model: Annotated[
        Path, setting("Folder of the model; the weights are kept in it.", positional=True)
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
        bool, setting("Replace the weights that the model has already.", once=True)
    ] = False
    nan_as: _NanSetting = None
    device: _DeviceSetting = "auto"
    batch: _BatchSetting = None
    memory: _MemorySetting = None
    threads: Annotated[
        Count | None, setting("Threads that compute or read.", metavar="N", panel=_MACHINE)
    ] = None

    @property
    def memory_bytes(self) -> int | None:
        """Memory that may be used, in bytes."""
        return None if self.memory is None else parse_bytes(self.memory)


class DemoConfig(Settings):
    """What ``ziggurat demo`` makes."""

    out: Annotated[LocalPath, setting("Folder for everything that the demo writes.")] = Path(
        "ziggurat-demo"
    )
    minutes: Annotated[Positive, setting("Wall time of training.", metavar="M")] = 1.5
    seed: _SeedSetting = 0
    device: _DeviceSetting = "auto"
    overwrite: _OverwriteSetting = False


def _check_pairs(
    option: str, images: tuple[Source, ...], truth: tuple[Source, ...], image: str = "--image"
) -> None:
    if len(images) != len(truth):
        raise InputError(
            f"Each {image} needs its {option}, in the same order; got {len(images)} and "
            f"{len(truth)}."
        )
