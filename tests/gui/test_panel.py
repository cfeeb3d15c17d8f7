"""The dock in a real window: real buttons, a real model, every kind of image layer."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import pytest

pytest.importorskip("napari", reason="napari is not installed")
pytest.importorskip("pytestqt", reason="pytest-qt is not installed")
pytestmark = pytest.mark.gui

SHAPE = (20, 96, 128)
PLACE = {"scale": (2, 0.5, 0.5), "units": ("um",) * 3}


def random(shape: tuple[int, ...] = SHAPE) -> Any:
    return np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)


def store(path: Path, voxels: Any, axes: str = "zyx", **options: Any) -> Path:
    """Write an OME-Zarr with all its levels."""
    from napari_ziggurat.geometry import Axes, Spacing
    from napari_ziggurat.images import OutputGrid, create_output, fill_coarser

    side = {"t": 1, "c": 1, "z": 4}
    chunk = tuple(min(n, side.get(a, 512)) for a, n in zip(axes, voxels.shape, strict=True))
    dims = Axes(axes).dims
    spacing = Spacing((2.0, 0.5, 0.5)[-dims:], "um")
    place = (spacing, (7.0,) * dims)
    grid = OutputGrid(Axes(axes), voxels.shape, voxels.dtype, *place, chunk, chunk)
    create_output(path, grid, kind="image", **options)[0][...] = voxels
    for _ in fill_coarser(path, "image"):
        pass
    return path


def open_store(viewer: Any, path: Path) -> Any:
    """Open a path with our reader, as File > Open does."""
    from napari_ziggurat.gui.reader import read

    return [getattr(viewer, f"add_{kind}")(d, **options) for (d, options, kind) in read(str(path))]


def prediction(voxels: Any, model: Path, box: Any, axes: str = "zyx", time: int = 0) -> Any:
    """Give the labels that the engine gives for a box."""
    from napari_ziggurat.images import image_from_array
    from napari_ziggurat.networks import load_model
    from napari_ziggurat.progress import finish
    from napari_ziggurat.runs.predict import predict_box

    spacing = (2.0, 0.5, 0.5) if "z" in axes else (0.5, 0.5)
    image = image_from_array(voxels, axes=axes, spacing=spacing, unit="um")
    return finish(predict_box(image, load_model(model), level=0, box=box, time=time))


def spatial_labels(voxels: Any, axes: str, time: int = 0) -> Any:
    """Give the labels of one time as ((Z), Y, X); those of all channels are the same."""
    from napari_ziggurat.geometry import Axes

    voxels = np.asarray(voxels)
    plane = voxels[tuple({"t": time, "c": 0}.get(letter, slice(None)) for letter in axes)]
    left = [letter for letter in axes if letter in "zyx"]
    return plane.transpose([left.index(letter) for letter in Axes(axes).spatial])


def voxels_of(layer: Any) -> Any:
    return np.asarray(layer.data[0] if layer.multiscale else layer.data)


def box_below(labels: Any, image: Any, axes: str) -> tuple[Any, int]:
    """Give the box and the time of the image that labels lie on."""
    from napari_ziggurat.geometry import Axes, Box

    corner = labels.data_to_world((0,) * labels.ndim)
    start = np.round(image.world_to_data(corner)).astype(int).tolist()
    stop = np.add(start, labels.data.shape).tolist()
    at = dict(zip(axes, zip(start, stop, strict=True), strict=True))
    spatial = [at[letter] for letter in Axes(axes).spatial]
    return Box(*map(tuple, zip(*spatial, strict=True))), at.get("t", (0, 0))[0]


# -- the visible region ------------------------------------------------------------------------


def test_the_view_is_segmented_where_it_lies(open_dock: Any, make_model: Any) -> None:
    from napari_ziggurat.geometry import Box

    (voxels, model) = (random(), make_model())
    place = {"scale": (2, 0.5, 0.5), "units": ("um",) * 3, "translate": (5, -3, 40)}
    labels_of_axes = ("z", "y", "x")
    dock = open_dock(
        lambda viewer: viewer.add_image(voxels, name="a", axis_labels=labels_of_axes, **place)
    )
    dock.viewer.dims.set_current_step(0, 7)
    dock.choose(model)
    dock.viewer.camera.zoom = 20
    dock.viewer.camera.center = (0, -3 + 0.5 * 48, 40 + 0.5 * 64)
    dock.qtbot.wait(100)
    said = dock.run(dock.panel.view_button)
    layer = dock.result()
    image = dock.viewer.layers["a"]
    start = np.round(image.world_to_data(layer.data_to_world((0, 0, 0)))).astype(int)
    box = Box(tuple(start.tolist()), tuple((start + layer.data.shape).tolist()))
    assert box.start[0] == 7
    assert box.start[1] > 0, "a part of the plane is shown"
    np.testing.assert_array_equal(layer.data, prediction(voxels, model, box))
    assert set(np.unique(layer.data)) == {0, 1, 2}
    assert (layer.units, layer.axis_labels) == (image.units, image.axis_labels)
    assert layer.scale.tolist() == image.scale.tolist()
    assert layer.colormap.map(2).tolist() == pytest.approx([0xEE / 255, 0x66 / 255, 0x77 / 255, 1])
    assert f"{box.shape[1]} × {box.shape[2]} voxels" in said


def numpy_layer(viewer: Any) -> str:
    viewer.add_image(random(), **PLACE)
    return "zyx"


def dask_layer(viewer: Any) -> str:
    array = pytest.importorskip("dask.array").from_array(random(), chunks=(4, 64, 64))
    viewer.add_image(array, **PLACE)
    return "zyx"


def zarr_layer(viewer: Any) -> str:
    import zarr

    viewer.add_image(zarr.array(random(), chunks=(4, 64, 64)), contrast_limits=(0, 255), **PLACE)
    return "zyx"


def multiscale_layer(viewer: Any) -> str:
    levels = [random(), random()[:, ::2, ::2], random()[:, ::4, ::4]]
    viewer.add_image(levels, multiscale=True, contrast_limits=(0, 255), **PLACE)
    return "zyx"


def unitless_layer(viewer: Any) -> str:
    viewer.add_image(random().astype(np.float32))
    return "zyx"


def truth_layer(viewer: Any) -> str:
    viewer.add_image(random() > 128, **PLACE)
    return "zyx"


def rotated_layer(viewer: Any) -> str:
    viewer.add_image(random(), rotate=(0, 0, 30), **PLACE)
    return "zyx"


def time_layer(viewer: Any) -> str:
    viewer.add_image(random((3, *SHAPE)), axis_labels=("t", "z", "y", "x"))
    return "tzyx"


def transposed_layer(viewer: Any) -> str:
    viewer.add_image(random().transpose(2, 1, 0), axis_labels=("x", "y", "z"))
    return "xyz"


def plane_layer(viewer: Any) -> str:
    viewer.add_image(random((96, 128)), scale=(0.5, 0.5), units=("um", "um"))
    return "yx"


def rgb_layer(viewer: Any) -> str:
    viewer.add_image(random((96, 128, 3)), rgb=True)
    return "yx"


def channel_layer(viewer: Any) -> str:
    viewer.add_image(random((3, *SHAPE)), axis_labels=("c", "z", "y", "x"))
    return "czyx"


def inner_channel_layer(viewer: Any) -> str:
    viewer.add_image(random((20, 3, 96, 128)), axis_labels=("z", "c", "y", "x"))
    return "zcyx"


@pytest.mark.parametrize(
    ("add", "model_axes", "channels"),
    [
        (numpy_layer, "zyx", 1),
        (dask_layer, "zyx", 1),
        (zarr_layer, "zyx", 1),
        (multiscale_layer, "zyx", 1),
        (unitless_layer, "zyx", 1),
        (truth_layer, "zyx", 1),
        (rotated_layer, "zyx", 1),
        (time_layer, "zyx", 1),
        (transposed_layer, "zyx", 1),
        (plane_layer, "yx", 1),
        (rgb_layer, "yx", 3),
        (channel_layer, "zyx", 3),
        (inner_channel_layer, "zyx", 3),
    ],
)
def test_every_kind_of_image_layer_can_be_segmented(
    open_dock: Any, make_model: Any, add: Callable[[Any], str], model_axes: str, channels: int
) -> None:
    said: list[str] = []
    dock = open_dock(lambda viewer: said.append(add(viewer)))
    (axes,) = said
    if not dock.panel.image.axes:
        dock.say_axes(axes)
    if "t" in axes:
        dock.viewer.dims.set_current_step(axes.index("t"), 1)
    model = make_model(model_axes, channels)
    dock.choose(model)
    assert dock.panel.image.axes == axes
    dock.run(dock.panel.view_button)
    (image, labels) = (dock.viewer.layers[0], dock.result())
    assert labels.ndim == image.ndim
    assert labels.axis_labels == image.axis_labels
    assert set(np.unique(labels.data)) == {0, 1, 2}
    (box, moment) = box_below(labels, image, axes)
    assert moment == ("t" in axes)
    wanted = prediction(voxels_of(image), model, box, axes + "c" * image.rgb, moment)
    np.testing.assert_array_equal(spatial_labels(labels.data, axes), wanted)
    # In the middle of the canvas both layers have a voxel.
    world = np.array(dock.viewer.dims.point)
    world[-2:] = np.array(dock.viewer.camera.center)[-2:]
    assert labels.get_value(world, world=True) is not None
    assert image.get_value(world, world=True) is not None


def test_the_level_that_fits_the_model_is_segmented_and_lies_on_the_image(
    open_dock: Any, make_model: Any, tmp_path: Path
) -> None:
    dock = open_dock(multiscale_layer)
    dock.viewer.reset_view()
    dock.choose(make_model(spacing=(2.0, 1.0, 1.0)))
    assert "level 1" in dock.run(dock.panel.view_button)
    labels = dock.result()
    assert labels.data.shape == (1, 48, 64)
    assert labels.scale.tolist() == [2, 1, 1]
    # Voxel 0 of level 1 lies between the first two voxels of level 0.
    assert labels.translate.tolist()[1:] == [0.25, 0.25]
    dock.viewer.layers.remove(labels)
    dock.panel.output.line.setText(str(tmp_path / "out.ome.zarr"))
    dock.run(dock.panel.whole_button)
    labels = dock.result()
    assert _finest(labels).shape == (20, 48, 64)
    assert labels.scale.tolist() == [2, 1, 1]
    assert labels.translate.tolist() == [0, 0.25, 0.25]


def test_a_second_view_takes_the_place_of_the_first(open_dock: Any, make_model: Any) -> None:
    dock = open_dock(numpy_layer)
    dock.choose(make_model())
    dock.run(dock.panel.view_button)
    dock.result().opacity = 0.3
    dock.viewer.layers.selection.active = dock.viewer.layers[0]
    dock.viewer.dims.set_current_step(0, 3)
    dock.run(dock.panel.view_button)
    assert len(dock.viewer.layers) == 2
    assert dock.result().opacity == 0.3
    assert dock.result().translate.tolist()[0] == 6
    assert dock.viewer.layers.selection.active is dock.viewer.layers[0]


# -- the whole image ---------------------------------------------------------------------------


def test_an_image_in_memory_is_segmented_into_an_ome_zarr(
    open_dock: Any, make_model: Any, tmp_path: Path
) -> None:
    from napari_ziggurat.geometry import Box

    dock = open_dock(numpy_layer)
    model = make_model()
    dock.choose(model)
    out = tmp_path / "result.ome.zarr"
    dock.panel.output.line.setText(str(out))
    assert "memory" in dock.panel.output.text.toPlainText()
    assert not dock.panel.output.copy_button.isEnabled()
    assert dock.run(dock.panel.whole_button).endswith(str(out))
    labels = dock.result()
    wanted = prediction(random(), model, Box.whole(SHAPE))
    np.testing.assert_array_equal(np.asarray(_finest(labels)), wanted)
    assert labels.scale.tolist() == dock.viewer.layers[0].scale.tolist()


@pytest.mark.parametrize(
    ("add", "model_axes", "channels"),
    [
        (time_layer, "zyx", 1),
        (inner_channel_layer, "zyx", 3),
        (transposed_layer, "zyx", 1),
        (rgb_layer, "yx", 3),
    ],
)
def test_the_whole_of_every_kind_of_layer_lies_on_its_image(
    open_dock: Any,
    make_model: Any,
    tmp_path: Path,
    add: Callable[[Any], str],
    model_axes: str,
    channels: int,
) -> None:
    from napari_ziggurat.geometry import Box

    said: list[str] = []
    dock = open_dock(lambda viewer: said.append(add(viewer)))
    (axes, model) = (said[0], make_model(model_axes, channels))
    dock.choose(model)
    dock.panel.output.line.setText(str(tmp_path / "out.ome.zarr"))
    dock.run(dock.panel.whole_button)
    (image, labels) = (dock.viewer.layers[0], dock.result())
    assert _finest(labels).shape == image.data.shape[: image.ndim]
    np.testing.assert_allclose(labels.extent.world, image.extent.world)
    for moment in range(image.data.shape[0] if "t" in axes else 1):
        found = spatial_labels(_finest(labels), axes, moment)
        whole = Box.whole(found.shape)
        wanted = prediction(voxels_of(image), model, whole, axes + "c" * image.rgb, moment)
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", ["out.png", "out.tif", "out.nii.gz"])
def test_files_that_know_less_of_their_place_lie_on_the_image_as_well(
    open_dock: Any, make_model: Any, tmp_path: Path, name: str
) -> None:
    volume = not name.endswith(".png")
    place: dict[str, Any] = {"scale": (2000, 500, 500), "translate": (-9000, 70, 3000)}
    place = {key: values[not volume :] for key, values in place.items()}
    voxels = random() if volume else random()[0]
    units = ("nm",) * voxels.ndim
    dock = open_dock(lambda viewer: viewer.add_image(voxels, units=units, **place))
    dock.choose(make_model("zyx"[not volume :]))
    dock.panel.output.line.setText(str(tmp_path / name))
    dock.run(dock.panel.whole_button)
    (image, labels) = (dock.viewer.layers[0], dock.result())
    assert labels.units == image.units
    np.testing.assert_allclose(labels.extent.world, image.extent.world)


def test_a_file_is_segmented_by_the_command_that_the_dock_shows(
    open_dock: Any, make_model: Any, tmp_path: Path
) -> None:
    from qtpy.QtGui import QGuiApplication

    from napari_ziggurat.geometry import Box

    path = store(tmp_path / "brain.ome.zarr", random())
    dock = open_dock(lambda viewer: open_store(viewer, path))
    model = make_model()
    dock.choose(model)
    out = tmp_path / "brain_tiny.ome.zarr"
    dock.click(dock.panel.output.copy_button)
    command = QGuiApplication.clipboard().text()
    wanted = f"{sys.executable} -m napari_ziggurat segment {path} --model {model} --out {out}"
    assert command == dock.panel.output.text.toPlainText() == wanted
    dock.run(dock.panel.whole_button)
    labels = dock.result()
    wanted_labels = prediction(random(), model, Box.whole(SHAPE))
    np.testing.assert_array_equal(np.asarray(_finest(labels)), wanted_labels)
    image = dock.viewer.layers[0]
    assert labels.translate.tolist() == image.translate.tolist() == [7, 7, 7]
    assert labels.scale.tolist() == image.scale.tolist()


@pytest.mark.slow
def test_a_run_that_was_complete_already_says_so_and_tells_its_level(
    open_dock: Any, make_model: Any, tmp_path: Path
) -> None:
    path = store(tmp_path / "brain.ome.zarr", random())
    dock = open_dock(lambda viewer: open_store(viewer, path))
    dock.choose(make_model())
    said = dock.run(dock.panel.whole_button)
    assert said.startswith("Written in ")
    assert "level 0" in said
    dock.click(dock.panel.activity.details_button)
    assert "level 0 of 1" in dock.panel.activity.details.toPlainText()
    said = dock.run(dock.panel.whole_button)
    assert said.startswith("It was complete already")
    assert len(dock.results()) == 1


def test_results_of_the_same_name_do_not_replace_each_other(
    open_dock: Any, make_model: Any, tmp_path: Path
) -> None:
    dock = open_dock(numpy_layer)
    dock.choose(make_model())
    for folder in ("a", "b"):
        dock.panel.output.line.setText(str(tmp_path / folder / "cells.ome.zarr"))
        dock.run(dock.panel.whole_button)
    assert len(dock.results()) == 2
    dock.run(dock.panel.view_button)
    first = dock.results()[-1]
    dock.choose(make_model())  # another folder of the same name
    dock.run(dock.panel.view_button)
    assert first in dock.viewer.layers
    assert len(dock.results()) == 4


def test_a_duplicate_of_a_result_is_no_result_and_stays(open_dock: Any, make_model: Any) -> None:
    from napari.layers import Labels

    dock = open_dock(numpy_layer)
    dock.choose(make_model())
    dock.run(dock.panel.view_button)
    (data, state, _) = dock.result().as_layer_data_tuple()
    copy = dock.viewer.add_layer(Labels(data.copy(), **state))
    copy.data[...] = 7
    dock.run(dock.panel.view_button)
    assert copy in dock.viewer.layers
    assert len(dock.results()) == 2, "the copy and the new result"


def _finest(layer: Any) -> Any:
    return layer.data[0] if layer.multiscale else layer.data


# -- cancelling, errors, closing ---------------------------------------------------------------


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let each window of a view take a while, and note those that were begun."""
    from napari_ziggurat.inference.block import CellPredictor, Piece

    begun: list[str] = []

    def predict(self: Any, box: Any, reader: Any) -> Iterator[Any]:
        for cell in self.lattice.cells(box):
            begun.append(str(cell.box))
            sleep(0.2)
            yield Piece(cell, cell.box, (np.zeros(cell.box.shape, np.uint8),), ())

    monkeypatch.setattr(CellPredictor, "predict", predict)
    return begun


