"""Evaluate: pooling over files, matching by name, masks, the foreground rule, what is refused."""

import json

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_ziggurat.cli import app
from napari_ziggurat.errors import InputError
from napari_ziggurat.evaluation.metrics import Confusion
from napari_ziggurat.geometry import Axes, Spacing
from napari_ziggurat.images import OutputGrid, create_output
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import EvaluateConfig
from napari_ziggurat.runs.evaluate import evaluate

TRUTH = np.zeros((8, 10), np.uint8)
TRUTH[2:6, 2:6] = 1
TRUTH[6:8, 6:10] = 2
SHIFTED = np.roll(TRUTH, 2, axis=1)  # class 1 keeps half of its voxels


def score(prediction, labels, **more):
    return finish(evaluate(EvaluateConfig(prediction=prediction, labels=labels, **more)))


def save(path, array):
    path.parent.mkdir(exist_ok=True)
    tifffile.imwrite(path, array)
    return path


def store(path, array, **record):
    """Write an OME-Zarr of labels as a run does, with its record."""
    one = (1.0,) * array.ndim
    grid = OutputGrid(
        axes=Axes("zyx"[-array.ndim :]), shape=array.shape, dtype=array.dtype,
        spacing=Spacing(one), translation=(0.0,) * array.ndim, chunk=(4,) * array.ndim,
        shard=(4,) * array.ndim,
    )  # fmt: skip
    create_output(path, grid, kind="labels", attributes={"ziggurat": record})[0][...] = array
    return path


def test_a_file_is_compared_with_a_file_whatever_their_names(tmp_path):
    truth = save(tmp_path / "truth.tif", TRUTH)
    result = score(save(tmp_path / "mine.tif", SHIFTED), truth)
    assert result.as_dict()["classes"]["1"]["dice"] == pytest.approx(0.5)
    assert result.mean_dice == pytest.approx(0.5)
    assert score(truth, truth).mean_dice == 1.0


def test_the_mean_is_of_dice_pooled_over_files_not_of_files(tmp_path):
    small = np.zeros((8, 10), np.uint8)
    small[0, 0] = 1
    for name, truth, prediction in (("a", TRUTH == 1, TRUTH == 1), ("b", small, small * 0)):
        save(tmp_path / "labels" / f"{name}.tif", truth.astype(np.uint8))
        save(tmp_path / "mine" / f"{name}.tif", prediction.astype(np.uint8))
    result = score(tmp_path / "mine", tmp_path / "labels").as_dict()
    assert result["mean_dice"] == pytest.approx(32 / 33)
    assert [(each["name"], each["mean_dice"]) for each in result["files"]] == [("a", 1), ("b", 0)]


def test_files_of_folders_are_matched_by_name_across_formats(tmp_path):
    (tmp_path / "labels").mkdir()
    for name in ("a", "b"):
        np.save(tmp_path / "labels" / f"{name}.npy", TRUTH)
        save(tmp_path / "mine" / f"{name}.ome.tif", TRUTH)
    (tmp_path / "mine" / "segment.json").write_text("{}")
    assert score(tmp_path / "mine", tmp_path / "labels").mean_dice == 1.0


def test_files_without_a_partner_are_named(tmp_path):
    for folder, names in (("labels", "abc"), ("mine", "abd")):
        for name in names:
            save(tmp_path / folder / f"{name}.tif", TRUTH)
    with pytest.raises(InputError, match=r"c\.tif.*d\.tif"):
        score(tmp_path / "mine", tmp_path / "labels")


def test_probabilities_beside_the_labels_of_a_run_are_no_predictions(tmp_path):
    for folder in ("labels", "mine"):
        for name in "ab":
            save(tmp_path / folder / f"{name}.tif", TRUTH)
    extra = tmp_path / "mine" / "a_probabilities.ome.zarr"
    store(extra, TRUTH, content="probabilities", status="complete")
    assert score(tmp_path / "mine", tmp_path / "labels").mean_dice == 1.0
    save(tmp_path / "labels" / "c.tif", TRUTH)
    with pytest.raises(InputError, match=r"c\.tif"):
        score(tmp_path / "mine", tmp_path / "labels")


def test_only_voxels_inside_the_mask_count(tmp_path):
    prediction = TRUTH.copy()
    prediction[:, 5:] = 0
    mask = np.zeros(TRUTH.shape, np.uint8)
    mask[:, :5] = 255
    files = {
        name: save(tmp_path / f"{name}.tif", array)
        for name, array in {"p": prediction, "t": TRUTH, "m": mask}.items()
    }
    assert score(files["p"], files["t"]).mean_dice < 1
    masked = score(files["p"], files["t"], mask=files["m"])
    assert masked.mean_dice == 1.0
    assert masked.pooled.voxels == 40


