"""The log: what happened in the dock, in one list."""

import sys
from typing import Any

import numpy as np
import pytest

pytest.importorskip("qtpy", reason="qtpy is not installed")
pytest.importorskip("pytestqt", reason="pytest-qt is not installed")
pytest.importorskip("napari", reason="napari is not installed")
pytestmark = pytest.mark.gui


def texts(log: Any) -> list[str]:
    return [entry.text for entry in log]


def test_the_log_is_bounded_and_says_nothing_over_again(qapp: Any) -> None:
    from napari_ziggurat.gui.log.log import MOST, Log

    log = Log()
    log.say("a stroke is saved")
    log.say("a stroke is saved")
    log.say("  ")
    assert texts(log) == ["a stroke is saved"]
    log.fail("the disk is full", "Traceback")
    log.fail("No preview: the disk is full")  # as a place of the dock puts it
    assert texts(log)[1:] == ["No preview: the disk is full"]
    assert list(log)[-1].details == "Traceback"
    for command in ("a", "a"):
        log.run(command)
    assert texts(log)[-2:] == ["a", "a"], "a command that runs twice ran twice"
    for number in range(MOST + 5):
        log.say(f"step {number:04}")
    assert len(log) == MOST
    log.fail("x", "y" * 10**6)
    assert len(list(log)[-1].details) < 10**5


def test_commands_and_failures_of_jobs_are_taken_down(qtbot: Any) -> None:
    from qtpy.QtWidgets import QWidget

    from napari_ziggurat.gui.command import understand
    from napari_ziggurat.gui.job import ProcessJob
    from napari_ziggurat.gui.jobs import Handlers, Jobs

    dock = QWidget()
    qtbot.addWidget(dock)
    (jobs, heard) = (Jobs(dock), [])
    words = [sys.executable, "-c", "import sys; sys.exit('Error: no disk')"]
    jobs.start(ProcessJob(words, understand), Handlers(heard.append, heard.append))
    qtbot.waitUntil(lambda: bool(heard), timeout=60_000)
    entries = [(e.kind, e.text) for e in jobs.log]
    assert entries[0][0] == "command"
    assert sys.executable in entries[0][1]
    assert ("error", "no disk") in entries
    jobs.close()


def test_what_goes_wrong_anywhere_is_listed_with_its_details_and_can_be_copied(
    open_dock: Any,
) -> None:
    from qtpy.QtCore import Qt
    from qtpy.QtGui import QGuiApplication

    dock = open_dock(lambda viewer: viewer.add_image(np.zeros((8, 8)), name="nothing"))
    dock.type_model("/no/such/model & <b>")
    dock.open_tab("Log")
    log = dock.panel.log
    assert "'/no/such/model & <b>' is not a model" in texts(log.log)[-1]
    assert not log.details.isVisible()
    row = log.list.count() - 1
    place = log.list.visualItemRect(log.list.item(row)).center()
    dock.qtbot.mouseClick(log.list.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert "is not a model" in log.details.toPlainText()
    dock.click(log.copy_button)
    copied = QGuiApplication.clipboard().text()
    assert copied == list(log.log)[-1].whole
    log.log.run("ziggurat segment")
    dock.click(log.copy_all_button)
    assert QGuiApplication.clipboard().text().endswith("$ ziggurat segment")
    log.list.setCurrentRow(log.list.count() - 1)
    dock.qtbot.keyClick(log.list, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == "ziggurat segment"
    dock.click(log.clear_button)
    assert log.list.count() == 0
    assert log.empty.isVisible()
    assert not log.copy_all_button.isEnabled()
