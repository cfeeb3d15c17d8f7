"""Training: from files to a model that can be used, repeatable, resumable, and picky."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from conftest import DrawnVolume
from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import open_image
from napari_ziggurat.networks import load_model, read_spec
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import SegmentConfig, TrainConfig
from napari_ziggurat.runs.segment import segment
from napari_ziggurat.runs.train import TrainResult, train

SMALL = {"steps": 3, "patch": (32, 32), "batch": 2, "features": 4, "depth": 2}


@pytest.fixture
def planes(tmp_path: Path, drawn_volume: DrawnVolume) -> Path:
    """A folder with images/ and labels/ of two planes each."""
    for name, array in (("images", drawn_volume.image), ("labels", drawn_volume.labels)):
        (tmp_path / name).mkdir()
        for z in (4, 10):
            np.save(tmp_path / name / f"plane_{z}.npy", array[z])
    return tmp_path


def _train(folder: Path, **more: object) -> TrainResult:
    values = {"image": folder / "images", "labels": folder / "labels", "out": folder / "model"}
    config = TrainConfig.model_validate(values | SMALL | more)
    return finish(train(config))


def test_a_trained_model_knows_itself_and_segments(planes: Path) -> None:
    result = _train(planes, steps=60, learning_rate=1e-2)
    spec = read_spec(planes / "model")
    assert [c.value for c in spec.classes] == [0, 1, 2]
    assert spec.axes == "yx"
    assert result.steps == 60
    image = planes / "images" / "plane_4.npy"
    out = planes / "out.tif"
    finish(segment(SegmentConfig(image=image, model=planes / "model", out=out)))
    truth = np.load(planes / "labels" / "plane_4.npy")
    found = open_image(out).read(0, Box.whole(truth.shape))[0]
    assert (found == truth).mean() > 0.9


def test_a_seeded_run_repeats_bit_for_bit(planes: Path) -> None:
    for name in ("one", "two"):
        _train(planes, out=planes / name, seed=7)
    _train(planes, out=planes / "other", seed=8)
    one, two, other = (
        load_file(planes / name / "weights.safetensors") for name in ("one", "two", "other")
    )
    assert all((one[key] == two[key]).all() for key in one)
    assert any((one[key] != other[key]).any() for key in one)


def test_an_interrupted_training_goes_on_and_ends_with_the_same_weights(planes: Path) -> None:
    _train(planes, out=planes / "calm", steps=30)
    values = {"image": planes / "images", "labels": planes / "labels"} | SMALL | {"steps": 30}
    stormy = TrainConfig.model_validate(values | {"out": planes / "stormy"})
    run = train(stormy)
    seen = list(itertools.islice((p for p in run if p.stage == "train"), 1))
    assert seen[0].done < seen[0].total
    run.close()
    assert (planes / "stormy" / ".training.safetensors").exists()
    messages = [p.message for p in train(stormy)]
    assert any("going on" in m for m in messages)
    calm, found = (load_file(planes / n / "weights.safetensors") for n in ("calm", "stormy"))
    assert all((calm[key] == found[key]).all() for key in calm)
    assert sorted(p.name for p in (planes / "stormy").iterdir()) == [
        "model.json", "weights.safetensors",
    ]  # fmt: skip


def test_another_training_does_not_mix_with_an_unfinished_one(planes: Path) -> None:
    values = {"image": planes / "images", "labels": planes / "labels", "out": planes / "model"}
    run = train(TrainConfig.model_validate(values | SMALL | {"steps": 30}))
    list(itertools.islice((p for p in run if p.stage == "train"), 1))
    run.close()
    with pytest.raises(ExistsError, match="different seed, steps"):
        _train(planes, seed=5, steps=31)
    _train(planes, seed=5, overwrite=True)


def test_an_existing_model_is_not_replaced_unless_asked(planes: Path) -> None:
    _train(planes)
    with pytest.raises(ExistsError, match="--overwrite"):
        _train(planes)
    _train(planes, overwrite=True)


def test_strokes_train_a_volume(tmp_path: Path, drawn_volume: DrawnVolume) -> None:
    annotation = np.zeros_like(drawn_volume.labels)
    annotation[8] = np.where(drawn_volume.labels[8] == 0, 255, drawn_volume.labels[8])
    np.save(tmp_path / "image.npy", drawn_volume.image)
    np.save(tmp_path / "strokes.npy", annotation)
    result = finish(
        train(
            TrainConfig.model_validate(
                SMALL
                | {
                    "image": tmp_path / "image.npy",
                    "annotation": tmp_path / "strokes.npy",
                    "out": tmp_path / "model",
                    "axes": "zyx",
                    "spacing": (0.2, 0.1, 0.1),
                    "unit": "um",
                    "patch": (8, 32, 32),
                    "val_image": tmp_path / "image.npy",
                    "val_labels": tmp_path / "strokes.npy",
                }
                | {"val_image": (), "val_labels": ()}
            )
        )
    )
    spec = read_spec(Path(result.model))
    assert spec.spacing == (0.2, 0.1, 0.1)
    assert spec.unit == "um"
    assert [c.value for c in spec.classes] == [0, 1, 2]


def test_foreground_makes_every_object_class_one(planes: Path) -> None:
    for path in (planes / "labels").iterdir():
        np.save(path, np.load(path).astype(np.uint16) * 300)
    with pytest.raises(InputError, match="--task foreground"):
        _train(planes)
    _train(planes, task="foreground")
    spec = read_spec(planes / "model")
    assert [c.value for c in spec.classes] == [0, 1]
    assert spec.task == "foreground"


def test_validation_is_reported_and_kept(planes: Path) -> None:
    result = _train(planes, val_image=planes / "images", val_labels=planes / "labels")
    assert set(result.val_dice) == {"class 1", "class 2"}
    assert read_spec(planes / "model").training["val_dice"] == result.as_dict()["val_dice"]


def test_training_goes_on_from_a_model(planes: Path) -> None:
    _train(planes)
    _train(planes, from_model=planes / "model", out=planes / "next", steps=1, learning_rate=1e-9)
    first, second = (load_model(planes / name) for name in ("model", "next"))
    pairs = zip(first.network.parameters(), second.network.parameters(), strict=True)
    assert all((a - b).abs().max() < 1e-6 for a, b in pairs)


def test_unmatched_files_are_named(planes: Path) -> None:
    (planes / "labels" / "plane_4.npy").rename(planes / "labels" / "stray.npy")
    with pytest.raises(InputError, match=r"plane_4\.npy.*stray\.npy"):
        _train(planes)


def test_labels_of_another_shape_are_refused_with_both_shapes(planes: Path) -> None:
    np.save(planes / "labels" / "plane_4.npy", np.zeros((64, 60), np.uint8))
    with pytest.raises(InputError, match=r"\(64, 60\).*\(64, 64\)"):
        _train(planes)


def test_an_image_smaller_than_the_patch_works(planes: Path) -> None:
    for name in ("images", "labels"):
        for path in (planes / name).iterdir():
            np.save(path, np.load(path)[:21, :33])
    _train(planes, patch=(64, 64))


def test_nan_in_training_is_refused_with_its_count(planes: Path) -> None:
    path = planes / "images" / "plane_4.npy"
    broken = np.load(path).astype(np.float32)
    broken[0, :5] = np.inf
    np.save(path, broken)
    with pytest.raises(InputError, match=r"5 voxels.*--nan-as"):
        _train(planes)
