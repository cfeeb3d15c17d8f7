"""Training: from files to a model that can be used, repeatable, resumable, and picky."""

import itertools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from conftest import DrawnVolume
from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import open_image
from napari_ziggurat.networks import Model, load_model, read_spec, save_model
from napari_ziggurat.networks.calibration import uncalibrated
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import SegmentConfig, TrainConfig
from napari_ziggurat.runs.segment import segment
from napari_ziggurat.runs.setup import train_setup
from napari_ziggurat.runs.train import TrainResult, corrections, train
from napari_ziggurat.runs.train import ending as train_ending

SMALL = {"steps": 3, "patch": (32, 32), "batch": 2, "features": 4, "depth": 2}
LEVERS = {"unlabelled": 1.0, "confidence": 0.3, "focal": 1.5, "alike": 0.3, "scales": (0.7, 1.5)}


@pytest.fixture
def planes(tmp_path: Path, drawn_volume: DrawnVolume) -> Path:
    """A folder with images/ and labels/ of two planes each."""
    for name, array in (("images", drawn_volume.image), ("labels", drawn_volume.labels)):
        (tmp_path / name).mkdir()
        for z in (4, 10):
            np.save(tmp_path / name / f"plane_{z}.npy", array[z])
    return tmp_path


def _train(folder: Path, **more: object) -> TrainResult:
    values = {"image": folder / "images", "labels": folder / "labels", "out": folder / "model"}
    config = TrainConfig.model_validate(values | SMALL | more)
    return finish(train(config))


def _strokes(folder: Path) -> Path:
    """Paint sixty voxels of each class on each plane; give the folder."""
    strokes = folder / "strokes"
    strokes.mkdir()
    rng = np.random.default_rng(0)
    for path in sorted((folder / "labels").iterdir()):
        labels = np.load(path)
        painted = np.zeros_like(labels)
        for value in (0, 1, 2):
            where = rng.permutation(np.argwhere(labels == value))[:60]
            painted[tuple(where.T)] = value or 255
        np.save(strokes / path.name, painted)
    return strokes


def test_a_trained_model_knows_itself_and_segments(planes: Path) -> None:
    result = _train(planes, steps=60, learning_rate=1e-2)
    spec = read_spec(planes / "model")
    assert [c.value for c in spec.classes] == [0, 1, 2]
    assert spec.axes == "yx"
    assert result.steps == 60
    image = planes / "images" / "plane_4.npy"
    out = planes / "out.tif"
    finish(segment(SegmentConfig(image=image, model=planes / "model", out=out)))
    truth = np.load(planes / "labels" / "plane_4.npy")
    found = open_image(out).read(0, Box.whole(truth.shape))[0]
    assert (found == truth).mean() > 0.9


def test_a_seeded_run_repeats_bit_for_bit(planes: Path) -> None:
    for name in ("one", "two"):
        _train(planes, out=planes / name, seed=7)
    _train(planes, out=planes / "other", seed=8)
    one, two, other = (
        load_file(planes / name / "weights.safetensors") for name in ("one", "two", "other")
    )
    assert all((one[key] == two[key]).all() for key in one)
    assert any((one[key] != other[key]).any() for key in one)


def test_every_lever_repeats_bit_for_bit_also_after_an_interruption(planes: Path) -> None:
    config = _interrupted(planes, labels=(), annotation=_strokes(planes), steps=14, **LEVERS)
    finish(train(config))
    for name in ("one", "two"):
        finish(train(config.model_copy(update={"out": planes / name})))
    resumed, one, two = (
        load_file(planes / n / "weights.safetensors") for n in ("model", "one", "two")
    )
    assert all((one[key] == two[key]).all() for key in one)
    assert all((one[key] == resumed[key]).all() for key in one)


@pytest.mark.parametrize("lever", LEVERS)
def test_every_lever_does_something(lever: str, planes: Path) -> None:
    plain = {"labels": (), "annotation": _strokes(planes), "class_shares": "painted"}
    more = LEVERS if lever == "confidence" else {lever: LEVERS[lever]}
    without = {key: value for key, value in more.items() if key != lever}
    _train(planes, **plain, **more, out=planes / "with")
    _train(planes, **plain, **without, out=planes / "without")
    found, other = (load_file(planes / n / "weights.safetensors") for n in ("with", "without"))
    assert any((found[key] != other[key]).any() for key in found)


