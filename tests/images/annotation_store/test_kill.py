"""A process that paints is killed at any moment: every acknowledged stroke is there, whole."""

import multiprocessing
import random
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_ziggurat.geometry import Box
from napari_ziggurat.images import open_image
from napari_ziggurat.images.annotation_store import AnnotationStore
from painting import MOMENTS, SHAPE, image, last_number, paint_until_killed, replayed

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL"),
    pytest.mark.slow,
]

KILLS = 60

SERVER = multiprocessing.get_context("spawn" if sys.platform == "darwin" else "forkserver")
if sys.platform not in ("darwin", "win32"):
    SERVER.set_forkserver_preload(["napari_ziggurat.images.annotation_store", "painting"])


def test_every_acknowledged_stroke_is_whole_after_each_kill(tmp_path: Path) -> None:
    path, told = tmp_path / "a.ome.zarr", tmp_path / "told"
    told.touch()
    AnnotationStore.create(image(), place=path).close()
    chance = random.Random(0)
    endings = set()
    for kill in range(KILLS):
        moment = "" if kill % 2 else MOMENTS[kill // 2 % len(MOMENTS)]
        _life(path, told, moment, chance.random() * (1 if moment else 0.7))
        ahead = _check(path, told.stat().st_size, reader=kill % 3 == 0)
        endings.add((moment, ahead))
        told.write_bytes(b"." * (told.stat().st_size + ahead))
    assert {(moment, 0) for moment in MOMENTS[:3]} <= endings
    assert {(moment, 1) for moment in MOMENTS[3:]} <= endings
    assert told.stat().st_size > KILLS


def _life(path: Path, told: Path, moment: str, after: float) -> None:
    process = SERVER.Process(target=paint_until_killed, args=(path, told, moment, after))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL


def _check(path: Path, acknowledged: int, *, reader: bool) -> int:
    """Compare with the strokes painted again; tell whether the one in flight is there."""
    store = AnnotationStore.open(path, write=not reader)
    last = last_number(store)
    assert last - acknowledged in (0, 1)
    truth = replayed(last)
    whole = Box.whole(SHAPE)
    np.testing.assert_array_equal(store.read(whole), truth)
    np.testing.assert_array_equal(open_image(path).read(0, whole)[0], truth)
    assert [record.number for record in store.history()] == list(range(1, last + 1))
    assert store.unreadable_history() == 0
    store.close()
    return last - acknowledged
