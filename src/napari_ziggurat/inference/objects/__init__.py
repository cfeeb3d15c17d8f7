"""Objects: fragments of blocks, measured, joined across seams; torch is not needed for it."""

from napari_ziggurat.inference.objects.components import Components, Connectivity
from napari_ziggurat.inference.objects.fragments import Fragments, Ground, measure
from napari_ziggurat.inference.objects.joining import Joining, Numbered, number_objects
from napari_ziggurat.inference.objects.seams import Faces, contacts, seam_steps
from napari_ziggurat.inference.objects.shape import (
    Layout,
    Parts,
    Sums,
    add_up,
    elongation,
    mean_place,
)

__all__ = [
    "Components",
    "Connectivity",
    "Faces",
    "Fragments",
    "Ground",
    "Joining",
    "Layout",
    "Numbered",
    "Parts",
    "Sums",
    "add_up",
    "contacts",
    "elongation",
    "mean_place",
    "measure",
    "number_objects",
    "seam_steps",
]
