"""Labels that are being written can be watched."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.geometry import Axes, Spacing
from napari_ziggurat.images import (
    OutputGrid,
    create_output,
    fill_coarser,
    image_from_array,
    open_output,
)

pytest.importorskip("napari", reason="napari is not installed")
pytestmark = pytest.mark.gui

SHAPE = (8, 1200, 1200)
CLASSES = (LabelClass(1, "cell", "#ff0000"),)


@pytest.fixture
def viewer(display: None, make_napari_viewer: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("napari_ziggurat.gui.growing._EVERY", 50)
    return make_napari_viewer(show=True)


def grow(viewer: Any, path: Path) -> Any:
    """Watch for labels of an image that is added here."""
    from napari_ziggurat.gui.growing import GrowingLabels
    from napari_ziggurat.gui.results import Results, Target
    from napari_ziggurat.gui.source import LayerSource, Reading

    voxels = np.zeros(SHAPE, np.uint8)
    layer = viewer.add_image(voxels, scale=(2, 1, 1), units=("um",) * 3)
    image = image_from_array(voxels, axes="zyx", spacing=(2, 1, 1), unit="um")
    reading = Reading(LayerSource.of(layer, "zyx"), image)
    target = Target.of(layer, reading, Path("model"), CLASSES)
    return GrowingLabels(viewer, Results(viewer), target, path)


def create(path: Path) -> None:
    """Begin labels, as a run does."""
    grid = OutputGrid(
        Axes("zyx"), SHAPE, np.dtype(np.uint8), Spacing((2.0, 1.0, 1.0), "um"),
        (0.0,) * 3, (8, 256, 256), (8, 512, 512),
    )  # fmt: skip
    create_output(path, grid, kind="labels", classes=CLASSES)


def test_blocks_appear_as_they_are_written_and_all_levels_at_the_end(
    viewer: Any, qtbot: Any, tmp_path: Path
) -> None:
    path = tmp_path / "a.ome.zarr"
    growing = grow(viewer, path)
    growing.start()
    qtbot.wait(200)
    assert len(viewer.layers) == 1, "there is nothing to show yet"
    create(path)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2)
    labels = viewer.layers[1]
    assert not labels.multiscale, "the coarser levels are still empty"
    world = (0.0, 100.0, 100.0)
    assert labels.get_value(world, world=True) == 0

    open_output(path)[0][:, :512, :512] = 1
    qtbot.waitUntil(lambda: labels.get_value(world, world=True) == 1)

    for _ in fill_coarser(path, "labels"):
        pass
    growing.finish()
    (_, labels) = viewer.layers
    assert labels.multiscale
    assert labels.data[-1][0][0, 0] == 1


def test_where_blocks_show_only_at_the_finest_level_this_is_said(
    viewer: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_ziggurat.gui.results._WIDE", 1000)
    growing = grow(viewer, tmp_path / "a.ome.zarr")
    hints: list[str] = []
    growing.hinted.connect(hints.append)
    create(tmp_path / "a.ome.zarr")
    growing.start()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2)
    growing.stop()
    assert len(hints) == 1
    assert "Zoom in" in hints[0]
