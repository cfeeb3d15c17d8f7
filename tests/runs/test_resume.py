"""What was interrupted, broken or changed, and what the next run makes of it."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interrupting import finished_blocks, stop_after
from models import tiny_model
from napari_ziggurat.errors import InputError, WorkFailed
from napari_ziggurat.images import Image, read_record
from napari_ziggurat.networks import save_model
from napari_ziggurat.progress import Progress, finish
from napari_ziggurat.runs.config import SegmentConfig
from napari_ziggurat.runs.output.tasks import Task
from napari_ziggurat.runs.output.writer import BlockWriter
from napari_ziggurat.runs.segment import segment
from napari_ziggurat.runs.workers.worker import Worker
from stores import files_of

TALL = np.random.default_rng(0).integers(0, 255, (560, 96), dtype=np.uint8)
BLOCKS = 12 * 2 + 6  # of 48 x 48 in 560 x 96, and in 280 x 48


@pytest.fixture
def config(tmp_path: Path) -> SegmentConfig:
    """Blocks of a few windows and two levels."""
    save_model(tiny_model(), tmp_path / "model")
    np.save(tmp_path / "plane.npy", TALL)
    return SegmentConfig(
        image=tmp_path / "plane.npy", model=tmp_path / "model", out=tmp_path / "out.ome.zarr",
        block=(48, 48), device="cpu",
    )  # fmt: skip


@pytest.fixture
def calm(config: SegmentConfig, tmp_path: Path) -> dict[str, str]:
    """Files of an undisturbed run."""
    calm = config.model_copy(update={"out": tmp_path / "calm.ome.zarr"})
    finish(segment(calm))
    return files_of(calm.out)


def _messages(config: SegmentConfig) -> list[str]:
    return [step.message for step in segment(config) if step.message]


def _first(config: SegmentConfig) -> Progress:
    return next(step for step in segment(config) if step.stage == "segment")


def test_coarser_levels_are_there_before_the_run_is_over(config: SegmentConfig) -> None:
    stop_after(segment(config), config.out, 12)
    assert any(name.startswith("1/c/") for name in files_of(config.out))


@contextmanager
def _counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Note the tasks that are submitted."""
    submitted: list[int] = []
    submit = Worker.submit

    def count(worker: Worker, task: Task) -> None:
        submitted.append(task.number)
        submit(worker, task)

    with monkeypatch.context() as patch:
        patch.setattr(Worker, "submit", count)
        yield submitted


