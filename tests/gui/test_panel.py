"""The dock in a real window: real buttons, a real model, every kind of image layer."""

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


def store(path: Path, voxels: Any) -> Path:
    """Write an OME-Zarr with two levels."""
    from napari_ziggurat.geometry import Axes, Spacing
    from napari_ziggurat.images import OutputGrid, create_output, fill_coarser

    chunk = (4, 64, 64)
    spacing = Spacing((2.0, 0.5, 0.5), "um")
    grid = OutputGrid(Axes("zyx"), voxels.shape, voxels.dtype, spacing, (7.0,) * 3, chunk, chunk)
    create_output(path, grid, kind="image")[0][...] = voxels
    for _ in fill_coarser(path, "image"):
        pass
    return path


def open_store(viewer: Any, path: Path) -> Any:
    """Open a path with our reader, as File > Open does."""
    from napari_ziggurat.gui.reader import read

    return [getattr(viewer, f"add_{kind}")(d, **options) for (d, options, kind) in read(str(path))]


def prediction(voxels: Any, model: Path, box: Any, axes: str = "zyx") -> Any:
    """Give the labels that the engine gives for a box."""
    from napari_ziggurat.images import image_from_array
    from napari_ziggurat.networks import load_model
    from napari_ziggurat.runs.segment import predict_box

    spacing = (2.0, 0.5, 0.5) if "z" in axes else (0.5, 0.5)
    image = image_from_array(voxels, axes=axes, spacing=spacing, unit="um")
    return predict_box(image, load_model(model), level=0, box=box)


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
    axes: list[str] = []
    dock = open_dock(lambda viewer: axes.append(add(viewer)))
    dock.choose(make_model(model_axes, channels))
    assert dock.panel.image.axes == axes[0]
    dock.run(dock.panel.view_button)
    (image, labels) = (dock.viewer.layers[0], dock.result())
    assert labels.ndim == image.ndim
    assert labels.axis_labels == image.axis_labels
    assert set(np.unique(labels.data)) == {0, 1, 2}
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
    assert str(out) in dock.run(dock.panel.whole_button)
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
    dock = open_dock(add)
    dock.choose(make_model(model_axes, channels))
    dock.panel.output.line.setText(str(tmp_path / "out.ome.zarr"))
    dock.run(dock.panel.whole_button)
    (image, labels) = (dock.viewer.layers[0], dock.result())
    assert _finest(labels).shape == image.data.shape[: image.ndim]
    np.testing.assert_allclose(labels.extent.world, image.extent.world)
    assert set(np.unique(np.asarray(_finest(labels)))) == {0, 1, 2}


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
    wanted = f"python -m napari_ziggurat segment {path} --model {model} --out {out}"
    assert command == dock.panel.output.text.toPlainText() == wanted
    dock.run(dock.panel.whole_button)
    labels = dock.result()
    wanted_labels = prediction(random(), model, Box.whole(SHAPE))
    np.testing.assert_array_equal(np.asarray(_finest(labels)), wanted_labels)
    image = dock.viewer.layers[0]
    assert labels.translate.tolist() == image.translate.tolist() == [7, 7, 7]
    assert labels.scale.tolist() == image.scale.tolist()


def _finest(layer: Any) -> Any:
    return layer.data[0] if layer.multiscale else layer.data


# -- cancelling, errors, closing ---------------------------------------------------------------


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let each window of a view take a while, and note those that were begun."""
    from napari_ziggurat.runs.session import Session

    begun: list[str] = []

    def predict(self: Any, plan: Any, box: Any, intensity: Any, time: int) -> Iterator[Any]:
        for cell in plan.lattice.cells(box):
            begun.append(str(cell.box))
            sleep(0.2)
            where = cell.box.intersect(box)
            yield where, np.zeros((3, *where.shape), np.float32)

    monkeypatch.setattr(Session, "predict", predict)
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


def test_voxels_that_are_no_numbers_are_refused(open_dock: Any, make_model: Any) -> None:
    voxels = random((96, 128)).astype(np.float32)
    voxels[40:42, 50] = np.nan
    dock = open_dock(lambda viewer: viewer.add_image(voxels, contrast_limits=(0, 255)))
    dock.choose(make_model("yx"))
    assert "2 voxels that are NaN" in dock.run(dock.panel.view_button)


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
    assert "Say which axis is which" in dock.panel.findChild(object, "image-facts").text()
    assert not dock.panel.view_button.isEnabled()
    box = dock.panel.image.axes_box
    box.setCurrentIndex(box.findText("czyx"))
    dock.wait(dock.panel.view_button.isEnabled)


def test_a_folder_that_is_no_model_is_said_below_it(open_dock: Any, tmp_path: Path) -> None:
    from qtpy.QtCore import Qt

    dock = open_dock(numpy_layer)
    edit = dock.panel.model.line.lineEdit()
    dock.qtbot.keyClicks(edit, str(tmp_path))
    dock.qtbot.keyClick(edit, Qt.Key.Key_Return)
    assert "is not a model" in dock.panel.findChild(object, "model-facts").text()
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


def test_a_file_that_holds_something_else_is_not_taken_for_the_layer(
    open_dock: Any, make_model: Any, tmp_path: Path
) -> None:
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "cells.tif", random())
    dock = open_dock(lambda viewer: viewer.open(str(tmp_path / "cells.tif"), plugin="napari"))
    dock.viewer.layers[0].data = random()[:, :50]
    dock.choose(make_model())
    assert dock.panel.output.command == ""


# -- the dock itself ---------------------------------------------------------------------------


def test_the_machine_is_looked_at_beside_the_window(open_dock: Any) -> None:
    dock = open_dock()
    line = dock.panel.findChild(object, "machine")
    dock.wait(lambda: "Runs on" in line.text())
    button = dock.panel.machine.why_button
    if button.isVisible():
        dock.click(button)
        assert "GPU" in dock.panel.machine.reason.text()
        assert dock.panel.machine.reason.isVisible()


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
