"""Calibrate: how maps become objects is fitted to drawn objects and kept in the model."""

from pathlib import Path

import numpy as np
import pytest

from models import tiny_model
from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.images import image_from_array, open_image, open_output
from napari_ziggurat.networks import ObjectSettings, load_model, read_spec, save_model
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.calibrate import instances, objects
from napari_ziggurat.runs.calibrate.instances import calibrate_objects
from napari_ziggurat.runs.calibrate.objects import Scene, fit_objects
from napari_ziggurat.runs.config import CalibrateConfig
from napari_ziggurat.runs.objects.voxels import ClassVoxels
from shape_maps import drawn_balls, write_map


@pytest.fixture
def ids() -> np.ndarray:
    return drawn_balls((70, 80), 14, 9.0)


def dented_map(folder: Path, ids: np.ndarray) -> Path:
    """A map whose objects have necks of 0.65: the usual strength leaves halves together."""
    store = write_map(folder / "map.ome.zarr", ids)
    array = open_image(store).arrays[0]
    channels = np.array(array[...])
    channels[2] = 0
    channels[3][(ids > 0) & (channels[3] < 166)] = 166
    open_output(store)[0][:] = channels
    return store


def scene(store: Path, ids: np.ndarray) -> Scene:
    voxels = ClassVoxels.of(open_image(store), foreground=True)
    return Scene(voxels, image_from_array(ids, axes="yx"), 0)


def test_the_strength_is_found_that_parts_what_is_drawn_apart(tmp_path, ids, monkeypatch) -> None:
    store = dented_map(tmp_path, ids)
    fit = finish(fit_objects([scene(store, ids)]))
    assert fit.settings.split >= 0.7
    assert fit.settings.foreground == 0.5  # makes no difference, so it stays as usual
    assert (fit.usual.f1 or 0) < 0.7 < 0.95 < (fit.best.f1 or 0)
    monkeypatch.setattr(objects, "_AT_ONCE", {2: 40})
    assert finish(fit_objects([scene(store, ids)])).settings.split >= 0.7


def test_what_agrees_with_the_usual_settings_stays_at_them(tmp_path, ids) -> None:
    fit = finish(fit_objects([scene(write_map(tmp_path / "m.ome.zarr", ids), ids)]))
    assert fit.settings == ObjectSettings()
    assert fit.best.f1 == 1


def test_labels_that_number_no_objects_are_refused(tmp_path, ids) -> None:
    store = write_map(tmp_path / "map.ome.zarr", ids)
    with pytest.raises(InputError, match=r"holds the number 1 alone.*a number of its own"):
        finish(fit_objects([scene(store, (ids > 0).astype(np.uint8))]))
    with pytest.raises(InputError, match="holds no object"):
        finish(fit_objects([scene(store, ids * 0)]))


def test_what_was_fitted_is_kept_in_the_model(tmp_path, ids, monkeypatch) -> None:
    save_model(tiny_model(), tmp_path / "model")
    np.save(tmp_path / "image.npy", ids.astype(np.uint8))
    np.save(tmp_path / "ids.npy", ids)

    def segments(image, model, options, out):
        """Give a map without a network that tells shapes."""
        assert options.probabilities
        dented_map(tmp_path, ids).rename(instances.probabilities_path(out))
        yield from ()

    monkeypatch.setattr(instances, "segment_image", segments)
    (tmp_path / "model" / ".calibration").mkdir()
    given = {"model": tmp_path / "model", "image": tmp_path / "image.npy", "axes": "yx"}
    config = CalibrateConfig.create({**given, "labels": tmp_path / "ids.npy"})
    made = finish(calibrate_objects(config, load_model(config.model)))
    spec = read_spec(tmp_path / "model")
    assert spec.objects == made.settings
    assert made.settings.split >= 0.7
    assert f"split {made.settings.split:g}" in made.render()
    assert made.as_dict()["objects"] == made.settings.model_dump()
    with pytest.raises(ExistsError, match="--overwrite"):
        finish(calibrate_objects(config, load_model(config.model)))
    sparse = CalibrateConfig.create({**given, "annotation": tmp_path / "ids.npy"})
    with pytest.raises(InputError, match="instead of --annotation"):
        finish(calibrate_objects(sparse, load_model(config.model)))
