"""Training in a real window while strokes are painted: what is learned is shown and saved."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("napari", reason="napari is not installed")
pytest.importorskip("pytestqt", reason="pytest-qt is not installed")
pytestmark = pytest.mark.gui


def test_what_is_painted_is_learned_shown_and_saved_while_one_goes_on(
    open_painter: Any, tmp_path: Path
) -> None:
    plane = np.random.default_rng(0).integers(0, 60, (128, 160)).astype(np.uint8)
    plane[:64] += 150
    painter = open_painter(lambda viewer: viewer.add_image(plane, name="halves"))
    layer = painter.annotate(tmp_path / "halves.ome.zarr")
    box = painter.tab.train
    painter.line(0.35)
    painter.press("Shift+T")
    painter.dock.wait(lambda: "at least two classes" in box.text.text())
    painter.press("Alt+0")
    painter.line(0.65)
    painter.dock.wait(lambda: box.text.text().startswith("Step"))
    painter.dock.wait(lambda: "halves, preview" in painter.viewer.layers)
    preview = painter.viewer.layers["halves, preview"]
    assert not preview.editable
    assert painter.viewer.layers.selection.active is layer

    def learned() -> bool:
        shown = np.asarray(preview.data)
        return bool((shown[: len(shown) // 4] == 1).mean() > 0.9 > 0.1 > (shown[-20:] == 1).mean())

    painter.dock.wait(learned)
    painter.line(0.55)
    assert painter.said.startswith("Saved")
    painter.viewer.scene.camera.zoom *= 2
    painter.dock.wait(lambda: preview.data.shape[1] < 100)
    painter.dock.click(box.unsure_box)
    painter.dock.wait(lambda: "halves, uncertainty" in painter.viewer.layers)
    unsure = painter.viewer.layers["halves, uncertainty"]
    assert unsure.data.shape == preview.data.shape
    assert 0 <= unsure.data.min() <= unsure.data.max() <= 1
    assert not preview.visible
    assert painter.dock.panel.image.layer.name == "halves", "it is no image to be segmented"
    assert painter.viewer.layers.selection.active is layer
    painter.dock.click(box.unsure_box)
    painter.dock.wait(lambda: "halves, uncertainty" not in painter.viewer.layers)
    assert preview.visible
    painter.dock.click(box.button)
    painter.dock.wait(lambda: box.button.text() == "Continue")
    box.line.setText(str(tmp_path / "model"))
    painter.dock.click(box.save_button)
    painter.dock.wait(lambda: painter.dock.panel.model.path == tmp_path / "model")
    painter.dock.click(box.button)
    painter.dock.wait(lambda: box.text.text().startswith("Step"))
    painter.viewer.close()  # while it trains
