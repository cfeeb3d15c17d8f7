"""Export: labels as TIFF, NIfTI and PNG, with spacing, place and the record of the run."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile

from napari_ziggurat.errors import InputError, MissingError
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
from napari_ziggurat.images.export import check_format

RECORD = {"status": "complete", "model": "nuclei & <cells> \N{MICRO SIGN}", "steps": 7}


def store(path: Path, labels: np.ndarray, axes: str, like: Image, **change: Any) -> Path:
    """Write labels as the store that `export_labels` starts from."""
    dims = Axes(axes).dims
    grid = OutputGrid(
        Axes(axes),
        labels.shape,
        labels.dtype,
        change.get("spacing", like.levels[0].spacing),
        change.get("translation", like.levels[0].translation),
        (1,) * (labels.ndim - dims) + (8, 16, 16)[-dims:],
        (1,) * (labels.ndim - dims) + (16, 32, 32)[-dims:],
    )
    create_output(path, grid, kind="labels")[0][...] = labels
    return path


def some_labels(*shape: int, dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(0).integers(0, 5, shape, dtype=dtype)


def whole(image: Image, time: int = 0) -> np.ndarray:
    return image.read(0, Box.whole(image.levels[0].shape), time)[0]


@pytest.mark.parametrize(
    ("axes", "shape"), [("yx", (60, 50)), ("zyx", (20, 60, 50)), ("tzyx", (2, 9, 60, 50))]
)
def test_a_tiff_comes_back_with_axes_and_spacing(
    axes: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    labels = some_labels(*shape)
    like = image_from_array(
        labels, axes=axes, spacing=(2, 0.5, 0.25)[-Axes(axes).dims :], unit="um"
    )
    out = tmp_path / "out.tif"
    export_labels(store(tmp_path / "s.zarr", labels, axes, like), out, like, RECORD)
    found = open_image(out)
    assert (found.format, found.axes) == ("OME-TIFF", Axes(axes))
    assert found.levels == like.levels
    np.testing.assert_array_equal(tifffile.imread(out), labels)
    np.testing.assert_array_equal(whole(found), labels[0] if axes == "tzyx" else labels)
    assert read_record(out) == RECORD


def write_source(path: Path, affine: np.ndarray, *shape: int) -> Image:
    source = nibabel.Nifti1Image(some_labels(*shape, dtype="int16"), affine)
    source.header.set_xyzt_units("mm")
    source.set_qform(affine, 1)
    source.set_sform(affine, 4)
    nibabel.save(source, path)
    return open_image(path)


OBLIQUE = np.array([[0, 0, 3.0, -5], [-1.5, 0.2, 0, 90], [0, 2.0, 0, 7], [0, 0, 0, 1]])


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_nifti_lies_where_its_source_lies(suffix: str, tmp_path: Path) -> None:
    like = write_source(tmp_path / f"in{suffix}", OBLIQUE, 7, 8, 9)
    labels = some_labels(9, 8, 7)
    out = tmp_path / f"out{suffix}"
    export_labels(store(tmp_path / "s.zarr", labels, "zyx", like), out, like, RECORD)
    found: Any = nibabel.load(out)
    np.testing.assert_array_equal(found.affine, like.affine)
    np.testing.assert_array_equal(np.asarray(found.dataobj), labels.T)
    assert found.header.get_xyzt_units()[0] == "mm"
    assert (int(found.header["sform_code"]), int(found.header["qform_code"])) == (4, 1)
    assert found.get_data_dtype() == np.uint8
    assert read_record(out) == RECORD
    assert open_image(out).levels[0].shape == like.levels[0].shape


def test_times_of_a_nifti_are_written_one_after_the_other(tmp_path: Path) -> None:
    labels = some_labels(2, 9, 8, 7)
    like = image_from_array(labels, axes="tzyx")
    export_labels(store(tmp_path / "s.zarr", labels, "tzyx", like), tmp_path / "o.nii.gz", like)
    found: Any = nibabel.load(tmp_path / "o.nii.gz")
    np.testing.assert_array_equal(np.asarray(found.dataobj), labels.transpose(3, 2, 1, 0))


def test_few_planes_are_held_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = some_labels(9, 40, 30)
    like = image_from_array(labels, axes="zyx")
    path = store(tmp_path / "s.zarr", labels, "zyx", like)
    monkeypatch.setattr("napari_ziggurat.images.export._HELD", 2 * 40 * 30)
    depths: list[int] = []
    read = Image.read

    def watched(image: Image, level: int, box: Box, time: int = 0) -> Any:
        depths.append(box.shape[0])
        return read(image, level, box, time)

    monkeypatch.setattr(Image, "read", watched)
    for name in ("o.tif", "o.nii"):
        export_labels(path, tmp_path / name, like)
    assert set(depths) == {1, 2}
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "o.tif"), labels)


@pytest.mark.parametrize("large", [70_000, 2**31])
def test_a_nifti_of_64_bit_labels_holds_32_bits(large: int, tmp_path: Path) -> None:
    labels = some_labels(4, 5, 6).astype(np.uint64)
    labels[3, 2, 1] = large
    like = image_from_array(labels, axes="zyx")
    path = store(tmp_path / "s.zarr", labels, "zyx", like)
    if large > np.iinfo(np.int32).max:
        with pytest.raises(InputError, match="2147483647"):
            export_labels(path, tmp_path / "o.nii", like)
        return
    export_labels(path, tmp_path / "o.nii", like)
    found: Any = nibabel.load(tmp_path / "o.nii")
    assert int(found.dataobj[1, 2, 3]) == large


@pytest.mark.parametrize(
    ("name", "shape", "times", "says"),
    [
        ("a.png", (2, 3, 4), 1, "PNG holds one plane"),
        ("a.png", (3, 4), 2, "PNG holds one plane"),
        ("a.nii.gz", (3, 32768), 1, "32767"),
        ("a.xyz", (3, 4), 1, r"written as \.ome\.zarr"),
    ],
)
def test_a_format_that_cannot_hold_a_shape_is_known_before_anything_is_made(
    name: str, shape: tuple[int, ...], times: int, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        check_format(Path(name), shape, times)


def test_a_part_of_a_nifti_at_half_the_resolution_lies_at_its_place(tmp_path: Path) -> None:
    like = write_source(tmp_path / "in.nii", OBLIQUE, 20, 20, 20)
    sizes = like.levels[0].spacing
    # Voxel (0, 0, 0) of the labels is the centre of voxels 4 and 5 of the source on each axis.
    place = tuple(4.5 * size for size in sizes.values)
    path = store(
        tmp_path / "s.zarr", some_labels(5, 5, 5), "zyx", like,
        spacing=sizes.scaled((2, 2, 2)), translation=place,
    )  # fmt: skip
    export_labels(path, tmp_path / "out.nii", like)
    found: Any = nibabel.load(tmp_path / "out.nii")
    for corner in ([0, 0, 0], [1, 2, 3]):
        expected = OBLIQUE @ [*(4.5 + 2 * np.array(corner)), 1]
        np.testing.assert_allclose(found.affine @ [*corner, 1], expected, atol=1e-4)


@pytest.mark.parametrize(("unit", "factor", "name"), [("nm", 1e-3, "micron"), ("mm", 1, "mm")])
def test_a_nifti_of_another_source_has_its_spacing(
    unit: str, factor: float, name: str, tmp_path: Path
) -> None:
    labels = some_labels(4, 5, 6)
    like = image_from_array(labels, axes="zyx", spacing=(40, 8, 4), unit=unit)
    out = tmp_path / "out.nii"
    export_labels(store(tmp_path / "s.zarr", labels, "zyx", like), out, like)
    found: Any = nibabel.load(out)
    np.testing.assert_allclose(found.header.get_zooms(), np.array([4, 8, 40]) * factor, rtol=1e-6)
    assert found.header.get_xyzt_units()[0] == name


@pytest.mark.parametrize(("largest", "dtype"), [(5, "uint8"), (300, "uint16")])
def test_a_png_comes_back(largest: int, dtype: str, tmp_path: Path) -> None:
    labels = some_labels(60, 50, dtype="uint16")
    labels[3, 4] = largest
    like = image_from_array(labels, axes="yx")
    export_labels(store(tmp_path / "s.zarr", labels, "yx", like), tmp_path / "o.png", like, RECORD)
    found = open_image(tmp_path / "o.png")
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(whole(found), labels)
    assert read_record(tmp_path / "o.png") == RECORD


def test_the_record_of_a_store_is_in_its_attributes(tmp_path: Path) -> None:
    grid = OutputGrid(
        Axes("yx"), (9, 9), np.dtype("u1"), Spacing((1, 1)), (0.0, 0.0), (9, 9), (9, 9)
    )
    create_output(tmp_path / "a.zarr", grid, kind="labels", attributes={"ziggurat": RECORD})
    assert read_record(tmp_path / "a.zarr") == RECORD


def test_other_people_s_files_have_no_record(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", some_labels(9, 9))
    write_source(tmp_path / "a.nii", np.eye(4), 3, 4, 5)
    (tmp_path / "a.png").write_bytes(b"no image")
    (tmp_path / "folder").mkdir()
    for name in ("a.tif", "a.nii", "a.png", "folder"):
        assert read_record(tmp_path / name) is None
    with pytest.raises(MissingError):
        read_record(tmp_path / "gone.tif")


@pytest.mark.parametrize(
    ("name", "dtype", "says"),
    [
        ("a.png", "uint8", "PNG holds one plane"),
        ("a.jpg", "uint8", r"written as \.ome\.zarr, \.tif"),
        ("a.tif", "uint64", "integers of up to 32 bits"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_left(
    name: str, dtype: str, says: str, tmp_path: Path
) -> None:
    labels = some_labels(4, 5, 6, dtype=dtype)
    like = image_from_array(labels, axes="zyx")
    path = store(tmp_path / "s.zarr", labels, "zyx", like)
    with pytest.raises(InputError, match=says):
        export_labels(path, tmp_path / name, like)
    assert [p.name for p in tmp_path.iterdir()] == ["s.zarr"]


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    labels = some_labels(5, 6)
    like = image_from_array(labels, axes="yx")
    path = store(tmp_path / "s.zarr", labels, "yx", like)
    with pytest.raises(InputError, match="cannot be written"):
        export_labels(path, tmp_path / "gone" / "a.tif", like)
