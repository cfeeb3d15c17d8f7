"""The tab with the known models, in a real window."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("napari", reason="napari is not installed")
pytest.importorskip("pytestqt", reason="pytest-qt is not installed")
pytestmark = pytest.mark.gui


@pytest.fixture
def zoo(make_model: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder of models of which nobody knows yet: two that differ, and a broken one."""
    from napari_ziggurat.gui.models import known

    monkeypatch.setattr(known, "_file", lambda: tmp_path / "known.json")
    folder = tmp_path / "zoo"
    for name in ("ant", "bee"):
        shutil.copytree(make_model("yx"), folder / name)
    _leave_one_class(folder / "bee")
    (folder / "wasp").mkdir()
    (folder / "wasp" / "model.json").write_text("{", encoding="utf-8")
    return folder


def _leave_one_class(model: Path) -> None:
    """Let a model find class 1 everywhere."""
    import torch

    from napari_ziggurat.networks import load_model, save_model

    loaded = load_model(model)
    with torch.no_grad():
        list(loaded.network.parameters())[-1].copy_(torch.tensor([0.0, 1e4, 0.0]))
    save_model(loaded, model)


def plane(viewer: Any) -> Any:
    data = np.random.default_rng(0).integers(0, 255, (96, 128)).astype(np.uint8)
    return viewer.add_image(data, name="noise")


def rows(tab: Any) -> list[str]:
    return [tab.list.item(row).text() for row in range(tab.list.count())]


def click_row(dock: Any, name: str) -> None:
    """Click on a model."""
    from qtpy.QtCore import Qt

    models = dock.panel.models.list
    (row,) = [r for r, e in enumerate(models.entries) if e.name == name]
    place = models.visualItemRect(models.item(row)).center()
    dock.qtbot.mouseClick(models.viewport(), Qt.MouseButton.LeftButton, pos=place)


def answer(dock: Any, text: object, *, cancel: bool = False) -> None:
    """Type into the line that asks, and press Return or Escape."""
    from qtpy.QtCore import Qt

    ask = dock.panel.models.action_box.ask
    assert ask.isVisible()
    dock.qtbot.keyClicks(ask.line, str(text))
    dock.qtbot.keyClick(ask.line, Qt.Key.Key_Escape if cancel else Qt.Key.Key_Return)


def test_models_are_listed_with_what_they_are_or_why_they_cannot_be_read(
    open_dock: Any, zoo: Path
) -> None:
    from napari_ziggurat.gui.models.known import remember_model, set_folder

    gone = zoo.with_name("gone")
    remember_model(gone)
    set_folder(zoo)
    dock = open_dock(plane, tab="Models")
    (tab, box) = (dock.panel.models, dock.panel.models.action_box)
    dock.wait(lambda: tab.list.count() == 4)
    assert [e.name for e in tab.list.entries] == ["gone", "ant", "bee", "wasp"]
    assert "2D" in rows(tab)[1]
    click_row(dock, "gone")
    assert f"'{gone}' is gone" in tab.facts.text()
    assert not box.buttons["Load"].isEnabled()
    dock.click(box.buttons["Forget"])
    dock.wait(lambda: tab.list.count() == 3)
    click_row(dock, "wasp")
    assert "not readable as JSON" in tab.facts.text()
    click_row(dock, "ant")
    for words in ("residual unet", "trained at", "shell", "#66ccee"):
        assert words in tab.facts.text()
    dock.click(box.buttons["Load"])
    assert dock.panel.model.path == zoo / "ant"
    dock.click(tab.lineage.button)
    dock.wait(lambda: "nothing is recorded" in tab.lineage.text.toPlainText())


