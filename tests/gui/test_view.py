"""The visible box, in a real window."""

from typing import Any

import numpy as np
import pytest

from napari_ziggurat.geometry import Box

pytest.importorskip("napari", reason="napari is not installed")
pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("display")]

SHAPE = (20, 400, 600)


@pytest.fixture
def viewer(display: None, make_napari_viewer: Any) -> Any:
    from qtpy.QtWidgets import QApplication

    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1000, 700)
    QApplication.processEvents()
    return viewer


def visible(viewer: Any, layer: Any) -> Box | None:
    from qtpy.QtTest import QTest

    from napari_ziggurat.gui.view import visible_box

    QTest.qWait(50)
    return visible_box(viewer, layer)


@pytest.mark.parametrize("zoom", [0.5, 2.0, 7.3])
def test_it_is_what_napari_says_of_an_image_without_levels(viewer: Any, zoom: float) -> None:
    layer = viewer.add_image(np.zeros(SHAPE, np.uint8))
    viewer.dims.set_current_step(0, 7)
    viewer.camera.zoom = zoom
    viewer.camera.center = (0, 150, 320)
    box = visible(viewer, layer)
    assert box is not None
    corners = layer.corner_pixels
    np.testing.assert_allclose(box.start[1:], corners[0, 1:], atol=1)
    np.testing.assert_allclose(box.stop[1:], corners[1, 1:] + 1, atol=1)
    assert (box.start[0], box.stop[0]) == (7, 8)


def test_in_grid_mode_a_layer_has_a_part_of_the_canvas(viewer: Any) -> None:
    layer = viewer.add_image(np.zeros(SHAPE, np.uint8))
    viewer.add_image(np.zeros(SHAPE, np.uint8))
    viewer.camera.zoom = 4
    viewer.camera.center = (0, 200, 300)
    whole = visible(viewer, layer)
    viewer.canvas.grid.enabled = True
    viewer.camera.zoom = 4
    viewer.camera.center = (0, 200, 300)
    part = visible(viewer, layer)
    assert whole is not None
    assert part is not None
    assert part.shape[2] <= whole.shape[2] / 2


def test_scale_and_place_of_the_layer_do_not_matter(viewer: Any) -> None:
    data = np.zeros(SHAPE, np.uint8)
    layer = viewer.add_image(data, scale=(4, 0.5, 0.5), translate=(10, 100, -50))
    viewer.camera.zoom = 4
    viewer.camera.center = (10, 100 + 0.5 * 200, -50 + 0.5 * 300)
    box = visible(viewer, layer)
    assert box is not None
    middle = (np.array(box.start) + np.array(box.stop))[1:] / 2
    np.testing.assert_allclose(middle, (200, 300), atol=1)
    height = viewer.canvas.size[0] / 4 / 0.5
    np.testing.assert_allclose(box.shape[1], height, atol=2)


def test_layers_with_different_units_are_converted(viewer: Any) -> None:
    units = ("micrometer",) * 3
    layer = viewer.add_image(np.zeros(SHAPE, np.uint8), scale=(1, 0.1, 0.1), units=units)
    corners = ((0, 0, 0), (0, 40_000, 60_000))
    viewer.add_points(corners, units=("nanometer",) * 3)
    viewer.dims.set_current_step(0, 0)
    viewer.reset_view()
    assert [str(unit) for unit in viewer.layers.units] == ["nanometer"] * 3
    assert visible(viewer, layer) == Box((0, 0, 0), (1, 400, 600))


def test_a_multiscale_image_is_counted_in_voxels_of_its_finest_level(viewer: Any) -> None:
    levels = [np.zeros((20, 4096 >> i, 4096 >> i), np.uint8) for i in range(3)]
    layer = viewer.add_image(levels, multiscale=True, contrast_limits=(0, 255))
    viewer.camera.zoom = 2
    viewer.camera.center = (0, 2000, 3000)
    box = visible(viewer, layer)
    assert box is not None
    (height, width) = viewer.canvas.size
    np.testing.assert_allclose(box.shape[1:], (height / 2, width / 2), atol=3)
    np.testing.assert_allclose(np.add(box.start, box.stop)[1:] / 2, (2000, 3000), atol=2)


def test_axes_may_be_shown_in_another_order(viewer: Any) -> None:
    layer = viewer.add_image(np.zeros(SHAPE, np.uint8))
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_current_step(1, 33)
    box = visible(viewer, layer)
    assert box is not None
    assert (box.start[1], box.stop[1]) == (33, 34)
    assert box.shape[0] == SHAPE[0]


def test_there_is_none_in_3d_nor_beside_the_image(viewer: Any) -> None:
    layer = viewer.add_image(np.zeros(SHAPE, np.uint8))
    viewer.camera.center = (0, 5000, 5000)
    assert visible(viewer, layer) is None
    viewer.reset_view()
    assert visible(viewer, layer) is not None
    viewer.dims.ndisplay = 3
    assert visible(viewer, layer) is None
