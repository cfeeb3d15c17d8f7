"""What the dock remembers, and what its owner always wants."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("napari", reason="napari is not installed")
pytest.importorskip("pytestqt", reason="pytest-qt is not installed")
pytestmark = pytest.mark.gui


def plane(viewer: Any) -> None:
    viewer.add_image(np.zeros((64, 64), np.uint8), name="plane")


def test_the_dock_comes_back_as_it_was_left(
    open_dock: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import napari_ziggurat.gui.state as module

    monkeypatch.setattr(module, "_file", lambda: tmp_path / "dock.json")
    first = open_dock(plane).panel
    first.options.say({"blend": "yes", "nan_as": "0", "box": "0:8,0:8", "memory": "1GB"})
    first.annotate.train.settings.say({"learning_rate": "0.01"})
    first.objects.options.say({"min_size": "20"})
    again = open_dock(plane, tab="Segment").panel
    assert again.options.values == {"blend": "yes"}, "the others are of one image"
    assert again.annotate.train.settings.values == {"learning_rate": "0.01"}
    assert again.objects.options.values == {"min_size": "20"}
    assert module.last_state()["tab"] == "Segment"


@pytest.mark.parametrize(
    "text", ["", "[1]", '{"forms": 3, "tab": {}}', '{"forms": {"segment": 1}}']
)
def test_a_file_that_is_not_ours_is_taken_for_none(
    display: None, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    from qtpy.QtWidgets import QTabWidget

    import napari_ziggurat.gui.state as module
    from napari_ziggurat.gui.options_form import OptionsForm

    (tmp_path / "dock.json").write_text(text)
    monkeypatch.setattr(module, "_file", lambda: tmp_path / "dock.json")
    (form, tabs) = (OptionsForm(), QTabWidget())
    qtbot.addWidget(form)
    qtbot.addWidget(tabs)
    module.State({"segment": form}, tabs)
    assert form.values == {}


def test_preferences_are_those_of_napari(plugin_settings: Any, npe2pm: Any, tmp_path: Path) -> None:
    from napari.settings import get_plugin_settings
    from npe2 import PluginManifest

    import napari_ziggurat
    from napari_ziggurat.gui.preferences import Preferences, preferences

    assert preferences() == Preferences(), "napari does not know the plugin"
    package = Path(napari_ziggurat.__file__)
    npe2pm.register(PluginManifest.from_file(package.with_name("napari.yaml")))
    assert preferences() == Preferences()
    found = get_plugin_settings("napari-ziggurat")
    found.machine.device = "cpu"
    found.machine.memory = "8GB"
    found.folders.results = str(tmp_path)
    assert preferences() == Preferences("cpu", "8GB", tmp_path)
    assert preferences().machine == {"device": "cpu", "memory": "8GB"}


def test_preferences_are_filled_in_and_decide_where_results_go(
    open_dock: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import napari_ziggurat.gui.panel as module
    from napari_ziggurat.gui.preferences import Preferences

    monkeypatch.setattr(module, "preferences", lambda: Preferences("cpu", "1GB", tmp_path))
    dock = open_dock(plane)
    assert dock.panel.options.values == {"device": "cpu", "memory": "1GB"}
    assert dock.panel.annotate.train.settings.values == {"device": "cpu", "memory": "1GB"}
    dock.wait(lambda: dock.panel.annotate.ready)
    assert dock.panel.annotate.store.path.parent == tmp_path
