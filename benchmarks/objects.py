"""Objects: how fast they are cut at necks, and what memory ten million of them take.

    python benchmarks/objects.py [FRAGMENTS]
    python benchmarks/objects.py split

With ``split``, a plane of 4096 voxels a side and a volume of 192 full of blobs that touch are cut
as one block, by their distance to the border and by shapes that a network could tell, each in a
process of its own.

Blocks of a volume of 2560 voxels a side (2^34 addresses) are given fragments that were drawn at
random instead of being found, so that only what grows with the number of objects is run: the
union-find, the final numbers, and the table. The peak is that of the process.
"""

import multiprocessing
import resource
import shutil
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
from scipy import ndimage

from napari_ziggurat.geometry import Box
from napari_ziggurat.images import image_from_array
from napari_ziggurat.inference.objects import Faces, Fragments, Ground, Saddles, merge_basins
from napari_ziggurat.networks import ObjectSettings
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import ObjectsConfig
from napari_ziggurat.runs.objects.files import Files
from napari_ziggurat.runs.objects.join import join
from napari_ziggurat.runs.objects.parting import Parting
from napari_ziggurat.runs.objects.plan import ObjectsPlan
from napari_ziggurat.runs.objects.rows import rows
from napari_ziggurat.runs.objects.table import Tables
from napari_ziggurat.runs.objects.voxels import ClassVoxels

SIDE, BLOCK, FACE = 2560, 256, 64
TOUCHING = 0.2  # part of the pixels of a face with a fragment


class _Nothing:
    """An array that is asked for its shape alone."""

    shape = (SIDE, SIDE, SIDE)
    dtype = np.dtype(np.uint8)

    def __getitem__(self, key):
        raise AssertionError("no voxel is read")


def _drawn(plan: ObjectsPlan, number: int, count: int, rng: np.random.Generator) -> Fragments:
    start = np.array(plan.ground(number).box.start)
    places = rng.integers(0, BLOCK - 8, (count, 3))
    voxels = rng.integers(1, 400, count)
    first = voxels[:, None] * places
    pairs = [first[:, a] * places[:, b] for a in range(3) for b in range(a, 3)]
    anchors = plan.ground(number).anchor(tuple(places.T))
    return Fragments(
        classes=np.ones(count, np.int64),
        voxels=voxels,
        anchors=anchors,
        starts=places + start,
        stops=places + start + 8,
        first=first,
        second=np.stack(pairs, axis=1),
        intensity=np.zeros((count, 0), np.int64),
        confidence=np.zeros(0, np.int64),
    )


def _faces(count: int, rng: np.random.Generator) -> Faces:
    planes = {}
    for name in (f"{axis}{side}" for axis in range(3) for side in "-+"):
        coarse = rng.integers(1, count + 1, (FACE // 4, FACE // 4), np.uint32)
        coarse[rng.random(coarse.shape) > TOUCHING] = 0
        planes[name] = coarse.repeat(4, 0).repeat(4, 1)
    return Faces(planes, 3)


def _say(what: str, began: float) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{what:<28}{time.monotonic() - began:8.1f} s, peak of the process {peak:.2f} GB")


def main(fragments: int) -> None:
    folder = Path(tempfile.mkdtemp())
    config = ObjectsConfig(labels=folder / "none", out=folder / "none.ome.zarr")
    image = image_from_array(_Nothing(), axes="zyx")
    plan = ObjectsPlan(ClassVoxels(image), config, None, 0, (BLOCK,) * 3, (64,) * 3)
    files, rng = Files(folder / "fragments"), np.random.default_rng(0)
    began, count = time.monotonic(), fragments // plan.blocks
    for number in range(plan.blocks):
        files.save(number, _drawn(plan, number, count, rng), _faces(count, rng))
    _say("before", began)
    began = time.monotonic()
    report = finish(join(plan, files))
    _say("join and number", began)
    began = time.monotonic()
    Tables(folder / "objects.csv").write(rows(plan, files, report.objects))
    _say("table", began)
    print(report)
    shutil.rmtree(folder)


def _blobs(shape: tuple[int, ...]) -> np.ndarray:
    """Noise that was smoothed to blobs of some ten voxels, half of the image."""
    noise = np.random.default_rng(0).random(shape, np.float32)
    return ndimage.gaussian_filter(noise, 4, mode="wrap")


def _cut(side: int, dims: int, shapes: bool) -> None:
    """Cut one image, and say how fast it was."""
    shape = (side,) * dims
    smooth = _blobs(shape)
    low, high = np.median(smooth), smooth.max()
    classes = (smooth > low).astype(np.uint8)
    distance = np.clip((smooth - low) / (high - low), 0, 1)
    stored = (
        np.rint(255 * np.stack([1.0 - classes, classes, 0 * distance, distance])).astype(np.uint8)
        if shapes
        else classes
    )
    source = image_from_array(stored, axes="c" * shapes + "zyx"[-dims:])
    told = ((0, 1), False, ("boundary", "distance")) if shapes else ((), False)
    settings = ObjectSettings(split=0.8)
    parting = Parting(ClassVoxels(source, *told), settings, "full", (1.0,) * dims)
    ground = Ground(Box.whole(shape), shape)
    began = time.process_time()
    found = parting.find(ground)
    seconds = time.process_time() - began
    tracemalloc.start()
    parting.find(ground)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    kept = found.basins
    saddles = Saddles(kept["saddle_pairs"], kept["saddle_depths"], kept["saddle_places"])
    began = time.process_time()
    necks = merge_basins(saddles, kept["bottoms"], 0.8, parting.least).necks
    merging, objects = time.process_time() - began, found.count - np.count_nonzero(~necks.cut)
    print(
        f"{'shapes' if shapes else 'labels'} {side}^{dims}: {seconds:.1f} s "
        f"({classes.size / seconds / 1e6:.1f} million voxels/s), {merging:.2f} s to merge "
        f"{found.count} basins to {objects} objects, {peak / classes.size:.0f} bytes a voxel"
    )


def split() -> None:
    for side, dims in ((4096, 2), (192, 3)):
        for shapes in (False, True):
            process = multiprocessing.get_context("spawn").Process(
                target=_cut, args=(side, dims, shapes)
            )
            process.start()
            process.join()


if __name__ == "__main__":
    if sys.argv[1:] == ["split"]:
        split()
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 10**7)
