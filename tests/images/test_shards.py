"""Shards are replaced as a whole, and nothing that happens to a draft loses what is stored."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_ziggurat.geometry import Axes, Spacing
from napari_ziggurat.images import OutputGrid, create_output
from napari_ziggurat.images.shards import stored_files, write_shards

WHOLE = (slice(0, 20), slice(0, 30))


def _array(folder: Path, version: str = "0.5") -> Any:
    grid = OutputGrid(
        Axes("yx"), (20, 30), np.dtype(np.uint8), Spacing((1.0, 1.0)), (0.0, 0.0), (4, 5), (8, 10)
    )
    return create_output(folder / "a.ome.zarr", grid, kind="labels", version=version)[0]


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_what_is_written_is_read_again_and_zeros_are_not_stored(
    tmp_path: Path, version: str
) -> None:
    array = _array(tmp_path, version)
    voxels = np.random.default_rng(0).integers(1, 9, (20, 30), dtype=np.uint8)
    write_shards(array, WHOLE, voxels, tmp_path / "draft")
    assert np.array_equal(array[:], voxels)
    voxels[8:16, 10:20] = 0
    write_shards(array, WHOLE, voxels, tmp_path / "draft")
    assert np.array_equal(array[:], voxels)
    empty = list(stored_files(array, (slice(8, 16), slice(10, 20))))
    assert empty
    assert not any(path.exists() for path in empty)


def test_a_damaged_shard_is_replaced(tmp_path: Path) -> None:
    array = _array(tmp_path)
    voxels = np.ones((20, 30), np.uint8)
    write_shards(array, WHOLE, voxels, tmp_path / "draft")
    for path in stored_files(array, WHOLE):
        path.write_bytes(b"half a sha")
    write_shards(array, WHOLE, voxels, tmp_path / "draft")
    assert np.array_equal(array[:], voxels)


def test_a_draft_that_somebody_removes_is_an_error_and_the_shard_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = _array(tmp_path)
    voxels = np.ones((20, 30), np.uint8)
    write_shards(array, WHOLE, voxels, tmp_path / "draft")
    monkeypatch.setattr("zarr.Array.from_dict", lambda *_: np.empty((20, 30)))
    with pytest.raises(FileNotFoundError):
        write_shards(array, WHOLE, voxels, tmp_path / "draft")
    assert np.array_equal(array[:], voxels)