def test_a_class_that_is_told_to_be_common_is_preferred(planes: Path) -> None:
    strokes, lead = _strokes(planes), {}
    for share in (0.05, 0.7):
        told = {"class_shares": {"class 1": share}, "out": planes / f"told_{share}"}
        result = _train(planes, labels=(), annotation=strokes, **told)
        assert result.class_shares["class 1"] == share
        assert sum(result.class_shares.values()) == pytest.approx(1)
        shift = load_model(planes / f"told_{share}").network.shift
        lead[share] = float(shift[1] - shift[0])
    assert lead[0.7] > lead[0.05]


def test_scales_and_surroundings_exclude_each_other(planes: Path) -> None:
    with pytest.raises(InputError, match="Leave out --scales"):
        _train(planes, network="hooknet", scales=(0.5, 2))


def test_an_interrupted_training_goes_on_and_ends_with_the_same_weights(planes: Path) -> None:
    _train(planes, out=planes / "calm", steps=30)
    values = {"image": planes / "images", "labels": planes / "labels"} | SMALL | {"steps": 30}
    stormy = TrainConfig.model_validate(values | {"out": planes / "stormy"})
    run = train(stormy)
    seen = list(itertools.islice((p for p in run if p.stage == "train"), 1))
    assert seen[0].done < seen[0].total
    run.close()
    assert (planes / "stormy" / ".training.safetensors").exists()
    messages = [p.message for p in train(stormy)]
    assert any("going on" in m for m in messages)
    calm, found = (load_file(planes / n / "weights.safetensors") for n in ("calm", "stormy"))
    assert all((calm[key] == found[key]).all() for key in calm)
    assert sorted(p.name for p in (planes / "stormy").iterdir()) == [
        "model.json", "weights.safetensors",
    ]  # fmt: skip


def test_another_training_does_not_mix_with_an_unfinished_one(planes: Path) -> None:
    values = {"image": planes / "images", "labels": planes / "labels", "out": planes / "model"}
    run = train(TrainConfig.model_validate(values | SMALL | {"steps": 30}))
    list(itertools.islice((p for p in run if p.stage == "train"), 1))
    run.close()
    with pytest.raises(ExistsError, match="different seed, steps"):
        _train(planes, seed=5, steps=31)
    _train(planes, seed=5, overwrite=True)


def _interrupted(folder: Path, **more: object) -> TrainConfig:
    """A training that was stopped after ten of thirty steps, or of as many as are said."""
    values = {"image": folder / "images", "labels": folder / "labels", "out": folder / "model"}
    config = TrainConfig.model_validate(values | SMALL | {"steps": 30} | more)
    run = train(config)
    list(itertools.islice((p for p in run if p.stage == "train"), 1))
    run.close()
    assert (folder / "model" / ".training.safetensors").exists()
    return config


def _messages(config: TrainConfig) -> str:
    return "\n".join(p.message for p in train(config))


def test_overwrite_goes_on_with_the_same_training(planes: Path) -> None:
    config = _interrupted(planes, overwrite=True)
    assert "going on" in _messages(config)
    assert "going on" not in _messages(config)


def _paint(folder: Path, value: int) -> None:
    path = folder / "labels" / "plane_4.npy"
    labels = np.load(path)
    labels[:3] = value
    np.save(path, labels)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (7, r"other classes \(labels held 0, 1, 2 when it began, now 0, 1, 2, 7\).*--overwrite"),
        (2, r"other labels \(changed since\).*--overwrite"),
    ],
)
def test_labels_that_were_changed_are_not_mixed_in(value: int, says: str, planes: Path) -> None:
    config = _interrupted(planes)
    _paint(planes, value)
    with pytest.raises(ExistsError, match=says):
        finish(train(config))
    anew = config.model_copy(update={"overwrite": True})
    assert "going on" not in _messages(anew)
    assert (planes / "model" / "model.json").exists()


