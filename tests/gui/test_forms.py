"""Forms made from configurations: each setting with its automatic value, help and own error."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("napari", reason="napari is not installed")
pytest.importorskip("pytestqt", reason="pytest-qt is not installed")
pytestmark = pytest.mark.gui

SAID = {
    "level": "1",
    "box": "0:4,0:8,0:8",
    "probabilities": "yes",
    "probability_type": "uint8",
    "augment": "flips,scales",
    "gate": "0.999",
    "version": "0.4",
    "nan_as": "0",
    "device": "cpu",
    "precision": "float32",
    "memory": "2GB",
    "window": "16,64,64",
    "rim": "0,8,8",
    "exact": "yes",
    "workers": "2",
}


def test_what_a_form_holds_is_what_it_was_told_and_makes_the_configuration(
    display: None, qtbot: Any
) -> None:
    from napari_ziggurat.gui.options_form import OptionsForm
    from napari_ziggurat.runs.config import SegmentConfig

    form = OptionsForm()
    qtbot.addWidget(form)
    assert form.values == {}
    assert form.button.text() == "More options"
    form.say(SAID)
    assert form.values == SAID
    assert form.button.text() == f"More options ({len(SAID)} set)"
    config = SegmentConfig.create({"image": "i", "model": "m", "out": "o", **form.values})
    assert config.window == (16, 64, 64)
    assert config.probabilities
    assert config.augment == ("flips", "scales")


def test_every_setting_says_what_holds_by_itself_and_what_it_does(
    display: None, qtbot: Any
) -> None:
    from qtpy.QtWidgets import QComboBox, QLineEdit

    from napari_ziggurat.gui.options_form import OptionsForm
    from napari_ziggurat.gui.train.settings_form import SettingsForm

    for form in (OptionsForm(), SettingsForm()):
        qtbot.addWidget(form)
        for field, entry in form.entries.items():
            assert str(form.config.model_fields[field].description) in entry.widget.toolTip()
            if isinstance(entry.widget, QLineEdit):
                assert entry.widget.placeholderText(), field
            if isinstance(entry.widget, QComboBox):
                assert entry.widget.itemText(0), field


def test_a_wrong_value_is_said_below_its_own_line_and_nowhere_else(
    display: None, qtbot: Any
) -> None:
    from napari_ziggurat.gui.options_form import OptionsForm

    form = OptionsForm()
    qtbot.addWidget(form)
    form.say({"level": "-1", "window": "16,64", "memory": "lots"})
    troubles = {field: e.trouble.text() for field, e in form.entries.items() if e.trouble.text()}
    assert set(troubles) == {"level", "memory"}
    assert "cannot be '-1'" in troubles["level"]
    assert "such as 8GB" in troubles["memory"]
    assert not form.right
    form.say({"level": "1", "memory": "8GB"})
    assert form.right


def test_what_is_chosen_for_an_image_and_a_model_is_shown(
    display: None, qtbot: Any, make_model: Any
) -> None:
    from napari_ziggurat.gui.options_form import OptionsForm
    from napari_ziggurat.images import image_from_array
    from napari_ziggurat.networks.checkpoint import read_spec

    form = OptionsForm()
    qtbot.addWidget(form)
    voxels = np.zeros((4, 64, 64), np.uint8)
    levels = [voxels, voxels[:, ::2, ::2]]
    image = image_from_array(levels, axes="zyx", spacing=(2.0, 0.5, 0.5), unit="um")
    spec = read_spec(make_model(spacing=(2.0, 1.0, 1.0)))
    form.show_choice(image, spec)
    assert form.entries["level"].widget.placeholderText() == "1 of 0 to 1"
    window = ",".join(map(str, spec.window))
    assert form.entries["window"].widget.placeholderText() == f"{window} voxels"


def test_settings_of_a_live_training_are_those_of_its_form(
    open_painter: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import napari_ziggurat.gui.train.train_box as module

    begun: list[Any] = []

    class Stub(module.Live):
        def run(self) -> Any:
            begun.append(self._config)
            yield from ()

    monkeypatch.setattr(module, "Live", Stub)
    painter = open_painter(lambda viewer: viewer.add_image(np.zeros((64, 64), np.uint8)))
    painter.annotate(tmp_path / "strokes.ome.zarr")
    box = painter.tab.train
    painter.dock.click(box.settings.button)
    form = box.settings
    painter.dock.qtbot.keyClicks(form.entries["learning_rate"].widget, "-1")
    painter.dock.click(box.button)
    assert "⚠ A setting under Advanced is wrong" in box.text.text()
    assert not begun
    form.say({"learning_rate": "0.01", "features": "8"})
    painter.dock.click(box.button)
    painter.dock.wait(lambda: box.button.text() == "Continue")
    (config,) = begun
    assert (config.learning_rate, config.features) == (0.01, 8)
    assert not form.form.isEnabled(), "a training keeps what it began with"
    painter.dock.click(box.again_button)
    assert "click once more" in box.text.text()
    painter.dock.click(box.again_button)
    assert box.button.text() == "Train"
    assert form.form.isEnabled()
