"""Objects: fragments of blocks, measured, joined across seams; torch is not needed for it."""

from napari_ziggurat.inference.objects.basins import Basins, View, find_basins
from napari_ziggurat.inference.objects.components import Components, Connectivity
from napari_ziggurat.inference.objects.depth import (
    CONTEXT,
    depth_of_classes,
    depth_of_shapes,
    one_voxel,
    reach,
)
from napari_ziggurat.inference.objects.fragments import Fragments, Ground, measure
from napari_ziggurat.inference.objects.joining import Joining, Numbered, number_objects
from napari_ziggurat.inference.objects.merging import Merging, Necks, merge_basins
from napari_ziggurat.inference.objects.saddles import (
    Saddles,
    Side,
    saddles_across,
    saddles_within,
)
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
    "CONTEXT",
    "Basins",
    "Components",
    "Connectivity",
    "Faces",
    "Fragments",
    "Ground",
    "Joining",
    "Layout",
    "Merging",
    "Necks",
    "Numbered",
    "Parts",
    "Saddles",
    "Side",
    "Sums",
    "View",
    "add_up",
    "contacts",
    "depth_of_classes",
    "depth_of_shapes",
    "elongation",
    "find_basins",
    "mean_place",
    "measure",
    "merge_basins",
    "number_objects",
    "one_voxel",
    "reach",
    "saddles_across",
    "saddles_within",
    "seam_steps",
]
