"""From a wrong place in a result back to painting there, with the mouse."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("napari", reason="napari is not installed")
pytest.importorskip("pytestqt", reason="pytest-qt is not installed")
pytestmark = pytest.mark.gui

SHAPE = (900, 1200)
BODY, BACKGROUND = (300.0, 250.0), (700.0, 900.0)  # places in the result: y, x


def add_planes(viewer: Any) -> None:
    for name in ("first", "second"):
        viewer.add_image(np.zeros(SHAPE, np.uint8), name=name)


def click(dock: Any, world: tuple[float, float], *, alt: bool = False, drag: int = 0) -> None:
    """Press and release the left button on a place of the shown plane."""
    from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
    from qtpy.QtGui import QMouseEvent
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QApplication

    canvas = dock.viewer.window._qt_viewer.canvas.native
    camera = dock.viewer.scene.camera
    moved = (np.array(world) - np.array(camera.center[-2:])) * camera.zoom
    (y, x) = moved + np.array([canvas.height(), canvas.width()]) / 2
    (place, left) = (QPoint(round(x), round(y)), Qt.MouseButton.LeftButton)
    held = Qt.KeyboardModifier.AltModifier if alt else Qt.KeyboardModifier.NoModifier
    QTest.mouseMove(canvas, place)  # without a move before it, the press is not noticed
    QTest.qWait(20)
    QTest.mousePress(canvas, left, held, place)
    for step in range(1, drag + 1):
        at = QPoint(place.x() + step, place.y())
        where = (QPointF(at), QPointF(canvas.mapToGlobal(at)))
        kind, none = QEvent.Type.MouseMove, Qt.MouseButton.NoButton
        QApplication.sendEvent(canvas, QMouseEvent(kind, *where, none, left, held))
    QTest.mouseRelease(canvas, left, held, QPoint(place.x() + drag, place.y()))
    QApplication.processEvents()


@pytest.fixture
def corrector(open_painter: Any, tmp_path: Path) -> Any:
    """Give a person in front of two images and a result on the second one."""
    from napari_ziggurat.classes import default_classes
    from napari_ziggurat.geometry import Box
    from napari_ziggurat.gui.results import Target
    from napari_ziggurat.gui.tasks import Piece

    painter = open_painter(add_planes)
    panel = painter.dock.panel
    painter.dock.wait(lambda: painter.tab.ready)
    labels = np.zeros(SHAPE, np.uint8)
    labels[:, :600] = 1
    reading = panel.annotate._reading
    target = Target.of(panel.image.layer, reading, Path("model"), default_classes([1]))
    panel.runner.results.show_piece(target, Piece(labels, 0, Box.whole(SHAPE), 0))
    painter.viewer.reset_view()
    painter.tab.store.line.setText(str(tmp_path / "second.annotation.ome.zarr"))
    return painter


def test_a_click_on_a_wrong_place_opens_its_annotation_there_with_the_brush(corrector: Any) -> None:
    (dock, panel) = (corrector.dock, corrector.dock.panel)
    dock.open_tab("Segment")
    dock.click(panel.correct.button)
    assert "Click on the wrong place" in dock.note("correct")
    click(dock, BODY)
    dock.wait(lambda: corrector.tab.session is not None)
    session = corrector.tab.session
    assert panel.tabs.currentWidget() is corrector.tab
    assert corrector.viewer.layers.selection.active is session.layer
    assert str(session.layer.mode) == "paint"
    assert session.value == 255, "the result says foreground"
    assert "foreground" in corrector.said
    camera = corrector.viewer.scene.camera
    np.testing.assert_allclose(camera.center[-2:], BODY, atol=2)
    assert camera.zoom > 1, "a voxel is a pixel or more"
    assert not panel.correct.button.isChecked()
    assert not session.census.counts, "the click itself has painted nothing"
    corrector.line()
    assert corrector.said.startswith("Saved")


def test_alt_and_a_click_does_the_same_and_the_image_of_the_result_is_chosen(
    corrector: Any,
) -> None:
    (dock, panel, viewer) = (corrector.dock, corrector.dock.panel, corrector.viewer)
    panel.image.choose(viewer.layers["first"])
    dock.wait(lambda: corrector.tab.ready)
    viewer.layers.selection.active = dock.result()
    place = corrector.tab.store.line.text()
    click(dock, BACKGROUND, alt=True, drag=20)
    assert panel.image.layer is viewer.layers["first"], "a drag is no click"
    viewer.reset_view()
    click(dock, BACKGROUND, alt=True)
    dock.wait(lambda: panel.image.layer is viewer.layers["second"])
    dock.wait(lambda: corrector.tab.session is not None)
    assert place
    assert corrector.tab.session.value == 1, "the result says background, so it is something"
    viewer.layers.selection.active = dock.result()
    viewer.reset_view()
    session = corrector.tab.session
    click(dock, BODY, alt=True)
    dock.wait(lambda: session.value == 255)
    assert corrector.tab.session is session, "an annotation that is open stays open"


def test_without_a_result_the_button_says_what_is_missing(open_dock: Any) -> None:
    dock = open_dock(add_planes)
    dock.click(dock.panel.correct.button)
    assert "no result yet" in dock.note("correct")
    assert not dock.panel.correct.button.isChecked()
