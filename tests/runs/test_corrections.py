"""An estimate of the class shares never ruins a training, however short it was."""

from pathlib import Path

import numpy as np
import pytest

from napari_ziggurat.errors import InputError
from napari_ziggurat.images.samples import Drawn, draw_plane
from napari_ziggurat.images.strokes import draw_strokes
from napari_ziggurat.networks import load_model
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import TrainConfig
from napari_ziggurat.runs.train import TrainResult, train

SMALL = {"patch": (64, 64), "batch": 2, "features": 8, "depth": 3, "device": "cpu"}


def trained(folder: Path, drawn: Drawn, **more: object) -> TrainResult:
    strokes = draw_strokes(drawn.labels, 0.02, 0)
    np.save(folder / "image.npy", drawn.image)
    np.save(folder / "strokes.npy", strokes)
    given = {"image": folder / "image.npy", "annotation": folder / "strokes.npy"}
    return finish(train(TrainConfig.model_validate(given | SMALL | {"out": folder / "m"} | more)))


@pytest.mark.slow
def test_a_training_that_was_too_short_to_tell_the_shares_keeps_them_as_painted(
    tmp_path: Path,
) -> None:
    result = trained(tmp_path, draw_plane((256, 256), 1), steps=20)
    model = load_model(tmp_path / "m")
    assert not model.network.shift.any()
    assert result.class_shares == {}
    (words,) = result.corrections
    assert words.startswith("not taken: estimated part of the images: ")
    assert "left as painted" in words
    assert words in result.render()
    assert model.spec.training["corrections"] == [words]


@pytest.mark.slow
def test_what_was_learned_well_is_corrected_for_shares_that_were_painted_wrong(
    tmp_path: Path,
) -> None:
    truth = np.zeros((128, 128), np.uint8)
    for y, x in ((10, 10), (20, 90), (70, 40), (100, 100)):
        truth[y : y + 12, x : x + 12] = 1
    noise = np.random.default_rng(0).normal(0, 25, truth.shape)
    np.save(tmp_path / "image.npy", np.clip(70 + 70 * truth + noise, 0, 255).astype(np.uint8))
    strokes = np.zeros_like(truth)
    for y, x in ((12, 10), (22, 90), (75, 40)):
        strokes[y : y + 4, x : x + 12] = 1
        strokes[y : y + 4, x + 14 : x + 26] = 255
    np.save(tmp_path / "strokes.npy", strokes)
    settings = SMALL | {"patch": (32, 32), "features": 4, "depth": 2, "steps": 100}
    paths = {"image": tmp_path / "image.npy", "annotation": tmp_path / "strokes.npy"}
    given = settings | paths | {"out": tmp_path / "m", "learning_rate": 1e-2}
    result = finish(train(TrainConfig.model_validate(given)))
    assert result.corrections[0].startswith("estimated part of the images: ")
    assert result.class_shares["class 1"] == pytest.approx(truth.mean(), abs=0.05)
    shift = load_model(tmp_path / "m").network.shift
    assert shift[1] < shift[0]  # half of what was painted, and a thirtieth of the image


def test_what_a_person_told_is_taken_and_it_is_said_what_it_costs(tmp_path: Path) -> None:
    result = trained(tmp_path, draw_plane((128, 128), 1), steps=3, class_shares="3=0.9")
    assert load_model(tmp_path / "m").network.shift.any()
    (words,) = result.corrections
    assert words.startswith("told part of the images: ")
    assert "With them, " in words
    assert max(result.class_shares.values()) == pytest.approx(0.9, abs=1e-6)


@pytest.mark.slow
def test_thresholds_are_fitted_to_blocks_that_were_held_out_and_recorded(tmp_path: Path) -> None:
    more = {"steps": 20, "class_shares": "painted", "thresholds": "held-out"}
    result = trained(tmp_path, draw_plane((384, 384), 1), **more)
    model = load_model(tmp_path / "m")
    (words,) = result.corrections
    assert words.startswith("thresholds: ")
    assert words.startswith("thresholds: fitted") == bool(model.network.shift.any())
    assert model.spec.training["corrections"] == [words]
    assert model.spec.rounds[-1].data[0].held_out


def test_from_too_few_strokes_no_thresholds_are_fitted_and_it_is_said(tmp_path: Path) -> None:
    more = {"steps": 2, "class_shares": "painted", "thresholds": "held-out"}
    result = trained(tmp_path, draw_plane((64, 64), 1), **more, patch=(32, 32))
    assert result.corrections[0].startswith("thresholds: none, not enough held-out strokes")
    assert not load_model(tmp_path / "m").network.shift.any()


def test_thresholds_need_labels_that_are_held_out() -> None:
    with pytest.raises(InputError, match="Leave --hold-out out"):
        TrainConfig.create(
            {"image": "a", "annotation": "b", "out": "c", "thresholds": "held-out",
             "hold_out": "off"}
        )  # fmt: skip
