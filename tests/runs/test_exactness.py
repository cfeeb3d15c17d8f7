"""The result is a function of image, model and settings, whoever computes it and how it is cut."""

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clusters import cluster
from models import tiny_model
from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import image_from_array, open_image
from napari_ziggurat.networks import save_model
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import SegmentConfig
from napari_ziggurat.runs.plan.options import SegmentOptions
from napari_ziggurat.runs.segment import segment, segment_image
from napari_ziggurat.runs.workers import crew as crew_module
from napari_ziggurat.runs.workers import dask_cluster
from napari_ziggurat.runs.workers.processes import Processes
from stores import files_of

PLANE = np.random.default_rng(0).integers(0, 255, (70, 101), dtype=np.uint8)
TALL = np.random.default_rng(0).integers(0, 255, (560, 96), dtype=np.uint8)  # with a coarser level


def _arrays(store: Path) -> list[NDArray[Any]]:
    image = open_image(store)
    return [image.read(number, Box.whole(level.shape)) for number, level in enumerate(image.levels)]


def _both(out: Path) -> list[NDArray[Any]]:
    """Labels and probabilities at every level."""
    probabilities = out.with_name(out.name.replace(".ome.zarr", "_probabilities.ome.zarr"))
    return _arrays(out) + _arrays(probabilities)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), blend=st.booleans())
def test_labels_and_probabilities_are_the_same_for_every_partition(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, blend: bool
) -> None:
    folder, image, model = (
        tmp_path_factory.mktemp("cut"),
        image_from_array(PLANE, axes="yx"),
        tiny_model(),
    )
    block = tuple(data.draw(st.integers(1, n)) for n in PLANE.shape)
    threads = data.draw(st.integers(1, 3))
    whole = SegmentOptions(probabilities=True, blend=blend, block=PLANE.shape, threads=1)
    cut = SegmentOptions(probabilities=True, blend=blend, block=block, threads=threads)
    finish(segment_image(image, model, whole, folder / "whole.ome.zarr"))
    finish(segment_image(image, model, cut, folder / "cut.ome.zarr"))
    for a, b in zip(_both(folder / "whole.ome.zarr"), _both(folder / "cut.ome.zarr"), strict=True):
        assert np.array_equal(a, b)


def test_blending_changes_probabilities_around_the_borders_of_cells_only(tmp_path: Path) -> None:
    image, model = image_from_array(PLANE, axes="yx"), tiny_model(rim=(8, 8), window=(48, 48))
    found = []
    for blend in (False, True):
        out = tmp_path / f"{blend}.ome.zarr"
        options = SegmentOptions(probabilities=True, blend=blend, precision="float32")
        finish(segment_image(image, model, options, out))
        found.append(_both(out)[1])
    differs = (found[0] != found[1]).any(axis=0)
    near = np.zeros(PLANE.shape, bool)
    for border in (32, 64):
        near[border - 4 : border + 4] = True
    for border in (32, 64, 96):
        near[:, border - 4 : border + 4] = True
    assert differs.any()
    assert not differs[~near].any()
    np.testing.assert_allclose(found[1].sum(axis=0), 1, atol=1e-5)


@pytest.mark.parametrize(("kind", "error"), [("float16", 1e-3), ("uint8", 1 / 255)])
def test_probabilities_are_stored_in_the_type_that_was_asked_for(
    kind: str, error: float, tmp_path: Path
) -> None:
    image, found = image_from_array(PLANE, axes="yx"), {}
    for name in ("float32", kind):
        out = tmp_path / f"{name}.ome.zarr"
        options = SegmentOptions(probabilities=True, probability_type=name)
        finish(segment_image(image, tiny_model(), options, out))
        found[name] = _both(out)[1]
    assert found[kind].dtype == kind
    scale = 255 if kind == "uint8" else 1
    np.testing.assert_allclose(found[kind] / scale, found["float32"], atol=error)


@pytest.fixture
def config(tmp_path: Path) -> SegmentConfig:
    """Blocks of a few windows, two levels, probabilities."""
    save_model(tiny_model(), tmp_path / "model")
    np.save(tmp_path / "plane.npy", TALL)
    return SegmentConfig(
        image=tmp_path / "plane.npy", model=tmp_path / "model", out=tmp_path / "out.ome.zarr",
        block=(48, 48), probabilities=True, device="cpu", threads=1,
    )  # fmt: skip


@pytest.fixture
def calm(config: SegmentConfig, tmp_path: Path) -> dict[str, str]:
    """Files of a run by one process."""
    calm = config.model_copy(update={"out": tmp_path / "calm.ome.zarr", "threads": 2})
    finish(segment(calm))
    return _files(calm.out)