def large_layer(viewer: Any) -> None:
    viewer.add_image(np.zeros((3000, 3000), np.uint8))


def test_cancel_stops_within_seconds(open_dock: Any, make_model: Any, slow: list[str]) -> None:
    dock = open_dock(large_layer)
    dock.choose(make_model("yx"))
    dock.click(dock.panel.view_button)
    dock.wait(lambda: len(slow) > 1)
    assert dock.panel.activity.cancel_button.isVisible()
    assert not dock.panel.view_button.isEnabled()
    began = time.monotonic()
    dock.click(dock.panel.activity.cancel_button)
    dock.wait(lambda: not dock.panel.runner.busy)
    assert time.monotonic() - began < 3
    assert "Cancelled" in dock.panel.activity.sentence.text()
    assert dock.panel.view_button.isEnabled()
    assert len(dock.viewer.layers) == 1


def test_a_window_that_closes_while_work_goes_on_ends_it(
    open_dock: Any, make_model: Any, slow: list[str]
) -> None:
    dock = open_dock(large_layer)
    dock.choose(make_model("yx"))
    dock.click(dock.panel.view_button)
    dock.wait(lambda: len(slow) > 1)
    jobs = dock.panel._jobs
    dock.viewer.close()
    dock.wait(lambda: jobs.closed)
    begun = len(slow)
    dock.qtbot.wait(700)
    assert len(slow) == begun
    dock.viewer.layers.clear()  # a script may go on with the viewer's layers


