"""Sample data: what lies in the folder is what its generator draws."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from napari_ziggurat.geometry import Box
from napari_ziggurat.images import open_image

FOLDER = Path(__file__).parent.parent / "sample_data"
NAMES = sorted(p.name for p in FOLDER.iterdir() if p.suffix in (".tif", ".png"))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample_data")
    runpy.run_path(str(FOLDER / "generate.py"))["main"](folder)
    return folder


def test_sample_data_is_small_and_complete() -> None:
    assert len(NAMES) == 6
    assert sum(p.stat().st_size for p in FOLDER.rglob("*") if p.is_file()) < 2_000_000


@pytest.mark.parametrize("name", NAMES)
def test_generator_draws_what_is_there(drawn: Path, name: str) -> None:
    there, anew = (open_image(folder / name) for folder in (FOLDER, drawn))
    assert there.levels == anew.levels
    box = Box.whole(there.levels[0].shape)
    # Another BLAS rounds otherwise, which may move a voxel here and there by one grey value.
    same = there.read(0, box) == anew.read(0, box)
    assert np.mean(same) > 0.999


def test_volume_says_its_axes_and_spacing() -> None:
    image = open_image(FOLDER / "volume_image.ome.tif")
    assert image.axes.names == "zyx"
    assert image.levels[0].spacing.values == (2.0, 0.5, 0.5)
