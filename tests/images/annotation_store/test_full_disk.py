"""A disk that fills up at any step costs the stroke at hand and nothing that was there."""

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_ziggurat.errors import InputError, WorkFailed
from napari_ziggurat.geometry import Box
from napari_ziggurat.images.annotation_store import AnnotationStore
from painting import SHAPE, image, last_number, paint, replayed

WHOLE = Box.whole(SHAPE)
STEPS = ("write_bytes", "mkdir", "replace", "unlink", "rmdir")


class Disk:
    """Fails at the n-th step that changes something, and at all that come after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = 10**9
        for name in STEPS:
            monkeypatch.setattr(Path, name, self._limited(getattr(Path, name)))
        monkeypatch.setattr(os, "fsync", self._limited(os.fsync))

    @property
    def is_full(self) -> bool:
        return self.left < 0

    def _limited(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def limited(*args: Any, **more: Any) -> Any:
            self.left -= 1
            if self.is_full and step.__name__ not in ("unlink", "rmdir"):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return step(*args, **more)

        return limited


@pytest.fixture
def store(tmp_path: Path) -> AnnotationStore:
    store = AnnotationStore.create(image(), place=tmp_path / "a.ome.zarr")
    for number in (1, 2):
        paint(store, number)
    return store


@pytest.mark.parametrize("reopened", [False, True])
def test_a_full_disk_leaves_what_was_there(
    store: AnnotationStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    reopened: bool,
) -> None:
    caplog.set_level(logging.ERROR)
    disk = Disk(monkeypatch)
    outcomes = []
    for step in range(200):
        number = last_number(store) + 1
        disk.left = step
        outcomes.append(_try_to_paint(store, number))
        was_full, disk.left = disk.is_full, 10**9
        done = number - (outcomes[-1] == "refused")
        np.testing.assert_array_equal(store.read(WHOLE), replayed(done))
        if reopened:
            store.close()
            store = AnnotationStore.open(store.path, write=True)
            np.testing.assert_array_equal(store.read(WHOLE), replayed(done))
        assert last_number(store) == done
        if not was_full:
            break
    assert not was_full
    assert set(outcomes) == {"refused", "painted"}
    assert outcomes.index("painted") >= 8  # drafts, folders and history are steps of their own


def _try_to_paint(store: AnnotationStore, number: int) -> str:
    try:
        paint(store, number)
    except WorkFailed as error:
        said = str(error)
    else:
        return "painted"
    assert "disk is full" in said
    assert "All earlier ones are there" in said
    return "refused"


def test_a_line_that_was_half_written_is_cut_off(
    store: AnnotationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (store.path / ".ziggurat" / "history.jsonl").read_bytes()
    opened = Path.open

    def half(self: Path, mode: str = "r", *args: Any, **more: Any) -> Any:
        file = opened(self, mode, *args, **more)
        return _Half(file) if mode == "ab" else file

    monkeypatch.setattr(Path, "open", half)
    with pytest.raises(WorkFailed, match="disk is full"):
        paint(store, 3)
    monkeypatch.undo()
    assert (store.path / ".ziggurat" / "history.jsonl").read_bytes() == before
    paint(store, 3)
    np.testing.assert_array_equal(store.read(WHOLE), replayed(3))


class _Half:
    """A file that takes half of what it is given."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __enter__(self) -> "_Half":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, content: bytes) -> None:
        self._file.write(content[: len(content) // 2])
        self._file.flush()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_folder_that_may_not_be_written_is_read(
    store: AnnotationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.close()

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with pytest.raises(InputError, match="Read-only file system"):
        AnnotationStore.open(store.path, write=True)
    reader = AnnotationStore.open(store.path)
    np.testing.assert_array_equal(reader.read(WHOLE), replayed(2))


def test_a_stroke_that_is_late_is_read_where_nothing_may_be_written(
    store: AnnotationStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", _full)
        paint(store, 3)
    assert "is safe" in caplog.text
    np.testing.assert_array_equal(store.read(WHOLE), replayed(3))
    store.close()
    with monkeypatch.context() as patch:
        patch.setattr("filelock.FileLock.acquire", _full)
        np.testing.assert_array_equal(AnnotationStore.open(store.path).read(WHOLE), replayed(3))
    np.testing.assert_array_equal(AnnotationStore.open(store.path).read(WHOLE), replayed(3))
    assert not list((store.path / ".ziggurat" / "pending").iterdir())


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
