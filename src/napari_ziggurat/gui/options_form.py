"""Options form: settings of a segmentation that are chosen by themselves, or said by a person."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from napari_ziggurat.gui.forms.form import ConfigForm
from napari_ziggurat.runs.config import SegmentConfig

if TYPE_CHECKING:
    from napari_ziggurat.images import Image
    from napari_ziggurat.networks import ModelSpec

__all__ = ["OptionsForm", "automatic_values"]

# What is chosen elsewhere in the dock, or makes no sense in it.
_ELSEWHERE = ("image", "model", "out", "overwrite", "axes", "spacing", "unit")
_NOT_HERE = ("dry_run", "part", "dask")
_SCOPE = "For the whole image; the view takes --depth, --nan-as and --device as well."
_AUTOMATIC = {
    "level": "the one that fits the model",
    "levels": "one level",
    "box": "all voxels",
    "augment": "once",
    "depth": "the whole network",
    "gate_level": "the one that costs least",
    "nan_as": "refuse such images",
    "batch": "what fits",
    "memory": "what is free",
    "threads": "all cores",
    "window": "the model's",
    "rim": "the model's",
    "block": "what fits",
    "workers": "one",
}


class OptionsForm(ConfigForm):
    """Everything that can be said about a segmentation beside image, model and output."""

    def __init__(self) -> None:
        fields = [f for f in SegmentConfig.names() if f not in (*_ELSEWHERE, *_NOT_HERE)]
        super().__init__(SegmentConfig, fields, "More options", _SCOPE)
        self.show_automatic(_AUTOMATIC)

    def show_choice(self, image: "Image | None", spec: "ModelSpec | None") -> None:
        """Show what would be chosen for an image and a model."""
        self.show_automatic({**_AUTOMATIC, **automatic_values(image, spec)})


def automatic_values(image: "Image | None", spec: "ModelSpec | None") -> Mapping[str, str]:
    """Say what is chosen by itself, as far as image and model tell it without being read."""
    if spec is None:
        return {}
    found = {
        "window": _voxels(spec.window),
        "rim": _voxels(spec.rim) if getattr(spec, "rim", None) else _AUTOMATIC["rim"],
    }
    if image is not None and (level := _level(image, spec)) is not None:
        found["level"] = f"{level} of 0 to {len(image.levels) - 1}"
    return found


def _level(image: "Image", spec: "ModelSpec") -> int | None:
    from napari_ziggurat.errors import InputError
    from napari_ziggurat.runs.plan.level import choose_level

    try:
        return choose_level(image, spec).level
    except InputError:
        return None  # the run says why


def _voxels(shape: tuple[int, ...]) -> str:
    return f"{','.join(map(str, shape))} voxels"
