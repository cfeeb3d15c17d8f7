"""Instances: objects are learned from ids or strokes, and the map tells where they end."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from typer.testing import CliRunner

from models import tiny_model
from napari_ziggurat import LiveTraining, live_config
from napari_ziggurat.classes import SHAPES, default_classes
from napari_ziggurat.cli import app
from napari_ziggurat.errors import InputError
from napari_ziggurat.images import image_from_array, open_image, read_record
from napari_ziggurat.networks import Model, ModelSpec, load_model, read_spec, save_model
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.calibrate import calibrate
from napari_ziggurat.runs.config import (
    CalibrateConfig,
    EvaluateConfig,
    ExplainConfig,
    ExportConfig,
    SearchConfig,
    SuggestConfig,
    TrainConfig,
)
from napari_ziggurat.runs.evaluate import evaluate
from napari_ziggurat.runs.explain import explain
from napari_ziggurat.runs.export import export
from napari_ziggurat.runs.plan.options import SegmentOptions
from napari_ziggurat.runs.search import search
from napari_ziggurat.runs.segment import segment_image
from napari_ziggurat.runs.suggest import suggest_boxes
from napari_ziggurat.runs.train import TrainResult, train
from napari_ziggurat.training.instance_targets import decoded, shape_targets

SMALL: dict[str, Any] = {
    "steps": 3, "patch": (32, 32), "batch": 2, "features": 4, "depth": 2, "task": "instance",
}  # fmt: skip
PLANE = np.random.default_rng(0).integers(0, 255, (70, 101), dtype=np.uint8)


def drawn(shape: tuple[int, ...] = (64, 64), radius: float = 7.0) -> NDArray[np.uint16]:
    """Draw discs or balls on a grid, each of which touches its neighbours, with ids from 300."""
    ids, places = np.zeros(shape, np.uint16), np.indices(shape)
    for number, y in enumerate(range(8, shape[-2], 14)):
        for more, x in enumerate(range(8, shape[-1], 14)):
            centre = np.array([shape[0] // 2, y, x][-len(shape) :])
            away = ((places - centre.reshape(-1, *[1] * len(shape))) ** 2).sum(0)
            ids[away < radius**2] = 300 + 10 * number + more
    return ids


def grey(ids: NDArray[np.integer]) -> NDArray[np.uint8]:
    noise = np.random.default_rng(1).normal(0, 8, ids.shape)
    return np.clip(np.where(ids > 0, 170, 40) + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An image of discs that touch, and their ids."""
    np.save(tmp_path / "image.npy", grey(drawn()))
    tifffile.imwrite(tmp_path / "ids.tif", drawn())
    return tmp_path


def learn(folder: Path, **more: Any) -> TrainResult:
    values = {"image": folder / "image.npy", "labels": folder / "ids.tif", "out": folder / "model"}
    if "annotation" in more:
        values["labels"] = ()
    return finish(train(TrainConfig.model_validate(values | SMALL | more)))


def made(**changes: Any) -> Model:
    """A tiny model of random parameters with one class, boundary and distance."""
    told = {"task": "instance", "classes": default_classes((0, 1)), "shapes": SHAPES}
    return tiny_model(outputs=4, **told, **changes)


def map_of(out: Path) -> NDArray[Any]:
    path = out.with_name(out.name.replace(".ome.zarr", "_probabilities.ome.zarr"))
    return np.asarray(open_image(path).arrays[0][...])


def segmented(model: Model, out: Path, image: NDArray[Any] = PLANE, **options: Any) -> NDArray[Any]:
    image_, chosen = image_from_array(image, axes="yx"), {"probabilities": True} | options
    finish(segment_image(image_, model, SegmentOptions(**chosen), out))
    return map_of(out)


@pytest.mark.slow
def test_what_is_learned_tells_objects_apart(folder: Path) -> None:
    learn(folder, steps=140, learning_rate=1e-2, features=8)
    spec = read_spec(folder / "model")
    assert (spec.task, spec.shapes) == ("instance", ("boundary", "distance"))
    assert [c.name for c in spec.classes] == ["background", "object"]
    found = segmented(load_model(folder / "model"), folder / "a.ome.zarr", grey(drawn()))
    assert ((found[1] > 0.5) == (drawn() > 0)).mean() > 0.95
    assert found[2, 8, 15:17].mean() > found[2, 8, 8] + 0.1  # between two discs, and within one
    true, inside = decoded(shape_targets(drawn(), (1.0, 1.0), dense=True))[1], drawn() > 0
    assert np.corrcoef(found[3][inside], true[inside])[0, 1] > 0.5
    assert found[3][drawn() == 0].mean() < 0.2