def test_images_that_were_changed_are_not_mixed_in(planes: Path) -> None:
    config = _interrupted(planes)
    path = planes / "images" / "plane_4.npy"
    np.save(path, np.load(path)[::-1] // 2)
    with pytest.raises(ExistsError, match="other images"):
        finish(train(config))


def test_a_refused_overwrite_keeps_the_unfinished_training(planes: Path) -> None:
    config = _interrupted(planes)
    _paint(planes, 9)
    broken = planes / "images" / "plane_10.npy"
    np.save(broken, np.load(broken)[:20])
    with pytest.raises(InputError, match="shape"):
        finish(train(config.model_copy(update={"overwrite": True})))
    assert (planes / "model" / ".training.safetensors").exists()


def test_a_training_goes_on_with_its_batch_whatever_memory_there_is(
    planes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _train(planes, out=planes / "calm", steps=30, batch=None)
    config = _interrupted(planes, batch=None)
    little = SimpleNamespace(available=1 << 20)
    monkeypatch.setattr(train_setup.psutil, "virtual_memory", lambda: little)
    assert "going on" in _messages(config)
    calm, found = (load_file(planes / n / "weights.safetensors") for n in ("calm", "model"))
    assert all((calm[key] == found[key]).all() for key in calm)


def test_the_model_is_kept_when_its_validation_fails(
    planes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {"val_image": planes / "images", "val_labels": planes / "labels"}
    with monkeypatch.context() as patched:
        patched.setattr(train_ending, "validate", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            _train(planes, **more)
    before = load_file(planes / "model" / "weights.safetensors")
    result = _train(planes, **more)
    after = load_file(planes / "model" / "weights.safetensors")
    assert set(result.val_dice) == {"class 1", "class 2"}
    assert result.steps == 3
    assert np.isfinite(result.loss)
    assert all((before[key] == after[key]).all() for key in before)
    with pytest.raises(ExistsError, match="holds a model already"):
        _train(planes, **more)


def test_an_existing_model_is_not_replaced_unless_asked(planes: Path) -> None:
    _train(planes)
    with pytest.raises(ExistsError, match="--overwrite"):
        _train(planes)
    _train(planes, overwrite=True)


def test_strokes_train_a_volume(tmp_path: Path, drawn_volume: DrawnVolume) -> None:
    annotation = np.zeros_like(drawn_volume.labels)
    annotation[8] = np.where(drawn_volume.labels[8] == 0, 255, drawn_volume.labels[8])
    np.save(tmp_path / "image.npy", drawn_volume.image)
    np.save(tmp_path / "strokes.npy", annotation)
    result = finish(
        train(
            TrainConfig.model_validate(
                SMALL
                | {
                    "image": tmp_path / "image.npy",
                    "annotation": tmp_path / "strokes.npy",
                    "out": tmp_path / "model",
                    "axes": "zyx",
                    "spacing": (0.2, 0.1, 0.1),
                    "unit": "um",
                    "patch": (8, 32, 32),
                    "val_image": tmp_path / "image.npy",
                    "val_labels": tmp_path / "strokes.npy",
                }
                | {"val_image": (), "val_labels": ()}
            )
        )
    )
    spec = read_spec(Path(result.model))
    assert spec.spacing == (0.2, 0.1, 0.1)
    assert spec.unit == "um"
    assert [c.value for c in spec.classes] == [0, 1, 2]


def test_classes_that_are_rarer_than_painted_are_found_less_often(planes: Path) -> None:
    """Strokes paint all classes alike; the background is most of the image."""
    plain = {"labels": (), "annotation": _strokes(planes), "steps": 300, "learning_rate": 1e-2}
    result = _train(planes, **plain)
    estimated = load_model(planes / "model").network.shift
    assert result.class_shares["background"] > 0.5
    assert estimated[0] > 0 > estimated[1:].max()
    as_painted = _train(planes, **plain, class_shares="painted", out=planes / "painted")
    assert as_painted.class_shares == {}
    assert not load_model(planes / "painted").network.shift.any()
    _train(planes, from_model=planes / "model", out=planes / "dense")
    assert not load_model(planes / "dense").network.shift.any()


def test_foreground_makes_every_object_class_one(planes: Path) -> None:
    for path in (planes / "labels").iterdir():
        np.save(path, np.load(path).astype(np.uint16) * 300)
    with pytest.raises(InputError, match="--task foreground"):
        _train(planes)
    _train(planes, task="foreground")
    spec = read_spec(planes / "model")
    assert [c.value for c in spec.classes] == [0, 1]
    assert spec.task == "foreground"


def test_validation_is_reported_and_kept(planes: Path) -> None:
    result = _train(planes, val_image=planes / "images", val_labels=planes / "labels")
    assert set(result.val_dice) == {"class 1", "class 2"}
    assert read_spec(planes / "model").training["val_dice"] == result.as_dict()["val_dice"]


def test_training_goes_on_from_a_model(planes: Path) -> None:
    _train(planes)
    _train(planes, from_model=planes / "model", out=planes / "next", steps=1, learning_rate=1e-9)
    first, second = (load_model(planes / name) for name in ("model", "next"))
    pairs = zip(first.network.parameters(), second.network.parameters(), strict=True)
    assert all((a - b).abs().max() < 1e-6 for a, b in pairs)


def test_a_network_over_volumes_stays_one_when_training_goes_on(
    tmp_path: Path, drawn_volume: DrawnVolume
) -> None:
    for name, array in (("image", drawn_volume.image), ("labels", drawn_volume.labels)):
        np.save(tmp_path / f"{name}.npy", array)
    thick = {
        "image": tmp_path / "image.npy", "labels": tmp_path / "labels.npy", "axes": "zyx",
        "spacing": (8.0, 1.0, 1.0), "unit": "um", "steps": 2, "batch": 1,
    }  # fmt: skip
    first = {"dims": 3, "patch": (8, 32, 32), "features": 4, "depth": 2, "out": tmp_path / "model"}
    finish(train(TrainConfig.model_validate(thick | first)))
    more = {"from_model": tmp_path / "model", "out": tmp_path / "next"}
    more["patch"] = (8, 32, 32)
    assert "as in the model" in _messages(TrainConfig.model_validate(thick | more))
    one, two = (read_spec(tmp_path / name) for name in ("model", "next"))
    assert (one.network, one.window, one.rim) == (two.network, two.window, two.rim)


@pytest.mark.parametrize(
    "asked", [{"network": "unet"}, {"depth": 3}, {"features": 8}, {"dims": 2, "depth": 1}]
)
def test_another_network_than_that_of_the_model_is_refused(
    asked: dict[str, object], planes: Path
) -> None:
    _train(planes)
    silent = {"features": None, "depth": None}
    with pytest.raises(InputError, match="--from goes on with the network of the model"):
        _train(planes, from_model=planes / "model", out=planes / "next", **silent | asked)
    _train(planes, from_model=planes / "model", out=planes / "next", **silent)


def test_scale_equalizers_are_measured_once_and_anew_only_when_asked(planes: Path) -> None:
    _train(planes, equalize="explicit")
    first = _equalizers(planes / "model")
    assert first
    assert all(std != 1 for std in first.values())
    brighter = planes / "brighter"
    brighter.mkdir()
    for path in (planes / "images").iterdir():
        np.save(brighter / path.name, np.load(path) // 4)
    more = {"image": brighter, "from_model": planes / "model"}
    _train(planes, **more, out=planes / "kept")
    assert _equalizers(planes / "kept") == first
    _train(planes, **more, out=planes / "anew", recalibrate=True)
    assert _equalizers(planes / "anew").keys() == first.keys()
    assert _equalizers(planes / "anew") != first


def test_scale_equalizers_are_measured_once_though_training_is_interrupted(
    planes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted, measure = [], corrections.calibrate_on_patches
    monkeypatch.setattr(
        corrections,
        "calibrate_on_patches",
        lambda *args, **more: counted.append(1) or measure(*args, **more),
    )
    _train(planes, out=planes / "calm", steps=30, equalize="explicit")
    values = {"image": planes / "images", "labels": planes / "labels", "out": planes / "stormy"}
    config = TrainConfig.model_validate(values | SMALL | {"steps": 30, "equalize": "explicit"})
    run = train(config)
    list(itertools.islice((p for p in run if p.stage == "train"), 1))
    run.close()
    messages = [p.message for p in train(config)]
    assert not any("equalizers" in m for m in messages)
    assert len(counted) == 2
    calm, stormy = (load_file(planes / n / "weights.safetensors") for n in ("calm", "stormy"))
    assert all(torch.equal(calm[key], stormy[key]) for key in calm)


def _equalizers(model: Path) -> dict[str, float]:
    state = load_model(model).network.state_dict()
    return {k: float(v) for k, v in state.items() if "equalizers" in k and k.endswith(".std")}


def test_equalizers_may_go_into_the_first_weights(planes: Path) -> None:
    _train(planes, equalize="initialisation", upsampling="deconv")
    assert set(_equalizers(planes / "model").values()) == {1.0}
    network = load_model(planes / "model").network
    assert uncalibrated(network) == []
    assert network.config.upsampling == "deconv"
    more = {"from_model": planes / "model", "out": planes / "next"}
    with pytest.raises(InputError, match=r"--recalibrate needs .* --equalize initialisation"):
        _train(planes, **more, recalibrate=True)
    _train(planes, **more, equalize="initialisation")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"recalibrate": True}, "has none"),
        ({"network": "monai_segresnet", "equalize": "explicit"}, "takes no equalize"),
        ({"network": "unet", "depth": 1, "equalize": "explicit", "patch": (8, 8)}, "has none"),
    ],
)
def test_equalizers_where_there_is_nothing_to_equalize_are_refused(
    more: dict[str, object], says: str, planes: Path
) -> None:
    with pytest.raises(InputError, match=says):
        _train(planes, **more)


def test_a_network_with_more_levels_than_planned_gets_windows_that_fit(planes: Path) -> None:
    parts = planes / "parts.yaml"
    parts.write_text("preset: fpn\nneck: {kind: fpn, coarser: 2}\n")
    _train(planes, network=str(parts), patch=(20, 20), depth=3)
    spec = read_spec(planes / "model")
    assert spec.stride == (16, 16)
    assert [n % 16 for n in (*spec.window, *spec.rim)] == [0] * 4
    out = planes / "out.tif"
    image = planes / "images" / "plane_4.npy"
    finish(segment(SegmentConfig(image=image, model=planes / "model", out=out)))


def test_a_pyramid_of_its_own_is_told(planes: Path) -> None:
    _train(planes, network="hrnet")
    reasons = read_spec(planes / "model").training["reasons"]
    assert "network 'hrnet' has a pyramid of its own: 2 levels with 2, 4 features" in reasons


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"patch": (1, 1), "depth": 1}, "single voxel of the coarsest grid .* Give --patch 2,2"),
        ({"network": "monai_swin_unetr"}, "has 6 levels whatever .* --depth 2 asks"),
        ({"network": "fpn", "upsampling": "deconv"}, "neck 'fpn' resizes in its own way"),
        ({"network": "fpn", "equalize": "explicit"}, "none of encoder 'residual', neck 'fpn'"),
        ({"network": "hrnet", "depth": 1, "equalize": "explicit"}, "has none: it has 1 level"),
        ({"depth": 5}, "--depth 5 asks for more, which takes a patch of 64 x 64"),
    ],
)
def test_what_a_network_cannot_do_is_refused(
    more: dict[str, object], says: str, planes: Path
) -> None:
    with pytest.raises(InputError, match=says):
        _train(planes, **more)
    assert not (planes / "model" / "model.json").exists()


