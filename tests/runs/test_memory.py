"""Memory does not grow with the volume."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

from models import tiny_model
from napari_ziggurat.networks import save_model

_RUN = """
import resource, sys
from pathlib import Path
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import SegmentConfig
from napari_ziggurat.runs.segment import segment
image, model, out = map(Path, sys.argv[1:])
finish(segment(SegmentConfig(image=image, model=model, out=out, axes="zyx", threads=2)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def _peak(folder: Path, shape: tuple[int, ...]) -> int:
    """Peak memory of a process that segments a volume of this shape."""
    name = "x".join(map(str, shape))
    array = zarr.create_array(
        folder / f"{name}.zarr", shape=shape, chunks=(1, 512, 512), dtype="uint8"
    )
    plane = np.random.default_rng(0).integers(0, 255, shape[1:], dtype=np.uint8)
    for z in range(shape[0]):
        array[z] = plane
    arguments = [folder / f"{name}.zarr", folder / "model", folder / f"{name}.ome.zarr"]
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *map(str, arguments)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(done.stdout)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no module `resource`")
def test_sixteen_times_the_volume_needs_at_most_a_tenth_more_memory(tmp_path: Path) -> None:
    flat = tiny_model()
    spec = flat.spec.model_copy(
        update={"axes": "zyx", "spacing": (1.0,) * 3, "window": (1, 256, 256), "rim": (0, 16, 16)}
    )
    save_model(type(flat)(spec, flat.network), tmp_path / "model")
    small = _peak(tmp_path, (8, 512, 512))
    large = _peak(tmp_path, (32, 1024, 1024))
    assert large < 1.1 * small
