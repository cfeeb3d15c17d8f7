"""Objects in a real window: made by the command, listed, and linked with what is seen."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("napari", reason="napari is not installed")
pytest.importorskip("pytestqt", reason="pytest-qt is not installed")
pytestmark = pytest.mark.gui

SQUARES = ((10, 20, 12), (60, 30, 6), (30, 100, 20))  # y, x, side


def drawn() -> Any:
    """Draw squares of class 1 and 2 on two planes."""
    labels = np.zeros((4, 96, 160), np.uint8)
    for number, (y, x, side) in enumerate(SQUARES):
        labels[1:3, y : y + side, x : x + side] = 1 + number % 2
    return labels


def write(path: Path) -> Path:
    """Write the squares as a segmentation with its levels."""
    from napari_ziggurat.geometry import Axes, Spacing
    from napari_ziggurat.images import OutputGrid, create_output, fill_coarser

    labels = drawn()
    chunk = (4, 96, 160)
    place = (Spacing((2.0, 0.5, 0.5), "um"), (4.0, 0.0, 0.0))
    grid = OutputGrid(Axes("zyx"), labels.shape, labels.dtype, *place, chunk, chunk)
    create_output(path, grid, kind="labels")[0][...] = labels
    for _ in fill_coarser(path, "labels"):
        pass
    return path


def make_objects(labels: Path, out: Path) -> Path:
    """Do what the command does, in this process."""
    from napari_ziggurat.progress import finish
    from napari_ziggurat.runs.config import ObjectsConfig
    from napari_ziggurat.runs.objects import objects

    finish(objects(ObjectsConfig.create({"labels": labels, "out": out})))
    return out


def open_path(viewer: Any, path: Path) -> None:
    """Open a path with our reader, as File > Open does."""
    from napari_ziggurat.gui.reader import read

    for data, options, kind in read(str(path)):
        getattr(viewer, f"add_{kind}")(data, **options)


def texts(table: Any, name: str) -> list[str]:
    """Read a column as it is shown."""
    names = [table.model.headerData(i, _horizontal()) for i in range(table.model.columnCount())]
    column = names.index(name)
    rows = range(table.model.rowCount())
    return [table.model.data(table.model.index(row, column)) for row in rows]


def _horizontal() -> Any:
    from qtpy.QtCore import Qt

    return Qt.Orientation.Horizontal


def click_row(dock: Any, row: int) -> None:
    from qtpy.QtCore import Qt

    view = dock.panel.objects.table.view
    place = view.visualRect(view.model().index(row, 0)).center()
    dock.qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)


def click_canvas(dock: Any, world: tuple[float, float]) -> None:
    """Click on a place of the shown plane, in world coordinates (y, x)."""
    from qtpy.QtCore import QPoint, Qt
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QApplication

    canvas = dock.viewer.window._qt_viewer.canvas.native
    camera = dock.viewer.scene.camera
    moved = (np.array(world) - np.array(camera.center[-2:])) * camera.zoom
    (y, x) = moved + np.array([canvas.height(), canvas.width()]) / 2
    place = QPoint(round(x), round(y))
    QTest.mouseMove(canvas, place)  # without a move before it, the press is not noticed
    QTest.qWait(20)
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=place)
    QApplication.processEvents()


def centre(square: tuple[int, int, int]) -> tuple[float, float]:
    (y, x, side) = square
    return ((y + (side - 1) / 2) * 0.5, (x + (side - 1) / 2) * 0.5)


def test_a_row_leads_to_its_object_and_an_object_to_its_row(open_dock: Any, tmp_path: Path) -> None:
    path = make_objects(write(tmp_path / "cells.ome.zarr"), tmp_path / "things.ome.zarr")
    dock = open_dock(lambda viewer: open_path(viewer, path))
    table = dock.panel.objects.table
    layer = dock.viewer.layers["things"]
    assert table.isVisible(), "the active layer holds objects"
    assert texts(table, "index") == ["1", "2", "3"]
    click_row(dock, 1)
    assert table.number == layer.selected_label == int(texts(table, "index")[1])
    value = layer.get_value(
        dock.viewer.dims.point[:1] + dock.viewer.scene.camera.center[1:], world=True
    )
    assert (value[1] if isinstance(value, tuple) else value) == 2
    outlined = np.array(dock.viewer.layers["chosen object"].data)
    (y, x, side) = SQUARES[2]  # the second one in a scan of the first plane
    assert outlined[..., 1].min() == y - 0.5
    assert outlined[..., 2].max() == x + side - 0.5
    assert dock.viewer.layers.selection.active is layer
    dock.viewer.reset_view()
    dock.viewer.dims.set_current_step(0, 1)
    click_canvas(dock, centre(SQUARES[1]))
    assert table.number == 3
    click_canvas(dock, (90 * 0.5, 5 * 0.5))  # no object is there
    assert table.number == 3


def test_a_table_is_sorted_by_a_click_on_a_heading_and_filtered_by_a_line(
    open_dock: Any, tmp_path: Path
) -> None:
    from qtpy.QtCore import QPoint, Qt

    path = make_objects(write(tmp_path / "cells.ome.zarr"), tmp_path / "things.ome.zarr")
    dock = open_dock(lambda viewer: open_path(viewer, path))
    table = dock.panel.objects.table
    header = table.view.horizontalHeader()
    names = [table.model.headerData(i, _horizontal()) for i in range(table.model.columnCount())]
    place = header.sectionViewportPosition(names.index("voxels")) + 5
    for wanted in (["72", "288", "800"], ["800", "288", "72"]):
        header.ensurePolished()
        table.view.scrollTo(table.model.index(0, names.index("voxels")))
        place = header.sectionViewportPosition(names.index("voxels")) + 5
        dock.qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(place, 5))
        assert texts(table, "voxels") == wanted
    dock.qtbot.keyClicks(table.filter, "voxels>100")
    assert texts(table, "voxels") == ["800", "288"]
    assert dock.note("objects-shown") == "2 of 3 objects"
    table.mark(int(texts(table, "index")[0]) + 1)  # clicked in the image, filtered out here
    assert texts(table, "voxels")[0] == "72"
    dock.qtbot.keyClicks(table.filter, ", size>1")
    assert "no column 'size'" in dock.note("objects-shown")


@pytest.mark.slow
def test_objects_are_made_by_the_command_that_the_dock_shows(
    open_dock: Any, tmp_path: Path
) -> None:
    path = write(tmp_path / "cells.ome.zarr")
    dock = open_dock(lambda viewer: open_path(viewer, path))
    box = dock.panel.objects
    dock.click(box.fold.button)
    dock.click(box.options.button)
    dock.qtbot.keyClicks(box.options.entries["min_size"].widget, "100")
    out = tmp_path / "cells_objects.ome.zarr"
    assert box.output.command.endswith(f"objects {path} --out {out} --min-size 100")
    (tmp_path / "cells_objects_doubtful.csv").write_text(
        "index,z_start,z_stop,y_start,y_stop,x_start,x_stop,agreement\n"
        "1,5,9,4.75,10.75,9.75,15.75,0.4\n"
    )
    said = dock.run(box.button)
    assert said.startswith(f"{out}: 2 objects")
    dock.wait(lambda: "cells_objects" in dock.viewer.layers)
    layer = dock.viewer.layers["cells_objects"]
    cells = dock.viewer.layers["cells"]
    np.testing.assert_allclose(layer.extent.world, cells.extent.world)
    assert layer.features["voxels"].tolist() == [288, 800]
    assert box.table.isVisible()
    seams = dock.viewer.layers["cells_objects, doubtful places"]
    assert seams.data.tolist() == [[1.5, 15.5, 25.5]]
    assert seams.features["agreement"].tolist() == [0.4]
    assert box.layer is cells, "objects are not made of objects"
    dock.run(box.button)
    dock.wait(lambda: "cells_objects" in dock.viewer.layers)
    assert [each.name for each in dock.viewer.layers].count("cells_objects") == 1


def test_an_empty_window_says_what_objects_are_made_of(open_dock: Any) -> None:
    dock = open_dock()
    dock.click(dock.panel.objects.fold.button)
    assert "Segment the whole image first" in dock.note("objects")
    assert not dock.panel.objects.button.isVisible()