def _files(out: Path) -> dict[str, str]:
    probabilities = out.with_name(out.name.replace(".ome.zarr", "_probabilities.ome.zarr"))
    more = {f"probabilities/{name}": sha for name, sha in files_of(probabilities).items()}
    return files_of(out) | more


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
def test_several_processes_write_the_same_files(
    workers: int, config: SegmentConfig, calm: dict[str, str]
) -> None:
    finish(segment(config.model_copy(update={"workers": workers})))
    assert _files(config.out) == calm


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_worker_process_that_is_killed_is_replaced(
    config: SegmentConfig, calm: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Processes] = []
    collect = Processes.collect

    def kills_one(self: Processes) -> Any:
        reports = collect(self)
        if not started and any(report.state == "done" for report in reports):
            started.append(self)
            os.kill(self.pids[0], signal.SIGKILL)
        return reports

    monkeypatch.setattr(Processes, "collect", kills_one)
    finish(segment(config.model_copy(update={"workers": 2})))
    assert started
    assert _files(config.out) == calm


@pytest.mark.slow
def test_parts_share_the_blocks_and_the_last_one_finishes(
    config: SegmentConfig, calm: dict[str, str]
) -> None:
    parts = [config.model_copy(update={"part": f"{number}/3"}) for number in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda part: finish(segment(part)), parts))
    assert _files(config.out) == calm
    assert not list(config.out.parent.glob(".*.parts"))
    logs = list((config.out / ".ziggurat" / "blocks").iterdir())
    assert sum(len(log.read_bytes().splitlines()) for log in logs) == _tasks(config)


def test_a_part_does_what_a_dead_one_left(config: SegmentConfig, calm: dict[str, str]) -> None:
    leases = crew_module.lease_folder(config.out)
    leases.mkdir()
    (leases / "3").touch()  # the lease of a process that died long ago
    os.utime(leases / "3", (0, 0))
    (leases / "5").touch()  # and of one that is alive
    said = [p.message for p in segment(config.model_copy(update={"part": "1/2"})) if p.message]
    assert "left to other processes" in said[-1]
    (leases / "5").unlink()
    finish(segment(config.model_copy(update={"part": "1/2"})))
    assert _files(config.out) == calm


def _tasks(config: SegmentConfig) -> int:
    return 12 * 2 + 6  # blocks of 48 x 48 in 560 x 96, and in 280 x 48


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_dask_cluster_writes_the_same_files_though_a_worker_is_killed(
    config: SegmentConfig, calm: dict[str, str]
) -> None:
    with cluster() as client:
        run = segment(config, client)
        for _ in run:
            if len(list((config.out / ".ziggurat" / "blocks").glob("*"))) > 0:
                break
        pids = client.run(os.getpid)
        os.kill(next(iter(pids.values())), signal.SIGKILL)
        finish(run)
    assert _files(config.out) == calm


def test_a_dask_worker_of_another_version_is_refused_with_both_versions(
    config: SegmentConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Client:
        def run(self, function: object, on_error: str) -> dict[str, object]:
            return {"tcp://there:1": "0.0.1"}

    with pytest.raises(InputError, match=r"tcp://there:1 has 0\.0\.1 where napari-ziggurat"):
        finish(segment(config, Client()))
    monkeypatch.setattr(
        Client, "run", lambda *_, **__: {"tcp://there:1": ModuleNotFoundError("No module named x")}
    )
    with pytest.raises(InputError, match=r"has none \(No module named x\)"):
        finish(segment(config, Client()))


def test_a_call_on_a_cluster_is_small(config: SegmentConfig) -> None:
    import cloudpickle

    class Client:
        calls: list[bytes] = []  # noqa: RUF012

        def run(self, function: object, on_error: str) -> dict[str, object]:
            return {"tcp://there:1": dask_cluster.__version__}

        def nthreads(self) -> dict[str, int]:
            return {"tcp://there:1": 1}

        def submit(self, *call: object, pure: bool) -> Any:
            self.calls.append(cloudpickle.dumps(call))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finish(segment(config, Client()))
    assert 0 < len(Client.calls[0]) < 1000


def test_where_there_is_no_scheduler_the_address_is_told(
    config: SegmentConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_cluster, "_WAIT", 0.5)
    here = config.model_copy(update={"dask": "tcp://127.0.0.1:9"})
    with pytest.raises(InputError, match=r"no Dask scheduler at 'tcp://127\.0\.0\.1:9'"):
        finish(segment(here))


def test_more_processes_than_cores_are_refused_unless_threads_are_said(
    config: SegmentConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew_module, "available_cores", lambda: 2)
    many = config.model_copy(update={"workers": 3, "threads": None})
    with pytest.raises(InputError, match=r"more processes than there are cores \(2\).*--threads 1"):
        finish(segment(many))
