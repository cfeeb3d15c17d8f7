"""Depth: a UNet++ that is pruned when it segments."""

from pathlib import Path

import numpy as np
import pytest
import torch

from models import tiny_model
from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.images import image_from_array, open_image
from napari_ziggurat.networks import Model
from napari_ziggurat.networks.pruning import prune_model
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.plan.options import SegmentOptions
from napari_ziggurat.runs.segment import SegmentResult, segment_image

PLANE = np.random.default_rng(0).integers(0, 255, (64, 96), dtype=np.uint8)


def model() -> Model:
    """A UNet++ of three steps down, whose window holds the whole plane."""
    return tiny_model(name="unetpp", features=(4, 4, 6, 6), window=(96, 96), rim=(0, 0))


def run(model: Model, out: Path, depth: int | None) -> SegmentResult:
    options = SegmentOptions(depth=depth, probabilities=True, precision="float32")
    return finish(segment_image(image_from_array(PLANE, axes="yx"), model, options, out))


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_depth_gives_the_output_of_that_column(depth: int, tmp_path: Path) -> None:
    result = run(model(), tmp_path / "a.ome.zarr", depth)
    grey = model().spec.intensity.apply(PLANE[np.newaxis])
    with torch.no_grad():
        columns = model().network.scales(torch.from_numpy(grey)[np.newaxis])  # deepest first
    found = np.asarray(open_image(tmp_path / "a_probabilities.ome.zarr").arrays[0][...])
    np.testing.assert_allclose(found, columns[3 - depth][0].softmax(0).numpy(), atol=1e-5)
    assert f"--depth {depth}" in result.render() + str(result.plans)


def test_the_deepest_gives_what_the_whole_network_gives(tmp_path: Path) -> None:
    for name, depth in (("a", None), ("b", 3)):
        run(model(), tmp_path / f"{name}.ome.zarr", depth)
    a, b = (np.asarray(open_image(tmp_path / f"{n}.ome.zarr").arrays[0][...]) for n in "ab")
    assert np.array_equal(a, b)


def test_the_stride_follows_the_depth_and_windows_stay() -> None:
    pruned = prune_model(model(), 1)
    assert (pruned.spec.stride, model().spec.stride) == ((2, 2), (8, 8))
    assert (pruned.spec.window, pruned.spec.rim) == ((96, 96), (0, 0))


def test_another_depth_is_another_run(tmp_path: Path) -> None:
    run(model(), tmp_path / "a.ome.zarr", 1)
    with pytest.raises(ExistsError, match="different depth, model"):
        run(model(), tmp_path / "a.ome.zarr", 2)


@pytest.mark.parametrize(
    ("network", "depth", "words"),
    [
        (model(), 4, "to a depth of 1 to 3; 4 was asked for"),
        (tiny_model(), 1, r"'residual_unet' cannot be pruned. Only a UNet\+\+"),
    ],
)
def test_what_cannot_be_pruned_is_refused_and_leaves_nothing(
    network: Model, depth: int, words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        run(network, tmp_path / "a.ome.zarr", depth)
    assert not list(tmp_path.iterdir())
