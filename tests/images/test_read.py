"""Reading: any source, any order of axes, gives the same voxels as slicing the array."""

import itertools
from pathlib import Path

import nibabel
import numpy as np
import PIL.Image
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Axes, Box
from napari_ziggurat.images import image_from_array, open_image

SIZES = {"t": 2, "c": 3, "z": 5, "y": 7, "x": 9}
AXES = ["yx", "xy", "zyx", "xyz", "yxc", "cyx", "czyx", "zcyx", "zyxc", "tyx", "tczyx", "xyztc"]


def numbered(axes: str, dtype: str = "uint16") -> np.ndarray:
    shape = tuple(SIZES[a] for a in axes)
    return np.arange(np.prod(shape), dtype=dtype).reshape(shape)


def ordered(array: np.ndarray, axes: str, time: int = 0) -> np.ndarray:
    """Give (C, (Z), Y, X) by plain NumPy."""
    array = np.moveaxis(array, axes.index("t"), 0)[time] if "t" in axes else array
    axes = axes.replace("t", "")
    full = "".join(a for a in "czyx" if a in axes)
    array = np.transpose(array, [axes.index(a) for a in full])
    return array if "c" in axes else array[np.newaxis]


@st.composite
def boxes(draw: st.DrawFn, axes: str) -> Box:
    spans = []
    for letter in Axes(axes).spatial:
        ends = st.integers(0, SIZES[letter])
        spans.append(sorted((draw(ends), draw(ends))))
    start, stop = zip(*spans, strict=True)
    return Box(start, stop)


def write_zarr(path: Path, array: np.ndarray, axes: str, **storage: object) -> Path:
    node = zarr.create_array(
        str(path), shape=array.shape, dtype=array.dtype, dimension_names=list(axes), **storage
    )
    node[...] = array
    return path


def write_npy(path: Path, array: np.ndarray, axes: str) -> Path:
    np.save(path.with_suffix(".npy"), array)
    return path.with_suffix(".npy")


def write_tiff(path: Path, array: np.ndarray, axes: str) -> Path:
    tifffile.imwrite(path.with_suffix(".tif"), array, photometric="minisblack")
    return path.with_suffix(".tif")


def write_nifti(path: Path, array: np.ndarray, axes: str) -> Path:
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), path.with_suffix(".nii"))
    return path.with_suffix(".nii")


WRITERS = {"zarr": write_zarr, "npy": write_npy, "tiff": write_tiff}


