"""Classes keep the names and colours that their labels state."""

from pathlib import Path

import numpy as np

from napari_ziggurat.classes import LabelClass, default_classes
from napari_ziggurat.geometry import Axes, Spacing
from napari_ziggurat.images import OutputGrid, create_output, image_from_array, open_image
from napari_ziggurat.images.class_names import named_classes


def test_stated_names_and_colours_are_kept(tmp_path: Path) -> None:
    grid = OutputGrid(
        Axes("yx"), (8, 8), np.dtype("u1"), Spacing((1.0, 1.0)), (0.0, 0.0), (8, 8), (8, 8)
    )
    cell = LabelClass(2, "cell", "#12ab34")
    create_output(tmp_path / "labels.ome.zarr", grid, kind="labels", classes=[cell])
    found = named_classes(open_image(tmp_path / "labels.ome.zarr"), (0, 2, 3))
    background, other = default_classes((0, 3))
    assert found == (background, cell, other)


def test_arrays_and_files_get_names_by_value() -> None:
    labels = image_from_array(np.zeros((4, 4), np.uint8), axes="yx")
    assert named_classes(labels, (0, 1)) == default_classes((0, 1))
