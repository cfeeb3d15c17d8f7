"""What training refuses to learn from, and what it says of its data, before time is spent."""

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
import zarr

from conftest import DrawnVolume
from napari_ziggurat.errors import InputError, ZigguratError
from napari_ziggurat.images import Image
from napari_ziggurat.networks import read_spec
from napari_ziggurat.progress import Progress, finish
from napari_ziggurat.runs.config import TrainConfig
from napari_ziggurat.runs.train import train

SMALL = {"steps": 2, "patch": (32, 32), "batch": 2, "features": 4, "depth": 2}


def config(folder: Path, **more: object) -> TrainConfig:
    values = {"image": folder / "images", "labels": folder / "labels", "out": folder / "model"}
    return TrainConfig.model_validate(values | SMALL | more)


def follow(settings: TrainConfig) -> list[Progress]:
    return list(train(settings))


def said(settings: TrainConfig) -> str:
    return "\n".join(step.message for step in train(settings))


@pytest.fixture
def planes(tmp_path: Path, drawn_volume: DrawnVolume) -> Path:
    """A folder with images/ and labels/ of two planes each."""
    for name, array in (("images", drawn_volume.image), ("labels", drawn_volume.labels)):
        (tmp_path / name).mkdir()
        for z in (4, 10):
            np.save(tmp_path / name / f"plane_{z}.npy", array[z])
    return tmp_path


def pyramid(path: Path, *levels: np.ndarray, **attributes: object) -> Path:
    """Write planes as the levels of an OME-Zarr."""
    group = zarr.open_group(path, mode="w", zarr_format=3)
    datasets = []
    for number, level in enumerate(levels):
        group.create_array(str(number), data=level)
        scale = {"type": "scale", "scale": [float(2**number)] * 2}
        datasets.append({"path": str(number), "coordinateTransformations": [scale]})
    axes = [{"name": name, "type": "space"} for name in "yx"]
    multiscale = {"axes": axes, "datasets": datasets}
    group.attrs.update({"ome": {"version": "0.5", "multiscales": [multiscale]}, **attributes})
    return path


VALIDATION: dict[str, Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]] = {
    r"\(64, 60\)": lambda image, labels: (image, labels[:, :60]),
    "'val_labels' holds 9": lambda image, labels: (image, np.where(labels == 2, 9, labels)),
    "3 voxels.*--nan-as": lambda image, labels: (
        np.where(np.arange(image.size).reshape(image.shape) < 3, np.nan, image),
        labels,
    ),
}


@pytest.mark.parametrize("says", VALIDATION)
def test_validation_images_are_checked_before_training(says: str, planes: Path) -> None:
    plane = planes / "images" / "plane_4.npy"
    image, labels = np.load(plane), np.load(planes / "labels" / "plane_4.npy")
    image, labels = VALIDATION[says](image, labels)
    np.save(planes / "val_image.npy", image)
    np.save(planes / "val_labels.npy", labels)
    more = {"val_image": planes / "val_image.npy", "val_labels": planes / "val_labels.npy"}
    seen = []
    with pytest.raises(InputError, match=says):
        seen.extend(step.stage for step in train(config(planes, **more)))
    assert "train" not in seen


def test_a_missing_validation_image_is_noticed_before_training(planes: Path) -> None:
    seen = []
    settings = config(planes, val_image=planes / "typo", val_labels=planes / "labels")
    with pytest.raises(ZigguratError, match="no file"):
        seen.extend(step.stage for step in train(settings))
    assert "train" not in seen


def test_spacings_are_compared_in_one_unit(planes: Path) -> None:
    images = planes / "tiffs"
    images.mkdir()
    for z, size, unit in ((1, 0.5, "µm"), (2, 500.0, "nm"), (3, 500.0, "nm")):
        about = {"axes": "YX", "PhysicalSizeX": size, "PhysicalSizeXUnit": unit,
                 "PhysicalSizeY": size, "PhysicalSizeYUnit": unit}  # fmt: skip
        array = np.load(planes / "images" / "plane_4.npy")
        tifffile.imwrite(images / f"{z}.ome.tif", array, ome=True, metadata=about)
        np.save(planes / "labels" / f"{z}.npy", np.load(planes / "labels" / "plane_4.npy"))
    for path in (planes / "labels").glob("plane_*"):
        path.unlink()
    follow(config(planes, image=images))
    spec = read_spec(planes / "model")
    assert spec.spacing == pytest.approx((0.5, 0.5))
    assert spec.unit == "um"