def test_a_model_is_copied_renamed_and_forgotten_and_no_file_is_lost(
    open_dock: Any, zoo: Path, tmp_path: Path
) -> None:
    from napari_ziggurat.gui.models.known import set_folder

    set_folder(zoo)
    dock = open_dock(plane, tab="Models")
    (tab, box) = (dock.panel.models, dock.panel.models.action_box)
    dock.wait(lambda: tab.list.count() == 3)
    click_row(dock, "ant")
    dock.click(box.buttons["Rename…"])
    answer(dock, "nobody", cancel=True)
    assert not box.ask.isVisible()
    dock.click(box.buttons["Rename…"])
    answer(dock, "the good one")
    dock.wait(lambda: "the good one" in [e.name for e in tab.list.entries])
    dock.click(box.buttons["Save as…"])
    answer(dock, zoo / "bee")
    dock.wait(lambda: "is there already" in box.state.text())
    dock.click(box.buttons["Save as…"])
    answer(dock, tmp_path / "copy")
    dock.wait(lambda: box.state.text().startswith("Copied"))
    dock.wait(lambda: tab.list.count() == 4)
    assert sorted(p.name for p in (tmp_path / "copy").iterdir()) == [
        "model.json", "weights.safetensors",
    ]  # fmt: skip
    click_row(dock, "the good one")
    dock.click(box.buttons["Forget"])
    dock.wait(lambda: tab.list.count() == 3)
    assert "its files stay" in box.state.text()
    assert (zoo / "ant" / "weights.safetensors").is_file()
    assert "ant" not in [e.name for e in tab.list.entries]


@pytest.mark.slow
def test_a_model_is_exported_by_a_command_that_the_log_shows(
    open_dock: Any, zoo: Path, tmp_path: Path
) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    from napari_ziggurat.gui.models.known import set_folder

    set_folder(zoo)
    dock = open_dock(plane, tab="Models")
    box = dock.panel.models.action_box
    dock.wait(lambda: dock.panel.models.list.count() == 3)
    click_row(dock, "ant")
    dock.click(box.buttons["Export…"])
    answer(dock, tmp_path / "ant.onnx")
    dock.wait(lambda: "differs from torch" in box.state.text())
    assert (tmp_path / "ant.onnx").is_file()
    commands = [e.text for e in dock.panel.log.log if e.kind == "command"]
    assert any(str(tmp_path / "ant.onnx") in each for each in commands)


def test_a_picture_has_the_colours_of_the_classes_over_the_image() -> None:
    from napari_ziggurat.classes import LabelClass
    from napari_ziggurat.gui.models.picture import draw_picture

    image = np.full((1, 40, 60), 100, np.uint8)
    image[:, :, 30:] = 200
    labels = np.zeros((1, 40, 60), np.uint8)
    labels[:, :20] = 1
    drawn = draw_picture(image, labels, [LabelClass(1, "body", "#ff0000")])
    assert drawn.shape == (40, 40, 3)
    assert drawn[30, 5].tolist() == [0, 0, 0]
    assert drawn[30, 35].tolist() == [255, 255, 255]
    assert drawn[5, 35].tolist() == [255, 140, 140]
    large = draw_picture(np.zeros((2, 500, 400)), np.zeros((1, 500, 400)), [])
    assert max(large.shape) <= 192


def test_what_is_known_is_read_again_and_nonsense_is_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_ziggurat.gui.models import known

    file = tmp_path / "known.json"
    monkeypatch.setattr(known, "_file", lambda: file)
    (tmp_path / "zoo" / "bee").mkdir(parents=True)
    (tmp_path / "zoo" / "bee" / "model.json").touch()
    bee = tmp_path / "zoo" / "bee"
    known.remember_model(tmp_path / "ant")
    known.set_folder(bee.parent)
    known.name_model(bee, "the bee")
    assert known.known_models() == [tmp_path / "ant", bee]
    assert known.recent_models() == [], "one that is gone is not offered"
    known.forget_model(bee)
    assert known.known_models() == [tmp_path / "ant"]
    assert known.read_shelf().names == {}
    known.remember_model(bee)
    assert known.known_models() == [bee, tmp_path / "ant"]
    for nonsense in ("[]", "{", '{"models": 3}'):
        file.write_text(nonsense, encoding="utf-8")
        assert known.known_models() == []