def test_weights_of_the_outputs_decide_what_is_taught(planes: Path) -> None:
    _train(planes, deep_supervision="1", depth=3, out=planes / "last")
    _train(planes, deep_supervision="1,1e-9", depth=3, out=planes / "nearly")
    _train(planes, deep_supervision="1,0.5", depth=3, out=planes / "both")
    last, nearly, both = (load_model(planes / n).network for n in ("last", "nearly", "both"))
    assert [len(n.classifiers) for n in (last, nearly, both)] == [1, 2, 2]
    coarse = "classifiers.1.weight"
    assert not torch.equal(nearly.state_dict()[coarse], both.state_dict()[coarse])


@pytest.mark.parametrize("network", ["residual_unet", "monai_attention_unet"])
def test_weights_for_outputs_that_there_are_not_are_refused(network: str, planes: Path) -> None:
    with pytest.raises(InputError, match=r"gives 3 weights, and network .* has 1 outputs here"):
        _train(planes, deep_supervision=(1, 1, 1), network=network)


def test_each_image_is_normalised_alone_when_the_model_says_so(planes: Path) -> None:
    _train(planes)
    model = load_model(planes / "model")
    alone = replace(model.spec.intensity, scope="image")
    spec = model.spec.model_copy(update={"intensity": alone})
    save_model(Model(spec, model.network), planes / "alone")
    values = {"image": planes / "images", "labels": planes / "labels", "out": planes / "next"}
    config = TrainConfig.model_validate(values | SMALL)
    parent = load_model(planes / "alone")
    setup = finish(train_setup.prepare(config, torch.device("cpu"), parent, None))
    one, two = setup.sampler.intensities
    assert one.scope == two.scope == "image"
    assert one.mean != two.mean


def test_unmatched_files_are_named(planes: Path) -> None:
    (planes / "labels" / "plane_4.npy").rename(planes / "labels" / "stray.npy")
    with pytest.raises(InputError, match=r"plane_4\.npy.*stray\.npy"):
        _train(planes)


def test_labels_of_another_shape_are_refused_with_both_shapes(planes: Path) -> None:
    np.save(planes / "labels" / "plane_4.npy", np.zeros((64, 60), np.uint8))
    with pytest.raises(InputError, match=r"\(64, 60\).*\(64, 64\)"):
        _train(planes)


def test_an_image_smaller_than_the_patch_works(planes: Path) -> None:
    for name in ("images", "labels"):
        for path in (planes / name).iterdir():
            np.save(path, np.load(path)[:21, :33])
    _train(planes, patch=(64, 64))


def test_nan_in_training_is_refused_with_its_count(planes: Path) -> None:
    path = planes / "images" / "plane_4.npy"
    broken = np.load(path).astype(np.float32)
    broken[0, :5] = np.inf
    np.save(path, broken)
    with pytest.raises(InputError, match=r"5 voxels.*--nan-as"):
        _train(planes)
