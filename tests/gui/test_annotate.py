"""Annotating in a real window: real strokes with the mouse, and what is on the disk afterwards."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_ziggurat.errors import WorkFailed

pytest.importorskip("napari", reason="napari is not installed")
pytest.importorskip("pytestqt", reason="pytest-qt is not installed")
pytestmark = pytest.mark.gui

SHAPE = (12, 96, 128)
PLACE = {"scale": (2, 0.5, 0.5), "units": ("um",) * 3, "translate": (3, 5, -7)}

HOLD = """
import sys
from napari_ziggurat.images.annotation_store import AnnotationStore
with AnnotationStore.open(sys.argv[1], write=True):
    print("open", flush=True)
    sys.stdin.read()
"""


def voxels(shape: tuple[int, ...] = SHAPE) -> Any:
    return np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)


def on_disk(place: Path) -> Any:
    """Read an annotation as another program does."""
    from napari_ziggurat.geometry import Box
    from napari_ziggurat.images.annotation_store import AnnotationStore

    store = AnnotationStore.open(place)
    return store.read(Box.whole(store.shape))


def history(place: Path) -> list[Any]:
    from napari_ziggurat.images.annotation_store import AnnotationStore

    return list(AnnotationStore.open(place).history())


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image of three levels on the disk."""
    from napari_ziggurat.geometry import Axes, Spacing
    from napari_ziggurat.images import OutputGrid, create_output, fill_coarser

    path = tmp_path / "cells.ome.zarr"
    shape = (12, 512, 640)
    chunk = (4, 256, 256)
    place = (Spacing((2.0, 0.5, 0.5), "um"), (7.0, 3.0, 1.0))
    grid = OutputGrid(Axes("zyx"), shape, np.dtype(np.uint8), *place, chunk, chunk)
    create_output(path, grid, kind="image")[0][...] = voxels(shape)
    for _ in fill_coarser(path, "image"):
        pass
    return path


def test_strokes_are_on_the_disk_when_the_mouse_is_released_and_undo_is_too(
    open_painter: Any, image: Path
) -> None:
    painter = open_painter(image)
    layer = painter.annotate()
    place = image.with_name("cells.annotation.ome.zarr")
    assert painter.tab.store.path == place
    shown = painter.viewer.layers["cells"]
    np.testing.assert_allclose(layer.scale, shown.scale)
    np.testing.assert_allclose(layer.translate, shown.translate)
    assert (layer.units, layer.axis_labels) == (shown.units, shown.axis_labels)
    assert layer.data.shape == shown.data[0].shape

    painter.line()
    one = on_disk(place)
    assert (one == 1).sum() > 0
    np.testing.assert_array_equal(one, np.asarray(layer.data))
    assert painter.said.startswith("Saved ")
    assert painter.said.endswith(f"{(one == 1).sum():,} voxels")
    (record,) = history(place)
    assert (record.kind, record.changed) == ("stroke", (one == 1).sum())
    assert set(np.flatnonzero(one.any(axis=(1, 2)))) == {painter.viewer.dims.current_step[0]}

    painter.press("Alt+0")
    assert (layer.selected_label, layer.mode) == (255, "paint")
    painter.line(0.7)
    both = on_disk(place)
    assert (both == 255).sum() > 0
    painter.press("Ctrl+Z")
    np.testing.assert_array_equal(on_disk(place), one)
    painter.dock.click(painter.tab.classes.undo_button)
    assert not on_disk(place).any()
    assert not np.asarray(layer.data).any()
    painter.dock.click(painter.tab.classes.redo_button)
    painter.press("Ctrl+Shift+Z")
    np.testing.assert_array_equal(on_disk(place), both)
    np.testing.assert_array_equal(np.asarray(layer.data), both)

    painter.click_row("eraser (unlabelled)")
    assert layer.mode == "erase"
    painter.line(0.7)
    np.testing.assert_array_equal(on_disk(place), one)
    painter.press("Alt+1")
    assert (layer.selected_label, layer.mode) == (1, "paint")
    assert painter.tab.classes.table.value == 1

    painter.line(0.3, release=False)
    painter.viewer.close()  # with the button held down
    assert (on_disk(place) == 1).sum() > (one == 1).sum()


