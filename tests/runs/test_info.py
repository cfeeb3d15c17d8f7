"""What is told about an image."""

import json
from pathlib import Path

import numpy as np
import pytest

from napari_ziggurat.images import image_from_array, open_image
from napari_ziggurat.runs.info import describe, render


def test_a_description_is_json_and_tells_every_level(tmp_path: Path) -> None:
    levels = [np.zeros((2, 4, 600, 500), np.uint16), np.zeros((2, 4, 300, 250), np.uint16)]
    image = image_from_array(levels, axes="czyx", spacing=(2, 0.5, 0.5), unit="um", name="cells")
    found = json.loads(json.dumps(describe(image)))
    assert found["axes"] == "czyx"
    assert (found["shape"], found["dtype"], found["times"]) == ([4, 600, 500], "uint16", 1)
    assert found["channels"] == ["channel 0", "channel 1"]
    assert found["path"] is None
    assert found["bytes"] == sum(level.nbytes for level in levels)
    assert found["levels"][1] == {
        "level": 1, "shape": [4, 300, 250], "spacing": [2.0, 1.0, 1.0], "unit": "um",
        "translation": [0.0, 0.25, 0.25],
    }  # fmt: skip


def test_the_text_has_a_line_for_each_level() -> None:
    image = image_from_array(
        [np.zeros((4, 60, 50)), np.zeros((4, 30, 25))], axes="zyx", spacing=(2, 1, 1), unit="nm"
    )
    text = render(describe(image))
    assert "level 0   4 x 60 x 50, voxel 2 x 1 x 1 nm" in text
    assert "level 1   4 x 30 x 25, voxel 2 x 2 x 2 nm" in text


@pytest.mark.parametrize("unit", [None, "um"])
def test_a_missing_unit_is_said_with_the_way_out(unit: str | None, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 4), np.uint8))
    image = open_image(tmp_path / "a.npy", spacing=(1, 1), unit=unit)
    assert ("--unit um" in render(describe(image))) == (unit is None)
