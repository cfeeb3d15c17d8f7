"""The reader: lazy layers with every level, in their place."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Axes, Spacing
from napari_ziggurat.gui.reader import contrast_limits, get_reader, read
from napari_ziggurat.images import OutputGrid, create_output, fill_coarser

napari_layers = pytest.importorskip("napari.layers", reason="napari is not installed")
pytestmark = pytest.mark.gui

CLASSES = (LabelClass(1, "cell", "#ff0000"), LabelClass(2, "gap", "#00ff00"))


def write(path: Path, voxels: Any, axes: str, **options: Any) -> None:
    """Write an OME-Zarr with all its levels."""
    values = (2.0, 0.5, 0.5)[-Axes(axes).dims :]
    chunk = tuple(1 if a in "tc" else min(n, 64) for a, n in zip(axes, voxels.shape, strict=True))
    origin = (10.0,) * len(values)
    grid = OutputGrid(
        Axes(axes), voxels.shape, voxels.dtype, Spacing(values, "um"), origin, chunk, chunk
    )
    kind = "labels" if "classes" in options else "image"
    create_output(path, grid, kind=kind, **options)[0][...] = voxels
    for _ in fill_coarser(path, kind):
        pass


def layers(path: Path) -> list[Any]:
    """Read a path as napari does."""
    reader = get_reader(str(path))
    assert reader is not None
    return [_layer(*data) for data in reader(str(path))]


def _layer(data: Any, options: dict[str, Any], kind: str) -> Any:
    return getattr(napari_layers, kind.capitalize())(data, **options)


def random(shape: tuple[int, ...], dtype: Any = np.uint8) -> Any:
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype)


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_a_pyramid_keeps_its_levels_and_its_place(tmp_path: Path, version: str) -> None:
    voxels = random((8, 1100, 1200))
    write(tmp_path / "a.ome.zarr", voxels, "zyx", version=version)
    (layer,) = layers(tmp_path / "a.ome.zarr")
    assert layer.multiscale
    assert layer.data[0].shape == voxels.shape
    assert layer.name == "a"
    assert layer.axis_labels == ("z", "y", "x")
    assert [str(unit) for unit in layer.units] == ["micrometer"] * 3
    assert layer.scale.tolist() == [2, 0.5, 0.5]
    assert layer.translate.tolist() == [10, 10, 10]
    np.testing.assert_array_equal(layer.data[0][3], voxels[3])


def test_labels_in_an_image_come_with_it_hidden_and_in_their_colours(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    write(path, random((8, 40, 40)), "zyx")
    truth = random((8, 40, 40)) % 3
    write(path / "labels" / "cells", truth, "zyx", classes=CLASSES)
    (image, labels) = layers(path)
    assert image.visible
    assert not labels.visible
    assert labels.name == "cells"
    assert labels.colormap.map(1).tolist() == [1, 0, 0, 1]
    assert labels.features["class"].tolist() == ["cell", "gap"]
    np.testing.assert_array_equal(np.asarray(labels.data), truth)


def test_labels_can_be_opened_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    write(path, random((8, 40, 40)), "zyx")
    write(path / "labels" / "cells", random((8, 40, 40)) % 3, "zyx", classes=CLASSES)
    (labels,) = layers(path / "labels" / "cells")
    assert labels.visible
    assert isinstance(labels, napari_layers.Labels)


def test_channels_become_layers(tmp_path: Path) -> None:
    voxels = random((2, 8, 40, 40), np.uint16)
    write(tmp_path / "a.zarr", voxels, "czyx", channels=("nuclei", "actin"))
    (nuclei, actin) = layers(tmp_path / "a.zarr")
    assert (nuclei.name, actin.name) == ("nuclei", "actin")
    assert nuclei.colormap.name != actin.colormap.name
    np.testing.assert_array_equal(np.asarray(actin.data), voxels[1])


def test_time_stays_an_axis(tmp_path: Path) -> None:
    voxels = random((3, 8, 40, 40))
    write(tmp_path / "a.zarr", voxels, "tzyx")
    (layer,) = layers(tmp_path / "a.zarr")
    assert layer.axis_labels == ("t", "z", "y", "x")
    assert layer.scale.tolist() == [1, 2, 0.5, 0.5]
    np.testing.assert_array_equal(np.asarray(layer.data), voxels)


def test_nifti_is_shown_in_the_order_of_the_viewer(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    voxels = random((6, 5, 4))
    image = nibabel.Nifti1Image(voxels, np.diag((1.0, 2.0, 3.0, 1.0)))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "head.nii.gz")
    (layer,) = layers(tmp_path / "head.nii.gz")
    assert layer.name == "head"
    assert layer.scale.tolist() == [3, 2, 1]
    np.testing.assert_array_equal(np.asarray(layer.data), voxels.transpose(2, 1, 0))


def test_colours_stay_together(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    voxels = random((40, 50, 3))
    tifffile.imwrite(tmp_path / "a.ome.tif", voxels, photometric="rgb", metadata={"axes": "YXS"})
    (layer,) = layers(tmp_path / "a.ome.tif")
    assert layer.rgb
    np.testing.assert_array_equal(np.asarray(layer.data), voxels)


def test_an_array_that_does_not_say_its_axes_is_shown_and_leaves_them_open(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    voxels = random((8, 40, 40))
    zarr.save_array(str(tmp_path / "a.zarr"), voxels)
    (layer,) = layers(tmp_path / "a.zarr")
    assert layer.axis_labels == ("-3", "-2", "-1")
    np.testing.assert_array_equal(np.asarray(layer.data), voxels)


def test_a_folder_that_is_no_image_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(InputError, match="folder"):
        read(str(tmp_path / "a.zarr"))


def test_paths_of_other_formats_are_left_to_others(tmp_path: Path) -> None:
    assert get_reader(str(tmp_path)) is None
    assert get_reader("a.png") is None
    assert get_reader(["a.zarr", "b.zarr"]) is None


def test_a_volume_of_terabytes_opens_at_once(
    tmp_path: Path, display: None, make_napari_viewer: Any
) -> None:
    path = tmp_path / "a.zarr"
    (shape, chunk) = ((2000, 40_000, 40_000), (64, 256, 256))
    spacing = Spacing((4.0, 1.0, 1.0), "um")
    grid = OutputGrid(Axes("zyx"), shape, np.dtype(np.uint8), spacing, (0.0,) * 3, chunk, chunk)
    create_output(path, grid, kind="image")
    viewer = make_napari_viewer(show=True)
    began = time.monotonic()
    (data,) = read(str(path))
    layer = viewer._add_layer_from_data(*data)[0]
    viewer.dims.set_current_step(0, 1000)
    seconds = time.monotonic() - began
    assert layer.data[0].shape == shape
    assert seconds < 3, "a second, and some for a busy machine"


def test_contrast_limits_leave_out_the_few_brightest() -> None:
    data = np.full((10, 600, 600), 50, np.uint16)
    data[:, ::2] = 10
    data[5, 300, 300] = 60_000
    assert contrast_limits(data) == (10, 50)
    assert contrast_limits(np.full((9, 9), np.nan)) == (0, 1)