def test_spacings_that_cannot_be_compared_are_refused(planes: Path) -> None:
    array = np.load(planes / "images" / "plane_4.npy")
    about = {"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    tifffile.imwrite(planes / "images" / "plane_4.ome.tif", array, ome=True, metadata=about)
    (planes / "images" / "plane_4.npy").unlink()
    with pytest.raises(InputError, match=r"'plane_10' has 1 x 1 \(no unit\), 'plane_4' 0.5 x 0.5"):
        follow(config(planes))
    follow(config(planes, spacing=(0.5, 0.5), unit="um"))


def test_strokes_that_vanish_at_a_level_are_refused(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
    strokes = np.zeros((64, 64), np.uint8)
    strokes[5, 5:40], strokes[20, 5:40] = 1, 2
    nothing = np.zeros((32, 32), np.uint8)
    paths = {
        "image": pyramid(tmp_path / "image.zarr", image, image[::2, ::2]),
        "annotation": pyramid(tmp_path / "strokes.zarr", strokes, nothing),
        "labels": (),
    }
    with pytest.raises(InputError, match="at level 1 the labels hold none of class 1, 2"):
        follow(config(tmp_path, **paths, level=1, patch=(16, 16)))


def test_a_class_that_vanishes_at_a_level_is_named(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
    labels = np.zeros((64, 64), np.uint8)
    labels[10:40, 10:40], labels[5, 5] = 1, 2
    paths = {
        "image": pyramid(tmp_path / "image.zarr", image, image[::2, ::2]),
        "labels": pyramid(tmp_path / "labels.zarr", labels, labels[::2, ::2]),
    }
    words = said(config(tmp_path, **paths, level=1, patch=(16, 16)))
    assert "class 2 has no voxel at level 1" in words


def test_only_the_level_that_is_trained_on_is_looked_through(tmp_path: Path) -> None:
    image = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    coarse = image[::2, ::2].copy()
    image[0, 0] = np.nan
    labels = np.zeros((32, 32), np.uint8)
    labels[4:20, 4:20] = 1
    paths = {"image": pyramid(tmp_path / "image.zarr", image, coarse), "patch": (16, 16)}
    paths["labels"] = pyramid(tmp_path / "labels.zarr", labels)
    stages = [step.stage for step in follow(config(tmp_path, **paths, level=1))]
    assert "check" in stages


def test_a_segmentation_that_is_not_finished_is_no_truth(planes: Path) -> None:
    labels = np.load(planes / "labels" / "plane_4.npy")
    store = pyramid(planes / "half.ome.zarr", labels, ziggurat={"status": "running"})
    image = planes / "images" / "plane_4.npy"
    with pytest.raises(InputError, match="not finished"):
        follow(config(planes, image=image, labels=store))


def test_labels_of_one_time_point_are_said_to_be_of_the_first(planes: Path) -> None:
    plane = np.load(planes / "images" / "plane_4.npy")
    np.save(planes / "movie.npy", np.stack([plane] * 3))
    labels = planes / "labels" / "plane_4.npy"
    words = said(config(planes, image=planes / "movie.npy", labels=labels, axes="tyx"))
    assert "'movie' has 3 time points and its labels one" in words


def test_classes_without_a_background_are_told(planes: Path) -> None:
    strokes = np.zeros((64, 64), np.uint8)
    strokes[4:8, 4:30], strokes[40:44, 4:30] = 1, 2
    np.save(planes / "strokes.npy", strokes)
    image = planes / "images" / "plane_4.npy"
    paths = {"image": image, "annotation": planes / "strokes.npy", "labels": ()}
    words = said(config(planes, **paths))
    assert "classes 1, 2 (without a background), from strokes" in words


def test_each_label_image_is_scanned_with_progress(
    planes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    monkeypatch.setattr(Image, "count_not_finite", lambda *_: read.append("all"))
    stages = [step.stage for step in follow(config(planes))]
    assert stages.count("labels") == 2
    assert not read


def test_patients_that_differ_in_number_and_size_are_validated(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for part, sizes in (("train", (40, 36, 44)), ("val", (32,))):
        for number, side in enumerate(sizes):
            labels = np.zeros((side, side, 12), np.uint8)
            labels[8:24, 8:24, 3:9] = 1
            grey = np.where(labels, 60, -600) + rng.normal(0, 20, labels.shape)
            for name, array in (("image", grey.astype(np.int16)), ("labels", labels)):
                folder = tmp_path / part / name
                folder.mkdir(parents=True, exist_ok=True)
                nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), folder / f"{number}.nii")
    names = {"image": "train/image", "labels": "train/labels"}
    names |= {"val_image": "val/image", "val_labels": "val/labels"}
    paths = {option: tmp_path / name for option, name in names.items()}
    result = finish(train(config(tmp_path, **paths, patch=(8, 16, 16))))
    assert set(result.val_dice) == {"class 1"}


def test_a_patch_that_is_no_square_trains(planes: Path) -> None:
    follow(config(planes, patch=(32, 64), steps=8))
