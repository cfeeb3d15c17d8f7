"""TIFF: axes, spacing and channels from OME and ImageJ; pyramids; files that belong together."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Axes, Box
from napari_ziggurat.images import open_image


def voxels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 250, shape, dtype=np.uint8)


def whole(path: Path, level: int = 0, **options: object) -> np.ndarray:
    image = open_image(path, **options)
    return image.read(level, Box.whole(image.levels[level].shape))


def test_ome_states_axes_spacing_and_channels(tmp_path: Path) -> None:
    array = voxels(2, 3, 40, 50)
    metadata = {
        "axes": "CZYX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.5,
        "PhysicalSizeYUnit": "µm", "PhysicalSizeZ": 2000, "PhysicalSizeZUnit": "nm",
        "Channel": {"Name": ["nuclei", "cells"]},
    }  # fmt: skip
    tifffile.imwrite(tmp_path / "a.ome.tif", array, ome=True, metadata=metadata)
    image = open_image(tmp_path / "a.ome.tif")
    assert image.format == "OME-TIFF"
    assert image.channels == ("nuclei", "cells")
    assert image.levels[0].spacing.values == pytest.approx((2.0, 0.5, 0.5))
    assert image.levels[0].spacing.unit == "um"
    np.testing.assert_array_equal(whole(tmp_path / "a.ome.tif"), array)


def test_a_pyramid_of_sub_images_is_levels(tmp_path: Path) -> None:
    array = voxels(5, 101, 200)
    path = tmp_path / "a.ome.tif"
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 1.5}
    with tifffile.TiffWriter(path) as writer:
        options = {"tile": (32, 32), "compression": "zlib"}
        writer.write(array, subifds=2, metadata={"axes": "ZYX", **sizes}, **options)
        writer.write(array[:, ::2, ::2], subfiletype=1, **options)
        writer.write(array[:, ::4, ::4], subfiletype=1, **options)
    image = open_image(path)
    assert [level.shape for level in image.levels] == [(5, 101, 200), (5, 51, 100), (5, 26, 50)]
    assert [level.spacing.values for level in image.levels] == [
        (1.5, 0.5, 0.5), (1.5, 1.0, 1.0), (1.5, 2.0, 2.0)
    ]  # fmt: skip
    assert image.stored_chunk(1) == (1, 32, 32)
    for level, step in enumerate((1, 2, 4)):
        np.testing.assert_array_equal(whole(path, level)[0], array[:, ::step, ::step])


def test_imagej_states_axes_and_spacing(tmp_path: Path) -> None:
    array = voxels(4, 30, 20)
    tifffile.imwrite(
        tmp_path / "a.tif", array, imagej=True, resolution=(2, 4),
        metadata={"axes": "ZYX", "spacing": 3.0, "unit": "micron"},
    )  # fmt: skip
    image = open_image(tmp_path / "a.tif")
    assert (image.format, image.axes) == ("ImageJ TIFF", Axes("zyx"))
    assert image.levels[0].spacing.values == (3.0, 0.25, 0.5)
    assert image.levels[0].spacing.unit == "um"
    np.testing.assert_array_equal(whole(tmp_path / "a.tif")[0], array)


def test_an_imagej_hyperstack_has_times_and_channels(tmp_path: Path) -> None:
    array = voxels(2, 3, 2, 30, 20).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", array, imagej=True, metadata={"axes": "TZCYX"})
    image = open_image(tmp_path / "a.tif")
    assert (image.times, len(image.channels), image.levels[0].shape) == (2, 2, (3, 30, 20))
    found = image.read(0, Box.whole((3, 30, 20)), time=1)
    np.testing.assert_array_equal(found, array[1].transpose(1, 0, 2, 3))


def test_a_plain_stack_has_to_be_named_and_its_print_resolution_is_no_spacing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, voxels(5, 30, 20), resolution=(72, 72), resolutionunit=2)
    with pytest.raises(InputError, match="--axes"):
        open_image(path)
    image = open_image(path, axes="zyx")
    assert image.levels[0].spacing.unit is None


def test_pages_of_one_file_are_read_apart(tmp_path: Path) -> None:
    array = voxels(6, 30, 20)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for plane in array:
            writer.write(plane, contiguous=False, metadata=None)
    image = open_image(tmp_path / "a.tif", axes="zyx")
    found = image.read(0, Box((2, 3, 4), (5, 20, 9)))
    np.testing.assert_array_equal(found[0], array[2:5, 3:20, 4:9])


def test_images_of_different_sizes_in_one_file_are_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(voxels(30, 20), metadata=None)
        writer.write(voxels(40, 50), metadata=None)
    with pytest.raises(InputError, match=r"holds 2 images \(shapes \(30, 20\), \(40, 50\)\)"):
        open_image(tmp_path / "a.tif")


def test_a_small_preview_is_no_second_image(tmp_path: Path) -> None:
    array = voxels(300, 200)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(array, metadata=None)
        writer.write(voxels(30, 20), metadata=None)
    np.testing.assert_array_equal(whole(tmp_path / "a.tif")[0], array)


def write_files(folder: Path, count: int = 2) -> np.ndarray:
    """Write one OME image, each of whose planes lies in a file of its own."""
    array = voxels(count, 30, 20)
    plane = (
        '<TiffData FirstC="0" FirstT="0" FirstZ="{z}" IFD="0" PlaneCount="1">'
        '<UUID FileName="{z}.ome.tif">urn:uuid:{z}</UUID></TiffData>'
    )
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{z}">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="20" '
        'SizeY="30" SizeZ="{count}" SizeC="1" SizeT="1"><Channel ID="C:0" SamplesPerPixel="1"/>'
        + "".join(plane.format(z=z) for z in range(count)) + "</Pixels></Image></OME>"
    ).replace("{count}", str(count))  # fmt: skip
    for z in range(count):
        description = xml.replace('UUID="urn:uuid:{z}"', f'UUID="urn:uuid:{z}"')
        tifffile.imwrite(folder / f"{z}.ome.tif", array[z], description=description, metadata=None)
    return array


def test_an_image_in_several_files_is_one_image(tmp_path: Path) -> None:
    array = write_files(tmp_path)
    np.testing.assert_array_equal(whole(tmp_path / "0.ome.tif")[0], array)


def test_a_file_of_a_series_that_is_missing_is_not_read_as_zeros(tmp_path: Path) -> None:
    write_files(tmp_path)
    (tmp_path / "1.ome.tif").unlink()
    with pytest.raises(InputError, match="lacks 1 of the 2 planes"):
        open_image(tmp_path / "0.ome.tif")


def test_a_file_from_the_middle_of_a_series_that_is_missing_is_noticed(tmp_path: Path) -> None:
    write_files(tmp_path, 4)
    (tmp_path / "2.ome.tif").unlink()
    with pytest.raises(InputError, match="lacks 1 of the 4 planes"):
        open_image(tmp_path / "0.ome.tif")


def test_colours_and_channels_together_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    array = voxels(2, 30, 20, 3)
    tifffile.imwrite(path, array, ome=True, photometric="rgb", metadata={"axes": "CYXS"})
    with pytest.raises(InputError, match="colour pixels in several channels"):
        open_image(path)


def test_reading_goes_on_after_pickle_and_after_fork(tmp_path: Path) -> None:
    array = voxels(5, 64, 64)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, array, tile=(32, 32), compression="zlib")
    image = open_image(path, axes="zyx")
    box = Box((1, 2, 3), (4, 50, 60))
    expected = array[box.slices]
    np.testing.assert_array_equal(image.read(0, box)[0], expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(image)).read(0, box)[0], expected)
    child = os.fork() if hasattr(os, "fork") else -1
    if child == 0:
        # Only the answer leaves the child: nothing else of the test run may go on in it.
        os._exit(0 if np.array_equal(image.read(0, box)[0], expected) else 1)
    np.testing.assert_array_equal(image.read(0, box)[0], expected)
    if child > 0:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
