"""Memory does not grow with the volume, and stays below what was allowed."""

import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
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
finish(segment(SegmentConfig(
    image=image, model=model, out=out, axes="zyx", threads=2, block=(4, 224, 224)
)))
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


def _run(*arguments: object) -> tuple[int, str]:
    """Peak memory of a command and all that it starts, and what it prints."""
    command = [sys.executable, "-m", "napari_ziggurat", *map(str, arguments)]
    process = psutil.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    peak = 0
    while process.poll() is None:
        with suppress(psutil.Error):
            family = [process, *process.children(recursive=True)]
            peak = max(peak, sum(each.memory_info().rss for each in family))
        time.sleep(0.005)
    assert process.returncode == 0, process.stdout.read()
    return peak, process.stdout.read()


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux", reason="resident memory is counted in other ways there"
)
def test_a_run_stays_below_the_memory_that_it_is_allowed(tmp_path: Path) -> None:
    save_model(
        tiny_model("zyx", features=(16, 16), window=(64,) * 3, rim=(8,) * 3), tmp_path / "model"
    )
    volume = np.random.default_rng(0).integers(0, 255, (96, 192, 192), dtype=np.uint8)
    np.save(tmp_path / "volume.npy", volume)
    where = [tmp_path / "volume.npy", "--axes", "zyx", "--model", tmp_path / "model"]
    command = ["segment", *where, "--out", tmp_path / "a.ome.zarr", "--precision", "float32"]
    _, said = _run(*command, "--threads", 1, "--dry-run", "--json")
    (plan,) = json.loads(said[said.index("{") :])["plans"].values()
    allowed = int(plan["memory_bytes"] * 1.03)
    peak, said = _run(*command, "--memory", f"{allowed}B")
    assert peak <= allowed
    assert peak > allowed / 2, "the estimate is of no use"
    assert "one window is computed at a time" in said
