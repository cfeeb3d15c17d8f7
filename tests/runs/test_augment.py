"""Augment: each window is computed several times, and the result is as independent as any."""

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from models import tiny_model
from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.images import Image, image_from_array, open_image
from napari_ziggurat.networks import Model
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import SegmentConfig
from napari_ziggurat.runs.plan.options import SegmentOptions
from napari_ziggurat.runs.segment import segment_image

RNG = np.random.default_rng(0)
PLANE = RNG.integers(0, 255, (70, 101), dtype=np.uint8)
BOTH = SegmentOptions(
    augment=("flips", "scales"), probabilities=True, precision="float32", threads=1
)


def model(axes: str = "yx") -> Model:
    return tiny_model(axes, window=(32,) * len(axes), rim=(8,) * len(axes))


def plane() -> Image:
    return image_from_array(PLANE, axes="yx")


def run(image: Image, out: Path, options: SegmentOptions = BOTH) -> str:
    result = finish(segment_image(image, model(image.axes.spatial), options, out))
    return str(result.plans)


def probabilities(out: Path) -> np.ndarray:
    path = out.with_name(f"{out.name[:-9]}_probabilities.ome.zarr")
    return np.asarray(open_image(path).arrays[0][...])


def test_the_result_does_not_depend_on_how_the_image_is_cut(tmp_path: Path) -> None:
    words = run(plane(), tmp_path / "a.ome.zarr")
    assert "--augment flips,scales: computes each window 12 times" in words
    run(plane(), tmp_path / "b.ome.zarr", replace(BOTH, block=(1, 1), threads=2))
    run(plane(), tmp_path / "c.ome.zarr", replace(BOTH, box="20:60,30:90"))
    whole = probabilities(tmp_path / "a.ome.zarr")
    assert np.array_equal(probabilities(tmp_path / "b.ome.zarr"), whole)
    assert np.array_equal(probabilities(tmp_path / "c.ome.zarr"), whole[:, 20:60, 30:90])


def test_a_mirrored_image_in_one_window_gives_the_mirrored_result(tmp_path: Path) -> None:
    flips = replace(BOTH, augment=("flips",))
    small = PLANE[:32, :32]
    run(image_from_array(small, axes="yx"), tmp_path / "a.ome.zarr", flips)
    run(image_from_array(small[:, ::-1], axes="yx"), tmp_path / "b.ome.zarr", flips)
    a, b = (probabilities(tmp_path / f"{name}.ome.zarr") for name in "ab")
    np.testing.assert_allclose(a, b[:, :, ::-1], atol=1e-5)


def test_the_setting_belongs_to_the_run(tmp_path: Path) -> None:
    run(plane(), tmp_path / "a.ome.zarr", replace(BOTH, augment=()))
    with pytest.raises(ExistsError, match="different augment"):
        run(plane(), tmp_path / "a.ome.zarr")


def test_an_image_that_says_which_side_is_left_is_not_mirrored(tmp_path: Path) -> None:
    volume = RNG.integers(0, 255, (24, 24, 24), dtype=np.uint8)
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / "a.nii.gz")
    image = open_image(tmp_path / "a.nii.gz")
    with pytest.raises(InputError, match=r"which side is left.*--augment scales"):
        run(image, tmp_path / "a.ome.zarr", replace(BOTH, augment=("flips",)))
    assert "3 times" in run(image, tmp_path / "a.ome.zarr", replace(BOTH, augment=("scales",)))


@pytest.mark.parametrize(
    ("more", "words"),
    [({"augment": "turns"}, "--augment cannot be"), ({"all_scales": True}, "--all-scales")],
)
def test_what_cannot_be_averaged_is_refused(more: dict[str, object], words: str) -> None:
    values = {"image": "a", "model": "b", "out": "c", "augment": "flips,scales"}
    with pytest.raises(InputError, match=words):
        SegmentConfig.create(values | more)
