"""Ctrl-C and SIGTERM leave a state from which the same command goes on."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_ziggurat.geometry import Box
from napari_ziggurat.images import open_image

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="a signal ends a process at once there"
)

TRAIN = ["--patch", "32,32", "--depth", "2", "--features", "8", "--batch", "2", "--device", "cpu"]


def start(*arguments: object) -> subprocess.Popen[str]:
    code = "from napari_ziggurat.cli import main; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def stop_in(process: subprocess.Popen[str], stage: str, number: signal.Signals) -> str:
    """Send a signal when a stage has begun; give what comes on stderr after that."""
    for line in process.stderr:
        if line.startswith(stage):
            break
    process.send_signal(number)
    (_, rest) = process.communicate(timeout=60)
    return rest


def draw(folder: Path, side: int) -> tuple[Path, Path]:
    image = np.random.default_rng(0).integers(0, 200, (side, side)).astype(np.uint8)
    labels = np.zeros((side, side), np.uint8)
    labels[10:40, 10:40] = 1
    tifffile.imwrite(folder / "image.tif", image)
    tifffile.imwrite(folder / "labels.tif", labels)
    return folder / "image.tif", folder / "labels.tif"


@pytest.mark.slow
def test_an_interrupted_run_goes_on_to_the_same_result(tmp_path):
    (image, labels) = draw(tmp_path, 64)
    model = tmp_path / "model"
    files = ["--image", image, "--labels", labels, "--out", model]
    assert start("train", *files, *TRAIN, "--steps", 2).wait(timeout=120) == 0
    (image, _) = draw(tmp_path, 2500)
    outs = [tmp_path / "whole.ome.zarr", tmp_path / "resumed.ome.zarr"]
    commands = [["segment", image, "--model", model, "--out", out] for out in outs]
    assert start(*commands[0]).wait(timeout=300) == 0
    interrupted = start(*commands[1])
    said = stop_in(interrupted, "segment", signal.SIGINT)
    assert interrupted.returncode == 130
    assert said.strip().splitlines()[-1].startswith("Interrupted")
    assert "Traceback" not in said
    assert start(*commands[1]).wait(timeout=300) == 0
    (whole, resumed) = (open_image(out).read(0, Box.whole((2500, 2500))) for out in outs)
    np.testing.assert_array_equal(whole, resumed)


@pytest.mark.slow
def test_a_terminated_training_goes_on(tmp_path):
    (image, labels) = draw(tmp_path, 64)
    model = tmp_path / "model"
    files = ["--image", image, "--labels", labels, "--out", model]
    command = ["train", *files, *TRAIN, "--steps", 60]
    stopped = start(*command)
    said = stop_in(stopped, "train", signal.SIGTERM)
    assert stopped.returncode == 130
    assert said.strip().splitlines()[-1].startswith("Interrupted")
    assert not (model / "model.json").exists()
    assert start(*command).wait(timeout=120) == 0
    assert json.loads((model / "model.json").read_text())["training"]["steps"] == 60