@pytest.mark.parametrize("what", ["torn", "foreign", "missing"])
def test_verify_finds_files_that_were_changed_and_does_them_anew(
    config: SegmentConfig, calm: dict[str, str], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(segment(config))
    shard = next(p for p in (config.out / "0" / "c").rglob("*") if p.is_file())
    content = shard.read_bytes()
    if what == "missing":
        shard.unlink()
    else:
        shard.write_bytes(content[: len(content) // 2] if what == "torn" else content + b"!")
    assert any("complete already" in message for message in _messages(config))
    with _counting(monkeypatch) as submitted:
        said = _messages(config.model_copy(update={"verify": True}))
    assert len(submitted) == 2, "more was done anew than the block and the coarse one above it"
    assert f"1 of {BLOCKS} blocks are not as they were written" in " ".join(said)
    assert files_of(config.out) == calm
    record = read_record(config.out)
    assert record is not None
    assert record["status"] == "complete"


def test_a_shard_that_the_journal_does_not_know_is_replaced_unread(
    config: SegmentConfig, calm: dict[str, str]
) -> None:
    stop_after(segment(config), config.out, 2)
    for y, x in ((9, 1), (10, 0)):  # in blocks that come last
        shard = config.out / "0" / "c" / str(y) / str(x)
        shard.parent.mkdir(parents=True, exist_ok=True)
        shard.write_bytes(b"half a sha")
    finish(segment(config))
    assert files_of(config.out) == calm
    assert not (config.out / ".ziggurat" / "drafts").exists()


def test_verify_on_a_finished_file_says_what_it_can_do(config: SegmentConfig) -> None:
    tiff = config.model_copy(update={"out": config.out.with_name("out.tif")})
    finish(segment(tiff))
    with pytest.raises(InputError, match="--verify reads OME-Zarr outputs again"):
        finish(segment(tiff.model_copy(update={"verify": True})))


class _Broken:
    """Reading that fails for a box, as often as it is told to."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, times: int, all_boxes: bool = False
    ) -> None:
        self.failed = 0
        read = Image.read

        def broken(image: Image, level: int, box: Any, time: int = 0) -> Any:
            here = all_boxes or box.start == (32, 0)
            if here and box.size < TALL.size and self.failed < times:
                self.failed += 1
                raise InputError("this chunk is damaged.")
            return read(image, level, box, time)

        monkeypatch.setattr(Image, "read", broken)


def test_a_block_that_fails_once_is_done_in_the_next_pass(
    config: SegmentConfig, calm: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = _Broken(monkeypatch, times=2)
    finish(segment(config))
    assert broken.failed == 2
    assert files_of(config.out) == calm


def test_a_block_that_fails_three_times_is_named_and_the_rest_is_done(
    config: SegmentConfig, calm: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _Broken(patch, times=10**6)
        with pytest.raises(
            WorkFailed, match=rf"1 block of {BLOCKS} failed 3 times\. Block 48:96,0:48.*damaged"
        ) as failed:
            finish(segment(config))
    assert failed.value.exit_code == 1
    # Neither it nor the coarse block above it.
    assert finished_blocks(config.out) == BLOCKS - 2
    assert _first(config).done > 0
    finish(segment(config))
    assert files_of(config.out) == calm


def test_when_nothing_works_any_more_the_run_stops(
    config: SegmentConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = _Broken(monkeypatch, times=10**6, all_boxes=True)
    with pytest.raises(WorkFailed, match=r"10 blocks failed one after the other.*damaged"):
        finish(segment(config))
    assert broken.failed < BLOCKS


def test_a_disk_that_is_full_stops_the_run_at_once_and_loses_nothing(
    config: SegmentConfig, calm: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = BlockWriter.write, [0]

    def full(writer: BlockWriter, *block: Any) -> str:
        written[0] += 1
        if written[0] > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(writer, *block)

    with monkeypatch.context() as patch:
        patch.setattr(BlockWriter, "write", full)
        with pytest.raises(OSError, match="No space left"):
            finish(segment(config))
    assert written[0] < BLOCKS
    assert finished_blocks(config.out) >= 3
    finish(segment(config))
    assert files_of(config.out) == calm


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"block": (16, 48)}, "block"),
        ({"blend": True}, "blend"),
        ({"probabilities": True}, "probabilities"),
        ({"precision": "float32"}, "precision"),
        ({"level": 0, "nan_as": 1.0}, "NaN replaced by"),
        ({"spacing": (5.0, 1.0)}, "input"),
    ],
)
def test_a_run_with_other_settings_is_refused_by_name(
    config: SegmentConfig, change: dict[str, object], named: str
) -> None:
    stop_after(segment(config), config.out, 2)
    with pytest.raises(FileExistsError, match=f"different .*{named}"):
        finish(segment(config.model_copy(update=change)))


def test_verify_keeps_what_an_interrupted_run_has_finished(
    config: SegmentConfig, calm: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_after(segment(config), config.out, 8)
    done = finished_blocks(config.out)
    with _counting(monkeypatch) as submitted:
        finish(segment(config.model_copy(update={"verify": True})))
    assert len(submitted) == BLOCKS - done
    assert files_of(config.out) == calm


def test_an_output_that_is_removed_only_in_part_is_no_finished_one(
    config: SegmentConfig, calm: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(segment(config))

    def killed(store: Path) -> None:
        shard = next(path for path in (store / "0" / "c").rglob("*") if path.is_file())
        shard.unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("napari_ziggurat.runs.output.place.shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            finish(segment(config.model_copy(update={"overwrite": True, "block": (16, 48)})))
    finish(segment(config))
    assert files_of(config.out) == calm
    finish(segment(config.model_copy(update={"overwrite": True, "block": (16, 48)})))
    assert not list(config.out.parent.glob(".*removed"))


def test_lost_probabilities_are_made_anew(config: SegmentConfig) -> None:
    more = config.model_copy(update={"probabilities": True})
    finish(segment(more))
    store = config.out.with_name("out_probabilities.ome.zarr")
    wanted = files_of(store)
    shutil.rmtree(store)
    finish(segment(more))
    assert files_of(store) == wanted


def test_two_processes_do_not_write_one_output_by_accident(config: SegmentConfig) -> None:
    first = segment(config)
    while next(first).done < 3:
        pass
    for second in (config, config.model_copy(update={"overwrite": True})):
        with pytest.raises(FileExistsError, match=r"being written by another process.*--part"):
            finish(segment(second))
    first.close()
    finish(segment(config))


def test_other_threads_and_memory_go_on_with_the_run(
    config: SegmentConfig, calm: dict[str, str]
) -> None:
    stop_after(segment(config), config.out, 2)
    other = config.model_copy(update={"threads": 1, "memory": "20GB"})
    assert _first(other).done > 0
    finish(segment(other))
    assert files_of(config.out) == calm
