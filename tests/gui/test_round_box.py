"""What a round of training changed, in the dock: Keep and Go back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("napari", reason="napari is not installed")
pytest.importorskip("pytestqt", reason="pytest-qt is not installed")
pytestmark = pytest.mark.gui


def cells(table: Any) -> list[list[str]]:
    columns = range(table.columnCount())
    return [[table.item(row, c).text() for c in columns] for row in range(table.rowCount())]


def test_the_table_shows_a_dash_where_there_is_no_number(qtbot: Any) -> None:
    from napari_ziggurat.gui.train.round_table import RoundTable
    from napari_ziggurat.networks import Score
    from napari_ziggurat.runs.retrain.table import Comparison

    table = RoundTable()
    qtbot.addWidget(table)
    scores = (
        Score(name="body", before=0.5, after=0.75, voxels=500, blocks=2),
        Score(name="shell", before=None, after=0.9, voxels=80, blocks=1),
        Score(name="spot", before=None, after=None, voxels=3, blocks=1),
    )
    table.show_comparison(Comparison(scores, ()))
    assert cells(table) == [
        ["body", "0.500", "0.750", "+0.250"],
        ["shell", "-", "0.900", "-"],
        ["spot", "-", "-", "-"],
        ["mean", "0.500", "0.750", "+0.250"],
    ]
    assert "500 held-out voxels in 2 place" in table.item(0, 1).toolTip()
    assert "Fewer than 50" in table.item(2, 1).toolTip()


class Told:
    """Stands for a training: tells what it is told to, and keeps what is asked of it."""

    def __init__(self, comparison: Any, *, parent_may_know: bool = False) -> None:
        from napari_ziggurat.gui.train.live import RoundResult

        self.result = RoundResult(comparison, parent_may_know)
        self.asked: list[str] = []

    def compare(self) -> Any:
        yield from ()
        return self.result

    def go_back(self) -> Any:
        yield from ()
        self.asked.append("back")
        return 7

    def keep(self) -> None:
        self.asked.append("keep")


def test_too_little_that_is_held_out_shows_no_number_and_the_way_back_is_there(qtbot: Any) -> None:
    from qtpy.QtCore import Qt
    from qtpy.QtWidgets import QWidget

    from napari_ziggurat.gui.jobs import Jobs
    from napari_ziggurat.gui.train.round_box import RoundBox

    dock = QWidget()
    qtbot.addWidget(dock)
    jobs = Jobs(dock)
    box = RoundBox(jobs)
    qtbot.addWidget(box)
    (live, steps) = (Told(None), [])
    box.went_back.connect(steps.append)
    box.compare(live)
    qtbot.waitUntil(lambda: box.text.text().startswith("Not enough held-out strokes"))
    assert not box.table.isVisible()
    qtbot.mouseClick(box.back_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: steps == [7])
    assert not box.isVisible()
    box.compare(live)
    box.keep()
    assert live.asked == ["back", "keep"]
    jobs.close()


@pytest.mark.slow
def test_a_round_can_be_taken_back_or_kept_and_a_kept_one_has_a_picture(
    open_painter: Any, tmp_path: Path
) -> None:
    plane = np.random.default_rng(0).integers(0, 60, (128, 160)).astype(np.uint8)
    plane[:64] += 150
    painter = open_painter(lambda viewer: viewer.add_image(plane, name="halves"))
    painter.annotate(tmp_path / "halves.ome.zarr")
    (box, dock) = (painter.tab.train, painter.dock)
    for key, height in (("Alt+1", 0.3), ("Alt+1", 0.42), ("Alt+0", 0.58), ("Alt+0", 0.7)):
        painter.press(key)
        painter.line(height)
    dock.click(box.button)
    dock.wait(lambda: box.loop.step >= 5)
    dock.wait(lambda: "halves, preview" in painter.viewer.layers)
    assert not box.round.isVisible()
    dock.click(box.button)
    dock.wait(box.round.isVisible)
    dock.wait(lambda: not box.round.text.text().startswith("Comparing"))
    assert "Not enough" in box.round.text.text() or cells(box.round.table)
    dock.click(box.round.back_button)
    dock.wait(lambda: not box.round.isVisible())
    assert "Back at step 0" in box.text.text()
    assert "halves, preview" not in painter.viewer.layers
    dock.click(box.button)
    dock.wait(lambda: box.loop.step >= 3)
    dock.click(box.button)
    dock.wait(box.round.isVisible)
    box.line.setText(str(tmp_path / "model"))
    dock.click(box.round.keep_button)
    dock.wait(lambda: dock.panel.model.path == tmp_path / "model")
    dock.wait(lambda: not box.round.isVisible())
    assert (tmp_path / "model" / "picture.png").is_file()
    dock.wait(lambda: "model" in [e.name for e in dock.panel.models.list.entries])
    assert any("Saved" in entry.text for entry in dock.panel.log.log)