@pytest.mark.parametrize("axes", AXES)
@settings(max_examples=25)
@given(data=st.data())
def test_read_equals_slicing_for_every_order_of_axes(axes: str, data: st.DataObject) -> None:
    array = numbered(axes)
    image = image_from_array(array, axes=axes)
    box = data.draw(boxes(axes))
    time = data.draw(st.integers(0, image.times - 1))
    found = image.read(0, box, time)
    np.testing.assert_array_equal(found, ordered(array, axes, time)[(slice(None), *box.slices)])
    assert found.flags.c_contiguous


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("axes", ["xy", "zyx", "zyxc", "tczyx"])
def test_read_equals_slicing_for_every_source(kind: str, axes: str, tmp_path: Path) -> None:
    array = numbered(axes)
    path = WRITERS[kind](tmp_path / "image", array, axes)
    image = open_image(path, axes=axes)
    shape = image.levels[0].shape
    assert len(image.channels) == (3 if "c" in axes else 1)
    for time in range(image.times):
        whole = ordered(array, axes, time)
        np.testing.assert_array_equal(image.read(0, Box.whole(shape), time), whole)
        part = Box(tuple(n // 3 for n in shape), tuple(n - 1 for n in shape))
        np.testing.assert_array_equal(image.read(0, part, time), whole[(slice(None), *part.slices)])


@pytest.mark.parametrize("axes", ["xyz", "xyzt"])
def test_nifti_is_read_in_its_own_order(axes: str, tmp_path: Path) -> None:
    array = numbered(axes, "int16")
    image = open_image(write_nifti(tmp_path / "image", array, axes))
    assert image.axes == Axes(axes)
    box = Box((1, 2, 3), (4, 6, 9))
    for time in range(image.times):
        expected = ordered(array, axes, time)[(slice(None), *box.slices)]
        np.testing.assert_array_equal(image.read(0, box, time), expected)


@pytest.mark.parametrize(
    "storage",
    [
        {"zarr_format": 3, "chunks": (2, 3, 4)},
        {"zarr_format": 3, "chunks": (2, 3, 4), "shards": (4, 6, 8)},
    ],
)
def test_sharded_and_plain_zarr_are_read_alike(storage: dict, tmp_path: Path) -> None:
    array = numbered("zyx")
    image = open_image(write_zarr(tmp_path / "a.zarr", array, "zyx", **storage))
    np.testing.assert_array_equal(image.read(0, Box.whole((5, 7, 9)))[0], array)
    assert image.stored_chunk(0) == (2, 3, 4)


def test_only_the_box_is_read() -> None:
    class Counting:
        shape, dtype = (100, 100, 100), np.dtype("uint8")
        read = 0

        def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
            shape = [s.stop - s.start for s in key]
            self.read += int(np.prod(shape))
            return np.zeros(shape, np.uint8)

    array = Counting()
    image = image_from_array(array, axes="zyx")
    assert array.read == 0
    image.read(0, Box((10, 10, 10), (12, 13, 14)))
    assert array.read == 2 * 3 * 4


def test_dask_arrays_are_images() -> None:
    dask = pytest.importorskip("dask.array")
    array = numbered("czyx")
    image = image_from_array(dask.from_array(array, chunks=(1, 2, 3, 4)), axes="czyx")
    box = Box((1, 2, 3), (5, 6, 7))
    np.testing.assert_array_equal(image.read(0, box), array[(slice(None), *box.slices)])
    assert image.stored_chunk(0) == (2, 3, 4)


def test_several_arrays_are_levels_whose_voxels_lie_where_they_should() -> None:
    arrays = [np.zeros((5, 101, 200)), np.zeros((5, 51, 100)), np.zeros((5, 25, 50))]
    image = image_from_array(arrays, axes="zyx", spacing=(2, 0.5, 0.5), unit="micrometer")
    assert [level.spacing.values for level in image.levels] == [
        (2.0, 0.5, 0.5), (2.0, 1.0, 1.0), (2.0, 2.0, 2.0)
    ]  # fmt: skip
    assert [level.translation for level in image.levels] == [
        (0.0, 0.0, 0.0), (0.0, 0.25, 0.25), (0.0, 0.75, 0.75)
    ]  # fmt: skip
    assert image.levels[0].spacing.unit == "um"


def test_all_boxes_together_are_the_level_and_each_is_bounded() -> None:
    class Wide:
        shape, dtype, chunks = (300, 2000, 3000), np.dtype("uint8"), (64, 64, 64)

    boxes = list(image_from_array(Wide(), axes="zyx").boxes(0))
    assert sum(box.size for box in boxes) == 300 * 2000 * 3000
    assert max(box.size for box in boxes) <= 2**24
    assert all(a % 64 == 0 for box in boxes for a in box.start)


def test_not_finite_voxels_are_counted_and_replaced() -> None:
    array = np.ones((4, 5, 6), np.float32)
    array[1, 2, 3], array[0, 0, 0] = np.nan, np.inf
    image = image_from_array(array, axes="zyx")
    assert image.count_not_finite() == 2
    assert image_from_array(np.ones((4, 5), "u1"), axes="yx").count_not_finite() == 0


def test_nan_as_stands_in_for_not_finite_voxels(tmp_path: Path) -> None:
    array = np.ones((4, 5), np.float32)
    array[1, 2] = np.nan
    np.save(tmp_path / "a.npy", array)
    found = open_image(tmp_path / "a.npy", nan_as=7).read(0, Box.whole((4, 5)))
    assert found[0, 1, 2] == 7
    assert found.sum() == 19 + 7
    assert found.dtype == np.float32


@pytest.mark.parametrize(("dtype", "read_as"), [(">u2", "u2"), ("bool", "u1"), (">f4", "f4")])
def test_types_are_read_in_the_machine_s_form(dtype: str, read_as: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((3, 4), dtype))
    image = open_image(tmp_path / "a.npy")
    assert image.dtype == image.read(0, Box.whole((3, 4))).dtype == np.dtype(read_as)


def test_complex_voxels_are_refused() -> None:
    with pytest.raises(InputError, match="complex64"):
        image_from_array(np.zeros((3, 4), np.complex64), axes="yx")


@pytest.mark.parametrize(
    ("level", "box", "time", "says"),
    [
        (1, Box((0, 0, 0), (1, 1, 1)), 0, r"no level 1; it has: 0 \(5, 7, 9\)"),
        (0, Box((0, 0, 0), (6, 1, 1)), 0, r"0:6,0:1,0:1 is not inside level 0 .* \(5, 7, 9\)"),
        (0, Box((0, 0), (1, 1)), 0, "is not inside"),
        (0, Box((0, 0, 0), (1, 1, 1)), 1, "no time 1"),
    ],
)
def test_what_is_not_there_is_refused(level: int, box: Box, time: int, says: str) -> None:
    image = image_from_array(numbered("zyx"), axes="zyx", name="a")
    with pytest.raises(InputError, match=says):
        image.read(level, box, time)


def test_colours_are_channels(tmp_path: Path) -> None:
    for suffix, mode in itertools.product([".png", ".tif"], ["RGB", "RGBA"]):
        rgb = np.random.default_rng(0).integers(0, 255, (6, 7, len(mode)), dtype=np.uint8)
        path = tmp_path / f"a{suffix}"
        PIL.Image.fromarray(rgb, mode).save(path)
        image = open_image(path)
        assert image.axes == Axes("yxc")
        found = image.read(0, Box.whole((6, 7)))
        # Alpha is no measurement: PNG drops it. A TIFF may have meant a fourth channel.
        count = 3 if suffix == ".png" else len(mode)
        np.testing.assert_array_equal(found, np.moveaxis(rgb, -1, 0)[:count])
