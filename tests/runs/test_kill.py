"""Processes that are killed at any moment leave a run that ends with the bytes of a calm one."""

import multiprocessing
import random
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from dying import MOMENTS, run_and_die, run_for
from models import tiny_model
from napari_ziggurat.images import read_record
from napari_ziggurat.networks import save_model
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import SegmentConfig
from napari_ziggurat.runs.segment import segment
from stores import files_of

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL"),
    pytest.mark.slow,
]

KILLS = 20


@pytest.fixture
def config(tmp_path: Path) -> SegmentConfig:
    """A plane with a coarser level, in blocks of a few windows, with probabilities."""
    save_model(tiny_model(), tmp_path / "model")
    plane = np.random.default_rng(0).integers(0, 255, (1100, 96), dtype=np.uint8)
    np.save(tmp_path / "plane.npy", plane)
    return SegmentConfig(
        image=tmp_path / "plane.npy",
        model=tmp_path / "model",
        out=tmp_path / "out.ome.zarr",
        block=(16, 48),
        probabilities=True,
        device="cpu",
        threads=2,
    )


def _in_a_process(target, *arguments) -> int | None:
    process = SERVER.Process(target=target, args=arguments)
    process.start()
    process.join(120)
    return process.exitcode


SERVER = multiprocessing.get_context("spawn" if sys.platform == "darwin" else "forkserver")
if sys.platform != "darwin" and sys.platform != "win32":
    SERVER.set_forkserver_preload(["napari_ziggurat.runs.segment", "dying", "torch"])


def test_a_run_that_is_killed_again_and_again_ends_with_the_bytes_of_a_calm_one(
    config: SegmentConfig,
) -> None:
    calm = config.model_copy(update={"out": config.out.with_name("calm.ome.zarr")})
    finish(segment(calm))
    chance = random.Random(0)
    for kill in range(KILLS):
        if kill % 5 == 4:
            code = _in_a_process(run_for, config, chance.uniform(0.0, 0.15))
        else:
            code = _in_a_process(run_and_die, config, MOMENTS[kill % 5], chance.randrange(0, 3))
        assert code == -signal.SIGKILL, "the run ended before it was killed"
    record = read_record(config.out)
    assert record is None or record["status"] == "running"
    finish(segment(config))
    for out in (config.out, config.out.with_name("out_probabilities.ome.zarr")):
        wanted = files_of(out.with_name(out.name.replace("out", "calm")))
        assert files_of(out) == wanted


def test_a_finished_run_of_a_killed_one_can_be_verified(config: SegmentConfig) -> None:
    assert _in_a_process(run_and_die, config, MOMENTS[2], 4) == -signal.SIGKILL
    finish(segment(config))
    said = [p.message for p in segment(config.model_copy(update={"verify": True})) if p.message]
    assert any("are as they were written" in message for message in said)
    assert any("complete already" in message for message in said)