def no_room(*_: Any, **__: Any) -> None:
    raise WorkFailed("The disk is full.")


def test_classes_are_added_renamed_recoloured_and_removed_without_a_modal_box(
    open_painter: Any, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_ziggurat.images.annotation_store import AnnotationStore

    painter = open_painter(image)
    layer = painter.annotate()
    (place, box) = (painter.tab.store.path, painter.tab.classes)
    painter.line(0.4)
    painter.dock.click(box.add_button)
    assert layer.selected_label == 2
    painter.line(0.6)
    (first, second) = ((on_disk(place) == 1).sum(), (on_disk(place) == 2).sum())
    assert painter.rows() == [
        ("background", "0", "Alt+0"),
        ("class 1", f"{first:,}", "Alt+1"),
        ("class 2", f"{second:,}", "Alt+2"),
        ("eraser (unlabelled)", "", "E"),
    ]
    box.table.item(2, 1).setText("nucleus")  # what the editor in the cell does
    box.table.recolored.emit(2, "#123456")
    (_, named) = AnnotationStore.open(place).classes
    assert (named.value, named.name, named.color) == (2, "nucleus", "#123456")
    assert layer.colormap.map(2).tolist() == pytest.approx([0x12 / 255, 0x34 / 255, 0x56 / 255, 1])
    box.table.item(2, 1).setText("class 1")
    assert "given twice" in box.trouble.text()
    assert painter.rows()[2][0] == "nucleus"

    painter.click_row("nucleus")
    painter.dock.click(box.remove_button)
    assert box.question.text() == f"Remove 'nucleus'? Its {second:,} voxels become unlabelled."
    painter.dock.click(box.no_button)
    assert (on_disk(place) == 2).any()
    painter.dock.click(box.remove_button)
    painter.dock.click(box.yes_button)
    assert set(np.unique(on_disk(place))) == {0, 1}
    np.testing.assert_array_equal(on_disk(place), np.asarray(layer.data))
    assert [name for name, _, _ in painter.rows()] == [
        "background",
        "class 1",
        "eraser (unlabelled)",
    ]
    layer.selected_label = 9  # chosen among napari's own controls: it gets a row by itself
    painter.line(0.8)
    assert painter.rows()[2][0] == "class 9"
    painter.click_row("background")
    painter.dock.click(box.remove_button)
    assert "background and eraser stay" in box.trouble.text()

    before = on_disk(place)
    with monkeypatch.context() as full:
        full.setattr(AnnotationStore, "edit", no_room)
        painter.line(0.2)
        assert painter.said.startswith("⚠ The disk is full.")
        np.testing.assert_array_equal(on_disk(place), before)
    painter.dock.wait(lambda: painter.said.startswith("Saved"))
    assert (on_disk(place) == 255).any()
    np.testing.assert_array_equal(on_disk(place), np.asarray(layer.data))


def test_a_box_is_called_complete_by_view_or_by_hand_and_that_can_be_undone(
    open_painter: Any, image: Path
) -> None:
    from napari_ziggurat.geometry import Box

    painter = open_painter(image)
    layer = painter.annotate()
    (place, tool) = (painter.tab.store.path, painter.tab.complete)
    painter.line()
    before = on_disk(place)
    painter.dock.click(tool.start_button)
    assert not tool.confirm_button.isEnabled()
    painter.dock.click(tool.draw_button)
    painter.stroke((0.45, 0.45), (0.55, 0.6))
    tool.planes.setValue(3)
    painter.dock.click(tool.confirm_button)
    record = history(place)[-1]
    assert record.kind == "complete"
    assert record.box.shape[0] == 3
    done = on_disk(place)
    assert (done[record.box.slices] > 0).all()
    np.testing.assert_array_equal(done[before > 0], before[before > 0])
    assert (done > 0).sum() == (before > 0).sum() + record.painted[255]
    assert "complete box" not in painter.viewer.layers
    assert painter.viewer.layers.selection.active is layer
    np.testing.assert_array_equal(done, np.asarray(layer.data))
    painter.press("Ctrl+Z")
    np.testing.assert_array_equal(on_disk(place), before)

    tool.planes.setValue(1)
    painter.viewer.reset_view()
    painter.dock.click(tool.start_button)
    painter.dock.click(tool.view_button)
    painter.dock.click(tool.confirm_button)
    z = painter.viewer.dims.current_step[0]
    assert history(place)[-1].box == Box((z, 0, 0), (z + 1, *layer.data.shape[1:]))
    assert on_disk(place)[z].all()

    painter.viewer.dims.ndisplay = 3
    assert "3D display" in painter.tab.obstacle.text()
    assert layer.mode == "pan_zoom"
    painter.viewer.dims.ndisplay = 2
    assert layer.mode == "paint"
    assert painter.tab.obstacle.isHidden()
    painter.viewer.add_image(voxels((40, 8, 8)), name="taller", **PLACE)
    painter.viewer.dims.set_point(0, 70)
    assert "outside the annotation" in painter.tab.obstacle.text()
    painter.line()  # which would raise inside the canvas
    painter.viewer.layers["taller"].visible = False


def test_another_process_is_told_of_and_strokes_are_there_when_it_is_opened_again(
    open_painter: Any, image: Path
) -> None:
    from napari_ziggurat.images import open_image
    from napari_ziggurat.images.annotation_store import AnnotationStore

    place = image.with_name("cells.annotation.ome.zarr")
    with AnnotationStore.create(open_image(image), 1, place) as store:
        from napari_ziggurat.geometry import Box

        store.write(Box((0, 5, 5), (1, 9, 9)), 4)
    painter = open_painter(image)
    painter.dock.wait(painter.tab.store.button.isEnabled)
    assert "goes on with it" in painter.said
    assert painter.tab.store.level == 1
    words = [sys.executable, "-c", HOLD, str(place)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == b"open"
        painter.dock.click(painter.tab.store.button)
        painter.dock.wait(painter.tab.store.button.isEnabled)
        assert f"process {other.pid}" in painter.said
        assert painter.tab.session is None
        other.communicate()
    layer = painter.annotate()
    shown = painter.viewer.layers["cells"]
    np.testing.assert_allclose(layer.scale, shown.scale * (1, 2, 2))
    np.testing.assert_allclose(layer.data_to_world((-0.5,) * 3)[1:],
                               shown.data_to_world((-0.5,) * 3)[1:])  # fmt: skip
    assert ("class 4", "16", "Alt+1") in painter.rows()
    painter.line()
    assert (on_disk(place) == 4).sum() == 16 + (layer.selected_label == 4) * history(place)[
        -1
    ].changed

    painter.dock.panel.annotate.store.levels.setCurrentIndex(0)
    assert painter.tab.store.path == image.with_name("cells.annotation_level0.ome.zarr")
    finer = painter.annotate()
    assert layer not in painter.viewer.layers
    assert finer.data.shape == shown.data[0].shape
    with AnnotationStore.open(place, write=True):
        pass  # it was closed


def turned_channels(viewer: Any) -> None:
    viewer.add_image(voxels((3, 96, 12, 128)), axis_labels=("c", "y", "z", "x"), name="odd",
                     scale=(1, 0.5, 2, 0.5), units=("pixel", "um", "um", "um"))  # fmt: skip


def test_layers_come_go_and_change_and_no_stroke_is_lost(open_painter: Any, tmp_path: Path) -> None:
    painter = open_painter(lambda viewer: viewer.add_image(voxels(), name="one", **PLACE))
    (first, second) = (tmp_path / "one.ome.zarr", tmp_path / "odd.ome.zarr")
    one = painter.annotate(first)
    painter.line()
    count = (on_disk(first) == 1).sum()
    assert count

    turned_channels(painter.viewer)
    panel = painter.dock.panel
    panel.image.layers.setCurrentText("odd")
    assert painter.tab.session is None
    odd = painter.annotate(second)
    painter.viewer.dims.order = (0, 2, 1, 3)
    painter.viewer.dims.set_point((1, 2), (13, 10))
    painter.viewer.reset_view()
    painter.line()
    assert on_disk(second).shape == (12, 96, 128)
    assert (on_disk(second) == 1).any()
    assert np.asarray(odd.data)[0].any(axis=(0, 2)).sum() == 1, "one z, whichever axis that is"

    painter.viewer.layers["one"].name = "renamed"
    one.name = "mine"
    painter.viewer.layers.selection.active = one
    one.mode = "paint"
    painter.viewer.dims.order = (0, 1, 2, 3)
    painter.line(0.6)
    assert (on_disk(first) == 1).sum() >= count
    panel.image.layers.setCurrentText("renamed")
    assert painter.tab.session.layer is one
    painter.viewer.layers.remove(painter.viewer.layers["renamed"])
    painter.viewer.layers.selection.active = one
    count = (on_disk(first) == 1).sum()
    painter.line(0.4, release=False)
    painter.viewer.layers.remove(one)  # with the button held down
    assert (on_disk(first) == 1).sum() > count
    assert painter.tab.session is None or painter.tab.session.layer is odd
    painter.dock.click(panel.parent().title.close_button)
    assert odd not in painter.viewer.layers, "nobody would save what is painted on it"
    from napari_ziggurat.images.annotation_store import AnnotationStore

    for place in (first, second):
        with AnnotationStore.open(place, write=True):
            pass  # nobody holds it


def test_of_planes_too_wide_a_part_is_painted_on_at_full_resolution(
    open_painter: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_ziggurat.gui.annotate.opening.WIDE", 500)
    monkeypatch.setattr("napari_ziggurat.gui.annotate.store_box.WIDE", 500)
    monkeypatch.setattr("napari_ziggurat.gui.annotate.opening._WINDOW", 256)
    levels = [voxels((4, 1200 >> i, 1200 >> i)) for i in range(3)]

    def add(viewer: Any) -> None:
        place = {"axis_labels": ("z", "y", "x"), "scale": (1, 0.5, 0.5), "units": ("um",) * 3}
        viewer.add_image(levels, multiscale=True, contrast_limits=(0, 255), name="wide", **place)

    painter = open_painter(add)
    painter.dock.wait(painter.tab.store.button.isEnabled)
    assert painter.tab.store.level == 2, "the finest whose planes can be shown whole"
    assert painter.tab.store.here_button.isVisible()
    painter.viewer.scene.camera.center = (0, 400, 200)
    painter.viewer.scene.camera.zoom = 8
    painter.tab.store.line.setText(str(tmp_path / "wide.annotation.ome.zarr"))
    painter.dock.click(painter.tab.store.here_button)
    painter.dock.wait(lambda: painter.tab.session is not None)
    layer = painter.tab.session.layer
    assert layer.data.shape == (4, 256, 256)
    painter.line()
    places = np.argwhere(np.asarray(layer.data[painter.viewer.dims.current_step[0]]))
    (y, x) = places.mean(axis=0) * 0.5 + layer.translate[1:]
    assert abs(y - 400) < 10
    assert abs(x - 200) < 10
    from napari_ziggurat.images.annotation_store import AnnotationStore

    store = AnnotationStore.open(painter.tab.session.store.path)
    (record,) = store.history()
    assert record.changed == len(places)
    middle = np.add(record.box.start, record.box.stop) / 2 * 0.5
    assert np.abs(middle[1:] - (400, 200)).max() < 10


def test_the_view_goes_to_where_the_model_is_least_sure(open_painter: Any, make_model: Any) -> None:
    from napari_ziggurat.geometry import Box
    from napari_ziggurat.gui.view import visible_box

    def add(viewer: Any) -> None:
        viewer.add_image(voxels(), name="one", axis_labels=("z", "y", "x"), **PLACE)

    painter = open_painter(add)
    spots = painter.tab.spots
    painter.dock.click(spots.button)
    assert "a model first" in spots.text.text()
    painter.dock.panel.model.open(make_model())
    seen = []
    for number in (1, 2):
        if number == 1:
            painter.dock.click(spots.button)
        else:
            painter.press("Shift+N")
        painter.dock.wait(lambda n=number: spots.text.text().startswith(f"Spot {n} of"))
        box = Box.parse(spots.text.text().split()[-1])
        shown = visible_box(painter.viewer, painter.viewer.layers["one"])
        assert shown.intersect(box).shape[1:] == box.shape[1:]
        assert box.start[0] <= shown.start[0] < box.stop[0]
        outline = painter.viewer.layers["uncertain spot"]
        assert len(outline.data) == box.shape[0]
        seen.append(box)
    assert seen[0] != seen[1]
