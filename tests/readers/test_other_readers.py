"""Other people's readers open what we write. Runs in the tox environment ``readers``."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.geometry import Axes, Box, Spacing
from napari_ziggurat.images import OutputGrid, create_output, fill_coarser, open_image
from napari_ziggurat.images.annotation_store import AnnotationStore

pytest.importorskip("ome_zarr", reason="runs in the tox environment 'readers'")
import ome_zarr_models
from ome_zarr.io import parse_url
from ome_zarr.reader import Node, Reader

CLASSES = (
    LabelClass(0, "background", "#000000"),
    LabelClass(1, "cell", "#ee6677"),
    LabelClass(7, "nucleus", "#4477aa"),
)
VERSIONS = ["0.5", "0.4"]
AXES = ["yx", "zyx", "tczyx"]


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("version", VERSIONS)
def test_levels_of_labels_hold_the_voxels(tmp_path: Path, version: str, axes: str) -> None:
    (path, voxels) = write(tmp_path / "cells.ome.zarr", version, axes, "labels")
    levels = read(path)[0].data
    assert np.array_equal(levels[0].compute(), voxels)
    assert [level.shape[-1] for level in levels] == [600, 300]


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("version", VERSIONS)
def test_metadata_of_labels_fit_the_standard(tmp_path: Path, version: str, axes: str) -> None:
    (path, _) = write(tmp_path / "cells.ome.zarr", version, axes, "labels")
    group = ome_zarr_models.open_ome_zarr(path, version=version)
    assert type(group).__name__ == "ImageLabel"
    assert type(group).__module__.split(".")[1] == f"v{version.replace('.', '')}"


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("version", VERSIONS)
def test_metadata_of_images_fit_the_standard(tmp_path: Path, version: str, axes: str) -> None:
    (path, _) = write(tmp_path / "cells.ome.zarr", version, axes, "image")
    assert type(ome_zarr_models.open_ome_zarr(path, version=version)).__name__ == "Image"


@pytest.mark.parametrize("version", VERSIONS)
def test_colours_and_names_of_classes_are_found(tmp_path: Path, version: str) -> None:
    (path, _) = write(tmp_path / "cells.ome.zarr", version, "zyx", "labels")
    metadata = read(path)[0].metadata
    assert metadata["color"][1] == pytest.approx([0xEE / 255, 0x66 / 255, 0x77 / 255, 1])
    assert "nucleus" in str(metadata["properties"][7])


@pytest.mark.parametrize("version", VERSIONS)
def test_voxel_centres_of_the_levels_coincide(tmp_path: Path, version: str) -> None:
    (path, _) = write(tmp_path / "cells.ome.zarr", version, "zyx", "labels")
    (fine, coarse) = read(path)[0].metadata["coordinateTransformations"]
    assert (fine[0]["scale"], coarse[0]["scale"]) == ([2.0, 0.5, 0.5], [2.0, 1.0, 1.0])
    assert (fine[1]["translation"], coarse[1]["translation"]) == ([3, 5, 7], [3, 5.25, 7.25])


@pytest.mark.parametrize("version", VERSIONS)
def test_labels_inside_an_image_are_found_with_it(tmp_path: Path, version: str) -> None:
    (image, _) = write(tmp_path / "image.ome.zarr", version, "zyx", "image")
    (_, voxels) = write(image / "labels" / "cells", version, "zyx", "labels")
    found = {node.zarr.basename(): node for node in read(image)}
    assert np.array_equal(found["cells"].data[0].compute(), voxels)


@pytest.mark.parametrize("version", VERSIONS)
def test_annotations_inside_an_image_are_found_with_it(tmp_path: Path, version: str) -> None:
    (path, _) = write(tmp_path / "image.ome.zarr", version, "zyx", "image")
    place = path / "labels" / "strokes"
    with AnnotationStore.create(open_image(path), place=place, classes=CLASSES[1:]) as store:
        store.write(Box((1, 2, 3), (2, 12, 43)), 7)
        store.complete(Box((0, 0, 0), (1, 5, 5)))
        voxels = store.read(Box.whole(store.shape))
    (strokes,) = (node for node in read(path) if node.metadata.get("name", "").endswith("strokes"))
    assert np.array_equal(strokes.data[0].compute(), voxels)
    assert "nucleus" in str(strokes.metadata["properties"][7])
    group = ome_zarr_models.open_ome_zarr(place, version=version)
    assert type(group).__name__ == "ImageLabel"


def write(path: Path, version: str, axes: str, kind: str) -> tuple[Path, NDArray[np.uint8]]:
    """Write voxels that compress badly, in more than one shard and two levels."""
    shape = (2, 3, 5, 70, 600)[-len(axes) :]
    chunk = (1, 1, 4, 64, 64)[-len(axes) :]
    dims = len(Axes(axes).spatial)
    grid = OutputGrid(
        axes=Axes(axes),
        shape=shape,
        dtype=np.dtype(np.uint8),
        spacing=Spacing((2.0, 0.5, 0.5)[-dims:], "um"),
        translation=(3.0, 5.0, 7.0)[-dims:],
        chunk=chunk,
        shard=tuple(4 * c if c > 1 else 1 for c in chunk),
    )
    channels = ("a", "b", "c") if "c" in axes else ("a",)
    classes = CLASSES if kind == "labels" else ()
    arrays = create_output(
        path, grid, kind=kind, classes=classes, channels=channels, version=version
    )
    voxels = np.random.default_rng(0).choice(np.array([0, 1, 7], np.uint8), shape)
    arrays[0][...] = voxels
    for _ in fill_coarser(path, kind):
        pass
    return path, voxels


def read(path: Path) -> list[Node]:
    """Open with ome-zarr-py; the node itself comes first."""
    location = parse_url(path)
    assert location is not None
    return list(Reader(location)())
