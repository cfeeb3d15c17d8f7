"""The reader: lazy layers with every level, in their place."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Axes, Spacing
from napari_ziggurat.gui.layers import METADATA
from napari_ziggurat.gui.reader import contrast_limits, get_reader, read
from napari_ziggurat.images import OutputGrid, create_output, fill_coarser
from servers import serve

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


def test_objects_show_their_table_under_the_pointer(tmp_path: Path) -> None:
    pytest.importorskip("cc3d")
    from napari_ziggurat.progress import finish
    from napari_ziggurat.runs.config import ObjectsConfig
    from napari_ziggurat.runs.objects import objects

    labels = np.zeros((6, 8), np.uint8)
    labels[1, 1], labels[3:5, 3:7] = 1, 2
    write(tmp_path / "classes.ome.zarr", labels, "yx", classes=CLASSES)
    finish(
        objects(ObjectsConfig(labels=tmp_path / "classes.ome.zarr", out=tmp_path / "o.ome.zarr"))
    )
    (layer,) = layers(tmp_path / "o.ome.zarr")
    assert layer.features["index"].tolist() == [1, 2]
    assert layer.features["class_name"].tolist() == ["cell", "gap"]
    shown = layer.get_status((10.0 + 3 * 0.5, 10.0 + 4 * 0.5), world=True)["value"]
    assert "class_name: gap" in shown


def test_channels_become_layers(tmp_path: Path) -> None:
    voxels = random((2, 8, 40, 40), np.uint16)
    write(tmp_path / "a.zarr", voxels, "czyx", channels=("nuclei", "actin"))
    (nuclei, actin) = layers(tmp_path / "a.zarr")
    assert (nuclei.name, actin.name) == ("nuclei", "actin")
    assert nuclei.colormap.name != actin.colormap.name
    np.testing.assert_array_equal(np.asarray(actin.data), voxels[1])


def test_one_channel_is_a_grey_image_with_the_name_of_the_file(tmp_path: Path) -> None:
    voxels = random((1, 8, 40, 40))
    write(tmp_path / "a.ome.zarr", voxels, "czyx")
    (layer,) = layers(tmp_path / "a.ome.zarr")
    assert (layer.name, layer.colormap.name) == ("a", "gray")
    assert layer.blending != "additive"
    assert layer.axis_labels == ("z", "y", "x")
    np.testing.assert_array_equal(np.asarray(layer.data), voxels[0])


@pytest.mark.parametrize("shape", [(8, 40, 40), (8, 1100, 1200)])
def test_truth_values_are_shown_as_images_and_as_labels(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    zarr = pytest.importorskip("zarr")
    path = tmp_path / "a.ome.zarr"
    voxels = random(shape) % 2
    write(path, voxels, "zyx")
    write(path / "labels" / "cells", voxels, "zyx", classes=CLASSES)
    for store in (path, path / "labels" / "cells"):
        for name, array in list(zarr.open_group(store).arrays()):
            truth = array[...].astype(bool)
            zarr.create_array(store / name, data=truth, overwrite=True)
    (image, labels) = layers(path)
    for layer in (image, labels):
        finest = layer.data[0] if layer.multiscale else layer.data
        assert finest.dtype == np.uint8
        np.testing.assert_array_equal(np.asarray(finest), voxels)
    assert image.contrast_limits == [0, 1]


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


def test_a_volume_of_terabytes_opens_within_a_second(
    tmp_path: Path, display: None, make_napari_viewer: Any
) -> None:
    path = tmp_path / "a.zarr"
    (shape, chunk) = ((2000, 40_000, 40_000), (64, 256, 256))
    spacing = Spacing((4.0, 1.0, 1.0), "um")
    grid = OutputGrid(Axes("zyx"), shape, np.dtype(np.uint8), spacing, (0.0,) * 3, chunk, chunk)
    arrays = create_output(path, grid, kind="image")
    fill_what_is_looked_at(arrays)
    viewer = make_napari_viewer(show=True)

    def seconds() -> float:
        viewer.layers.clear()
        began = time.monotonic()
        (data,) = read(str(path))
        (layer,) = viewer._add_layer_from_data(*data)
        viewer.dims.set_current_step(0, 1000)
        took = time.monotonic() - began
        assert layer.data[0].shape == shape
        assert np.asarray(layer.data[-1][layer.data[-1].shape[0] // 2]).any()
        return took

    assert min(seconds() for _ in range(3)) < 1, "the best of three, for a busy machine"


def fill_what_is_looked_at(arrays: list[Any]) -> None:
    """Write voxels where napari reads first: the coarsest level, and the middle of the others."""
    arrays[-1][...] = random(arrays[-1].shape)
    for array in arrays[:-1]:
        middle = [n // 2 // c * c for n, c in zip(array.shape, array.chunks, strict=True)]
        where = (slice(m, m + c) for m, c in zip(middle, array.chunks, strict=True))
        array[tuple(where)] = 7


def test_contrast_limits_leave_out_the_few_brightest() -> None:
    data = np.full((10, 600, 600), 50, np.uint16)
    data[:, ::2] = 10
    data[5, 300, 300] = 60_000
    assert contrast_limits(data) == (10, 50)
    assert contrast_limits(np.full((9, 9), np.nan)) == (0, 1)


def test_an_image_by_url_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp", reason="needs the extra 'remote'")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    voxels = random((5, 70, 90))
    write(tmp_path / "a.ome.zarr", voxels, "zyx")
    with serve(tmp_path) as served:
        url = served.url("a.ome.zarr")
        (data, options, _) = get_reader(url)(url)[0]
        assert (options["name"], options["metadata"][METADATA]["path"]) == ("a", url)
        np.testing.assert_array_equal(np.asarray(data), voxels)
