"""All scales: what each output of the network predicts is the level of its resolution."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from interrupting import stop_after
from models import tiny_model
from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import Image, image_from_array, open_image, read_record
from napari_ziggurat.images.pyramid import majority
from napari_ziggurat.networks import Model, save_model
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import SegmentConfig
from napari_ziggurat.runs.plan.options import SegmentOptions
from napari_ziggurat.runs.segment import segment, segment_image

RNG = np.random.default_rng(0)
PLANE = RNG.integers(0, 255, (70, 101), dtype=np.uint8)
VOLUME = RNG.integers(0, 255, (20, 60, 50), dtype=np.uint8)
ALL = SegmentOptions(all_scales=True, probabilities=True, precision="float32", threads=1)


def model(axes: str = "yx", **changes: Any) -> Model:
    """A network with outputs 1, 2 and 4 times coarser than the image, and a stride of 8."""
    return tiny_model(axes, features=(4, 4, 6, 6), **changes)


def small(axes: str) -> Model:
    """The same with many windows in the arrays above; in 3D the first step is along y and x."""
    step = (1, 2, 2) if axes == "zyx" else ()
    return model(axes, step=step, window=(32,) * len(axes), rim=(8,) * len(axes))


def run(image: Image, model: Model, out: Path, options: SegmentOptions = ALL) -> Path:
    finish(segment_image(image, model, options, out))
    return out


def levels(path: Path) -> list[np.ndarray]:
    return [np.asarray(array[...]) for array in open_image(path).arrays]


def same(one: Path, other: Path) -> bool:
    """Tell whether labels and probabilities are equal at each level."""
    stores = [(path, path.with_name(path.name[:-9] + "_probabilities.ome.zarr"))
              for path in (one, other)]  # fmt: skip
    return all(
        np.array_equal(a, b)
        for pair in zip(*stores, strict=True)
        for a, b in zip(*map(levels, pair), strict=True)
    )


def test_each_level_is_what_an_output_of_the_network_gives(tmp_path: Path) -> None:
    whole = model(window=(104, 104), rim=(0, 0))  # the network pads as the window does: by hand
    out = run(
        image_from_array(PLANE, axes="yx", spacing=(0.5, 0.25)), whole, tmp_path / "a.ome.zarr"
    )
    padded = np.pad(PLANE.astype(np.float32), ((0, 2), (0, 3)), mode="symmetric")
    with torch.no_grad():
        grey = whole.spec.intensity.apply(padded[np.newaxis])
        scales = whole.network.scales(torch.from_numpy(grey)[np.newaxis])
    labels, image = levels(out), open_image(out)
    probabilities = levels(tmp_path / "a_probabilities.ome.zarr")
    for level, (factor, logits) in enumerate(zip((1, 2, 4), scales, strict=True)):
        shape = tuple(-(-n // factor) for n in PLANE.shape)
        expected = logits[0, :, : shape[0], : shape[1]].softmax(0).numpy()
        assert labels[level].shape == shape
        np.testing.assert_allclose(probabilities[level], expected, atol=1e-5)
        assert np.array_equal(
            labels[level], np.array([0, 1, 5])[probabilities[level].argmax(axis=0)]
        )
        assert image.levels[level].spacing.values == (0.5 * factor, 0.25 * factor)
        assert image.levels[level].translation == ((factor - 1) / 4, (factor - 1) / 8)


def test_the_finest_level_is_the_one_of_an_ordinary_run(tmp_path: Path) -> None:
    image = image_from_array(PLANE, axes="yx")
    out = run(image, small("yx"), tmp_path / "a.ome.zarr")
    ordinary = SegmentOptions(precision="float32")
    plain = run(image, small("yx"), tmp_path / "b.ome.zarr", ordinary)
    assert np.array_equal(levels(out)[0], levels(plain)[0])


@pytest.mark.parametrize("axes", ["yx", "zyx"])
def test_no_level_depends_on_how_the_image_is_cut(axes: str, tmp_path: Path) -> None:
    image = image_from_array({"yx": PLANE, "zyx": VOLUME}[axes], axes=axes)
    large = run(image, small(axes), tmp_path / "a.ome.zarr")
    chunks = replace(ALL, version="0.4", threads=2, block=(1,) * len(axes))
    assert same(run(image, small(axes), tmp_path / "b.ome.zarr", chunks), large)
    shapes = {
        "yx": [(70, 101), (35, 51), (18, 26)],
        "zyx": [(20, 60, 50), (20, 30, 25), (10, 15, 13)],
    }
    assert [level.shape for level in levels(large)] == shapes[axes]


def test_a_box_on_the_coarsest_grid_gives_a_part_of_each_level(tmp_path: Path) -> None:
    image = image_from_array(PLANE, axes="yx")
    whole = levels(run(image, small("yx"), tmp_path / "a.ome.zarr"))
    options = replace(ALL, box="4:66,20:91")
    part = run(image, small("yx"), tmp_path / "b.ome.zarr", options)
    for found, level, f in zip(levels(part), whole, (1, 2, 4), strict=True):
        assert np.array_equal(found, level[4 // f : -(-66 // f), 20 // f : -(-91 // f)])
    first = open_image(part).levels
    assert first[2].translation == (4 + 1.5, 20 + 1.5)


def test_a_box_beside_the_coarsest_grid_is_refused_with_one_that_fits(tmp_path: Path) -> None:
    options = SegmentOptions(all_scales=True, box="4:66,22:91")
    with pytest.raises(InputError, match=r"multiples of \(4, 4\).*Nearest that fits: 4:66,20:91"):
        run(image_from_array(PLANE, axes="yx"), model(), tmp_path / "a.ome.zarr", options)
    assert not list(tmp_path.iterdir())


def test_an_interrupted_run_goes_on_at_every_level(tmp_path: Path) -> None:
    image = image_from_array(VOLUME, axes="zyx")
    options = SegmentOptions(all_scales=True, probabilities=True, block=(1, 1, 1))
    calm = run(image, small("zyx"), tmp_path / "a.ome.zarr", options)
    out = tmp_path / "b.ome.zarr"
    for blocks in (2, 5):
        stop_after(segment_image(image, small("zyx"), options, out), out, blocks)
    assert same(run(image, small("zyx"), tmp_path / "b.ome.zarr", options), calm)


def test_the_setting_belongs_to_the_run(tmp_path: Path) -> None:
    image, out = image_from_array(PLANE, axes="yx"), tmp_path / "a.ome.zarr"
    run(image, model(), out, SegmentOptions())
    with pytest.raises(ExistsError, match="different all scales"):
        run(image, model(), out, SegmentOptions(all_scales=True))


def test_sections_of_a_movie_keep_their_number(tmp_path: Path) -> None:
    flat = model()
    changes = {"axes": "zyx", "spacing": (9.0, 1.0, 1.0), "window": (1, 48, 48), "rim": (0, 16, 16)}
    slicewise = Model(flat.spec.model_copy(update=changes), flat.network)
    movie = image_from_array(np.stack([VOLUME[:4], VOLUME[3::-1]]), axes="tzyx")
    found = levels(run(movie, slicewise, tmp_path / "a.ome.zarr", SegmentOptions(all_scales=True)))
    assert [level.shape for level in found] == [(2, 4, 60, 50), (2, 4, 30, 25), (2, 4, 15, 13)]
    still = image_from_array(VOLUME[3], axes="yx")
    section = levels(run(still, flat, tmp_path / "b.ome.zarr", SegmentOptions(all_scales=True)))
    assert all(np.array_equal(a[0, 3], b) for a, b in zip(found, section, strict=True))
    assert all(np.array_equal(a[0], a[1, ::-1]) for a in found)


def test_levels_beyond_the_outputs_are_downsampled_from_the_coarsest(tmp_path: Path) -> None:
    wide = image_from_array(np.tile(PLANE, (1, 30))[:16], axes="yx")
    out = run(wide, model(), tmp_path / "a.ome.zarr", SegmentOptions(all_scales=True))
    found = levels(out)
    assert [level.shape[1] for level in found] == [3030, 1515, 758, 379]
    assert found[3].any()
    assert np.array_equal(found[3], majority(found[2], (2, 2)))


def test_the_record_says_which_output_each_level_is(tmp_path: Path) -> None:
    network = model(name="fpn")  # its second output is on the grid of the first
    record = read_record(run(image_from_array(PLANE, axes="yx"), network, tmp_path / "a.ome.zarr"))
    assert record is not None
    assert record["plan"]["predicted_levels"] == [
        {"level": 0, "output": 0, "downsampling": [1, 1]},
        {"level": 1, "output": 2, "downsampling": [2, 2]},
    ]
    assert "level 1 (2 x 2 voxels in one) is output 2" in " ".join(record["plan"]["notes"])


@pytest.mark.parametrize("shape", [(1, 9), (5, 3), (3, 1)])
def test_an_image_smaller_than_a_coarse_voxel_has_all_levels(
    shape: tuple[int, int], tmp_path: Path
) -> None:
    tiny = image_from_array(np.zeros(shape, np.uint8), axes="yx")
    found = levels(run(tiny, model(), tmp_path / "a.ome.zarr"))
    assert [a.shape for a in found] == [tuple(-(-n // f) for n in shape) for f in (1, 2, 4)]


@pytest.mark.parametrize("shape", [(1, 1), (2, 1)])
def test_levels_of_one_size_are_refused(shape: tuple[int, int], tmp_path: Path) -> None:
    tiny = image_from_array(np.zeros(shape, np.uint8), axes="yx")
    with pytest.raises(InputError, match="too few for --all-scales"):  # no viewer takes them
        run(tiny, model(), tmp_path / "a.ome.zarr")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "features", "out", "words"),
    [
        ("residual_unet", (4, 4, 6), "a.tif", "holds one level.*ome.zarr"),
        ("unetpp", (4, 4, 6), "a.ome.zarr", "All 2 outputs.*--depth N"),
        ("residual_unet", (4, 6), "a.ome.zarr", "one output.*Leave --all-scales out"),
    ],
)
def test_what_has_no_levels_is_refused_and_leaves_nothing(
    name: str, features: tuple[int, ...], out: str, words: str, tmp_path: Path
) -> None:
    network = tiny_model(name=name, features=features)
    with pytest.raises(InputError, match=words):
        run(image_from_array(PLANE, axes="yx"), network, tmp_path / out)
    assert not list(tmp_path.iterdir())


def test_a_folder_is_written_in_the_format_that_holds_levels(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    np.save(tmp_path / "images" / "a.npy", PLANE)
    save_model(model(), tmp_path / "model")
    values = {"image": tmp_path / "images", "model": tmp_path / "model", "out": tmp_path / "out"}
    finish(segment(SegmentConfig.model_validate({**values, "all_scales": True})))
    assert len(levels(tmp_path / "out" / "a.ome.zarr")) == 3


def test_a_box_of_a_plain_run_may_start_anywhere(tmp_path: Path) -> None:
    options = SegmentOptions(box="3:60,7:90")
    out = run(image_from_array(PLANE, axes="yx"), model(), tmp_path / "a.ome.zarr", options)
    assert open_image(out).levels[0].shape == Box((3, 7), (60, 90)).shape
