"""What is compared with the truth, and how."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, model_validator

from napari_ziggurat.errors import InputError
from napari_ziggurat.runs.config.shared import SourceSettings
from napari_ziggurat.runs.settings import setting
from napari_ziggurat.runs.values import ImageSource, LocalPath, Positive, Task

__all__ = ["EvaluateConfig"]

OBJECTS = "Objects"
COCO = "coco"

Kind = Literal["ids", "components", "between"]


def _joined(value: object) -> object:
    """Let YAML give a list of two numbers."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else value


def _check_sizes(value: str) -> str:
    if value == COCO:
        return value
    try:
        low, high = (float(part) for part in value.split(","))
    except ValueError:
        low, high = 1.0, 0.0
    if not 0 <= low <= high:
        raise InputError(
            "sizes are where small objects end and where large ones begin, such as 20,80, or "
            f"coco; got '{value}'."
        )
    return value


SizesText = Annotated[str, BeforeValidator(_joined), AfterValidator(_check_sizes)]


class EvaluateConfig(SourceSettings):
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
    tolerance: Annotated[
        Positive | None,
        setting(
            "Distance up to which surfaces agree, in the unit of the image; the largest side of a "
            "voxel unless given.",
            metavar="LENGTH",
        ),
    ] = None
    against: Annotated[
        ImageSource | None,
        setting("Another prediction of the same images, to be compared with.", metavar="PATH"),
    ] = None
    objects: Annotated[
        Kind | None,
        setting(
            "Score objects as well: each label is one (ids), each connected piece of a class "
            "(components), or each piece that the labels leave between them (between).",
            panel=OBJECTS,
        ),
    ] = None
    predicted_objects: Annotated[
        Kind | None,
        setting(
            "What an object of the prediction is where that differs, such as components of a "
            "foreground beside true ids.",
            panel=OBJECTS,
        ),
    ] = None
    sizes: Annotated[
        SizesText | None,
        setting(
            "Area or volume below which objects are small and from which they are large, in the "
            "unit of the image, or coco; terciles of the truth unless given.",
            metavar="LOW,HIGH",
            panel=OBJECTS,
        ),
    ] = None
    figure: Annotated[
        LocalPath | None,
        setting("Draw scores by size and the worst objects into this .png file.", panel=OBJECTS),
    ] = None
    image: Annotated[
        ImageSource | None,
        setting(
            "Image behind the worst objects of the figure: a file or a folder.",
            metavar="PATH",
            panel=OBJECTS,
        ),
    ] = None
    overwrite: Annotated[
        bool, setting("Replace the figure that is there.", panel=OBJECTS, once=True)
    ] = False

    @model_validator(mode="after")
    def _check_objects(self) -> Self:
        kinds = (self.objects, self.predicted_objects)
        if self.predicted_objects and not self.objects:
            raise InputError(
                "--predicted-objects says how the prediction differs from --objects; say --objects "
                "as well."
            )
        if "between" in kinds and kinds not in (("between", None), ("between", "between")):
            raise InputError(
                "Pieces between the labels are compared with pieces between the labels; leave "
                f"--predicted-objects out, or say other --objects than {self.objects}."
            )
        if self.image and not self.figure:
            raise InputError("--image is what --figure draws on; say --figure FILE.png as well.")
        if self.figure and self.figure.suffix.lower() != ".png":
            raise InputError(f"--figure writes a .png file; got '{self.figure}'.")
        return self
