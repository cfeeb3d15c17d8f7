"""Strokes that can be painted again from their number, in a process that is killed meanwhile."""

import os
import signal
import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box
from napari_ziggurat.images import Image, image_from_array
from napari_ziggurat.images.annotation_store import AnnotationStore
from napari_ziggurat.images.annotation_store import drafts as drafts_module
from napari_ziggurat.images.annotation_store import history as history_module

SHAPE = (40, 300, 300)

MOMENTS = (
    "within the drafts",
    "before the history",
    "within the history",
    "after the history",
    "within the chunks",
    "after the chunks",
)


def image(shape: tuple[int, ...] = SHAPE, seed: int = 0) -> Image:
    voxels = np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8)
    axes = {2: "yx", 3: "zyx", 4: "tzyx"}[len(shape)]
    return image_from_array(
        voxels, axes=axes, spacing=(2.0, 0.5, 0.5)[-min(len(shape), 3) :], unit="um"
    )


def stroke(number: int) -> tuple[Box, NDArray[np.uint8], NDArray[np.bool_]]:
    """Give a stroke of several chunks that erases, paints and marks background."""
    rng = np.random.default_rng(number)
    start = [int(rng.integers(0, n - 20)) for n in SHAPE]
    size = [int(rng.integers(2, 20)), *map(int, rng.integers(20, 200, 2))]
    stop = [min(a + b, n) for a, b, n in zip(start, size, SHAPE, strict=True)]
    box = Box(tuple(start), tuple(stop))
    values = rng.choice(np.array([0, 1, 2, 254, 255], np.uint8), box.shape)
    return box, values, rng.random(box.shape) < 0.5


def paint(store: AnnotationStore, number: int) -> None:
    """Paint a stroke; every seventh completes a box."""
    (box, values, mask) = stroke(number)
    if number % 7 == 0:
        store.complete(box)
    else:
        store.write(box, values, mask)


def replayed(last: int) -> NDArray[np.uint8]:
    """Give what the strokes up to a number leave."""
    truth = np.zeros(SHAPE, np.uint8)
    for number in range(1, last + 1):
        (box, values, mask) = stroke(number)
        part = truth[box.slices]
        if number % 7 == 0:
            part[part == 0] = 255
        else:
            part[mask] = values[mask]
    return truth


def last_number(store: AnnotationStore) -> int:
    return max((record.number for record in store.history()), default=0)


def paint_until_killed(path: Path, told: Path, moment: str, after: float) -> None:
    """Paint stroke after stroke, noting each that was acknowledged, and die.

    Parameters
    ----------
    path, told : Path
        The annotation, and a file that gets a byte for each acknowledged stroke.
    moment : str
        One of `MOMENTS`, or empty to die at a time.
    after : float
        Seconds, or part of the strokes that are painted before that moment counts.
    """
    store = AnnotationStore.open(path, write=True)
    number = last_number(store)
    if moment:
        _die_at(moment, 1 + int(after * 4))
    else:
        threading.Timer(after, _die).start()
    while True:
        number += 1
        paint(store, number)
        with told.open("ab") as file:
            file.write(b".")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_at(moment: str, strokes: int) -> None:
    left = [strokes]
    append, line = history_module.History.append, history_module.Record.line
    add, put = drafts_module.Drafts.add, drafts_module.Drafts._put
    whole = drafts_module.Drafts.put_in_place

    def now(when: str) -> bool:
        return left[0] <= 0 and when == moment

    def dies_within_the_drafts(self, index, voxels):
        add(self, index, voxels)
        if now("within the drafts"):
            _die()

    def dies_around_the_history(self, record):
        if now("before the history"):
            _die()
        append(self, record)
        if now("after the history"):
            _die()

    def dies_within_the_history(self):
        text = line(self)
        if not now("within the history"):
            return text
        os.fsync = lambda _: _die()  # the torn line has been given to the system
        return text[: len(text) // 2]

    def dies_within_the_chunks(self, draft):
        place = put(self, draft)
        if now("within the chunks"):
            _die()
        return place

    def dies_after_the_chunks(self):
        whole(self)
        if now("after the chunks"):
            _die()
        left[0] -= 1

    history_module.History.append = dies_around_the_history
    history_module.Record.line = dies_within_the_history
    drafts_module.Drafts.add = dies_within_the_drafts
    drafts_module.Drafts._put = dies_within_the_chunks
    drafts_module.Drafts.put_in_place = dies_after_the_chunks