def test_the_map_names_its_channels_and_the_record_tells_what_they_are(folder: Path) -> None:
    learn(folder)
    segmented(load_model(folder / "model"), folder / "a.ome.zarr")
    path = folder / "a_probabilities.ome.zarr"
    assert open_image(path).channels == ("background", "object", "boundary", "distance")
    for store in (path, folder / "a.ome.zarr"):
        record = read_record(store)
        assert record is not None
        assert (record["task"], record["shapes"]) == ("instance", ["boundary", "distance"])
        assert [each["name"] for each in record["classes"]] == ["background", "object"]
    labels = np.asarray(open_image(folder / "a.ome.zarr").arrays[0][...])
    found = map_of(folder / "a.ome.zarr")
    assert np.array_equal(labels, found[1] > found[0])
    np.testing.assert_allclose(found[:2].sum(0), 1, atol=1e-5)
    told = json.loads(CliRunner().invoke(app, ["info", str(path), "--json"]).stdout)
    assert told["channels"][2:] == ["boundary", "distance"]


def test_a_coarse_third_axis_is_learned(tmp_path: Path) -> None:
    ids = drawn((8, 48, 48))
    tifffile.imwrite(tmp_path / "ids.tif", ids)
    np.save(tmp_path / "image.npy", grey(ids))
    coarse = {"axes": "zyx", "spacing": (5.0, 1.0, 1.0), "unit": "um"}
    learn(tmp_path, patch=(8, 32, 32), batch=1, steps=2, **coarse)
    spec = read_spec(tmp_path / "model")
    assert (spec.axes, spec.dims, spec.network.topology.out_channels) == ("zyx", 3, 4)


@pytest.mark.parametrize(
    "more",
    [
        {"axes": "zyx", "dims": 2, "patch": (1, 32, 32)},
        {"scales": (0.5, 2.0), "focal": 2.0, "deep_supervision": (1.0,)},
        {"network": "hooknet", "patch": (32, 32), "batch": 1, "depth": None, "features": 2},
    ],
    ids=["planes", "scales", "surroundings"],
)
def test_other_ways_to_train_learn_shapes_as_well(more: dict[str, Any], tmp_path: Path) -> None:
    ids = drawn((8, 64, 64)) if len(more.get("patch", ())) == 3 else drawn()
    tifffile.imwrite(tmp_path / "ids.tif", ids)
    np.save(tmp_path / "image.npy", grey(ids))
    learn(tmp_path, **more)
    assert read_spec(tmp_path / "model").shapes == SHAPES


@pytest.mark.slow
def test_strokes_in_objects_and_between_them_are_learned(folder: Path) -> None:
    painted = np.zeros((64, 64), np.uint16)
    for row in range(8, 64, 14):
        for column in range(8, 64, 14):
            painted[row, column - 1 : column + 2] = drawn()[row, column]
        painted[row - 2 : row + 3, 15:57:14] = 255
    tifffile.imwrite(folder / "strokes.tif", painted)
    learn(folder, annotation=folder / "strokes.tif", steps=60, learning_rate=1e-2, features=8)
    found = segmented(load_model(folder / "model"), folder / "a.ome.zarr", grey(drawn()))
    assert found[2, 8, 15] > found[2, 8, 8] + 0.1


def test_the_held_out_score_is_that_of_the_class(folder: Path) -> None:
    pair = {"val_image": folder / "image.npy", "val_labels": folder / "ids.tif"}
    assert set(learn(folder, **pair).val_dice) == {"object"}


