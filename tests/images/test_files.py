"""Files: found, told apart, and refused in one sentence when they are broken."""

import gzip
from pathlib import Path

import nibabel
import numpy as np
import PIL.Image
import pytest
import tifffile
import zarr

from napari_ziggurat.errors import InputError, MissingError
from napari_ziggurat.geometry import Axes, Box
from napari_ziggurat.images import find_images, open_image, stem


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/b.ome.tif", "b"), ("b.nii.gz", "b"), ("c.ome.zarr", "c"), ("d.zarr", "d"),
        ("E.OME.TIFF", "E"), ("f.v2.png", "f.v2"), ("g", "g"), ("x.zarr/labels/cells", "cells"),
    ],
)  # fmt: skip
def test_a_stem_is_the_name_without_the_format(name: str, expected: str) -> None:
    assert stem(name) == expected


def test_a_folder_gives_its_images_sorted(tmp_path: Path) -> None:
    for name in ("b.png", "a.tif", "notes.txt", ".hidden.png", "c.nii.gz"):
        (tmp_path / name).write_bytes(b"x")
    zarr.create_group(str(tmp_path / "d.zarr"))
    (tmp_path / "folder").mkdir()
    names = [path.name for path in find_images(tmp_path)]
    assert names == ["a.tif", "b.png", "c.nii.gz", "d.zarr"]
    assert find_images(tmp_path / "d.zarr") == [tmp_path / "d.zarr"]
    assert find_images(tmp_path / "b.png") == [tmp_path / "b.png"]


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no image"):
        find_images(tmp_path)


@pytest.mark.parametrize("function", [find_images, open_image])
def test_a_missing_file_is_said_to_be_missing(function: object, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"no file .*gone\.tif; the nearest folder"):
        function(tmp_path / "no" / "gone.tif")


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder, not an image"):
        open_image(tmp_path)


def test_an_unknown_format_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(b"x")
    with pytest.raises(InputError, match=r"no known format.*\.nii\.gz"):
        open_image(tmp_path / "a.docx")


@pytest.mark.parametrize("suffix", [".tif", ".png", ".nii", ".nii.gz", ".npy", ".jpg"])
def test_an_empty_file_and_a_wrong_file_are_refused_in_one_sentence(
    suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"a{suffix}"
    path.touch()
    with pytest.raises(InputError, match="is empty"):
        open_image(path)
    path.write_bytes(b"this is text, and no image at all" * 20)
    with pytest.raises(InputError, match=f"a{suffix}") as caught:
        open_image(path)
    assert "\n" not in str(caught.value)


def voxels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 60000, (6, 60, 50), dtype=np.uint16)


def write_ome(path: Path, **options: object) -> None:
    tifffile.imwrite(path, voxels(), ome=True, metadata={"axes": "ZYX"}, **options)


WRITERS = {
    "ome.tif": write_ome,
    "zlib.tif": lambda path: write_ome(path, compression="zlib"),
    "tiled.tif": lambda path: write_ome(path, tile=(16, 16)),
    "big.tif": lambda path: write_ome(path, bigtiff=True, byteorder=">"),
    "imagej.tif": lambda path: tifffile.imwrite(path, voxels(), imagej=True),
    "plain.tif": lambda path: tifffile.imwrite(path, voxels()),
    "image.nii": lambda path: nibabel.save(nibabel.Nifti1Image(voxels(), np.eye(4)), path),
    "image.nii.gz": lambda path: nibabel.save(nibabel.Nifti1Image(voxels(), np.eye(4)), path),
    "image.npy": lambda path: np.save(path, voxels()),
    "image.png": lambda path: PIL.Image.fromarray(voxels()[0]).save(path),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("part", [0.995, 0.7, 0.3, 0.03])
def test_a_truncated_file_is_refused_and_never_read_in_part(
    name: str, part: float, tmp_path: Path
) -> None:
    path = tmp_path / name
    WRITERS[name](path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    axes = None if name == "image.png" else "zyx"
    with pytest.raises(InputError, match=name.split(".")[0]) as caught:
        read_all(path, axes)
    assert "\n" not in str(caught.value)


def read_all(path: Path, axes: str | None) -> None:
    image = open_image(path, axes=axes)
    image.read(0, Box.whole(image.levels[0].shape))


def test_a_broken_gzip_stream_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(b"\0" * 400))
    with pytest.raises(InputError, match=r"a\.nii\.gz"):
        read_all(tmp_path / "a.nii.gz", None)


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[{}]], object), allow_pickle=True)
    with pytest.raises(InputError, match=r"a\.npy cannot be opened"):
        open_image(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("mode", "dtype"), [("1", "uint8"), ("L", "uint8"), ("I;16", "uint16"), ("P", "uint8")]
)
def test_grey_and_palette_pictures_are_read_as_their_values(
    mode: str, dtype: str, tmp_path: Path
) -> None:
    values = np.array([[0, 1, 2], [3, 4, 5]], "u2" if mode == "I;16" else "u1")
    picture = PIL.Image.fromarray(values > 2 if mode == "1" else values)
    if mode == "P":
        # Colours in reverse, so that index and colour differ.
        picture.putpalette([value for i in range(256) for value in (255 - i, i, 7)])
    picture.save(tmp_path / "a.png")
    image = open_image(tmp_path / "a.png")
    assert (image.axes, image.dtype) == (Axes("yx"), np.dtype(dtype))
    found = image.read(0, Box.whole((2, 3)))[0]
    np.testing.assert_array_equal(found > 0 if mode == "1" else found, picture)


def test_grey_with_alpha_is_grey(tmp_path: Path) -> None:
    grey = np.array([[1, 200], [30, 4]], np.uint8)
    PIL.Image.fromarray(np.stack([grey, 255 - grey], axis=-1), "LA").save(tmp_path / "a.png")
    image = open_image(tmp_path / "a.png")
    np.testing.assert_array_equal(image.read(0, Box.whole((2, 2)))[0], grey)


def test_a_jpeg_is_read(tmp_path: Path) -> None:
    PIL.Image.fromarray(np.full((16, 24, 3), 90, np.uint8)).save(tmp_path / "a.jpg")
    image = open_image(tmp_path / "a.jpg")
    assert (image.format, image.channels) == ("JPEG", ("red", "green", "blue"))
    assert image.read(0, Box((2, 3), (4, 6))).shape == (3, 2, 3)


def test_colour_png_of_16_bits_is_refused_instead_of_cut_down(tmp_path: Path) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(np.zeros((4, 5, 3), np.uint16)))
    with pytest.raises(InputError, match="16 bits per channel"):
        open_image(tmp_path / "a.png")
