"""NIfTI: spacing, unit, scaling and affine."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from napari_ziggurat.geometry import Axes, Box
from napari_ziggurat.images import open_image

AFFINE = np.array([[-2.5, 0, 0, 90], [0, 1.25, 0, -126], [0, 0, 3.906, -72], [0, 0, 0, 1.0]])


def write(path: Path, array: np.ndarray, unit: str | None = "mm", **header: object) -> Path:
    image = nibabel.Nifti1Image(array, AFFINE)
    image.header.set_xyzt_units(unit)
    if "slope" in header:
        image.header.set_slope_inter(header["slope"], header["inter"])
    nibabel.save(image, path)
    return path


def numbered(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.int16).reshape(shape)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_spacing_unit_and_affine_are_kept(suffix: str, tmp_path: Path) -> None:
    array = numbered(5, 6, 7)
    image = open_image(write(tmp_path / f"a{suffix}", array))
    assert image.axes == Axes("xyz")
    assert image.levels[0].shape == (7, 6, 5)
    assert image.levels[0].spacing.values == (3.906, 1.25, 2.5)
    assert image.levels[0].spacing.unit == "mm"
    np.testing.assert_allclose(image.affine, AFFINE)
    box = Box((1, 2, 0), (4, 6, 5))
    np.testing.assert_array_equal(image.read(0, box)[0], array.T[box.slices])


def test_a_header_without_unit_keeps_the_numbers_and_lets_the_unit_be_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", numbered(5, 6, 7), unit=None)
    silent, said = open_image(path).levels[0].spacing, open_image(path, unit="mm").levels[0].spacing
    assert silent.values == said.values == (3.906, 1.25, 2.5)
    assert (silent.unit, said.unit) == (None, "mm")


def test_stored_scaling_is_applied(tmp_path: Path) -> None:
    values = np.linspace(-10, 10, 5 * 6 * 7).reshape(5, 6, 7)
    image = nibabel.Nifti1Image(values, AFFINE)
    image.set_data_dtype(np.int16)
    nibabel.save(image, tmp_path / "a.nii.gz")
    found = open_image(tmp_path / "a.nii.gz")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.read(0, Box.whole((7, 6, 5)))[0], values.T, atol=1e-3)


def test_a_fourth_axis_is_time_unless_it_is_said_to_be_channels(tmp_path: Path) -> None:
    array = numbered(5, 6, 7, 3)
    path = write(tmp_path / "a.nii", array)
    assert (open_image(path).times, len(open_image(path).channels)) == (3, 1)
    image = open_image(path, axes="xyzc")
    assert (image.times, len(image.channels)) == (1, 3)
    np.testing.assert_array_equal(image.read(0, Box.whole((7, 6, 5))), array.T)


@pytest.mark.parametrize(("shape", "axes"), [((5, 6, 7, 1), "xyz"), ((5, 6, 7, 1, 2), "xyzc")])
def test_axes_that_only_fill_the_header_are_dropped(
    shape: tuple[int, ...], axes: str, tmp_path: Path
) -> None:
    assert open_image(write(tmp_path / "a.nii", numbered(*shape))).axes == Axes(axes)


def test_a_slice_can_be_read_as_a_plane(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", numbered(5, 6, 1))
    assert open_image(path).dims == 3
    image = open_image(path, axes="xy")
    assert (image.dims, image.levels[0].spacing.values) == (2, (1.25, 2.5))


def test_a_voxel_size_of_0_is_unknown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "a.nii", numbered(5, 6, 7))
    content = bytearray(path.read_bytes())
    content[80:84] = np.float32(0).tobytes()  # pixdim[1]
    path.write_bytes(content)
    spacing = open_image(path).levels[0].spacing
    assert (spacing.values, spacing.unit) == ((1.0, 1.0, 1.0), None)
    assert "--spacing" in caplog.text
