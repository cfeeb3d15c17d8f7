"""Calibrate: weights of levels are fitted to labels, kept in the model and used by segment."""

import json
from pathlib import Path

import numpy as np
import pytest

from interrupting import stop_after
from models import tiny_model
from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.geometry import Axes, Box, Spacing
from napari_ziggurat.images import OutputGrid, create_output, open_image
from napari_ziggurat.networks import load_model, read_spec, save_model
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.calibrate import calibrate
from napari_ziggurat.runs.calibrate.result import CalibrateResult
from napari_ziggurat.runs.config import CalibrateConfig, SegmentConfig
from napari_ziggurat.runs.plan.options import SegmentOptions
from napari_ziggurat.runs.segment import segment, segment_image

RNG = np.random.default_rng(0)
SHAPE = (75, 101)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A tiny model with many windows in the image below."""
    save_model(tiny_model(window=(32, 32), rim=(8, 8)), tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Noise at three levels that have nothing to do with each other."""
    grid = OutputGrid(
        Axes("yx"), SHAPE, np.dtype(np.uint8), Spacing((1.0, 1.0)), (0.0, 0.0), SHAPE, SHAPE,
        downsamplings=((2, 2), (4, 4)),
    )  # fmt: skip
    for array in create_output(tmp_path / "image.ome.zarr", grid, kind="image"):
        array[...] = RNG.integers(0, 255, array.shape, dtype=np.uint8)
    return tmp_path / "image.ome.zarr"


def found_by(level: int, image: Path, model: Path, folder: Path) -> np.ndarray:
    """What a level alone says at the voxels of the finest: labels."""
    opened, options = open_image(image), SegmentOptions(level=level, probabilities=True)
    finish(segment_image(opened, load_model(model), options, folder / f"{level}.ome.zarr"))
    probabilities = open_image(folder / f"{level}_probabilities.ome.zarr").arrays[0][...]
    upsampling = opened.levels[0].upsampling(opened.levels[level])
    finest = upsampling(np.asarray(probabilities), (0, 0), Box.whole(SHAPE))
    return np.array([0, 1, 5], np.uint8)[finest.argmax(axis=0)]


def write(path: Path, labels: np.ndarray) -> Path:
    np.save(path, labels)
    return path


def config(model: Path, image: Path, **more: object) -> CalibrateConfig:
    return CalibrateConfig.create({"model": model, "image": image, "levels": "0,1"} | more)


def run(given: CalibrateConfig) -> CalibrateResult:
    return finish(calibrate(given))


def test_the_level_that_the_labels_agree_with_gets_the_weight(
    model: Path, image: Path, tmp_path: Path
) -> None:
    truth = write(tmp_path / "truth.npy", found_by(1, image, model, tmp_path))
    result = run(config(model, image, labels=truth))
    assert result.levels[1].dice > 0.99  # but for its half precision
    assert result.levels[0].dice < 0.8
    spec = read_spec(model)
    assert spec.level_weights is not None
    assert spec.level_weights.downsampling == ((1.0, 1.0), (2.0, 2.0))
    assert min(spec.level_weights.weights[1]) > 0.5
    assert result.fused.dice > result.levels[0].dice + 0.1
    assert [each.windows for each in result.levels] == [35, 12]
    assert not (model / ".calibration").exists()


def test_the_scores_are_those_of_a_segmentation_with_these_levels(
    model: Path, image: Path, tmp_path: Path
) -> None:
    truth = found_by(2, image, model, tmp_path)
    result = run(
        config(model, image, labels=write(tmp_path / "truth.npy", truth), levels=(0, 1, 2))
    )
    out = tmp_path / "out.ome.zarr"
    values = {"image": image, "model": model, "out": out, "levels": (0, 1, 2)}
    finish(segment(SegmentConfig.create(values)))
    labels = np.asarray(open_image(out).arrays[0][...])
    for value in (1, 5):
        sizes = np.sum(labels == value) + np.sum(truth == value)
        dice = 2 * np.sum((labels == value) & (truth == value)) / sizes
        assert result.fused.confusion.overlap(value).dice == pytest.approx(dice, abs=2e-3)
    words = result.render()
    assert f"the mean Dice is {result.fused.dice:.4f}" in words
    assert json.loads(json.dumps(result.as_dict()))["gain"] == result.gain


def test_only_labelled_voxels_count(model: Path, image: Path, tmp_path: Path) -> None:
    found = found_by(1, image, model, tmp_path)
    strokes = np.where(RNG.random(SHAPE) < 0.1, np.where(found == 0, 255, found), 0)
    result = run(config(model, image, annotation=write(tmp_path / "a.npy", strokes.astype("u1"))))
    assert result.fused.confusion.voxels == np.count_nonzero(strokes)
    assert result.levels[1].dice > 0.99


def test_several_images_are_fitted_together(model: Path, image: Path, tmp_path: Path) -> None:
    truth = write(tmp_path / "truth.npy", found_by(1, image, model, tmp_path))
    result = run(config(model, (image, image), labels=(truth, truth)))
    assert result.fused.confusion.voxels == 2 * SHAPE[0] * SHAPE[1]
    assert result.fused.windows == 2 * 47


def test_an_interrupted_calibration_goes_on(model: Path, image: Path, tmp_path: Path) -> None:
    truth = write(tmp_path / "truth.npy", found_by(1, image, model, tmp_path))
    given = config(model, image, labels=truth)
    stop_after(calibrate(given), model / ".calibration" / "0" / "0.ome.zarr", 1)
    done = [step.done for step in calibrate(given) if step.stage == "segment"]
    assert done[0] == 35
    assert read_spec(model).level_weights is not None


def test_weights_are_replaced_only_when_asked(model: Path, image: Path, tmp_path: Path) -> None:
    truth = write(tmp_path / "truth.npy", found_by(1, image, model, tmp_path))
    run(config(model, image, labels=truth))
    with pytest.raises(ExistsError, match="--overwrite"):
        run(config(model, image, labels=truth))
    run(config(model, image, labels=truth, levels=(0, 1, 2), overwrite=True))
    weights = read_spec(model).level_weights
    assert weights is not None
    assert len(weights.weights) == 3


def test_unless_said_the_level_that_fits_and_the_next_two_are_fused(
    model: Path, image: Path, tmp_path: Path
) -> None:
    truth = write(tmp_path / "truth.npy", found_by(1, image, model, tmp_path))
    result = run(CalibrateConfig.create({"model": model, "image": image, "labels": truth}))
    assert [each.name for each in result.levels] == ["level 0", "level 1", "level 2"]


def test_an_image_without_levels_is_refused(model: Path, tmp_path: Path) -> None:
    plane = write(tmp_path / "plane.npy", RNG.integers(0, 255, SHAPE, dtype=np.uint8))
    truth = write(tmp_path / "truth.npy", np.ones(SHAPE, np.uint8))
    with pytest.raises(InputError, match="pyramid"):
        run(CalibrateConfig.create({"model": model, "image": plane, "labels": truth}))


def test_labels_where_nothing_is_labelled_are_refused(
    model: Path, image: Path, tmp_path: Path
) -> None:
    empty = write(tmp_path / "a.npy", np.zeros(SHAPE, np.uint8))
    with pytest.raises(InputError, match="No voxel"):
        run(config(model, image, annotation=empty))
    assert read_spec(model).level_weights is None
