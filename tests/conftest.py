"""What many tests share: one small drawn volume, and the real data where they are."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

if importlib.util.find_spec("hypothesis"):  # other readers are tried without it
    from hypothesis import settings

    settings.register_profile("any speed", deadline=None)  # no test may fail on a slow machine
    settings.load_profile("any speed")


@dataclass(frozen=True)
class DrawnVolume:
    """A small volume with blobs of two classes.

    ``image`` is uint8 (16, 64, 64), ``labels`` uint8 of the same shape: 0 background, 1 large
    bright blobs, 2 small dark blobs.
    """

    image: NDArray[Any]
    labels: NDArray[Any]
    spacing: tuple[float, float, float] = (0.2, 0.1, 0.1)
    unit: str = "um"


def draw_volume(seed: int = 0) -> DrawnVolume:
    """Draw blobs of two classes that differ in size and brightness, with noise."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((16, 64, 64), np.uint8)
    z, y, x = np.indices(labels.shape)
    for value, radius, count in ((1, 9.0, 6), (2, 4.0, 14)):
        for centre in rng.uniform((2, 8, 8), (14, 56, 56), (count, 3)):
            # Planes lie twice as far apart as pixels.
            distance = (2 * (z - centre[0])) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2
            labels[distance < radius**2] = value
    grey = np.array([100.0, 190.0, 30.0])[labels] + rng.normal(0, 12, labels.shape)
    return DrawnVolume(np.clip(grey, 0, 255).astype(np.uint8), labels)


@pytest.fixture(scope="session")
def drawn_volume() -> DrawnVolume:
    """Give the drawn volume; its arrays cannot be written to."""
    volume = draw_volume()
    volume.image.setflags(write=False)
    volume.labels.setflags(write=False)
    return volume


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Give the folder of real data sets that may lie beside the repository."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (folder / "index.json").exists():
        pytest.skip(f"needs the real data sets, which are not at {folder.parent.name}/data")
    return folder
