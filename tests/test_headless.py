"""The base installation works without napari and Qt.

Runs in the tox environment ``headless``; elsewhere napari may well be installed.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_ziggurat.geometry import Box
from napari_ziggurat.images import open_image

pytestmark = [
    pytest.mark.headless,
    pytest.mark.skipif(
        "ZIGGURAT_HEADLESS" not in os.environ, reason="runs in the tox environment 'headless'"
    ),
]


@pytest.mark.parametrize("package", ["napari", "PyQt6", "PyQt5", "PySide6", "PySide2"])
def test_window_packages_are_absent(package: str) -> None:
    assert importlib.util.find_spec(package) is None


@pytest.mark.parametrize("command", ["info", "train", "segment", "evaluate", "demo"])
def test_commands_explain_themselves(command: str) -> None:
    assert "Usage" in ziggurat(command, "--help")


def test_doctor_and_networks_answer() -> None:
    assert json.loads(ziggurat("doctor", "--json"))
    assert json.loads(ziggurat("networks", "--json"))


def test_an_image_is_trained_on_segmented_and_scored(tmp_path: Path) -> None:
    labels = np.zeros((64, 64), np.uint8)
    labels[16:40, 20:50] = 1
    np.save(tmp_path / "image.npy", labels * np.uint8(150))
    np.save(tmp_path / "labels.npy", labels)
    (image, truth, model) = (str(tmp_path / n) for n in ("image.npy", "labels.npy", "model"))
    out = str(tmp_path / "out.ome.zarr")
    tiny = ("--steps", "2", "--patch", "32,32", "--features", "4", "--depth", "2")
    ziggurat("train", "--image", image, "--labels", truth, "--out", model, *tiny)
    ziggurat("segment", image, "--model", model, "--out", out)
    found = open_image(out).read(0, Box.whole(labels.shape))[0]
    dice = 2 * np.sum((found == 1) & (labels == 1)) / (np.sum(found == 1) + np.sum(labels == 1))
    score = json.loads(ziggurat("evaluate", out, truth, "--json"))
    assert score["mean_dice"] == pytest.approx(dice)
    perfect = json.loads(ziggurat("evaluate", truth, truth, "--json"))
    assert perfect["mean_dice"] == 1


def ziggurat(*arguments: str) -> str:
    """Run the installed command; give what it printed."""
    command = Path(sys.executable).with_name("ziggurat")
    done = subprocess.run([command, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
