"""Patches and their surroundings: one place, one centre, one change."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box, Spacing, SurroundGrids
from napari_ziggurat.images import image_from_array
from napari_ziggurat.networks import Intensity, configure_network, create_network
from napari_ziggurat.progress import finish
from napari_ziggurat.training.augment import Augmentation, Symmetry
from napari_ziggurat.training.loop import Recipe, Trainee, make_batch
from napari_ziggurat.training.planner import Machine, Wishes, design
from napari_ziggurat.training.sampling import LabelIndex, Sampler
from napari_ziggurat.training.shares import estimate_shares
from napari_ziggurat.training.stroke_logits import StrokeLogits
from napari_ziggurat.training.validation import validate
from napari_ziggurat.training.volumes import LabelCode, LabelledVolume, label_positions
from pyramids import PLANE

GRIDS = SurroundGrids((4, 4), (8, 8), (8, 8))
PLAIN = Intensity((0.0,), (255.0,), (0.0,), (1.0,))


def volume(image: NDArray[np.uint8], held: bool = True) -> LabelledVolume:
    axes = "zyx"[-image.ndim :]
    labels = (image > image.mean()).astype(np.uint8)
    found = LabelledVolume(
        image_from_array(image, axes=axes), image_from_array(labels, axes=axes), 0, 0,
        LabelCode((0, 1, 2), dense=True, foreground=False),
    )  # fmt: skip
    return found.hold() if held else found


def sampler(of: LabelledVolume, patch: tuple[int, ...], grids: SurroundGrids) -> Sampler:
    index = LabelIndex.from_volumes([finish(label_positions(of))])
    return Sampler([of.surrounded(grids.factor)], [PLAIN], index, patch, around=grids)


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("shape", [(100, 90), (20, 130)])
def test_a_patch_lies_in_the_middle_of_its_surroundings(held: bool, shape: tuple[int, ...]) -> None:
    ramp = np.add.outer(np.arange(shape[0]), np.arange(shape[1])).astype(np.uint8)
    draws = sampler(volume(ramp, held), (32, 32), GRIDS)
    rng = np.random.default_rng(0)
    for _ in range(20):
        number, box = draws.place(rng)
        assert all(a % 8 == 0 and a >= 0 for a in box.start)
        assert all(a < n for a, n in zip(box.start, shape, strict=True))
        image, target = draws.read(number, box)
        coarse = draws.read_around(number, box)
        assert image.shape == coarse.shape == (1, 32, 32)
        assert target.shape == (32, 32)
        inside = [b <= n for b, n in zip(box.stop, shape, strict=True)]
        middle = image.reshape(1, 8, 4, 8, 4).mean(axis=(2, 4))
        if all(inside):
            np.testing.assert_allclose(coarse[:, 12:20, 12:20], middle, atol=0.51)


def test_patches_of_networks_without_surroundings_are_drawn_as_before() -> None:
    image = np.random.default_rng(0).integers(0, 255, (100, 90), dtype=np.uint8)
    draws = replace(sampler(volume(image), (32, 32), GRIDS), around=None)
    starts = [draws.place(np.random.default_rng(seed))[1].start for seed in range(20)]
    assert any(a % 8 for start in starts for a in start)
    assert draws.read_around(0, Box((0, 0), (32, 32))) is None


def waves(shape: tuple[int, ...], step: tuple[int, ...]) -> NDArray[np.float32]:
    """Give smooth waves about the centre, sampled at every so many voxels."""
    axes = [(np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, step, strict=True)]
    grid = np.meshgrid(*axes, indexing="ij")
    phase = sum(g * w for g, w in zip(grid, (0.031, 0.05, 0.02), strict=False))
    return np.sin(phase + 0.3)[None].astype(np.float32)


@pytest.mark.parametrize(
    ("shape", "factor"), [((64, 64), (4, 4)), ((16, 32, 32), (2, 4, 4)), ((64, 64), (4, 2))]
)
def test_patch_and_surroundings_are_changed_alike(
    shape: tuple[int, ...], factor: tuple[int, ...]
) -> None:
    square = factor[-1] == factor[-2]
    augment = Augmentation(Symmetry(len(shape), True, False, square, factor))
    augment._steps.transforms = augment._steps.transforms[:-2]  # no noise, no blur
    image, coarse = waves(shape, (1,) * len(shape)), waves(shape, factor)
    target = np.ones(shape, np.uint8)
    turned = 0
    for seed in range(30):
        fine, _, around = augment.together(image, target, coarse, seed)
        alone, _ = augment(image, target, seed)
        assert np.array_equal(fine, alone)
        if augment._steps.transforms[-1]._do_transform:
            continue  # contrast depends on the darkest and brightest voxel of each
        turned += augment._steps.transforms[0]._do_transform
        # the middle of both shows one thing: compare voxels around the centre
        half = [n // 4 // f for n, f in zip(shape, factor, strict=True)]
        seen = np.ix_(
            *[np.arange(n // 2 - h, n // 2 + h) for n, h in zip(shape, half, strict=True)]
        )
        middle = around[0][seen]
        parts = fine[0][np.ix_(*[
            np.arange(n // 2 - h * f, n // 2 + h * f)
            for n, h, f in zip(shape, half, factor, strict=True)
        ])]  # fmt: skip
        for axis, f in enumerate(factor):
            parts = np.stack(
                [parts.take(range(i, parts.shape[axis], f), axis) for i in range(f)]
            ).mean(axis=0)
        np.testing.assert_allclose(middle, parts, atol=0.06)
    assert turned > 3


def test_planes_of_volumes_shares_and_scores_have_surroundings() -> None:
    torch.manual_seed(0)
    stack = np.random.default_rng(0).integers(0, 255, (3, 50, 60), dtype=np.uint8)
    config = configure_network("hooknet", PLANE)
    grids = config.surroundings.seen_by(3)
    draws = sampler(volume(stack), (1, 16, 16), grids)
    recipe = Recipe(2, flat=True)
    batch = make_batch(draws, Augmentation(Symmetry(2, True, False, True, (4, 4))), recipe, 0)
    assert [tuple(each.shape) for each in (batch.image, batch.target, batch.coarse)] == [
        (2, 1, 16, 16), (2, 16, 16), (2, 1, 16, 16)
    ]  # fmt: skip
    network = create_network(config).eval()
    trainee = Trainee(network, draws, None, recipe, torch.device("cpu"))
    assert sum(
        estimate_shares(trainee, StrokeLogits.of_training(trainee)).estimated
    ) == pytest.approx(1)
    scores = validate(network, draws.volumes, [PLAIN], (1, 16, 16), flat=True, around=grids)
    assert set(scores) == {1, 2} or set(scores) == {1}


def test_the_planner_counts_both_branches() -> None:
    for machine in (Machine(gpu=False, memory=2**33), Machine(gpu=True, memory=2**33)):
        one, two = (
            design([(600, 600)], Spacing((1.0, 1.0)), machine, Wishes(patch=(128, 128)), branches=n)
            for n in (1, 2)
        )
        assert two.batch <= one.batch
    small = Machine(gpu=False, memory=2**26)
    said = [
        design([(600, 600)], Spacing((1.0, 1.0)), small, Wishes(batch=2), branches=n).patch
        for n in (1, 2)
    ]
    assert np.prod(said[1]) < np.prod(said[0])
