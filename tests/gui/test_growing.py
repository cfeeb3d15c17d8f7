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


@pytest.mark.usefixtures("display")
def test_blocks_appear_as_they_are_written_and_all_levels_at_the_end(
    make_napari_viewer: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import napari_ziggurat.gui.growing as module
    from napari_ziggurat.gui.layers import Placement
    from napari_ziggurat.gui.results import Target
    from napari_ziggurat.gui.source import LayerSource, Reading

    monkeypatch.setattr(module, "_EVERY", 50)
    viewer = make_napari_viewer(show=True)
    voxels = np.zeros(SHAPE, np.uint8)
    layer = viewer.add_image(voxels, scale=(2, 1, 1), units=("um",) * 3)
    image = image_from_array(voxels, axes="zyx", spacing=(2, 1, 1), unit="um")
    reading = Reading(LayerSource.of(layer, "zyx"), image)
    target = Target(reading, Placement.of(layer), Path("model"), CLASSES)

    path = tmp_path / "a.ome.zarr"
    growing = module.GrowingLabels(viewer, target, path)
    growing.start()
    qtbot.wait(200)
    assert len(viewer.layers) == 1, "there is nothing to show yet"
    grid = OutputGrid(
        Axes("zyx"), SHAPE, np.dtype(np.uint8), Spacing((2.0, 1.0, 1.0), "um"),
        (0.0,) * 3, (8, 256, 256), (8, 512, 512),
    )  # fmt: skip
    create_output(path, grid, kind="labels", classes=CLASSES)
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
