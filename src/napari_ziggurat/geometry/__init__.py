"""Where things are: axes, spacing, boxes, blocks and windows. NumPy at most, no files, no state."""

from napari_ziggurat.geometry.axes import Axes
from napari_ziggurat.geometry.blending import blend_weights
from napari_ziggurat.geometry.block_tree import BlockTree, Node
from napari_ziggurat.geometry.blocks import Block, BlockGrid
from napari_ziggurat.geometry.box import Box
from napari_ziggurat.geometry.cutting import cut
from napari_ziggurat.geometry.spacing import Spacing
from napari_ziggurat.geometry.surroundings import (
    SurroundCell,
    SurroundGrids,
    SurroundLattice,
    mirrored,
)
from napari_ziggurat.geometry.tiles import Tiles
from napari_ziggurat.geometry.upsampling import Upsampling
from napari_ziggurat.geometry.windows import Cell, Lattice

__all__ = [
    "Axes",
    "Block",
    "BlockGrid",
    "BlockTree",
    "Box",
    "Cell",
    "Lattice",
    "Node",
    "Spacing",
    "SurroundCell",
    "SurroundGrids",
    "SurroundLattice",
    "Tiles",
    "Upsampling",
    "blend_weights",
    "cut",
    "mirrored",
]
