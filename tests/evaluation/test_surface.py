"""Surface Dice and Hausdorff distance are those of MONAI, and known for what is drawn."""

import warnings

import numpy as np
import pytest
from scipy import ndimage

from napari_ziggurat.evaluation import surface
from napari_ziggurat.evaluation.gathering import Gathering
from napari_ziggurat.evaluation.surface import SurfaceScore
from napari_ziggurat.geometry import Box

SPACINGS = [(0.5, 0.5), (2.0, 0.7, 0.7), (1.0, 1.0, 1.0)]


def score(
    truth: np.ndarray, prediction: np.ndarray, spacing: tuple[float, ...], tolerance: float,
    keep: np.ndarray | None = None,
) -> SurfaceScore:  # fmt: skip
    gathering = Gathering(1, truth.shape, spacing, tolerance, (None, None))
    gathering.add(Box.whole(truth.shape), (truth, prediction), (None, None), keep)
    return gathering.finish().tally().surface


def blobs(shape: tuple[int, ...], seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).random(shape)
    return ndimage.gaussian_filter(noise, 1.5) > 0.5


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("tolerance", [0.5, 2.0])
def test_monai_gives_the_same(spacing: tuple[float, ...], tolerance: float) -> None:
    torch = pytest.importorskip("torch")
    metrics = pytest.importorskip("monai.metrics")
    shape = (40, 52) if len(spacing) == 2 else (9, 20, 22)
    truth, prediction = blobs(shape, 0), blobs(shape, 1)
    one, other = (torch.from_numpy(each[None, None]) for each in (prediction, truth))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same = {"include_background": True, "spacing": spacing}
        dice = metrics.compute_surface_dice(one, other, class_thresholds=[tolerance], **same)
        far = metrics.compute_hausdorff_distance(one, other, percentile=95, **same)
    found = score(truth, prediction, spacing, tolerance)
    assert found.surface_dice == pytest.approx(float(dice), abs=1e-6)
    assert found.hausdorff95 == pytest.approx(float(far), abs=1e-5)


def test_a_shifted_square_is_one_voxel_away_in_physical_units() -> None:
    truth = np.zeros((12, 12), bool)
    truth[3:9, 3:9] = True
    moved = np.roll(truth, 1, axis=1)
    assert score(truth, moved, (1.0, 0.1), 0.1).surface_dice == 1
    assert score(truth, moved, (1.0, 0.1), 0.1).hausdorff95 == pytest.approx(0.1)
    assert score(truth, truth, (1.0, 0.1), 0.1).hausdorff95 == 0
    # ten of twenty voxels on each side are on the other surface as well
    assert score(truth, moved, (1.0, 0.1), 0.05).surface_dice == pytest.approx(20 / 40)


def test_a_surface_on_one_side_only_has_no_distance_and_a_dice_of_zero() -> None:
    truth = np.zeros((6, 6), bool)
    truth[2:4, 2:4] = True
    found = score(truth, truth & False, (1.0, 1.0), 1.0)
    assert (found.surface_dice, found.hausdorff95, found.one_sided) == (0.0, None, 1)
    nothing = score(truth & False, truth & False, (1.0, 1.0), 1.0)
    assert (nothing.surface_dice, nothing.hausdorff95) == (None, None)


def test_a_mask_chooses_which_voxels_count_and_makes_no_surface() -> None:
    truth, moved = np.zeros((10, 20), bool), np.zeros((10, 20), bool)
    truth[2:8, 2:18] = moved[2:8, 2:12] = True
    keep = np.zeros((10, 20), bool)
    keep[:, :10] = True
    found = score(truth, moved, (1.0, 1.0), 0.5, keep)
    assert (found.surface_dice, found.hausdorff95) == (1.0, 0.0)


def test_too_many_voxels_are_left_out_and_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surface, "MOST_POINTS", 10)
    truth = np.ones((8, 8), bool)
    gathering = Gathering(1, truth.shape, (1.0, 1.0), 1.0, (None, None))
    gathering.add(Box.whole(truth.shape), (truth, truth), (None, None))
    found = gathering.finish()
    assert found.distances is None
    assert found.tally().surface.surface_dice is None
    assert found.tally().overlap.dice == 1


def test_scores_of_images_are_pooled() -> None:
    one, other = SurfaceScore(1, 2, 3.0, 1), SurfaceScore(0, 2, 0.0, 0, one_sided=1)
    assert (one + other).surface_dice == 0.25
    assert ((one + other).hausdorff95, (one + other).one_sided) == (3.0, 1)