def test_a_folder_of_masks_is_matched_by_name(tmp_path):
    for name in "ab":
        for folder in ("labels", "mine"):
            save(tmp_path / folder / f"{name}.tif", TRUTH)
    save(tmp_path / "masks" / "a.tif", TRUTH)
    with pytest.raises(InputError, match=r"no mask in .*masks for: b"):
        score(tmp_path / "mine", tmp_path / "labels", mask=tmp_path / "masks")


def test_foreground_makes_every_label_class_1(tmp_path):
    objects = TRUTH.astype(np.uint16) * 300
    truth = save(tmp_path / "objects.tif", objects)
    prediction = save(tmp_path / "mine.tif", (TRUTH > 0).astype(np.uint8))
    with pytest.raises(InputError, match=r"label 600.*--task foreground"):
        score(prediction, truth)
    assert score(prediction, truth, task="foreground").mean_dice == 1.0


def test_the_record_of_a_prediction_says_that_it_is_foreground(tmp_path):
    prediction = store(
        tmp_path / "mine.ome.zarr",
        (TRUTH > 0).astype(np.uint8),
        task="foreground",
        status="complete",
        classes=[{"value": 1, "name": "nucleus", "color": "#ffffff"}],
    )
    truth = save(tmp_path / "objects.tif", TRUTH.astype(np.uint16) * 300)
    result = score(prediction, truth)
    assert result.as_dict()["classes"]["1"]["name"] == "nucleus"
    assert result.mean_dice == 1.0
    with pytest.raises(InputError, match="--task foreground"):
        score(prediction, truth, task="semantic")


def test_a_prediction_that_is_not_finished_is_refused(tmp_path):
    prediction = store(tmp_path / "mine.ome.zarr", TRUTH, status="running")
    with pytest.raises(InputError, match="not finished"):
        score(prediction, save(tmp_path / "truth.tif", TRUTH))


def test_volumes_are_counted_block_by_block(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_ziggurat.images.image._STREAMED_VOXELS", 200)
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, (6, 20, 20)).astype(np.uint8)
    found = rng.permutation(truth)
    prediction = store(tmp_path / "mine.ome.zarr", found, status="complete")
    np.save(tmp_path / "truth.npy", truth)
    steps = list(evaluate(EvaluateConfig(prediction=prediction, labels=tmp_path / "truth.npy")))
    assert len(steps) > 5
    result = score(prediction, tmp_path / "truth.npy")
    assert result.pooled.voxels == truth.size
    assert result.mean_dice == pytest.approx(Confusion.count(truth, found).mean_dice)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (TRUTH[:, 1:], r"one shape.*\(8, 10\).*\(8, 9\)"),
        (TRUTH + np.float32(0.5), r"whole numbers.* 0\.5"),
        (TRUTH.astype(np.int16) - 1, "negative; found -1"),
        (np.where(TRUTH == 1, np.nan, TRUTH).astype(np.float32), "whole numbers.* nan"),
        (np.dstack([TRUTH] * 3), "one channel.* has 3"),
    ],
    ids=["shape", "fractions", "negative", "nan", "RGB"],
)
def test_what_cannot_be_truth_is_refused(tmp_path, array, words):
    prediction = save(tmp_path / "mine.tif", TRUTH)
    truth = tmp_path / "truth.tif"
    photometric = "rgb" if array.ndim == 3 else "minisblack"
    tifffile.imwrite(truth, array, photometric=photometric)
    with pytest.raises(InputError, match=words):
        score(prediction, truth)


def test_labels_stored_as_whole_floats_are_accepted(tmp_path):
    truth = save(tmp_path / "truth.tif", TRUTH.astype(np.float32))
    assert score(save(tmp_path / "mine.tif", TRUTH), truth).mean_dice == 1.0


def test_without_any_class_there_is_no_score(tmp_path):
    nothing = save(tmp_path / "nothing.tif", TRUTH * 0)
    result = score(nothing, nothing)
    assert result.as_dict()["mean_dice"] is None
    assert "nothing to score" in result.render()


def test_the_command_prints_one_json_object(tmp_path):
    paths = [str(save(tmp_path / f"{n}.tif", a)) for n, a in (("p", SHIFTED), ("t", TRUTH))]
    result = CliRunner().invoke(app, ["evaluate", *paths, "--json"])
    assert result.exit_code == 0
    values = json.loads(result.stdout)
    assert set(values) >= {"mean_dice", "mean_iou", "voxels", "classes", "files"}
    assert "ap50" not in values  # nobody said what an object is
    assert set(values["classes"]["1"]) >= {"dice", "iou", "name"}
    table = CliRunner().invoke(app, ["evaluate", *paths]).stdout
    assert "mean" in table
    assert "0.5000" in table
