"""Suggest: uncertain boxes first, unlike each other, whatever the size of the image."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr
from numpy.typing import NDArray
from typer.testing import CliRunner

from models import tiny_model
from napari_ziggurat.cli import app
from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.geometry import Axes, Box, Spacing
from napari_ziggurat.images import Image, OutputGrid, create_output, image_from_array, open_image
from napari_ziggurat.images.pyramid import fill_coarser
from napari_ziggurat.images.samples import draw_plane
from napari_ziggurat.inference.spots import Spot
from napari_ziggurat.networks import Intensity, Model, ModelSpec, load_model, save_model
from napari_ziggurat.networks.network import SegmentationNetwork
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import SuggestConfig, TrainConfig
from napari_ziggurat.runs.predict import predict_box
from napari_ziggurat.runs.suggest import SuggestResult, suggest, suggest_boxes
from napari_ziggurat.runs.suggest.candidates import Candidates
from napari_ziggurat.runs.suggest.rank import rank
from napari_ziggurat.runs.train import train

SURE, UNSURE, DISPUTED = 20, 100, 200


class _Grey(SegmentationNetwork):
    """Is unsure where the image is about 100; its two outputs disagree where it is about 200."""

    def logits(
        self, x: torch.Tensor, wanted: int, hook: torch.Tensor | None = None
    ) -> list[torch.Tensor]:
        grey, nothing = x[:, :1], torch.zeros_like(x[:, :1])
        unsure = ((grey - UNSURE).abs() < 20).float()
        disputed = ((grey - DISPUTED).abs() < 20).float()
        background = 20 * (1 - unsure)
        return [
            torch.cat([background, nothing, nothing], 1),
            torch.cat([background * (1 - disputed), 20 * disputed, nothing], 1),
        ]


def _model(axes: str = "yx", channels: int = 1, **changes: Any) -> Model:
    """A model that is unsure of known grey values; its boxes have 16 voxels along each axis."""
    same = Intensity((0.0,) * channels, (255.0,) * channels, (0.0,) * channels, (1.0,) * channels)
    made = tiny_model(axes, channels, window=changes.pop("window", (48,) * len(axes)))
    spec = ModelSpec.model_validate(made.spec.model_dump() | {"intensity": same} | changes)
    return Model(spec, _Grey(spec.network).eval())


def _noise(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(SURE - 8, SURE + 8, shape, dtype=np.uint8)


def _paint(image: NDArray[np.uint8], box: str, grey: int) -> None:
    image[(..., *Box.parse(box).slices)] += np.uint8(grey - SURE)


def _suggest(
    image: Image | NDArray[Any], model: Model | None = None, block: Any = None, **settings: Any
) -> SuggestResult:
    if not isinstance(image, Image):
        image = image_from_array(image, axes="zyx"[-image.ndim :])
    config = SuggestConfig(image="-", model="-", device="cpu", **settings)
    return finish(suggest_boxes(image, model or _model(), config, block))


def _boxes(result: SuggestResult) -> list[str]:
    return [each.box for each in result.boxes]


def test_the_place_that_the_model_is_unsure_of_comes_first():
    image = _noise((160, 192))
    _paint(image, "64:80,112:128", UNSURE)
    first = _suggest(image, count=3).boxes[0]
    assert (first.rank, first.box) == (1, "64:80,112:128")
    assert first.entropy > 0.6
    assert first.disagreement == pytest.approx(0, abs=1e-4)
    assert first.centre == (71.5, 119.5)


def test_disagreement_alone_raises_the_score():
    image = _noise((160, 192))
    _paint(image, "32:48,16:32", DISPUTED)
    first, second = _suggest(image, count=2).boxes
    assert first.box == "32:48,16:32"
    assert first.score == pytest.approx(first.disagreement, abs=1e-3)
    assert first.disagreement > 0.5 > second.score


def test_a_box_far_away_comes_before_the_neighbour_of_one_that_was_taken():
    image = _noise((160, 192))
    _paint(image, "16:48,16:48", UNSURE)  # four boxes side by side
    _paint(image, "128:144,160:176", UNSURE)
    first, second, *_ = _boxes(_suggest(image, count=3))
    assert {first, second} & {"128:144,160:176"}


def test_boxes_that_look_different_are_preferred():
    spots = [_spot(n, score, look) for n, (score, look) in enumerate(
        [(0.9, 0.0), (0.8, 0.0), (0.7, 1.0), (0.1, 5.0)])]  # fmt: skip
    where = np.zeros((4, 2))
    assert [spot.box.start[0] for spot in rank(spots, where, 2)] == [0, 2]


def test_no_two_boxes_overlap_and_all_lie_in_the_image():
    image = np.random.default_rng(0).integers(0, 255, (150, 170), dtype=np.uint8)
    boxes = [Box.parse(box) for box in _boxes(_suggest(image, count=60, size=(20, 25)))]
    seen = np.zeros(image.shape, int)
    for box in boxes:
        seen[box.slices] += 1
    assert len(boxes) == 60
    assert seen.max() == 1


def test_what_is_annotated_is_left_out(tmp_path: Path):
    image, strokes = _noise((160, 192)), np.zeros((160, 192), np.uint8)
    _paint(image, "64:80,112:128", UNSURE)
    _paint(image, "96:112,32:48", UNSURE)
    strokes[70, 114:120] = 255
    np.save(tmp_path / "strokes.npy", strokes)
    annotation = {"annotation": tmp_path / "strokes.npy", "count": 300}
    assert "64:80,112:128" in _boxes(_suggest(image, count=2))
    left = _suggest(image, **annotation)
    assert left.boxes[0].box == "96:112,32:48"
    assert "64:80,112:128" not in _boxes(left)
    assert "is not annotated" in left.notes[-1]
    assert "64:80,112:128" in _boxes(_suggest(image, **annotation, annotated=0.03))


def test_an_annotation_of_another_grid_is_refused(tmp_path: Path):
    np.save(tmp_path / "strokes.npy", np.ones((20, 20), np.uint8))
    with pytest.raises(InputError, match=r"grid of a level.*\(20, 20\).*\(160, 192\)"):
        _suggest(_noise((160, 192)), annotation=tmp_path / "strokes.npy")


@pytest.mark.parametrize(
    ("block", "settings"), [((1, 1), {}), ((64, 32), {}), (None, {"threads": 1})]
)
def test_the_result_does_not_depend_on_blocks_or_threads(block: Any, settings: dict[str, Any]):
    image = np.random.default_rng(0).integers(0, 255, (150, 170), dtype=np.uint8)
    model = tiny_model(features=(4, 6, 8))
    plain = _suggest(image, model, threads=2, count=20)
    other = _suggest(image, model, block, count=20, **{"threads": 2} | settings)
    assert replace(plain, seconds=0, notes=()) == replace(other, seconds=0, notes=())
    assert any(each.disagreement > 0 for each in plain.boxes)


def test_which_candidates_are_kept_does_not_depend_on_their_order():
    spots = [_spot(n, float(s), 0.0) for n, s in enumerate((3, 1, 2, 3, 2, 0))]
    for order in (spots, spots[::-1]):
        kept = Candidates(lambda spot: spot.box.start[0] != 0, most=3)
        for spot in order:
            kept.offer(spot)
        assert [spot.box.start[0] for spot in kept.best()] == [3, 2, 4]


def test_boxes_without_anything_to_see_are_not_suggested():
    image = np.full((160, 192), UNSURE, np.uint8)
    assert _suggest(image).render() == "There is no box to suggest."
    image[0:10, 0:10] = _noise((10, 10))
    result = _suggest(image, count=5)
    assert _boxes(result) == ["0:16,0:16"]
    assert "There is 1 box, fewer than -n 5" in result.notes[-1]


def test_only_a_box_of_the_image_is_looked_at():
    image = _noise((160, 192))
    _paint(image, "64:80,112:128", UNSURE)
    result = _suggest(image, box="64:160,20:120", count=2)
    assert _boxes(result)[0] == "64:80,112:120"  # cut off at the end of what is looked at
    with pytest.raises(InputError, match="must lie inside the image"):
        _suggest(image, box="0:10,0:500")


def test_volumes_with_thick_planes_have_boxes_of_their_own_size():
    image = _noise((40, 96, 96))
    _paint(image, "8:16,32:48,48:64", UNSURE)
    model = _model("zyx", spacing=(2.0, 1.0, 1.0), unit="um")
    stored = image_from_array(image, axes="zyx", spacing=(2.0, 1.0, 1.0), unit="um")
    result = _suggest(stored, model, size=(8, 16, 16), count=4)
    assert (result.boxes[0].box, result.axes, result.unit) == ("8:16,32:48,48:64", "zyx", "um")
    assert result.boxes[0].centre == (23.0, 39.5, 55.5)


def test_a_network_over_planes_suggests_planes():
    image = _noise((6, 96, 96))
    _paint(image, "4:5,32:48,48:64", UNSURE)
    flat = _model()
    changes = {"axes": "zyx", "spacing": (1.0,) * 3, "window": (1, 48, 48), "rim": (0, 16, 16)}
    result = _suggest(image, Model(flat.spec.model_copy(update=changes), flat.network), count=2)
    assert result.boxes[0].box == "4:5,32:48,48:64"


def test_channels_and_time_points_are_looked_at():
    image = np.stack([[_noise((96, 96), seed) for seed in (t, 7, 8)] for t in range(3)])
    image[1, 0, 32:48, 48:64] += np.uint8(UNSURE - SURE)
    movie = image_from_array(image, axes="tcyx")
    model = _model(channels=3)
    first = _suggest(movie, model, count=2).boxes[0]
    assert (first.time, first.box) == (1, "32:48,48:64")
    assert {each.time for each in _suggest(movie, model, time=2).boxes} == {2}
    with pytest.raises(InputError, match="no time 3; it has 0 to 2"):
        _suggest(movie, model, time=3)
    with pytest.raises(InputError, match=r"trained on 1 channel"):
        _suggest(movie)


def test_voxels_that_are_no_numbers_are_refused():
    image = _noise((96, 96)).astype(np.float32)
    image[40, 50] = np.nan
    with pytest.raises(InputError, match="--nan-as 0"):
        _suggest(image)


@pytest.fixture(scope="module")
def pyramid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of three levels with one uncertain place, larger than a box."""
    path = tmp_path_factory.mktemp("suggest") / "image.ome.zarr"
    grid = OutputGrid(
        Axes("yx"), (640, 768), np.dtype(np.uint8), Spacing((0.5, 0.5), "um"), (0.0, 0.0),
        (64, 64), (128, 128), downsamplings=((2, 2), (4, 4)),
    )  # fmt: skip
    voxels = _noise((640, 768))
    _paint(voxels, "384:448,512:576", UNSURE)
    create_output(path, grid, kind="image")[0][...] = voxels
    for _ in fill_coarser(path, "image"):
        pass
    return path


