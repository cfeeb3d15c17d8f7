"""A model survives its folder bit for bit; what does not fit is refused by name."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from models import tiny_model
from napari_ziggurat.classes import default_classes
from napari_ziggurat.errors import InputError, MissingError
from napari_ziggurat.networks import (
    Intensity,
    LevelWeights,
    Model,
    ModelSpec,
    Topology,
    configure_network,
    create_network,
    load_model,
    read_spec,
    save_model,
    save_spec,
)


@pytest.fixture
def model() -> Model:
    """A tiny model with random parameters."""
    torch.manual_seed(0)
    topology = Topology(
        dims=2, in_channels=1, out_channels=2, features=(4, 8),
        strides=((1, 1), (2, 2)), kernels=((3, 3),) * 2,
    )  # fmt: skip
    config = configure_network("residual_unet", topology)
    spec = ModelSpec(
        network=config,
        task="semantic",
        classes=default_classes((0, 7)),
        channels=("grey",),
        axes="yx",
        spacing=(0.5, 0.5),
        unit="um",
        intensity=Intensity((0.0,), (255.0,), (100.0,), (30.0,)),
        window=(32, 32),
        rim=(8, 8),
    )
    return Model(spec, create_network(config).eval())


@pytest.fixture
def folder(model: Model, tmp_path: Path) -> Path:
    """The tiny model, saved."""
    save_model(model, tmp_path / "model")
    return tmp_path / "model"


def test_a_saved_model_gives_the_same_bits(model: Model, folder: Path) -> None:
    loaded = load_model(folder)
    x = torch.randn(1, 1, 21, 23)
    with torch.no_grad():
        assert torch.equal(loaded.network(x), model.network(x))
    assert loaded.spec == model.spec
    assert not list(folder.glob(".*.part"))


def test_every_weight_that_does_not_fit_is_named(folder: Path) -> None:
    path = folder / "weights.safetensors"
    state = load_file(path)
    keys = sorted(k for k in state if state[k].ndim == 4)
    gone, reshaped = keys[0], keys[1]
    del state[gone]
    state[reshaped] = state[reshaped][:1].clone()
    state["stranger"] = torch.zeros(1)
    save_file(state, path)
    with pytest.raises(InputError) as caught:
        load_model(folder)
    assert all(name in str(caught.value) for name in (gone, reshaped, "stranger"))


def test_a_newer_schema_is_refused(folder: Path) -> None:
    spec = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(spec | {"schema_version": 99}))
    with pytest.raises(InputError, match=r"schema version 99.*pip install -U"):
        read_spec(folder)


def test_an_unknown_key_is_refused(folder: Path) -> None:
    spec = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(spec | {"surprise": 1}))
    with pytest.raises(InputError, match="surprise"):
        read_spec(folder)


def test_a_pickle_is_refused_and_says_why(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "model.pt")
    with pytest.raises(InputError, match="run any code"):
        load_model(tmp_path / "model.pt")


def test_a_pickle_named_as_weights_is_refused(folder: Path) -> None:
    torch.save({"a": torch.zeros(1)}, folder / "weights.safetensors")
    with pytest.raises(InputError, match="pickle"):
        load_model(folder)


def test_a_torn_weight_file_is_refused(folder: Path) -> None:
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="not a whole safetensors file"):
        load_model(folder)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"model\.json"):
        load_model(tmp_path)


def test_weights_whose_length_begins_like_a_pickle_are_read(folder: Path) -> None:
    path = folder / "weights.safetensors"
    state, padding = load_file(path), 0
    while path.read_bytes()[0] != 0x80:
        padding += 1
        save_file(state, path, {"padding": "x" * padding})
    assert load_model(folder).spec.axes == "yx"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"classes": []}, "0 classes and 2 outputs"),
        ({"channels": ["a", "b"]}, "2 channels and 1 inputs"),
        ({"spacing": [1.0]}, "1 lengths of spacing and 2 axes"),
        ({"window": [1, 32, 32]}, "3 lengths of window and 2 axes"),
        ({"rim": []}, "0 lengths of rim and 2 axes"),
    ],
)
def test_parts_that_do_not_agree_are_refused(folder: Path, changes: dict, says: str) -> None:
    spec = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(spec | changes))
    with pytest.raises(InputError, match=says):
        read_spec(folder)


def test_weights_of_levels_are_kept_with_the_model(tmp_path: Path) -> None:
    fitted = LevelWeights(((1.0, 1.0), (2.0, 2.0)), ((0.25, 0.5, 0.75), (0.75, 0.5, 0.25)))
    save_model(tiny_model(level_weights=fitted), tmp_path)
    assert load_model(tmp_path).spec.level_weights == fitted
    save_spec(read_spec(tmp_path).model_copy(update={"level_weights": None}), tmp_path)
    assert load_model(tmp_path).spec.level_weights is None


@pytest.mark.parametrize(
    "broken",
    [
        LevelWeights(((1.0, 1.0),), ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))),
        LevelWeights(((1.0, 1.0),), ((1.0, 1.0),)),
        LevelWeights(((1.0, 1.0),), ((1.0, 1.0, -1.0),)),
        LevelWeights(((1.0, 1.0, 1.0),), ((1.0, 1.0, 1.0),)),
    ],
)
def test_weights_of_levels_that_do_not_fit_the_model_are_refused(broken: LevelWeights) -> None:
    with pytest.raises(ValueError, match="level_weights"):
        tiny_model(level_weights=broken)


class _Disk:
    """Fails at the n-th step that writes something, and at all that come after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, left: int) -> None:
        self.left = left
        monkeypatch.setattr(Path, "write_text", self._limited(Path.write_text))
        monkeypatch.setattr(os, "fsync", self._limited(os.fsync))
        monkeypatch.setattr("safetensors.torch.save_file", self._limited(save_file))

    def _limited(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def limited(*args: Any, **more: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return step(*args, **more)

        return limited


def _changed(model: Model) -> Model:
    spec = model.spec.model_copy(update={"classes": default_classes((0, 9))})
    network = create_network(spec.network)
    return Model(spec, network.eval())


@pytest.mark.parametrize("left", range(5))
def test_a_full_disk_leaves_the_model_that_was_there(
    left: int, model: Model, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with monkeypatch.context() as patched:
        _Disk(patched, left)
        if left < 4:
            with pytest.raises(OSError, match="No space"):
                save_model(_changed(model), folder)
        else:
            save_model(_changed(model), folder)
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert (after == before) is (left < 4)
    assert set(after) == {"model.json", "weights.safetensors"}
    load_model(folder)


@pytest.mark.skipif(os.name == "nt", reason="the limit of file sizes is POSIX")
def test_weights_that_do_not_fit_on_the_disk_are_an_error_of_the_system(
    model: Model, folder: Path
) -> None:
    import resource

    before = (folder / "weights.safetensors").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(OSError, match=r"(?i)too large|os error"):
            save_model(_changed(model), folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (folder / "weights.safetensors").read_bytes() == before
    assert not list(folder.glob(".*.part"))