def test_it_goes_on_from_a_model_of_the_same_task_only(folder: Path) -> None:
    learn(folder)
    learn(folder, from_model=folder / "model", out=folder / "next", network="residual_unet")
    assert read_spec(folder / "next").shapes == SHAPES
    plain = {"task": "foreground", "out": folder / "plain"}
    with pytest.raises(InputError, match=r"--task instance, and this is --task foreground"):
        learn(folder, **plain, from_model=folder / "model")
    learn(folder, **plain)
    with pytest.raises(InputError, match=r"--task foreground, and this is --task instance"):
        learn(folder, from_model=folder / "plain", out=folder / "other")


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (np.where(drawn() > 0, 1.5, 0), "whole numbers"),
        (drawn().astype(np.int16) - 400, "must not be negative"),
        ((drawn() > 0).astype(np.uint8), r"hold one alone \(1\).*--task foreground"),
        (np.zeros((64, 64), np.uint8), "the labels hold none"),
    ],
    ids=["float", "negative", "one", "none"],
)
def test_labels_without_objects_are_refused(ids: NDArray[Any], said: str, folder: Path) -> None:
    tifffile.imwrite(folder / "ids.tif", ids)
    with pytest.raises(InputError, match=said):
        learn(folder)
    assert not (folder / "model" / "model.json").exists()


def test_ids_in_a_float_image_that_are_whole_numbers_are_ids(folder: Path) -> None:
    tifffile.imwrite(folder / "ids.tif", drawn().astype(np.float32))
    learn(folder)
    assert read_spec(folder / "model").shapes == SHAPES


def test_strokes_of_objects_without_background_are_refused(folder: Path) -> None:
    tifffile.imwrite(folder / "strokes.tif", np.where(drawn() % 2, drawn(), 0))
    with pytest.raises(InputError, match="Training needs at least two classes"):
        learn(folder, annotation=folder / "strokes.tif")


def test_labels_that_name_classes_are_no_objects(folder: Path) -> None:
    image = image_from_array(PLANE, axes="yx")
    finish(segment_image(image, tiny_model(), SegmentOptions(), folder / "labels.ome.zarr"))
    np.save(folder / "image.npy", PLANE)
    with pytest.raises(InputError, match=r"names its numbers as classes \(class 1, class 5\)"):
        learn(folder, labels=folder / "labels.ome.zarr")


@pytest.mark.parametrize("lever", ["unlabelled", "alike"])
def test_levers_that_know_no_objects_are_refused(lever: str, folder: Path) -> None:
    with pytest.raises(ValueError, match=f"--{lever} tells of classes"):
        learn(folder, annotation=folder / "ids.tif", **{lever: 1.0})


def test_a_model_has_as_many_outputs_as_classes_and_shapes() -> None:
    spec = tiny_model().spec.model_dump()
    with pytest.raises(ValueError, match="5 classes and shapes and 3 outputs of the network"):
        ModelSpec.model_validate(spec | {"task": "instance", "shapes": SHAPES})


def test_a_model_without_shapes_is_written_as_before(tmp_path: Path) -> None:
    save_model(tiny_model(), tmp_path / "model")
    assert "shapes" not in json.loads((tmp_path / "model" / "model.json").read_text())
    assert read_spec(tmp_path / "model").shapes == ()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"blend": True},
        {"augment": ("flips", "scales")},
        {"probability_type": "uint8"},
        {"probability_type": "float16", "blend": True},
        {"all_scales": True},
    ],
    ids=["plain", "blend", "augment", "uint8", "float16", "all scales"],
)
def test_the_map_does_not_depend_on_how_the_image_is_cut(
    options: dict[str, Any], tmp_path: Path
) -> None:
    model = made(window=(32, 32), rim=(8, 8), features=(4, 4, 6, 6))
    whole = segmented(model, tmp_path / "a.ome.zarr", block=PLANE.shape, threads=1, **options)
    cut = segmented(model, tmp_path / "b.ome.zarr", block=(1, 1), threads=2, **options)
    assert np.array_equal(whole, cut)
    assert len(whole) == 4
    largest = 255 if whole.dtype == np.uint8 else 1
    assert 0 <= whole.min() <= whole.max() <= largest
    assert whole[2].std() > 0


