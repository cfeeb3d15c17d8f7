"""Voxels in and out: one lazy notion of an image for every source, and what is written."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_ziggurat.images.arrays import image_from_array
from napari_ziggurat.images.files import find_images, open_image, stem
from napari_ziggurat.images.grid import OutputGrid
from napari_ziggurat.images.image import Image, Level
from napari_ziggurat.images.source import Source, Url, is_url, to_source

if TYPE_CHECKING:
    from napari_ziggurat.images.export import export_labels, read_record
    from napari_ziggurat.images.pyramid import fill_coarser
    from napari_ziggurat.images.zarr_output import (
        create_output,
        open_output,
        read_attributes,
        write_attributes,
    )

__all__ = [
    "Image",
    "Level",
    "OutputGrid",
    "Source",
    "Url",
    "create_output",
    "export_labels",
    "fill_coarser",
    "find_images",
    "image_from_array",
    "is_url",
    "open_image",
    "open_output",
    "read_attributes",
    "read_record",
    "stem",
    "to_source",
    "write_attributes",
]

# Loaded when first used: they bring zarr, tifffile and nibabel, a third of a second.
_LATER = {
    "create_output": "zarr_output",
    "open_output": "zarr_output",
    "read_attributes": "zarr_output",
    "write_attributes": "zarr_output",
    "fill_coarser": "pyramid",
    "export_labels": "export",
    "read_record": "export",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
