"""Annotations on the command line: made, imported, looked at, exported, and trained from."""

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile
import zarr
from typer.testing import CliRunner

from conftest import DrawnVolume
from napari_ziggurat.cli import app
from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Axes, Box, Spacing
from napari_ziggurat.images import OutputGrid, create_output, fill_coarser, open_image
from napari_ziggurat.images.annotation_store import AnnotationStore
from napari_ziggurat.images.strokes import draw_strokes
from napari_ziggurat.networks import read_spec
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import EvaluateConfig, SegmentConfig, TrainConfig
from napari_ziggurat.runs.evaluate import evaluate
from napari_ziggurat.runs.segment import segment
from napari_ziggurat.runs.train import train

SMALL = {"steps": 2, "patch": (8, 32, 32), "batch": 1, "features": 4, "depth": 2, "device": "cpu"}


def ziggurat(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def done(*arguments: object) -> Any:
    result = ziggurat("annotation", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def refused(*arguments: object) -> str:
    result = ziggurat("annotation", *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    return str(result.stderr).splitlines()[-1]


@pytest.fixture
def files(tmp_path: Path, drawn_volume: DrawnVolume) -> Path:
    """A folder with an image of two levels, labels of both, and strokes of the coarser one."""
    grid = OutputGrid(
        Axes("zyx"), (16, 64, 64), np.dtype(np.uint8), Spacing((0.2, 0.1, 0.1), "um"), (0.0,) * 3,
        (16, 64, 64), (16, 64, 64), downsamplings=((1, 2, 2),),
    )  # fmt: skip
    create_output(tmp_path / "i.ome.zarr", grid, kind="image")[0][...] = drawn_volume.image
    list(fill_coarser(tmp_path / "i.ome.zarr", "image"))
    tifffile.imwrite(tmp_path / "dense.tif", drawn_volume.labels, metadata={"axes": "ZYX"})
    coarse = drawn_volume.labels[:, ::2, ::2]
    for name, labels in (("fine", drawn_volume.labels), ("coarse", coarse)):
        np.save(tmp_path / f"{name}.npy", draw_strokes(labels, fraction=0.05))
    return tmp_path


def test_an_annotation_is_made_filled_and_described(files: Path) -> None:
    image, store = files / "i.ome.zarr", files / "i.annotation.ome.zarr"
    made = done("create", image, "--level", 1, "--classes", "1=big,2=small:#0000ff")
    assert made["annotation"] == str(store)
    changed = done("import", files / "coarse.npy", "--image", image, "--sparse")
    strokes = np.load(files / "coarse.npy")
    assert changed["painted"] == {
        str(v): int(np.count_nonzero(strokes == v)) for v in np.unique(strokes) if v
    }
    completed = done("complete", store, "--box", "0:2,0:8,0:8")
    assert sum(completed["painted"].values()) == np.count_nonzero(strokes[:2, :8, :8] == 0)
    found = done("info", store)
    assert (found["level"], found["spacing"], found["unit"]) == (1, [0.2, 0.2, 0.2], "um")
    assert [(c["value"], c["name"]) for c in found["classes"]] == [(1, "big"), (2, "small")]
    assert found["classes"][1]["color"] == "#0000ff"
    assert found["history"]["strokes"] == {"import": 1, "complete": 1}
    assert found["source"] == str(image)
    text = ziggurat("annotation", "info", store).stdout
    assert "level 1" in text
    assert "0.2 x 0.2 x 0.2 um" in text


def test_import_makes_the_annotation_of_the_level_that_fits(files: Path) -> None:
    image = files / "i.ome.zarr"
    where = files / "coarse.ome.zarr"
    more = ("--image", image, "--annotation", where)
    done("import", files / "coarse.npy", *more, "--sparse", "--classes", "1=big")
    assert AnnotationStore.open(where).drawn_on.level == 1
    assert AnnotationStore.open(where).classes[0].name == "big"
    dense = done("import", files / "dense.tif", "--image", image, "--dense")
    assert AnnotationStore.open(Path(dense["annotation"])).drawn_on.level == 0
    again = done("import", files / "dense.tif", "--image", image, "--dense")
    assert (again["painted"], again["contradicted"]) == ({}, 0)


def test_what_does_not_fit_is_one_sentence(files: Path) -> None:
    image, store = files / "i.ome.zarr", files / "i.annotation.ome.zarr"
    done("create", image, "--level", 1)
    dense = ("import", files / "dense.tif", "--image", image)
    assert "--dense" in refused(*dense)
    assert "got both" in refused(*dense, "--dense", "--sparse")
    assert "level 1" in refused(*dense, "--dense")
    assert "--level 0 needs an annotation of its own" in refused(*dense, "--dense", "--level", 0)
    assert "exists" in refused("create", image)
    assert "not inside" in refused("complete", store, "--box", "0:17,0:8,0:8")
    assert "1=nucleus" in refused("classes", store, "--set", "nucleus")
    assert "nothing at" in refused("info", files / "nowhere")
    assert "exists" in refused("export", store, files / "dense.tif")
    assert "annotation itself" in refused("export", store, store)
    assert ".ome.zarr, .tif" in refused("export", store, files / "a.txt")
    np.save(files / "odd.npy", np.zeros((3, 4), np.uint8))
    other = ("--image", image, "--annotation", files / "o.ome.zarr", "--sparse")
    assert "no level of" in refused("import", files / "odd.npy", *other)


def test_it_is_exported_and_its_classes_are_renamed(files: Path) -> None:
    image = files / "i.ome.zarr"
    made = done("import", files / "fine.npy", "--image", image, "--sparse")
    store = Path(made["annotation"])
    assert "1 cell (#ee6677)" in done("classes", store, "--set", "1=cell")["done"]
    assert "1 cell (#ee6677)" in done("classes", store)["done"]
    strokes = np.load(files / "fine.npy")
    for name in ("l.tif", "l.nii.gz", "l.ome.zarr"):
        done("export", store, files / name)
        done("export", store, files / name, "--overwrite")
    np.testing.assert_array_equal(tifffile.imread(files / "l.tif"), strokes)
    nifti = nibabel.load(files / "l.nii.gz")
    np.testing.assert_array_equal(np.asarray(nifti.dataobj).T, strokes)
    whole = Box.whole(strokes.shape)
    np.testing.assert_array_equal(open_image(files / "l.ome.zarr").read(0, whole)[0], strokes)


def test_an_image_that_changed_is_named_in_training_until_it_is_adopted(files: Path) -> None:
    image = files / "i.ome.zarr"
    store = Path(done("import", files / "fine.npy", "--image", image, "--sparse")["annotation"])
    zarr.open_array(image / "0", mode="r+")[3, 4, 5] += 1
    config = TrainConfig(image=image, annotation=store, out=files / "model", **SMALL)
    with pytest.raises(InputError, match=r"another checksum.*annotation adopt"):
        finish(train(config))
    assert "another checksum" in done("adopt", store, "--image", image)["done"]
    finish(train(config))


@pytest.mark.parametrize("level", [0, 1])
def test_training_reads_the_image_at_the_level_of_the_annotation(files: Path, level: int) -> None:
    image, labels = files / "i.ome.zarr", files / ("coarse.npy" if level else "fine.npy")
    made = done(
        "import", labels, "--image", image, "--sparse", "--classes", "1=big,2=small:#0000ff"
    )
    store = Path(made["annotation"])
    config = TrainConfig(image=image, annotation=store, out=files / "model", **SMALL)
    said = "\n".join(step.message for step in train(config))
    assert f"at level {level}" in said
    spec = read_spec(files / "model")
    assert [(c.value, c.name) for c in spec.classes] == [
        (0, "background"), (1, "big"), (2, "small"),
    ]  # fmt: skip
    assert spec.classes[2].color == "#0000ff"
    assert tuple(spec.spacing) == ((0.2, 0.2, 0.2) if level else (0.2, 0.1, 0.1))


def test_training_at_another_level_than_the_annotation_is_refused(files: Path) -> None:
    image = files / "i.ome.zarr"
    store = done("import", files / "coarse.npy", "--image", image, "--sparse")["annotation"]
    config = TrainConfig(image=image, annotation=store, out=files / "model", level=0, **SMALL)
    with pytest.raises(InputError, match=r"drawn on level 1.*--level 1"):
        finish(train(config))


def test_an_annotation_is_no_dense_truth_and_no_output(files: Path) -> None:
    image = files / "i.ome.zarr"
    store = done("import", files / "fine.npy", "--image", image, "--sparse")["annotation"]
    with pytest.raises(InputError, match="--annotation instead of --labels"):
        finish(train(TrainConfig(image=image, labels=store, out=files / "model", **SMALL)))
    with pytest.raises(InputError, match="would count as background"):
        finish(evaluate(EvaluateConfig(prediction=files / "dense.tif", labels=store)))
    finish(train(TrainConfig(image=image, annotation=store, out=files / "model", **SMALL)))
    run = SegmentConfig(image=image, model=files / "model", out=store, overwrite=True)
    with pytest.raises(InputError, match="somebody painted"):
        finish(segment(run))
    assert AnnotationStore.open(Path(store)).counts()


def test_annotations_beside_the_images_of_a_folder_are_trained_from(
    tmp_path: Path, drawn_volume: DrawnVolume
) -> None:
    (folder := tmp_path / "images").mkdir()
    for z in (4, 10):
        np.save(folder / f"plane_{z}.npy", drawn_volume.image[z])
        np.save(tmp_path / "l.npy", draw_strokes(drawn_volume.labels[z], fraction=0.1))
        done("import", tmp_path / "l.npy", "--image", folder / f"plane_{z}.npy", "--sparse")
    small = SMALL | {"patch": (32, 32)}
    config = TrainConfig(image=folder, annotation=folder, out=tmp_path / "model", **small)
    assert "2 image(s)" in "\n".join(step.message for step in train(config))
    assert len(list(folder.glob("*.annotation.ome.zarr"))) == 2


def test_looking_through_sparse_labels_costs_what_is_touched(tmp_path: Path) -> None:
    huge = zarr.create_array(
        str(tmp_path / "i.zarr"), shape=(4000, 4000, 4000), chunks=(64,) * 3, dtype="uint8",
        dimension_names=["z", "y", "x"],
    )  # fmt: skip
    huge[:8, :64, :64] = np.random.default_rng(0).integers(0, 255, (8, 64, 64), dtype=np.uint8)
    image = open_image(tmp_path / "i.zarr")
    with AnnotationStore.create(image, place=tmp_path / "a.ome.zarr") as store:
        store.write(Box((0, 0, 0), (8, 32, 64)), 1)
        store.write(Box((0, 32, 0), (8, 64, 64)), 255)
    more = {"image": tmp_path / "i.zarr", "annotation": store.path, "out": tmp_path / "model"}
    finish(train(TrainConfig(**more, **SMALL, class_shares="painted")))
    assert (tmp_path / "model" / "model.json").exists()
