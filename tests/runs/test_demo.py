"""Demo: from nothing to a scored segmentation, in a folder that is the demo's own."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import open_image
from napari_ziggurat.progress import Progress, finish
from napari_ziggurat.runs.config import DemoConfig
from napari_ziggurat.runs.demo import DemoRecipe, DemoResult, demo
from napari_ziggurat.runs.demo.folder import claim

STEPS = 1000  # fewer than two cores do in the demo's minutes; times differ between machines
TINY = DemoRecipe(shape=(16, 96, 96), fraction=0.01, patch=(1, 32, 32), depth=2, steps=3)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny tensors are slower on several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[DemoResult, list[Progress]]:
    """Run the demo once, small."""
    run = demo(DemoConfig(out=tmp_path_factory.mktemp("demo") / "out"), TINY)
    events = []
    while True:
        try:
            events.append(next(run))
        except StopIteration as stop:
            return stop.value, events


def _voxels(path: Path) -> NDArray[np.uint8]:
    image = open_image(path)
    voxels: NDArray[np.uint8] = image.read(0, Box.whole(image.levels[0].shape))[0]
    return voxels


def test_everything_lies_in_the_folder(finished: tuple[DemoResult, list[Progress]]) -> None:
    files = finished[0].as_dict()["files"]
    assert isinstance(files, dict)
    assert all(Path(path).exists() for path in files.values())
    assert (finished[0].out / "model" / "model.json").is_file()


def test_metrics_are_those_of_the_result(finished: tuple[DemoResult, list[Progress]]) -> None:
    result = finished[0]
    metrics = json.loads((result.out / "metrics.json").read_text())
    assert metrics == result.as_dict()
    assert {"mean_dice", "threshold_dice", "classes", "seconds"} <= set(metrics)
    assert set(metrics["classes"]) == {"body", "shell", "spot"}
    assert metrics["threshold_dice"] < 0.6


def test_dice_counts_only_voxels_without_a_stroke(
    finished: tuple[DemoResult, list[Progress]],
) -> None:
    labels = finished[0].out / "volume.ome.zarr" / "labels"
    truth, strokes, found = (_voxels(labels / n) for n in ("truth", "strokes", "segmentation"))
    assert 0 < np.count_nonzero(strokes) <= 0.01 * strokes.size
    away = strokes == 0
    own, theirs = (truth == 1) & away, (found == 1) & away
    expected = 2 * (own & theirs).sum() / (own.sum() + theirs.sum())
    assert finished[0].dice["body"] == pytest.approx(expected)


def test_stages_follow_each_other_and_each_ends(
    finished: tuple[DemoResult, list[Progress]],
) -> None:
    events = finished[1]
    stages = list(dict.fromkeys(event.stage for event in events))
    wanted = ["draw", "train", "segment", "compare"]
    assert [stage for stage in stages if stage in wanted] == wanted
    for stage in wanted:
        last = [event for event in events if event.stage == stage][-1]
        assert last.done == last.total


@pytest.mark.slow
def test_the_demo_that_ships_is_good_where_a_threshold_fails(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    try:
        result = finish(demo(DemoConfig(out=tmp_path / "out"), DemoRecipe(steps=STEPS)))
    finally:
        torch.set_num_threads(threads)
    assert result.mean_dice >= 0.85
    assert result.threshold_dice < 0.6
    assert result.painted <= 0.01


def test_text_names_scores_places_and_next_commands(
    finished: tuple[DemoResult, list[Progress]],
) -> None:
    result = finished[0]
    text = result.render()
    assert str(result.out) in text
    assert f"{result.mean_dice:.3f}" in text
    for command in ("info", "train", "segment", "evaluate"):
        assert f"ziggurat {command}" in text


def test_finished_demo_is_replaced_only_when_asked(
    finished: tuple[DemoResult, list[Progress]],
) -> None:
    with pytest.raises(ExistsError, match="--overwrite"):
        next(demo(DemoConfig(out=finished[0].out), TINY))
    assert (finished[0].out / "metrics.json").exists()


def test_interrupted_demo_goes_on_and_ends_the_same(
    finished: tuple[DemoResult, list[Progress]], tmp_path: Path
) -> None:
    config = DemoConfig(out=tmp_path / "out")
    run = demo(config, TINY)
    for event in run:
        if event.stage == "plan":  # the model is there, the segmentation is not
            break
    run.close()
    model = tmp_path / "out" / "model" / "model.json"
    written = model.stat().st_mtime_ns
    result = finish(demo(config, TINY))
    assert model.stat().st_mtime_ns == written
    assert result.dice == finished[0].dice


def test_what_no_demo_made_is_never_removed(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "precious").touch()
    with pytest.raises(ExistsError, match="no demo made"):
        claim(tmp_path, {}, overwrite=True)
    assert (tmp_path / "model" / "precious").exists()


def test_unfinished_demo_of_other_settings_is_not_mixed_in(tmp_path: Path) -> None:
    claim(tmp_path, {"seed": 0}, overwrite=False)
    (tmp_path / "model").mkdir()
    claim(tmp_path, {"seed": 0}, overwrite=False)
    with pytest.raises(ExistsError, match="a demo already"):
        claim(tmp_path, {"seed": 1}, overwrite=False)
    claim(tmp_path, {"seed": 1}, overwrite=True)
    assert not (tmp_path / "model").exists()


def test_an_interrupted_demo_goes_on_also_when_it_overwrites(tmp_path: Path) -> None:
    claim(tmp_path, {"seed": 0}, overwrite=True)
    (tmp_path / "model").mkdir()
    claim(tmp_path, {"seed": 0}, overwrite=True)
    assert (tmp_path / "model").exists()
    (tmp_path / "metrics.json").touch()  # it is finished now
    claim(tmp_path, {"seed": 0}, overwrite=True)
    assert not (tmp_path / "model").exists()


def test_file_and_folder_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ExistsError, match="is a file"):
        claim(tmp_path / "file", {}, overwrite=True)
    with pytest.raises(InputError, match="cannot be written"):
        claim(tmp_path / "file" / "below", {}, overwrite=False)
