"""What the tests of the dock share: a tiny model, and a window with the dock in it."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from napari_ziggurat.classes import LabelClass

CLASSES = (
    LabelClass(0, "background", "#000000"),
    LabelClass(1, "body", "#66ccee"),
    LabelClass(2, "shell", "#ee6677"),
)


@pytest.fixture(scope="session", autouse=True)
def own_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Neither read nor write the settings of the person who runs the tests."""
    folder = tmp_path_factory.mktemp("settings")
    os.environ.setdefault("NAPARI_CONFIG", str(folder / "settings.yaml"))


@pytest.fixture(scope="session")
def display() -> None:
    """Skip where no window can be shown; asking Qt for one there would end the process."""
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        pytest.skip("there is no display; run the tests under xvfb-run")


@pytest.fixture(scope="session")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Give a function that writes a tiny model with fixed parameters; its classes are balanced."""

    def make(axes: str = "zyx", channels: int = 1, **changes: Any) -> Path:
        folder = tmp_path_factory.mktemp("models") / "tiny"
        spacing = (2.0, 0.5, 0.5)[-len(axes) :]
        known = {"classes": CLASSES, "spacing": spacing, "unit": "um"}
        _write_model(folder, axes, channels, known | changes)
        return folder

    return make


def _write_model(folder: Path, axes: str, channels: int, known: dict[str, Any]) -> None:
    import torch

    from models import tiny_model
    from napari_ziggurat.networks import save_model

    model = tiny_model(axes, channels, **known)
    _balance(model.network, torch.randn(1, channels, *model.spec.window))
    save_model(model, folder)


def _balance(network: Any, image: Any) -> None:
    """Shift the bias of the classes, the last parameter, so that each class occurs."""
    import torch

    with torch.no_grad():
        middle = network(image).flatten(2).median(dim=2).values[0]
        list(network.parameters())[-1].sub_(middle)


@dataclass
class Dock:
    """A window with the dock in it, as a person has it: looked at, clicked, waited for."""

    viewer: Any
    panel: Any
    qtbot: Any

    def click(self, button: Any) -> None:
        """Click with the mouse, where a button that is disabled does not hear it."""
        from qtpy.QtCore import Qt

        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def open_tab(self, name: str) -> None:
        """Click on a tab."""
        from qtpy.QtCore import Qt

        bar = self.panel.tabs.tabBar()
        (index,) = [i for i in range(bar.count()) if bar.tabText(i) == name]
        place = bar.tabRect(index).center()
        self.qtbot.mouseClick(bar, Qt.MouseButton.LeftButton, pos=place)

    def wait(self, condition: Callable[[], bool], seconds: float = 180) -> None:
        """Wait until something is so."""
        self.qtbot.waitUntil(condition, timeout=int(1000 * seconds))

    def type_model(self, text: object) -> str:
        """Type the folder of a model; gives what is said of it."""
        from qtpy.QtCore import Qt

        edit = self.panel.model.line.lineEdit()
        edit.clear()
        self.qtbot.keyClicks(edit, str(text))
        self.qtbot.keyClick(edit, Qt.Key.Key_Return)
        return self.note("model-facts")

    def choose(self, model: Path) -> None:
        """Type the folder of a model, and wait until image and model are known."""
        self.type_model(model)
        self.wait(self.panel.view_button.isEnabled)

    def say_axes(self, names: str) -> None:
        """Click on what the axes are, where the dock asks."""
        (button,) = [b for b in self.panel.image.answers if b.text() == names]
        self.click(button)

    def note(self, name: str) -> str:
        """Read one of the notes of the dock."""
        text = str(self.panel.findChild(object, name).text())
        return text.replace("\N{NO-BREAK SPACE}", " ")

    def run(self, button: Any) -> str:
        """Click, wait for the end, give what the dock says then."""
        self.click(button)
        assert self.panel.runner.busy, self.panel.activity.sentence.text()
        self.wait(lambda: not self.panel.runner.busy)
        return str(self.panel.activity.sentence.text())

    def results(self) -> list[Any]:
        """Give the labels layers that the dock made."""
        layers = self.viewer.layers
        return [layer for layer in layers if "level" in layer.metadata.get("ziggurat", {})]

    def result(self) -> Any:
        """Give the one labels layer that the dock made."""
        (layer,) = self.results()
        return layer


@pytest.fixture
def open_dock(
    display: None,
    make_napari_viewer: Callable[..., Any],
    qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """Give a function that opens a window, adds an image by a function of yours, and the dock."""
    import napari_ziggurat.gui.state as state

    docks: list[Dock] = []
    left = tmp_path_factory.mktemp("state") / "dock.json"  # how one test leaves it is no matter
    monkeypatch.setattr(state, "_file", lambda: left)

    def open_(
        add: Callable[[Any], Any] | None = None,
        size: tuple[int, int] = (1000, 700),
        tab: str = "Segment",
    ) -> Dock:
        from qtpy.QtWidgets import QApplication

        from napari_ziggurat.gui.panel import Panel

        viewer = make_napari_viewer(show=True)
        viewer.window.resize(*size)  # after it is shown: showing restores what was saved
        if add is not None:
            add(viewer)
        panel = Panel(viewer)
        viewer.window.add_dock_widget(panel, name="Ziggurat", area="right")
        QApplication.processEvents()
        docks.append(Dock(viewer, panel, qtbot))
        docks[-1].open_tab(tab)
        return docks[-1]

    yield open_
    docks.clear()


@pytest.fixture
def open_painter(open_dock: Any) -> Callable[..., Any]:
    """Give a function that opens a window on an image file, or on what a function adds."""

    from painter import Painter

    def open_(what: Any) -> Painter:
        def read_file(viewer: Any) -> None:
            from napari_ziggurat.gui.reader import read

            for data, options, kind in read(str(what)):
                getattr(viewer, f"add_{kind}")(data, **options)

        add = read_file if isinstance(what, Path) else what
        return Painter(open_dock(add, tab="Annotate && Train"))

    return open_
