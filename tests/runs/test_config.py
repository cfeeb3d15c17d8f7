"""Configurations: what is accepted, what is refused in which words, and YAML."""

from pathlib import Path

import pytest

from napari_ziggurat.errors import InputError, MissingError
from napari_ziggurat.runs.config import (
    DEFAULT_MINUTES,
    DemoConfig,
    EvaluateConfig,
    InfoConfig,
    ObjectsConfig,
    SegmentConfig,
    SuggestConfig,
    TrainConfig,
)
from napari_ziggurat.runs.settings import Settings
from napari_ziggurat.runs.values import parse_bytes

TRAIN = {"image": "a.tif", "labels": "b.tif", "out": "model"}
SEGMENT = {"image": "a.tif", "model": "model", "out": "out.ome.zarr"}
ALL = [
    TrainConfig, SegmentConfig, EvaluateConfig, DemoConfig, InfoConfig, SuggestConfig,
    ObjectsConfig,
]  # fmt: skip


def test_training_lasts_ten_minutes_unless_said_otherwise():
    assert TrainConfig.create(TRAIN).minutes == DEFAULT_MINUTES
    by_steps = TrainConfig.create({**TRAIN, "steps": "20"})
    assert (by_steps.minutes, by_steps.steps) == (None, 20)


def test_what_is_typed_becomes_values():
    config = TrainConfig.create(
        {**TRAIN, "spacing": "0.05, 0.0046,0.0046", "dims": "3", "patch": "16,64,64", "level": "1"}
    )
    assert config.spacing == (0.05, 0.0046, 0.0046)
    assert (config.dims, config.patch, config.level) == (3, (16, 64, 64), 1)
    assert config.image == (Path("a.tif"),)


def test_keys_may_be_written_like_options():
    config = TrainConfig.create({**TRAIN, "from": "old", "learning-rate": 1e-3})
    assert (config.from_model, config.learning_rate) == (Path("old"), 1e-3)
    assert SegmentConfig.create({**SEGMENT, "ome_zarr_version": 0.4}).version == "0.4"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 5, "minutes": 5}, "--minutes or after --steps"),
        ({"labels": None}, "--labels (every voxel) or --annotation (some voxels); got neither"),
        ({"annotation": "c.tif"}, "got both"),
        ({"image": ["a.tif", "c.tif"]}, "got 2 and 1"),
        ({"val_image": "v.tif"}, "--val-labels"),
        ({"steps": "many"}, "--steps cannot be 'many'"),
        ({"minutes": "-1"}, "--minutes cannot be '-1': it should be greater than 0"),
        ({"dims": "4"}, "--dims cannot be '4': it should be 2 or 3"),
        (
            {"upsampling": "x"},
            "--upsampling cannot be 'x': it should be 'linear', 'deconv' or 'pixelshuffle'",
        ),
        ({"level": "-1"}, "--level cannot be '-1'"),
        ({"axes": "zzyx"}, "repeats a letter"),
        ({"spacing": "1,2"}, None),
        ({"spacing": "1,0,1"}, "positive and finite"),
        ({"spacing": "1"}, "one value per spatial axis"),
        ({"patch": "64"}, "2 or 3 sizes"),
        ({"nan_as": "nan"}, "--nan-as cannot be 'nan'"),
        ({"device": "gpu"}, "no device 'gpu'; there are auto, cpu, cuda"),
        ({"memory": "8"}, None),
        ({"memory": "8 apples"}, "a number with a unit, such as 8GB"),
        ({"out": None}, "--out"),
        ({"val_imag": "v.tif"}, "no setting 'val_imag'; did you mean 'val_image'?"),
        ({"xyz": 3}, "no setting 'xyz'; there are image,"),
    ],
)
def test_wrong_settings_are_refused_in_one_sentence(change, words):
    values = {key: value for key, value in {**TRAIN, **change}.items() if value is not None}
    if words is None:
        TrainConfig.create(values)
        return
    with pytest.raises(InputError) as caught:
        TrainConfig.create(values)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_each_wrong_setting_gets_a_sentence_of_its_own():
    with pytest.raises(InputError) as caught:
        SegmentConfig.create({"image": "a.tif", "level": "x", "box": "1:2,3"})
    lines = str(caught.value).splitlines()
    assert [line.split()[0].rstrip(":") for line in lines] == [
        "--model",
        "--out",
        "--level",
        "--box",
    ]


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig.create({**TRAIN, "from": "old", "spacing": "2,1,1", "seed": 3, "steps": 7}),
        SegmentConfig.create({**SEGMENT, "box": "0:4,0:8,0:8", "ome_zarr_version": "0.4"}),
        EvaluateConfig.create({"prediction": "a", "labels": "b", "task": "foreground"}),
        DemoConfig(),
    ],
    ids=lambda config: type(config).__name__,
)
def test_a_configuration_survives_yaml(config, tmp_path):
    config.to_yaml(tmp_path / "run.yaml")
    assert type(config).from_yaml(tmp_path / "run.yaml") == config


def test_what_is_meant_for_one_run_is_not_stored(tmp_path):
    SegmentConfig.create({**SEGMENT, "dry_run": True, "overwrite": True}).to_yaml(
        tmp_path / "run.yaml"
    )
    stored = SegmentConfig.from_yaml(tmp_path / "run.yaml")
    assert not stored.dry_run
    assert not stored.overwrite


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a\n- b\n", "'setting: value'"),
        ("image: [a\n", "not a YAML file"),
        ("steps: x", "--steps"),
    ],
)
def test_a_bad_yaml_file_is_refused_by_name(tmp_path, text, words):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        TrainConfig.from_yaml(path)


def test_a_missing_yaml_file_is_named(tmp_path):
    with pytest.raises(MissingError, match=r"nothing\.yaml"):
        TrainConfig.from_yaml(tmp_path / "nothing.yaml")


def test_merging_replaces_alternatives():
    merged = TrainConfig.merge({**TRAIN, "minutes": 3}, {"steps": 5, "annotation": "c.tif"})
    config = TrainConfig.create(merged)
    assert (config.minutes, config.steps) == (None, 5)
    assert (config.labels, config.annotation) == ((), (Path("c.tif"),))


@pytest.mark.parametrize(
    ("text", "amount"), [("8GB", 8 * 10**9), ("512 MB", 512 * 10**6), ("1.5gib", 3 * 2**29)]
)
def test_memory_is_read_with_its_unit(text, amount):
    assert parse_bytes(text) == amount
    assert SegmentConfig.create({**SEGMENT, "memory": text}).memory_bytes == amount


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "0GB", "8 XB", "infGB", "nanGB"])
def test_what_is_no_amount_of_memory_is_refused(text):
    with pytest.raises(InputError, match="8GB"):
        parse_bytes(text)


@pytest.mark.parametrize("config_class", ALL, ids=lambda each: each.__name__)
def test_every_setting_has_a_description(config_class: type[Settings]):
    missing = [name for name, info in config_class.model_fields.items() if not info.description]
    assert missing == []


def test_a_configuration_cannot_be_changed():
    config = DemoConfig()
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 3