def _um_model() -> Model:
    return _model(spacing=(0.5, 0.5), unit="um")


def test_a_coarser_level_is_looked_at_first_where_time_is_short(pyramid: Path):
    image = open_image(pyramid)
    whole = _suggest(image, _um_model(), count=4)
    short = _suggest(image, _um_model(), count=4, minutes=1e-9)
    assert (whole.looked_at_level, whole.level, whole.share) == (0, 0, 1)
    assert (short.looked_at_level, short.level) == (2, 0)
    assert any("Level 2 is looked at, because level 0" in note for note in short.notes)
    assert any("A random" in note for note in short.notes)


def test_what_a_coarser_level_shows_is_looked_at_again(pyramid: Path):
    result = _suggest(open_image(pyramid), _um_model(), count=4, level=2)
    assert (result.looked_at_level, result.level, result.share) == (2, 0, 1)
    place = Box.parse("384:448,512:576")
    for each in result.boxes[:4]:
        assert each.box == each.level_box
        assert Box.parse(each.box).shape == (16, 16)
    assert place.contains(Box.parse(result.boxes[0].box))
    assert result.windows < 200


_HUGE = """
import resource, sys, time
from pathlib import Path
from napari_ziggurat import SuggestConfig, finish, suggest
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
image, model = map(Path, sys.argv[1:])
began = time.monotonic()
result = finish(suggest(SuggestConfig(
    image=image, model=model, axes="zyx", size=(16, 16, 16), count=5, device="cpu", threads=2,
)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic() - began)
print(len(result.boxes), result.boxes[0].box)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no module `resource`")
def test_a_volume_that_is_mostly_empty_takes_seconds_and_little_memory(tmp_path: Path):
    save_model(tiny_model("zyx", window=(96,) * 3, rim=(8,) * 3), tmp_path / "model")
    peaks = []
    for side in (256, 2560):
        path = tmp_path / f"{side}.zarr"
        shape = (side, side, side)
        array = zarr.create_array(path, shape=shape, chunks=(128,) * 3, dtype=np.uint8)
        corner = side - 40
        array[corner : corner + 20, corner : corner + 20, :20] = _noise((20, 20, 20))
        done = subprocess.run(
            [sys.executable, "-c", _HUGE, str(path), str(tmp_path / "model")],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        (peak, seconds), (count, box) = (line.split() for line in done.stdout.splitlines())
        peaks.append(int(peak))
        assert float(seconds) < 300  # ten where nobody else computes
        assert int(count) == 5
        assert Box.parse(box).start[0] >= corner - 16
    assert peaks[1] < 1.15 * peaks[0]


def test_the_command_prints_a_table_json_and_files(tmp_path: Path):
    np.save(tmp_path / "image.npy", np.random.default_rng(0).integers(0, 255, (96, 96), np.uint8))
    save_model(tiny_model(features=(4, 6, 8)), tmp_path / "model")
    common = ["suggest", str(tmp_path / "image.npy"), "--axes", "yx",
              "--model", str(tmp_path / "model"), "--device", "cpu", "-n", "3"]  # fmt: skip
    table = CliRunner().invoke(app, common)
    assert table.exit_code == 0
    assert [line.split()[0] for line in table.stdout.splitlines()] == ["rank", "1", "2", "3"]
    out = tmp_path / "made" / "boxes.csv"
    found = CliRunner().invoke(app, [*common, "--json", "--out", str(out)])
    result = json.loads(found.stdout)
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["box"] for row in rows] == [each["box"] for each in result["boxes"]]
    assert [float(row["class 5"]) for row in rows] == [
        each["classes"]["class 5"] for each in result["boxes"]
    ]
    again = CliRunner().invoke(app, [*common, "--out", str(out)])
    assert (again.exit_code, again.stdout) == (2, "")
    as_json = tmp_path / "boxes.json"
    assert CliRunner().invoke(app, [*common, "--out", str(as_json)]).exit_code == 0
    assert json.loads(as_json.read_text())["boxes"] == result["boxes"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-n", "0"], "-n cannot be '0'"),
        (["--out", "boxes.xlsx"], "--out is a .csv or a .json file"),
        (["--size", "8"], "2 or 3 sizes"),
        (["--size", "8,8,8"], "--size needs one size per spatial axis of the image, that is 2"),
        (["--level", "3"], "has no level 3"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(tmp_path: Path, arguments, words):
    np.save(tmp_path / "image.npy", _noise((96, 96)))
    save_model(tiny_model(), tmp_path / "model")
    common = ["suggest", str(tmp_path / "image.npy"), "--axes", "yx", "--device", "cpu"]
    done = CliRunner().invoke(app, [*common, "--model", str(tmp_path / "model"), *arguments])
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in done.stderr


def test_a_file_that_is_there_is_refused_before_anything_is_computed(tmp_path: Path):
    (tmp_path / "boxes.csv").touch()
    config = SuggestConfig(image="nowhere.tif", model="nowhere", out=tmp_path / "boxes.csv")
    with pytest.raises(ExistsError, match="--overwrite"):
        finish(suggest(config))


def test_closing_the_run_cancels_it():
    image = image_from_array(_noise((400, 400)), axes="yx")
    run = suggest_boxes(image, _model(), SuggestConfig(image="-", model="-", device="cpu"))
    for progress in run:
        if progress.stage == "look" and progress.done > 3:
            break
    run.close()
    with pytest.raises(StopIteration):
        next(run)


@pytest.mark.slow
def test_suggested_boxes_hold_more_wrong_voxels_than_others(tmp_path: Path):
    taught, plane = draw_plane((288, 288), seed=10), draw_plane((576, 576), seed=0)
    np.save(tmp_path / "image.npy", taught.image)
    np.save(tmp_path / "labels.npy", taught.labels)
    config = TrainConfig(
        image=[tmp_path / "image.npy"], labels=[tmp_path / "labels.npy"], out=tmp_path / "model",
        axes="yx", steps=100, patch=(96, 96), features=8, depth=4, batch=4, learning_rate=4e-3,
        device="cpu",
    )  # fmt: skip
    finish(train(config))
    model, image = load_model(tmp_path / "model"), image_from_array(plane.image, axes="yx")
    labels = finish(predict_box(image, model, 0, Box.whole((576, 576)), device="cpu"))
    wrong = labels != plane.labels
    boxes = [Box.parse(box) for box in _boxes(_suggest(image, model, size=(48, 48), count=10))]
    assert np.mean([wrong[box.slices].mean() for box in boxes]) > 1.5 * wrong.mean()
    assert all(max(box.shape) <= 72 for box in boxes)


def _spot(place: int, score: float, look: float) -> Spot:
    return Spot(Box((place,), (place + 1,)), 0, score, score, 0.0, (), (look,))
