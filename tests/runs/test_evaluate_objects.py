"""Evaluate objects: what one is, sizes, other results, the figure, and what is refused."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_ziggurat.cli import app
from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.geometry import Axes, Spacing
from napari_ziggurat.images import OutputGrid, create_output
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import EvaluateConfig
from napari_ziggurat.runs.evaluate import evaluate
from napari_ziggurat.runs.evaluate.compare import compare
from napari_ziggurat.runs.evaluate.kinds import Kinds
from napari_ziggurat.runs.evaluate.opened import open_pair
from napari_ziggurat.runs.evaluate.thumbnails import find_worst, look

#: Two objects of 8 voxels that touch, and one of 4.
IDS = np.zeros((10, 12), np.uint16)
IDS[1:3, 1:5], IDS[1:3, 5:9], IDS[6:8, 2:4] = 700, 701, 9


def score(prediction, labels, **more):
    return finish(evaluate(EvaluateConfig(prediction=prediction, labels=labels, **more)))


def save(path, array):
    path.parent.mkdir(exist_ok=True)
    tifffile.imwrite(path, array)
    return path


def store(path, array, spacing=None, unit=None, chunk=4, **record):
    """Write an OME-Zarr of labels as a run does, with its record."""
    size = spacing or (1.0,) * array.ndim
    grid = OutputGrid(
        axes=Axes("zyx"[-array.ndim :]), shape=array.shape, dtype=array.dtype,
        spacing=Spacing(size, unit), translation=(0.0,) * array.ndim,
        chunk=(chunk,) * array.ndim, shard=(chunk,) * array.ndim,
    )  # fmt: skip
    create_output(path, grid, kind="labels", attributes={"ziggurat": record})[0][...] = array
    return path


@pytest.fixture
def truth(tmp_path):
    return save(tmp_path / "truth.tif", IDS)


@pytest.fixture
def foreground(tmp_path):
    return save(tmp_path / "foreground.tif", (IDS > 0).astype(np.uint8))


def test_each_label_is_an_object(tmp_path, truth):
    renamed = save(tmp_path / "mine.tif", np.where(IDS == 9, 0, IDS * 2))
    found = score(renamed, truth, objects="ids").as_dict()
    assert (found["objects"], found["predicted_objects"]) == (3, 2)
    assert (found["ap50"], found["f1"]) == (pytest.approx(2 / 3), pytest.approx(4 / 5))
    assert found["ap"]["0.95"] == pytest.approx(2 / 3)
    assert found["pq"] == pytest.approx(4 / 5)
    assert found["classes"]["1"]["dice"] == pytest.approx(2 * 16 / 36)


def test_pieces_of_a_foreground_are_compared_with_true_ids(truth, foreground):
    found = score(foreground, truth, objects="ids", predicted_objects="components").as_dict()
    assert (found["objects"], found["predicted_objects"]) == (3, 2)
    assert (found["merges"], found["splits"]) == (1, 0)
    assert found["ap50"] == pytest.approx(2 / 3)  # half of the merged piece is one of the two


def test_the_record_says_whether_a_prediction_has_ids_or_classes(tmp_path, truth):
    mask = (IDS > 0).astype(np.uint8)
    classes = store(tmp_path / "a.ome.zarr", mask, task="foreground", status="complete")
    steps = list(evaluate(EvaluateConfig(prediction=classes, labels=truth, objects="ids")))
    said = " ".join(step.message for step in steps)
    assert "in the truth each label is an object, predicted each connected piece" in said
    for name, record in (("b", {"task": "instance"}), ("c", {"content": "objects"})):
        ids = store(tmp_path / f"{name}.ome.zarr", IDS, status="complete", **record)
        assert score(ids, truth).as_dict()["ap50"] == 1.0


def test_objects_of_several_classes_are_compared_within_their_class(tmp_path):
    labels = np.where(IDS == 701, 2, IDS > 0).astype(np.uint8)
    swapped = np.where(IDS == 9, 2, labels).astype(np.uint8)
    paths = save(tmp_path / "p.tif", swapped), save(tmp_path / "t.tif", labels)
    found = score(*paths, objects="components").as_dict()
    assert [found["classes"][c]["ap50"] for c in "12"] == [0.5, 0.5]
    assert (found["objects"], found["ap50"]) == (3, 0.5)


def test_what_membranes_leave_between_them_is_compared(tmp_path):
    walls = np.zeros((9, 9), np.uint8)
    walls[4, :] = walls[:, 4] = 1
    open_wall = walls.copy()
    open_wall[4, 0:4] = 0
    paths = save(tmp_path / "p.tif", open_wall), save(tmp_path / "t.tif", walls)
    found = score(*paths, objects="between").as_dict()
    assert (found["objects"], found["predicted_objects"], found["merges"]) == (4, 3, 1)
    assert found["adapted_rand_error"] == pytest.approx(1 - 2 * 960 / (960 + 1472))
    assert (found["vi_split"], found["vi_merge"]) == (pytest.approx(0), pytest.approx(0.5))
    assert set(found["classes"]) == {"1"}


def test_sizes_are_in_physical_units_and_by_default_terciles(tmp_path, truth):
    found = score(truth, truth, objects="ids", spacing=(0.5, 0.5), unit="um").as_dict()
    bounds = found["by_size"]["bounds"]
    assert (bounds["kind"], bounds["unit"], bounds["high"]) == ("terciles", "um^2", 2.0)
    assert [found["by_size"][s]["objects"] for s in ("small", "medium", "large")] == [1, 0, 2]
    said = score(truth, truth, objects="ids", sizes="3,100", spacing=(0.5, 0.5)).as_dict()
    assert said["by_size"]["small"]["objects"] == 3
    assert said["by_size"]["large"]["ap50"] is None
    coco = score(truth, truth, objects="ids", sizes="coco").as_dict()["by_size"]
    assert (coco["bounds"]["low"], coco["bounds"]["unit"]) == (1024.0, "voxels")


def test_volumes_of_any_chunks_have_the_scores_of_the_array_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_ziggurat.images.image._STREAMED_VOXELS", 100)
    rng = np.random.default_rng(0)
    labels = (rng.random((7, 13, 11)) < 0.3).astype(np.uint8)
    found = np.where(rng.random(labels.shape) < 0.1, 1 - labels, labels)
    mine = store(tmp_path / "mine.ome.zarr", found, status="complete")
    true = store(tmp_path / "true.ome.zarr", labels, chunk=3)
    np.save(tmp_path / "mine.npy", found)
    np.save(tmp_path / "true.npy", labels)
    blocks = score(mine, true, objects="components").as_dict()
    monkeypatch.undo()
    whole = score(tmp_path / "mine.npy", tmp_path / "true.npy", objects="components", axes="zyx")
    assert blocks == whole.as_dict()


def test_time_points_have_objects_of_their_own(tmp_path):
    paths = [tmp_path / "p.tif", tmp_path / "t.tif"]
    moved = np.stack([IDS, IDS * 0])
    for path, array in zip(paths, (moved, np.stack([IDS, IDS])), strict=True):
        tifffile.imwrite(path, array, metadata={"axes": "TYX"})
    found = score(*paths, objects="ids", axes="tyx").as_dict()
    assert (found["objects"], found["predicted_objects"], found["ap50"]) == (6, 3, 0.5)


def test_two_results_are_compared_over_files(tmp_path):
    for i in range(4):
        save(tmp_path / "truth" / f"{i}.tif", IDS)
        save(tmp_path / "good" / f"{i}.tif", IDS)
        save(tmp_path / "bad" / f"{i}.tif", np.where(IDS == 9, 0, IDS))
    result = score(tmp_path / "good", tmp_path / "truth", objects="ids", against=tmp_path / "bad")
    assert result.as_dict()["mean_over_files"]["ap50"] == 1.0
    contest = result.as_dict()["against"]
    assert (contest["units"], contest["count"]) == ("files", 4)
    found = contest["measures"]["ap50"]
    assert (found["this"], found["other"]) == (1.0, pytest.approx(2 / 3))
    assert found["low"] == found["high"] == found["difference"] == pytest.approx(1 / 3)
    assert "too narrow" in result.render()


def test_two_results_of_one_file_are_compared_over_its_objects(tmp_path, truth, foreground):
    found = score(foreground, truth, objects="ids", predicted_objects="components", against=truth)
    contest = found.as_dict()["against"]
    assert (contest["units"], contest["count"]) == ("objects", 3)
    assert contest["measures"]["found at IoU 0.5"]["this"] == pytest.approx(2 / 3)
    with pytest.raises(InputError, match="several files, or over the objects"):
        score(foreground, truth, task="foreground", against=truth)


def test_the_figure_is_drawn_and_never_replaced_unasked(tmp_path, truth, foreground):
    options = {"objects": "ids", "figure": tmp_path / "out.png", "image": foreground}
    found = score(truth, truth, **options).as_dict()
    assert found["figure"].endswith("out.png")
    assert (tmp_path / "out.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(ExistsError, match="--overwrite"):
        score(truth, truth, **options)
    score(truth, truth, **options, overwrite=True)
    small = save(tmp_path / "small.tif", IDS[1:])
    with pytest.raises(InputError, match="one shape"):
        score(truth, truth, **options | {"image": small}, overwrite=True)


def test_a_thumbnail_shows_what_was_compared(truth):
    """Ids that are taken for one foreground have no outlines between them."""
    config = EvaluateConfig(
        prediction=truth, labels=truth, objects="ids", predicted_objects="components"
    )
    opened = open_pair(truth, truth, None, config, Kinds.of(config, {}))
    file = finish(compare("a", opened, None, alone=True))
    worst = find_worst([file], [1], 2)
    assert [(str(place.box), place.iou) for place in worst] == [
        ("1:3,1:5", 0.5), ("1:3,5:9", 0.5)
    ]  # fmt: skip
    shown = look(worst[0], opened, None)
    assert set(np.unique(shown.truth)) == {0, 9, 700, 701}
    assert set(np.unique(shown.prediction)) == {0, 1}


def test_surfaces_that_are_too_large_are_left_out_in_words(truth, monkeypatch):
    monkeypatch.setattr("napari_ziggurat.evaluation.surface.MOST_POINTS", 5)
    config = EvaluateConfig(prediction=truth, labels=truth, objects="ids")
    said = " ".join(step.message for step in evaluate(config))
    assert "the surface of class 1 has more than" in said
    found = score(truth, truth, objects="ids").as_dict()
    assert (found["surface_dice"], found["hausdorff95"], found["ap50"]) == (None, None, 1.0)


def test_a_volume_without_objects_says_so_and_has_no_scores(tmp_path):
    nothing = save(tmp_path / "nothing.tif", IDS * 0)
    result = score(nothing, nothing, objects="ids")
    found = result.as_dict()
    assert (found["objects"], found["ap50"], found["by_size"]) == (0, None, None)
    assert "nothing to score" in result.render()
    missed = score(nothing, save(tmp_path / "t.tif", IDS), objects="ids").as_dict()
    assert (missed["ap50"], missed["f1"], missed["classes"]["1"]["precision"]) == (0.0, 0.0, None)


def test_a_class_on_one_side_only_is_named(tmp_path):
    labels = (IDS > 0).astype(np.uint8)
    result = score(save(tmp_path / "p.tif", labels * 2), save(tmp_path / "t.tif", labels))
    text = result.render()
    assert "Class 1 is in the truth and was never predicted." in text
    assert "Class 2 was predicted and is not in the truth." in text
    assert result.as_dict()["classes"]["1"]["hausdorff95"] is None


def test_sizes_of_voxels_that_contradict_each_other_are_named(tmp_path):
    mine = store(tmp_path / "mine.ome.zarr", IDS, (0.5, 0.5), "um", status="complete")
    true = store(tmp_path / "true.ome.zarr", IDS, (0.5, 0.25), "um")
    with pytest.raises(InputError, match=r"mine has 0\.5 x 0\.5 um.*true has 0\.5 x 0\.25 um"):
        score(mine, true, objects="ids")
    assert score(mine, true, objects="ids", spacing=(0.5, 0.5), unit="um").as_dict()["ap50"] == 1
    same = store(tmp_path / "same.ome.zarr", IDS, (500.0, 500.0), "nm")
    assert score(mine, same, objects="ids").as_dict()["unit"] == "um"


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (IDS[:, 1:], r"one shape.*\(10, 12\).*\(10, 11\)"),
        (IDS + np.float32(0.5), r"whole numbers.* 0\.5"),
        (IDS.astype(np.int32) - 1, "negative; found -1"),
        (np.where(IDS, np.float32(2**25), 0), "label 33554432; as float32 labels above 16777216"),
        (np.where(IDS, np.uint64(2**63), np.uint64(0)), "cannot be counted"),
    ],
    ids=["shape", "fractions", "negative", "float", "too large"],
)
def test_what_cannot_be_objects_is_refused(tmp_path, truth, array, words):
    with pytest.raises(InputError, match=words):
        score(truth, save(tmp_path / "other.tif", array), objects="ids")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"predicted_objects": "ids"}, "say --objects"),
        ({"objects": "ids", "predicted_objects": "between"}, "Pieces between the labels"),
        ({"objects": "ids", "image": "a.tif"}, "say --figure"),
        ({"objects": "ids", "figure": "a.pdf"}, r"\.png"),
        ({"sizes": "3"}, "--sizes: sizes are"),
        ({"sizes": "9,3"}, "got '9,3'"),
        ({"tolerance": 0}, "tolerance"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        EvaluateConfig.create({"prediction": "p.tif", "labels": "t.tif", **options})


@pytest.mark.parametrize("option", [{"sizes": "1,2"}, {"figure": "a.png"}])
def test_options_about_objects_need_to_know_what_an_object_is(foreground, option):
    with pytest.raises(InputError, match="say --objects ids"):
        score(foreground, foreground, **option)


def test_the_command_prints_one_json_object_and_tables(truth):
    command = ["evaluate", str(truth), str(truth), "--objects", "ids"]
    values = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert values["by_size"]["large"]["ap50"] == 1.0
    table = CliRunner().invoke(app, command).stdout
    for word in ("small", "medium", "large", "all", "AP50", "splits", "terciles of the truth"):
        assert word in table
    assert max(map(len, table.splitlines())) <= 110


def test_torch_is_not_loaded(truth):
    code = (
        "import sys; from napari_ziggurat.cli import app\n"
        f"app(['evaluate', {str(truth)!r}, {str(truth)!r}, '--objects', 'ids'],"
        " standalone_mode=False)\n"
        "print({'torch', 'monai', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"
