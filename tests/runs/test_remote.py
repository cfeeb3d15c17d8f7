"""Whole runs on images that are named by URL: as those on the same images in a folder."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from models import tiny_model
from napari_ziggurat.cli import app
from napari_ziggurat.geometry import Axes, Box, Spacing
from napari_ziggurat.images import OutputGrid, Url, create_output, open_image, read_record
from napari_ziggurat.networks import save_model
from napari_ziggurat.runs.config import EvaluateConfig, InfoConfig, SegmentConfig, TrainConfig
from servers import Served, serve

SHAPE = (70, 101)
PLANE = np.random.default_rng(0).integers(0, 255, SHAPE, dtype=np.uint8)
SQUARES = np.zeros(SHAPE, np.uint8)
SQUARES[4:40, 4:50], SQUARES[44:66, 52:99] = 1, 2
SMALL = ["--steps", "2", "--patch", "16,16", "--depth", "2", "--features", "4", "--batch", "2"]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A plane 'x.ome.zarr' and its labels on a server, and in a folder."""
    pytest.importorskip("aiohttp", reason="needs the extra 'remote'")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    grid = OutputGrid(
        Axes("yx"), SHAPE, np.dtype("u1"), Spacing((1, 1)), (0, 0), (16, 16), (32, 32)
    )
    create_output(tmp_path / "x.ome.zarr", grid, kind="image")[0][...] = PLANE
    create_output(tmp_path / "truth.ome.zarr", grid, kind="labels")[0][...] = SQUARES
    with serve(tmp_path) as served:
        yield served


def ziggurat(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 2, result.output
    return result.stderr.strip().splitlines()[-1]


def _labels(path: Path) -> np.ndarray:
    return open_image(path).read(0, Box.whole(SHAPE))[0]


def test_an_image_by_url_is_segmented_as_the_same_image_in_a_folder(
    server: Served, tmp_path: Path
) -> None:
    save_model(tiny_model(), tmp_path / "model")
    (url, out, saved) = (server.url("x.ome.zarr"), tmp_path / "out.ome.zarr", tmp_path / "run.yaml")
    shared = ("--model", tmp_path / "model")
    ziggurat("segment", url, *shared, "--out", out, "--save-config", saved)
    ziggurat("segment", tmp_path / "x.ome.zarr", *shared, "--out", tmp_path / "local.ome.zarr")
    assert np.array_equal(_labels(out), _labels(tmp_path / "local.ome.zarr"))
    assert len(np.unique(_labels(out))) > 1
    record = read_record(out)
    assert record is not None
    assert record["image"] == url
    assert SegmentConfig.from_yaml(saved).image == Url(url)
    stored = _labels(out)
    assert "complete already" in CliRunner().invoke(app, ["segment", "--config", str(saved)]).stderr
    assert np.array_equal(_labels(out), stored)


def test_info_training_and_evaluation_take_urls(server: Served, tmp_path: Path) -> None:
    (url, truth) = (server.url("x.ome.zarr"), server.url("truth.ome.zarr"))
    told = json.loads(ziggurat("info", url, "--json"))
    assert (told["name"], told["path"], told["shape"]) == ("x", url, list(SHAPE))
    model = tmp_path / "model"
    ziggurat("train", "--image", url, "--labels", truth, "--out", model, *SMALL)
    ziggurat("segment", url, "--model", model, "--out", tmp_path / "out.ome.zarr")
    arguments = (tmp_path / "out.ome.zarr", truth, "--mask", truth, "--json")
    score = json.loads(ziggurat("evaluate", *arguments))
    assert score["voxels"] == np.count_nonzero(SQUARES)
    assert json.loads(ziggurat("evaluate", truth, truth, "--json"))["mean_dice"] == 1


def test_a_network_is_explained_on_an_image_by_url(server: Served, tmp_path: Path) -> None:
    save_model(tiny_model(), tmp_path / "model")
    (url, out) = (server.url("x.ome.zarr"), tmp_path / "inside")
    ziggurat("explain", tmp_path / "model", url, "--out", out, "--box", "0:32,0:32")
    assert url in (out / "explain.json").read_text(encoding="utf-8")


def test_a_server_that_fails_in_the_middle_ends_the_run_and_it_can_go_on(
    server: Served, tmp_path: Path
) -> None:
    save_model(tiny_model(), tmp_path / "model")
    (url, out) = (server.url("x.ome.zarr"), tmp_path / "out.ome.zarr")
    command = ("segment", url, "--model", tmp_path / "model", "--out", out)
    (server.status, server.only) = (403, "/c/2/3")
    assert f"does not allow {url}/0/c/2/3 to be read" in refused(*command)
    server.status = 0
    ziggurat(*command)
    ziggurat("segment", tmp_path / "x.ome.zarr", *command[2:4], "--out", tmp_path / "b.ome.zarr")
    assert np.array_equal(_labels(out), _labels(tmp_path / "b.ome.zarr"))


@pytest.mark.parametrize("option", ["--out", "--model"])
def test_only_images_are_named_by_url(option: str, tmp_path: Path) -> None:
    given = {"--out": tmp_path / "out", "--model": tmp_path / "m"} | {option: "s3://bucket/a"}
    words = [word for pair in given.items() for word in pair]
    said = refused("segment", tmp_path / "a.tif", *words)
    assert said.startswith(f"{option}: 's3://bucket/a' is a URL")
    assert "give a path on this machine" in said


URL = "https://host/a/cells.ome.zarr"


@pytest.mark.parametrize(
    "config",
    [
        SegmentConfig.create({"image": URL, "model": "m", "out": "o"}),
        TrainConfig.create({"image": [URL, "a.tif"], "labels": ["b", "s3://b/c"], "out": "o"}),
        EvaluateConfig.create({"prediction": "a", "labels": URL, "mask": "s3://b/c"}),
        InfoConfig.create({"image": URL}),
    ],
    ids=lambda config: type(config).__name__,
)
def test_urls_survive_yaml(config, tmp_path: Path) -> None:
    config.to_yaml(tmp_path / "run.yaml")
    assert type(config).from_yaml(tmp_path / "run.yaml") == config
    assert "https://host/a/cells.ome.zarr\n" in (tmp_path / "run.yaml").read_text("utf-8")
