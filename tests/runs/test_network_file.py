"""Network files: ``--network FILE.yaml`` trains what the file says, and the model needs no file."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import DrawnVolume
from napari_ziggurat.errors import InputError, MissingError
from napari_ziggurat.networks import Composition, configure_network, load_model, read_spec
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import TrainConfig
from napari_ziggurat.runs.config.network_file import read_network
from napari_ziggurat.runs.train import TrainResult, train
from pyramids import FIVE_LEVELS

DOCS = Path(__file__).parents[2] / "docs"
SMALL = {"steps": 1, "patch": (16, 16), "batch": 1, "features": 4, "depth": 2}


@pytest.fixture
def folder(tmp_path: Path, drawn_volume: DrawnVolume) -> Path:
    np.save(tmp_path / "image.npy", drawn_volume.image[8])
    np.save(tmp_path / "labels.npy", drawn_volume.labels[8])
    (tmp_path / "net.yaml").write_text("preset: fpn\nhead: fcn\nequalize: off\n")
    return tmp_path


def configured(folder: Path, **more: Any) -> TrainConfig:
    values = {"image": folder / "image.npy", "labels": folder / "labels.npy"}
    names = {"out": folder / "model", "network": str(folder / "net.yaml")}
    return TrainConfig.model_validate(values | names | SMALL | more)


def trained(folder: Path, **more: Any) -> TrainResult:
    return finish(train(configured(folder, **more)))


def test_what_a_file_says_is_trained_and_the_model_needs_it_no_more(folder: Path) -> None:
    trained(folder)
    (folder / "net.yaml").unlink()
    network = load_model(folder / "model").spec.network.model_dump()
    assert (network["name"], network["neck"]["kind"], network["head"]["kind"]) == (
        "net.yaml", "fpn", "fcn",
    )  # fmt: skip
    with pytest.raises(MissingError, match=r"net\.yaml"):
        trained(folder, out=folder / "other")


def test_a_recorded_training_is_repeated_from_its_yaml(folder: Path) -> None:
    configured(folder).to_yaml(folder / "run.yaml")
    again = TrainConfig.from_yaml(folder / "run.yaml")
    assert again == configured(folder)
    finish(train(again))
    recorded = read_spec(folder / "model").training["config"]
    assert TrainConfig.create(recorded) == again


def test_options_win_over_the_file(folder: Path) -> None:
    trained(folder, equalize="explicit")
    assert read_spec(folder / "model").network.model_dump()["equalize"] == "explicit"


def test_training_goes_on_from_a_model_of_the_same_parts_only(folder: Path) -> None:
    trained(folder)
    old = {"from_model": folder / "model", "depth": None, "features": None}
    trained(folder, out=folder / "next", **old)
    (folder / "net.yaml").write_text("preset: fpn\nhead: fpn\n")
    with pytest.raises(InputError, match=r"'net.yaml', and '.*' describes.*different head\)"):
        trained(folder, out=folder / "other", **old)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("preset: unett", r"net\.yaml: There is no network named 'unett'"),
        ("name: unet", r"net\.yaml: the name 'unet' is that of another network"),
        ("neck: x", r"net\.yaml: there is no neck 'x'"),
        ("- neck", r"net\.yaml must hold"),
    ],
)
def test_a_file_is_refused_before_images_are_read(folder: Path, text: str, words: str) -> None:
    (folder / "net.yaml").write_text(text)
    (folder / "image.npy").write_bytes(b"no image")
    with pytest.raises(InputError, match=words):
        trained(folder)


def test_a_bare_off_is_a_word_and_no_boolean(folder: Path) -> None:
    (folder / "net.yaml").write_text("encoder: {kind: residual, squeeze: off}\nequalize: off\n")
    composition = read_network(str(folder / "net.yaml"))
    assert isinstance(composition, Composition)
    assert composition.as_dict()["equalize"] == "off"


def test_the_file_in_the_documentation_can_be_built(tmp_path: Path) -> None:
    page = (DOCS / "networks.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.S)
    (tmp_path / "net.yaml").write_text(text)
    composition = read_network(str(tmp_path / "net.yaml"))
    assert isinstance(composition, Composition)
    said = {"encoder", "context", "neck", "head", "norm", "equalize"}
    assert said <= composition.model_fields_set
    configure_network(composition, FIVE_LEVELS[3])
