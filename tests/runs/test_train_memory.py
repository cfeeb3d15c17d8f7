"""Training from strokes takes no more memory on a volume of 10^11 voxels than on a small one."""

import subprocess
import sys
from pathlib import Path

import pytest

_RUN = """
import resource, sys
from pathlib import Path
import numpy as np
from napari_ziggurat.geometry import Axes, Box, Spacing
from napari_ziggurat.images import OutputGrid, create_output, open_image
from napari_ziggurat.images.annotation_store import AnnotationStore
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import TrainConfig
from napari_ziggurat.runs.train import train

CHUNK = (32, 128, 128)

def run(folder, shape):
    folder.mkdir()
    spacing, origin = Spacing((1.0,) * 3, "um"), (0.0,) * 3
    grid = OutputGrid(Axes("zyx"), shape, np.dtype("uint8"), spacing, origin, CHUNK, CHUNK)
    voxels = create_output(folder / "v.ome.zarr", grid, kind="image")[0]
    rng = np.random.default_rng(0)
    far = tuple(n - m for n, m in zip(shape, CHUNK))
    for start in ((0, 0, 0), far):  # all other chunks are missing
        stop = tuple(a + n for a, n in zip(start, CHUNK))
        voxels[Box(start, stop).slices] = rng.integers(0, 255, CHUNK).astype(np.uint8)
    image = open_image(folder / "v.ome.zarr")
    with AnnotationStore.create(image) as store:
        for start in ((0, 0, 0), far):
            for z, value in ((4, 1), (20, 255)):
                a = tuple(s + o for s, o in zip(start, (z, 10, 10)))
                stroke = Box(a, tuple(s + n for s, n in zip(a, (2, 20, 60))))
                store.write(stroke, np.full(stroke.shape, value, np.uint8))
    result = finish(train(TrainConfig(
        image=folder / "v.ome.zarr", annotation=store.path, out=folder / "model", steps=5,
        patch=(8, 32, 32), batch=2, features=4, depth=2, device="cpu",
    )))
    assert result.steps == 5
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

folder = Path(sys.argv[1])
print(run(folder / "small", (64, 256, 256)), run(folder / "huge", (1000, 10_000, 10_000)))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no module `resource`")
def test_strokes_at_two_far_corners_of_a_huge_volume_need_no_more_memory(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    small, huge = map(int, done.stdout.split()[-2:])
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    # Labels are looked through 2^24 voxels at a time, which takes 245 MB; the small volume is less.
    assert (huge - small) * unit < 400 * 2**20