def test_the_mean_over_views_is_that_of_the_shapes_themselves(tmp_path: Path) -> None:
    model, small = made(window=(32, 32), rim=(8, 8)), PLANE[:32, :32]
    both = segmented(model, tmp_path / "m.ome.zarr", small, augment=("flips",))
    views = [
        segmented(model, tmp_path / f"{n}.ome.zarr", small[turn])[(slice(None), *turn)]
        for n, turn in enumerate(
            (slice(None, None, y), slice(None, None, x)) for y in (1, -1) for x in (1, -1)
        )
    ]
    np.testing.assert_allclose(both, np.mean(views, axis=0), atol=1e-4)


def test_levels_are_not_fused(tmp_path: Path) -> None:
    levels = [PLANE[:64, :96], PLANE[:64:2, :96:2]]
    image = image_from_array(levels, axes="yx")
    with pytest.raises(InputError, match=r"--levels fuses.*--level"):
        finish(segment_image(image, made(), SegmentOptions(levels=(0, 1)), tmp_path / "a.ome.zarr"))


def test_levels_are_not_calibrated(tmp_path: Path) -> None:
    save_model(made(), tmp_path / "model")
    more = {"image": "image.npy", "labels": "ids.tif", "levels": (0, 1)}
    config = CalibrateConfig.model_validate({"model": tmp_path / "model", **more})
    with pytest.raises(InputError, match=r"Levels are fused class by class.*--task"):
        finish(calibrate(config))


def test_a_search_scores_the_class(folder: Path) -> None:
    small = {k: v for k, v in SMALL.items() if k != "steps"} | {"features": 2, "patch": (16, 16)}
    config = SearchConfig.model_validate(
        small | {"image": folder / "image.npy", "labels": folder / "ids.tif", "steps": 1,
                 "candidates": 1, "out": folder / "search"}
    )  # fmt: skip
    assert "--task instance" in finish(search(config)).next_command


def test_what_is_written_for_other_programs_says_what_its_channels_are(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")
    save_model(made(), tmp_path / "model")
    result = finish(export(ExportConfig(model=tmp_path / "model")))
    assert "the last 2 channels of 'logits' are boundary, distance" in result.render()
    assert result.largest_error < 1e-4


def test_features_of_its_network_are_shown(tmp_path: Path) -> None:
    save_model(made(), tmp_path / "model")
    np.save(tmp_path / "image.npy", PLANE)
    config = ExplainConfig(
        model=tmp_path / "model", image=tmp_path / "image.npy", out=tmp_path / "seen", device="cpu"
    )
    assert finish(explain(config)).layers


def test_its_labels_are_compared_with_ids_by_their_components(folder: Path) -> None:
    image = image_from_array(grey(drawn()), axes="yx")
    finish(segment_image(image, made(), SegmentOptions(), folder / "found.ome.zarr"))
    config = EvaluateConfig(prediction=folder / "found.ome.zarr", labels=folder / "ids.tif")
    said = " ".join(step.message for step in evaluate(config))
    assert "in the truth each label is an object, predicted each connected piece" in said


def test_a_model_says_what_it_tells_of_objects(tmp_path: Path) -> None:
    save_model(made(), tmp_path / "model")
    words = CliRunner().invoke(app, ["info", str(tmp_path / "model")]).stdout
    assert "task      instance" in words
    assert "shapes    boundary, distance" in words
    told = json.loads(CliRunner().invoke(app, ["info", str(tmp_path / "model"), "--json"]).stdout)
    assert (told["task"], told["shapes"]) == ("instance", ["boundary", "distance"])


def test_suggestions_are_made_of_the_classes() -> None:
    image = image_from_array(PLANE, axes="yx")
    config = SuggestConfig(image="i", model="m", count=1, size=(16, 16), device="cpu")
    result = finish(suggest_boxes(image, made(), config))
    assert list(result.boxes[0].classes) == ["background", "class 1"]
    assert sum(result.boxes[0].classes.values()) == pytest.approx(1, abs=1e-4)


def test_a_live_training_refuses_objects(tmp_path: Path) -> None:
    image, labels = image_from_array(PLANE, axes="yx"), np.zeros(PLANE.shape, np.uint8)
    with pytest.raises(InputError, match="A live training learns classes"):
        LiveTraining(image, labels, live_config(image, labels, task="instance"))
    with pytest.raises(InputError, match="A live training learns classes"):
        LiveTraining(image, labels, parent=made())
