"""Options: what is typed, what a YAML file says, and which of the two wins."""

import pytest
import typer
from typer.testing import CliRunner

from napari_ziggurat.cli.options import configured
from napari_ziggurat.runs.config import DemoConfig, EvaluateConfig, SegmentConfig, TrainConfig


def read(config_class, *arguments: str):
    """Give the configuration that a command gets, or its result when it was refused."""
    seen = []
    app = typer.Typer()

    @app.command()
    @configured(config_class)
    def command(config, terminal):
        """Keep the configuration."""
        seen.append(config)

    result = CliRunner().invoke(app, list(arguments))
    return seen[0] if seen else result


def test_every_setting_can_be_typed():
    config = read(
        TrainConfig,
        *("--image", "a", "--image", "b", "--annotation", "c", "--annotation", "d"),
        *("--out", "m", "--task", "foreground", "--network", "unet", "--dims", "3"),
        *("--level", "1", "--steps", "9", "--val-image", "v", "--val-labels", "w"),
        *("--from", "old", "--seed", "4", "--device", "cpu", "--axes", "zyx"),
        *("--spacing", "2,1,1", "--unit", "um", "--nan-as", "0", "--overwrite"),
        *("--patch", "16,64,64", "--batch", "2", "--depth", "3", "--features", "8"),
        *("--learning-rate", "1e-3", "--memory", "2GB"),
    )
    assert config == TrainConfig(
        image=("a", "b"), annotation=("c", "d"), out="m", task="foreground", network="unet",
        dims=3, level=1, steps=9, val_image=("v",), val_labels=("w",), from_model="old", seed=4,
        device="cpu", axes="zyx", spacing=(2, 1, 1), unit="um", nan_as=0, overwrite=True,
        patch=(16, 64, 64), batch=2, depth=3, features=8, learning_rate=1e-3, memory="2GB",
    )  # fmt: skip


def test_files_without_a_name_are_typed_in_their_order():
    config = read(EvaluateConfig, "prediction.zarr", "labels.tif", "--mask", "mask.png")
    assert [str(config.prediction), str(config.labels)] == ["prediction.zarr", "labels.tif"]


def test_what_is_typed_wins_over_the_file(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("image: a.tif\nlabels: b.tif\nout: model\nminutes: 3\nseed: 5\n")
    config = read(TrainConfig, "--config", str(path), "--steps", "7", "--out", "other")
    assert (config.steps, config.minutes, config.seed, str(config.out)) == (7, None, 5, "other")


def test_what_ran_can_be_saved_and_run_again(tmp_path):
    path = tmp_path / "run.yaml"
    typed = ["a.zarr", "--model", "m", "--out", "o.zarr", "--box", "0:4,0:8,0:8"]
    first = read(SegmentConfig, *typed, "--save-config", str(path))
    assert read(SegmentConfig, "--config", str(path)) == first


def test_a_missing_setting_may_come_from_either_place():
    result = read(SegmentConfig, "--model", "m")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[0].startswith("IMAGE is needed")
    assert result.stderr.splitlines()[1].startswith("--out is needed")


@pytest.mark.parametrize("config_class", [TrainConfig, SegmentConfig, EvaluateConfig, DemoConfig])
def test_help_names_every_option(config_class):
    result = read(config_class, "--help")
    assert result.exit_code == 0
    options = [config_class.option(field) for field in config_class.names()]
    shared = ["--config", "--save-config", "--json", "--debug"]
    assert [name for name in (*options, *shared) if name not in result.stdout] == []