def test_a_dock_that_is_closed_ends_its_work_and_hears_no_more_of_the_viewer(
    open_dock: Any, make_model: Any, slow: list[str]
) -> None:
    dock = open_dock(large_layer)
    dock.choose(make_model("yx"))
    dock.click(dock.panel.view_button)
    dock.wait(lambda: len(slow) > 1)
    dock.click(dock.panel.parent().title.close_button)
    assert dock.panel._jobs.closed
    begun = len(slow)
    dock.viewer.add_image(random())
    dock.qtbot.wait(700)
    assert len(slow) == begun
    assert dock.panel.image.layers.count() == 1


@pytest.fixture
def dock_with_blocks(
    open_dock: Any, make_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Give a dock with an image of several blocks that takes seconds, and look at them often."""
    monkeypatch.setattr("napari_ziggurat.gui.growing._EVERY", 50)
    path = store(tmp_path / "plane.ome.zarr", random((3000, 4000)), "yx")
    dock = open_dock(lambda viewer: open_store(viewer, path))
    dock.choose(make_model("yx", window=(96, 96)))
    return dock


def block_is_shown(dock: Any) -> bool:
    """Tell whether the first block is on the screen while the run goes on."""
    assert dock.panel.runner.busy, dock.panel.activity.sentence.text()
    shown = dock.results()
    return bool(shown) and bool(np.asarray(_finest(shown[0])[:64, :64]).any())


@pytest.mark.slow
def test_blocks_appear_and_a_cancelled_run_goes_on_also_when_it_replaced_something(
    dock_with_blocks: Any, tmp_path: Path
) -> None:
    from napari_ziggurat.geometry import Box
    from napari_ziggurat.images import read_record

    (dock, out) = (dock_with_blocks, tmp_path / "plane_tiny.ome.zarr")
    dock.panel.output.replace.setChecked(True)
    dock.click(dock.panel.whole_button)
    assert not dock.panel.output.replace.isChecked(), "another click shall not begin anew"
    dock.wait(lambda: block_is_shown(dock))
    dock.click(dock.panel.activity.cancel_button)
    dock.wait(lambda: not dock.panel.runner.busy)
    assert "is kept" in dock.panel.activity.sentence.text()
    assert (read_record(out) or {})["status"] == "running"
    blocks = {file: file.stat().st_mtime_ns for file in out.glob("*/c/*/*")}
    assert blocks
    assert dock.run(dock.panel.whole_button).startswith("Written in ")
    assert {file: file.stat().st_mtime_ns for file in blocks} == blocks
    wanted = prediction(random((3000, 4000)), dock.panel.model.path, Box.whole((3000, 4000)), "yx")
    np.testing.assert_array_equal(np.asarray(_finest(dock.result())), wanted)


@pytest.mark.slow
def test_a_window_that_closes_ends_the_process_that_it_started(dock_with_blocks: Any) -> None:
    dock = dock_with_blocks
    dock.click(dock.panel.whole_button)
    dock.wait(lambda: block_is_shown(dock))
    (jobs, process) = (dock.panel._jobs, dock.panel.runner._job)
    assert process.running
    dock.viewer.close()
    dock.wait(lambda: jobs.closed)
    assert not process.running


def test_a_result_that_cannot_be_shown_ends_the_run_all_the_same(
    open_dock: Any, make_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_ziggurat.gui.results import Results

    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(Results, "show_piece", fail)
    monkeypatch.setattr(Results, "show_store", fail)
    dock = open_dock(numpy_layer)
    dock.choose(make_model())
    dock.panel.output.line.setText(str(tmp_path / "out.ome.zarr"))
    assert "ZeroDivisionError" in dock.run(dock.panel.view_button)
    assert not dock.panel.activity.bar.isVisible()
    said = dock.run(dock.panel.whole_button)
    assert str(tmp_path / "out.ome.zarr") in said
    assert "cannot be shown" in said


def test_what_goes_wrong_is_said_in_the_dock(open_dock: Any, make_model: Any) -> None:
    dock = open_dock(numpy_layer)
    dock.choose(make_model("zyx", 3))
    said = dock.run(dock.panel.view_button)
    assert said.startswith("⚠ The model was trained on 3 channel(s)")
    activity = dock.panel.activity
    assert not activity.details.isVisible()
    dock.click(activity.details_button)
    assert activity.details.isVisible()
    assert "Traceback" in activity.details.toPlainText()


def test_a_model_of_volumes_is_refused_for_a_plane(open_dock: Any, make_model: Any) -> None:
    dock = open_dock(plane_layer)
    dock.choose(make_model("zyx"))
    said = dock.run(dock.panel.view_button)
    assert said.startswith("⚠ The model was trained on 3D images")


def test_what_the_command_refuses_is_said_in_the_dock(
    open_dock: Any, make_model: Any, tmp_path: Path
) -> None:
    path = store(tmp_path / "brain.ome.zarr", random())
    dock = open_dock(lambda viewer: open_store(viewer, path))
    dock.choose(make_model())
    dock.panel.output.line.setText(str(path))
    said = dock.run(dock.panel.whole_button)
    assert said.startswith("⚠")
    assert str(path) in said
    assert len(dock.viewer.layers) == 1, "what lies there is not taken for a result"


def test_the_3d_display_has_no_view_to_segment(open_dock: Any, make_model: Any) -> None:
    dock = open_dock(numpy_layer)
    dock.choose(make_model())
    dock.viewer.dims.ndisplay = 3
    dock.click(dock.panel.view_button)
    assert "2D display" in dock.panel.activity.sentence.text()
    assert not dock.panel.runner.busy


def test_voxels_that_are_no_numbers_are_refused_unless_somebody_says_what_they_are(
    open_dock: Any, make_model: Any, tmp_path: Path
) -> None:
    from napari_ziggurat.geometry import Box

    voxels = random((96, 128)).astype(np.float32)
    voxels[40:42, 50] = np.nan
    dock = open_dock(lambda viewer: viewer.add_image(voxels, contrast_limits=(0, 255)))
    model = make_model("yx")
    dock.choose(model)
    dock.panel.output.line.setText(str(tmp_path / "out.ome.zarr"))
    for button in (dock.panel.view_button, dock.panel.whole_button):
        said = dock.run(button)
        assert "2 voxels" in said
        assert "--nan-as" in said
    dock.click(dock.panel.options.button)
    dock.qtbot.keyClicks(dock.panel.options.entries["nan_as"].widget, "9")
    for button in (dock.panel.view_button, dock.panel.whole_button):
        assert not dock.run(button).startswith("⚠")
    wanted = prediction(np.nan_to_num(voxels, nan=9), model, Box.whole((96, 128)), "yx")
    (_, whole) = dock.results()
    np.testing.assert_array_equal(np.asarray(_finest(whole)), wanted)


def test_options_are_those_of_the_command_line(
    open_dock: Any, make_model: Any, tmp_path: Path
) -> None:
    path = store(tmp_path / "brain.ome.zarr", random())
    dock = open_dock(lambda viewer: open_store(viewer, path))
    dock.choose(make_model())
    dock.click(dock.panel.options.button)
    dock.qtbot.keyClicks(dock.panel.options.entries["level"].widget, "0")
    dock.qtbot.keyClicks(dock.panel.options.entries["device"].widget, "cpu")
    dock.qtbot.keyClicks(dock.panel.options.entries["depth"].widget, "2")
    dock.panel.options.entries["all_scales"].widget.click()
    assert dock.panel.output.command.endswith("--level 0 --all-scales --depth 2 --device cpu")
    dock.qtbot.keyClicks(dock.panel.options.entries["level"].widget, "x")
    assert dock.panel.output.command == ""
    assert "⚠ --level cannot be '0x'" in dock.panel.output.text.toPlainText()
    dock.click(dock.panel.whole_button)
    assert "--level cannot be '0x'" in dock.panel.activity.sentence.text()


def test_the_view_takes_the_depth_that_was_typed(open_dock: Any, make_model: Any) -> None:
    dock = open_dock(plane_layer)
    dock.choose(make_model("yx"))  # a network that has no depths to choose from
    dock.click(dock.panel.options.button)
    dock.qtbot.keyClicks(dock.panel.options.entries["depth"].widget, "1")
    assert "cannot be pruned" in dock.run(dock.panel.view_button)


def test_a_view_that_is_too_large_is_refused_with_numbers(
    open_dock: Any, make_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import napari_ziggurat.gui.tasks as module

    monkeypatch.setattr(module, "_MOST", 1000)
    dock = open_dock(plane_layer)
    dock.choose(make_model("yx"))
    assert "up to 1,000" in dock.run(dock.panel.view_button)


# -- choosing ----------------------------------------------------------------------------------


def test_nothing_can_be_run_before_image_and_model_are_chosen(
    open_dock: Any, make_model: Any
) -> None:
    dock = open_dock()
    assert not dock.panel.view_button.isEnabled()
    assert not dock.panel.whole_button.isEnabled()
    layer = dock.viewer.add_image(random(), **PLACE)
    assert dock.panel.image.layer is layer
    assert not dock.panel.view_button.isEnabled()
    dock.choose(make_model())
    dock.viewer.layers.clear()
    assert dock.panel.image.layer is None
    assert not dock.panel.view_button.isEnabled()


def test_the_image_stays_chosen_when_layers_come_go_and_change(open_dock: Any) -> None:
    dock = open_dock(lambda viewer: viewer.add_image(random(), name="first"))
    first = dock.viewer.layers["first"]
    dock.viewer.add_image(random(), name="second")
    dock.viewer.add_labels(random())
    assert dock.panel.image.layer is first
    first.name = "renamed"
    assert dock.panel.image.layers.currentText() == "renamed"
    first.scale = (4, 1, 1)
    first.units = ("um",) * 3
    said = dock.panel.findChild(object, "image-facts").text()
    assert "4 × 1 × 1 µm" in said.replace("\N{NO-BREAK SPACE}", " ")
    dock.viewer.layers.move(0, 2)
    assert dock.panel.image.layer is first
    dock.viewer.layers.remove(first)
    assert dock.panel.image.layer is dock.viewer.layers["second"]


def test_axes_that_are_not_certain_are_asked_for(open_dock: Any, make_model: Any) -> None:
    dock = open_dock(lambda viewer: viewer.add_image(random((3, *SHAPE))))
    dock.panel.model.open(make_model("zyx", 3))
    assert dock.panel.image.axes == ""
    assert "Say which axis is which" in dock.note("image-facts")
    assert not dock.panel.view_button.isEnabled()
    box = dock.panel.image.axes_box
    box.setCurrentIndex(box.findText("czyx"))
    assert dock.panel.image.answers == []
    dock.wait(dock.panel.view_button.isEnabled)


def test_three_axes_without_a_word_may_be_a_volume_or_a_series(
    open_dock: Any, make_model: Any
) -> None:
    dock = open_dock(lambda viewer: viewer.add_image(random()))
    dock.panel.model.open(make_model("yx"))
    assert dock.panel.image.axes == ""
    assert [button.text() for button in dock.panel.image.answers] == ["zyx", "tyx", "cyx"]
    dock.say_axes("tyx")
    dock.wait(dock.panel.view_button.isEnabled)
    assert dock.panel.image.axes_box.currentText() == "tyx"
    dock.viewer.add_image(random(), name="another")
    dock.panel.image.layers.setCurrentIndex(1)
    assert dock.panel.image.axes == "", "what was said of one layer is not said of another"
    dock.panel.image.layers.setCurrentIndex(0)
    assert dock.panel.image.axes == "tyx"
    dock.viewer.layers[1].units = ("um",) * 3
    dock.panel.image.layers.setCurrentIndex(1)
    assert dock.panel.image.axes == "zyx"
    assert dock.panel.image.axes_box.isEnabled(), "it can be said otherwise"


def test_a_layer_with_too_many_axes_is_refused_in_words(open_dock: Any) -> None:
    dock = open_dock(lambda viewer: viewer.add_image(np.zeros((1, 2, 2, 2, 8, 8), np.uint8)))
    assert "2 to 5 axes and this layer has 6" in dock.note("image-facts")


def test_a_home_of_nobody_is_said_in_words(open_dock: Any, make_model: Any) -> None:
    dock = open_dock(numpy_layer)
    assert "nobody here is called so" in dock.type_model("~nobody-at-all/model")
    dock.choose(make_model())
    dock.panel.output.line.setText("~nobody-at-all/out.ome.zarr")
    assert "nobody here is called so" in dock.panel.output.text.toPlainText()
    dock.click(dock.panel.whole_button)
    assert "nobody here is called so" in dock.panel.activity.sentence.text()


def test_a_model_that_was_trained_anew_in_its_folder_is_read_again(
    open_dock: Any, make_model: Any
) -> None:
    from napari_ziggurat.classes import LabelClass

    dock = open_dock(numpy_layer)
    model = make_model()
    dock.choose(model)
    names = ("background", "vessel", "nerve")
    classes = tuple(LabelClass(i, name, "#00ff00") for i, name in enumerate(names))
    shutil.copytree(make_model(classes=classes), model, dirs_exist_ok=True)
    dock.run(dock.panel.view_button)
    assert dock.result().features["class"].tolist() == ["vessel", "nerve"]
    assert "vessel" in dock.note("model-facts")
    shutil.copytree(make_model(), model, dirs_exist_ok=True)
    assert "shell" in dock.type_model(model), "Return reads it again"
    shutil.rmtree(model)
    dock.click(dock.panel.view_button)
    assert str(model) in dock.panel.activity.sentence.text()


def test_a_folder_that_is_no_model_is_said_below_it(open_dock: Any, tmp_path: Path) -> None:
    dock = open_dock(numpy_layer)
    assert "is not a model" in dock.type_model(tmp_path)
    assert not dock.panel.view_button.isEnabled()


def test_a_model_can_be_dropped_and_is_remembered(open_dock: Any, make_model: Any) -> None:
    from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
    from qtpy.QtGui import QDropEvent

    from napari_ziggurat.gui.model_chooser import ModelChooser

    model = make_model()
    dock = open_dock(numpy_layer)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(model))])
    event = QDropEvent(
        QPointF(5, 5),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    dock.panel.model.dropEvent(event)
    assert dock.panel.model.path == model
    facts = dock.panel.findChild(object, "model-facts").text()
    assert "3D" in facts
    assert "shell" in facts
    chooser = ModelChooser()
    dock.qtbot.addWidget(chooser)
    assert chooser.line.itemText(0) == str(model)


def test_a_layer_of_another_reader_is_segmented_from_its_file(
    open_dock: Any, make_model: Any, tmp_path: Path
) -> None:
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "cells.tif", random())
    dock = open_dock(lambda viewer: viewer.open(str(tmp_path / "cells.tif"), plugin="napari"))
    dock.viewer.layers[0].scale = (2, 0.5, 0.5)
    dock.viewer.layers[0].units = ("um",) * 3
    dock.choose(make_model())
    command = dock.panel.output.command
    assert f"segment {tmp_path / 'cells.tif'}" in command
    assert "--axes zyx --spacing 2.0,0.5,0.5 --unit um" in command


def other_shape(viewer: Any, path: Path) -> None:
    viewer.open(str(path), plugin="napari")
    viewer.layers[0].data = random()[:, :50]


def filtered(viewer: Any, path: Path) -> None:
    viewer.open(str(path), plugin="napari")
    viewer.layers[0].data = 255 - random()


def other_type(viewer: Any, path: Path) -> None:
    viewer.open(str(path), plugin="napari")
    viewer.layers[0].data = random().astype(np.float32)


def stacked(viewer: Any, path: Path) -> None:
    """Open Files as Stack: the layer says that it came from the first of the files."""
    from napari.layers._source import layer_source

    with layer_source(path=str(path)):
        viewer.add_image(np.stack([random(), random()]))


@pytest.mark.parametrize(
    ("add", "axes"),
    [(other_shape, "zyx"), (filtered, "zyx"), (other_type, "zyx"), (stacked, "tzyx")],
)
def test_a_file_that_holds_something_else_is_not_taken_for_the_layer(
    open_dock: Any, make_model: Any, tmp_path: Path, add: Any, axes: str
) -> None:
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, random())
    dock = open_dock(lambda viewer: add(viewer, path))
    dock.say_axes(axes)
    dock.choose(make_model())
    assert "memory" in dock.panel.output.text.toPlainText()


def test_axes_that_are_said_are_those_that_are_segmented(
    open_dock: Any, make_model: Any, tmp_path: Path
) -> None:
    """A file may state channels where a person sees times; both have the same planes."""
    path = store(tmp_path / "a.zarr", random((3, *SHAPE)), "czyx")
    dock = open_dock(lambda viewer: viewer.add_image(random((3, *SHAPE))))
    dock.viewer.layers[0].metadata = {"ziggurat": {"path": str(path)}}
    dock.say_axes("tzyx")
    dock.choose(make_model())
    assert "--axes tzyx" in dock.panel.output.command
    assert dock.run(dock.panel.whole_button).startswith("Written in ")
    assert _finest(dock.result()).shape == (3, *SHAPE)


def test_a_channel_can_be_segmented_alone_and_all_of_them_together(
    open_dock: Any, make_model: Any, tmp_path: Path
) -> None:
    from napari_ziggurat.geometry import Box

    voxels = random((2, *SHAPE))
    path = store(tmp_path / "a.zarr", voxels, "czyx", channels=("nuclei", "actin"))
    dock = open_dock(lambda viewer: open_store(viewer, path))
    assert dock.panel.image.layer.name == "actin"
    dock.wait(lambda: "A channel of a; a model for 2 channels" in dock.note("image-facts"))
    (alone, together) = (make_model(), make_model(channels=2))
    dock.choose(alone)
    dock.panel.output.line.setText(str(tmp_path / "alone.zarr"))
    dock.run(dock.panel.whole_button)
    wanted = prediction(voxels[1], alone, Box.whole(SHAPE))
    np.testing.assert_array_equal(np.asarray(_finest(dock.results()[0])), wanted)
    dock.choose(together)
    dock.panel.output.line.setText(str(tmp_path / "together.zarr"))
    assert f"segment {path}" in dock.panel.output.command
    dock.run(dock.panel.whole_button)
    wanted = prediction(voxels, together, Box.whole(SHAPE), "czyx")
    np.testing.assert_array_equal(np.asarray(_finest(dock.results()[1])), wanted)


def test_a_picture_with_transparency_is_segmented_from_its_file(
    open_dock: Any, make_model: Any, tmp_path: Path
) -> None:
    import PIL.Image

    PIL.Image.fromarray(random((96, 128, 4)), "RGBA").save(tmp_path / "a.png")
    dock = open_dock(lambda viewer: viewer.open(str(tmp_path / "a.png"), plugin="napari"))
    dock.choose(make_model("yx", 3))
    assert f"segment {tmp_path / 'a.png'}" in dock.panel.output.command


def test_the_output_for_an_image_of_a_plate_is_proposed_beside_the_plate(
    open_dock: Any, make_model: Any, tmp_path: Path
) -> None:
    import zarr

    zarr.open_group(tmp_path / "plate.zarr", mode="w").create_group("B/03")
    path = store(tmp_path / "plate.zarr" / "B" / "03" / "0", random())
    dock = open_dock(lambda viewer: open_store(viewer, path))
    dock.choose(make_model())
    assert dock.panel.output.path == tmp_path / "plate_B_03_0_tiny.ome.zarr"


# -- the dock itself ---------------------------------------------------------------------------


def test_the_machine_is_looked_at_beside_the_window(open_dock: Any) -> None:
    dock = open_dock()
    line = dock.panel.findChild(object, "machine")
    dock.wait(lambda: "Runs on" in line.text())


def test_why_there_is_no_gpu_is_said_when_somebody_asks(open_dock: Any) -> None:
    from napari_ziggurat.runs.doctor import Report

    machine = open_dock().panel.machine
    report = Report({}, (), "Install the build for CUDA.", 2, 0, 0, "", 0)
    machine.show_report(report)
    assert "no GPU" in machine.line.text()
    machine.why_button.click()
    assert machine.reason.isVisible()
    assert machine.reason.text() == "Install the build for CUDA."


def test_everything_can_be_reached_in_a_small_window(open_dock: Any, make_model: Any) -> None:
    from qtpy.QtWidgets import QScrollArea

    dock = open_dock(numpy_layer, size=(1024, 600))
    dock.choose(make_model())
    scroll = dock.panel.findChild(QScrollArea)
    assert dock.viewer.window._qt_window.height() <= 700
    assert scroll.widget().minimumSizeHint().width() <= 400
    assert dock.panel.width() <= 400
    scroll.ensureWidgetVisible(dock.panel.output.replace)
    dock.qtbot.wait(50)
    assert not dock.panel.output.replace.visibleRegion().isEmpty()


@pytest.mark.usefixtures("display")
def test_napari_opens_the_dock_and_the_samples_by_name(make_napari_viewer: Any) -> None:
    import npe2

    viewer = make_napari_viewer(show=True)
    if "napari-ziggurat" not in npe2.PluginManager.instance():
        pytest.skip("napari finds only installed plugins; install the package")
    (image, _) = viewer.open_sample("napari-ziggurat", "plane")
    (_, panel) = viewer.window.add_plugin_dock_widget("napari-ziggurat", "Ziggurat")
    assert panel.image.layer is image
