"""Planning a training: what it decides, what a step takes, fewer patches for little memory."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from conftest import DrawnVolume
from napari_ziggurat.errors import InputError
from napari_ziggurat.networks import read_spec
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.command import command_words
from napari_ziggurat.runs.config import PlanConfig, TrainConfig
from napari_ziggurat.runs.setup import step_probe
from napari_ziggurat.runs.setup.step_probe import StepCost, with_batch_that_fits
from napari_ziggurat.runs.setup.train_setup import TrainSetup, prepare
from napari_ziggurat.runs.train import train
from napari_ziggurat.runs.train_plan import plan_training

CPU, GPU = torch.device("cpu"), torch.device("cuda")
SMALL = {"steps": 2, "patch": (32, 32), "batch": 3, "features": 4, "depth": 2}


@pytest.fixture
def plane(tmp_path: Path, drawn_volume: DrawnVolume) -> dict[str, object]:
    """Settings of a training on one plane."""
    np.save(tmp_path / "image.npy", drawn_volume.image[4])
    np.save(tmp_path / "labels.npy", drawn_volume.labels[4])
    files = {"image": tmp_path / "image.npy", "labels": tmp_path / "labels.npy"}
    return SMALL | files | {"out": tmp_path / "model"}


@pytest.fixture
def setup(plane: dict[str, object]) -> TrainSetup:
    """Decided as a person did not say how many patches."""
    decided = finish(prepare(TrainConfig.create(plane | {"batch": None}), CPU, None, None))
    return replace(decided, shape=replace(decided.shape, batch=8))


def _costs(monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    """Let a step take a gigabyte for each patch, on a machine for so many; list what is tried."""
    tried: list[int] = []

    def measure(_setup: TrainSetup, device: torch.device, batch: int) -> StepCost:
        tried.append(batch)
        if device.type == "cuda" and batch > most:
            raise torch.OutOfMemoryError
        return StepCost(batch, 0.1, batch * 10**9, parameters=0)

    monkeypatch.setattr(step_probe, "measure_step", measure)
    return tried


def _on_machine(setup: TrainSetup, memory: float) -> TrainSetup:
    """Let the machine have so many gigabytes, and the planner take a step for as much."""
    machine = replace(setup.machine, memory=int(memory * 1e9))
    shape = replace(setup.shape, step_bytes=machine.memory)
    return replace(setup, machine=machine, shape=shape)


def test_a_plan_says_what_the_printed_training_then_does(plane: dict[str, object]) -> None:
    plan = finish(plan_training(PlanConfig.create(plane)))
    assert not Path(str(plane["out"])).exists()
    assert plan.command[:2] == ("ziggurat", "train")
    finish(train(TrainConfig.create(plane)))
    spec = read_spec(Path(str(plane["out"])))
    assert spec.training["patch"] == plan.decided["patch"] == [32, 32]
    assert spec.network.topology.features == tuple(plan.decided["features"])
    assert list(plan.reasons) == spec.training["reasons"]
    assert plan.cost.seconds > 0
    assert plan.steps is None  # it was told


def test_with_minutes_a_plan_counts_the_steps_there_is_time_for(plane: dict[str, object]) -> None:
    plan = finish(plan_training(PlanConfig.create(plane | {"steps": None, "minutes": 5})))
    assert plan.steps == round(300 / plan.cost.seconds)
    assert f"about {plan.steps:,} steps" in plan.render()


def test_a_command_names_every_image_by_itself(plane: dict[str, object]) -> None:
    config = TrainConfig.create(plane | {"image": ["a.tif", "b.tif"], "labels": ["c.tif", "d.tif"]})
    words = command_words(config)
    assert [word for word in words if word.endswith(".tif")] == ["a.tif", "b.tif", "c.tif", "d.tif"]
    assert words.count("--image") == words.count("--labels") == 2
    assert words[words.index("--patch") + 1] == "32,32"


def test_the_memory_of_a_step_grows_with_its_patches() -> None:
    cost = StepCost(batch=2, seconds=1.0, memory=1000, parameters=10)  # 200 bytes in any case
    assert cost.memory_with(4) == 1800
    assert cost.most(1800) == 4
    assert cost.most(1799) == 3
    assert cost.most(100) == 0


def test_fewer_patches_are_taken_where_the_memory_is_short(
    setup: TrainSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = _costs(monkeypatch, 8)
    fitted = with_batch_that_fits(_on_machine(setup, 6), CPU)
    assert tried == [1]  # eight at once would have ended the program
    assert fitted.shape.batch == 5
    assert fitted.reasons[-1].startswith("batch 5 instead of 8, which takes 8.00 GB of the 6.00 GB")


def test_a_small_step_is_not_tried_before(
    setup: TrainSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = _costs(monkeypatch, 8)
    assert with_batch_that_fits(setup, CPU) is setup
    assert tried == []


def test_a_batch_that_was_asked_for_is_not_changed_but_refused(
    plane: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    _costs(monkeypatch, 8)
    setup = finish(prepare(TrainConfig.create(plane), CPU, None, None))
    with pytest.raises(InputError, match=r"--batch 3 and patches of 32 x 32 .* Give --batch 1,"):
        with_batch_that_fits(_on_machine(setup, 2), CPU)


def test_a_patch_that_does_not_fit_alone_is_refused(
    setup: TrainSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    _costs(monkeypatch, 8)
    with pytest.raises(InputError, match="smaller --patch or --features"):
        with_batch_that_fits(_on_machine(setup, 0.5), CPU)


def test_on_a_gpu_half_of_the_patches_are_tried_until_they_fit(
    setup: TrainSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = _costs(monkeypatch, 3)
    assert with_batch_that_fits(setup, GPU).shape.batch == 2
    assert tried == [8, 4, 2]
    _costs(monkeypatch, 0)
    with pytest.raises(InputError, match="One patch of 32 x 32"):
        with_batch_that_fits(setup, GPU)


def test_trying_a_step_does_not_change_what_is_learned(
    plane: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(train(TrainConfig.create(plane)))
    monkeypatch.setattr(step_probe, "_RISKY", 0.0)
    probed = {**plane, "out": Path(str(plane["out"])).with_name("probed")}
    finish(train(TrainConfig.create(probed)))
    first, second = (
        load_file(Path(str(p["out"])) / "weights.safetensors") for p in (plane, probed)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
