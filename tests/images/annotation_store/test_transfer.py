"""Label files and layers come into an annotation and leave it with codes, spacing and place."""

from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest
import tifffile
import yaozarrs

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Axes, Box, Spacing
from napari_ziggurat.images import (
    Image,
    OutputGrid,
    create_output,
    export_labels,
    image_from_array,
    open_image,
    read_record,
)
from napari_ziggurat.images.annotation_store import AnnotationStore, import_labels
from napari_ziggurat.images.annotation_store.transfer import (
    copy_annotation,
    export_annotation,
    source_image,
)
from napari_ziggurat.images.class_names import named_classes
from napari_ziggurat.images.marks import is_annotation

SHAPE = (20, 140, 150)
WHOLE = Box.whole(SHAPE)
CLASSES = (LabelClass(1, "nucleus", "#ff8000"), LabelClass(254, "cell wall", "#0000ff"))


def annotation() -> np.ndarray:
    """Give sparse labels with every kind of code."""
    rng = np.random.default_rng(0)
    values = rng.choice(np.array([1, 254, 255], np.uint8), SHAPE)
    return np.where(rng.random(SHAPE) < 0.01, values, 0).astype(np.uint8)


def placed_image(tmp_path: Path) -> Image:
    """Write an image that does not begin at the origin."""
    grid = OutputGrid(
        Axes("zyx"), SHAPE, np.dtype(np.uint8), Spacing((2.0, 0.5, 0.25), "um"), (10.0, 20.0, 30.0),
        (20, 64, 64), (20, 128, 128),
    )  # fmt: skip
    path = tmp_path / "image.ome.zarr"
    create_output(path, grid, kind="image")[0][...] = 7
    return open_image(path)


@pytest.fixture
def store(tmp_path: Path) -> AnnotationStore:
    return AnnotationStore.create(placed_image(tmp_path), classes=CLASSES)


def imported(store: AnnotationStore, labels: object, **more: object) -> np.ndarray:
    for record in import_labels(store, labels, **more):
        assert record.kind == "import"
    return store.read(Box.whole(store.shape))


@pytest.mark.parametrize("name", ["l.tif", "l.nii.gz", "l.ome.zarr"])
def test_sparse_labels_come_back_from_every_format(
    name: str, store: AnnotationStore, tmp_path: Path
) -> None:
    np.testing.assert_array_equal(imported(store, annotation(), dense=False), annotation())
    out = tmp_path / name
    if name.endswith(".zarr"):
        copy_annotation(store, out)
        yaozarrs.validate_zarr_store(str(out))
    else:
        export_annotation(store, out, source_image(store))
    back = open_image(out, like=placed_like(store))
    assert back.levels[0].shape == SHAPE
    assert back.levels[0].spacing.values == pytest.approx((2.0, 0.5, 0.25))
    np.testing.assert_array_equal(back.read(0, WHOLE)[0], annotation())
    other = AnnotationStore.create(placed_like(store), place=tmp_path / "other.ome.zarr")
    np.testing.assert_array_equal(imported(other, back, dense=False), annotation())
    assert other.counts() == store.counts()
    assert {record.note for record in other.history()} == {str(out)}


def placed_like(store: AnnotationStore) -> Image:
    found = source_image(store)
    assert found is not None
    return found


def test_the_place_is_kept_by_ome_zarr_and_nifti(store: AnnotationStore, tmp_path: Path) -> None:
    imported(store, annotation(), dense=False)
    copy_annotation(store, tmp_path / "l.ome.zarr")
    assert open_image(tmp_path / "l.ome.zarr").levels[0].translation == (10.0, 20.0, 30.0)
    export_annotation(store, tmp_path / "l.nii")
    affine = nibabel.load(tmp_path / "l.nii").affine
    np.testing.assert_allclose(affine[:3, 3], (30.0, 20.0, 10.0))
    np.testing.assert_allclose(np.diag(affine)[:3], (0.25, 0.5, 2.0))


def test_a_nifti_image_gives_its_orientation(tmp_path: Path) -> None:
    affine = np.array([[0, -0.5, 0, 3], [0.5, 0, 0, 4], [0, 0, 2, 5], [0, 0, 0, 1.0]])
    voxels = np.zeros((30, 20, 10), np.uint8)
    nibabel.save(nibabel.Nifti1Image(voxels, affine), tmp_path / "i.nii.gz")
    with AnnotationStore.create(open_image(tmp_path / "i.nii.gz")) as store:
        store.write(Box((1, 2, 3), (2, 3, 4)), 5)
        export_annotation(store, tmp_path / "l.nii.gz", source_image(store))
    found = nibabel.load(tmp_path / "l.nii.gz")
    np.testing.assert_allclose(found.affine, affine)
    assert np.asarray(found.dataobj)[3, 2, 1] == 5


def test_a_copy_has_classes_and_record_and_is_not_painted_on(
    store: AnnotationStore, tmp_path: Path
) -> None:
    imported(store, annotation(), dense=False)
    out = tmp_path / "copy.ome.zarr"
    copy_annotation(store, out)
    assert named_classes(open_image(out), (1, 254)) == CLASSES
    assert not is_annotation(out)
    assert len(list((out / "0").rglob("0"))) > 0
    record = read_record(out)
    assert record is not None
    assert (record["status"], record["level"]) == ("complete", 0)
    export_annotation(store, tmp_path / "l.tif")
    record = read_record(tmp_path / "l.tif")
    assert record is not None
    assert record["translation"] == [10.0, 20.0, 30.0]
    assert record["classes"][0]["name"] == "nucleus"


def test_dense_labels_have_background_where_sparse_ones_have_nothing(
    store: AnnotationStore,
) -> None:
    dense = (np.arange(np.prod(SHAPE)).reshape(SHAPE) % 3).astype(np.uint16)
    found = imported(store, dense, dense=True)
    np.testing.assert_array_equal(found, np.where(dense == 0, 255, dense))


def test_sparse_labels_leave_alone_what_they_do_not_label(store: AnnotationStore) -> None:
    store.write(Box((0, 0, 0), (1, 10, 10)), 9)
    labels = np.zeros(SHAPE, np.uint8)
    labels[0, 5:15, 5:15] = 1
    found = imported(store, labels, dense=False)
    assert store.counts() == {1: 100, 9: 75}
    assert found[0, 0, 0] == 9
    assert [record.contradicted for record in store.history()] == [0, 25]


def test_a_labels_layer_is_imported_as_the_array_that_it_shows(store: AnnotationStore) -> None:
    import dask.array as da

    layer = SimpleNamespace(data=da.from_array(annotation().astype(np.int32), chunks=50))
    np.testing.assert_array_equal(imported(store, layer.data, dense=False), annotation())


def test_labels_of_a_part_lie_where_they_are_put(store: AnnotationStore) -> None:
    part = np.ones((2, 3, 4), np.uint8)
    found = imported(store, part, dense=False, at=(18, 100, 146))
    assert found.sum() == 24
    assert found[18:, 100:103, 146:].all()


@pytest.mark.parametrize(
    ("labels", "more", "words"),
    [
        (np.ones((2, 3, 4), np.uint8), {}, r"has shape \(2, 3, 4\).*--at"),
        (np.ones((2, 3, 4), np.uint8), {"at": (19, 0, 0)}, "19:21,0:3,0:4, which is not inside"),
        (np.ones((2, 3, 4), np.uint8), {"at": (0, 0)}, "one voxel number per axis"),
        (np.full(SHAPE, 255, np.uint8), {"dense": True}, "up to 255; dense labels hold"),
        (np.full(SHAPE, 256, np.uint16), {}, "up to 256; sparse labels hold"),
        (np.full(SHAPE, -1, np.int16), {}, "negative"),
        (np.full(SHAPE, 0.5), {}, "whole numbers"),
    ],
    ids=["shape", "outside", "axes", "dense", "large", "negative", "half"],
)
def test_labels_that_do_not_fit_are_refused_before_the_first_stroke(
    store: AnnotationStore, labels: np.ndarray, more: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        imported(store, labels, **{"dense": False, **more})
    assert list(store.history()) == []


def test_labels_of_a_movie_need_as_many_times(tmp_path: Path) -> None:
    movie = image_from_array(np.zeros((2, 30, 40), np.uint8), axes="tyx")
    store = AnnotationStore.create(movie, place=tmp_path / "a.ome.zarr")
    labels = np.zeros((2, 30, 40), np.uint8)
    labels[1, 3, 4] = 5
    np.testing.assert_array_equal(imported(store, labels, dense=False), labels)
    export_labels(store.path, tmp_path / "l.tif", movie)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "l.tif"), labels)
    with pytest.raises(InputError, match="1 time point"):
        imported(store, image_from_array(labels[0], axes="yx"), dense=False)
