"""The loop: how long it trains, and where it goes on."""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from models import tiny_model
from napari_ziggurat.images import image_from_array
from napari_ziggurat.networks import create_network
from napari_ziggurat.progress import finish
from napari_ziggurat.training import loop
from napari_ziggurat.training.augment import Augmentation, Symmetry
from napari_ziggurat.training.loop import Budget, Recipe, Safe, Trainee, fit
from napari_ziggurat.training.sampling import LabelIndex, Sampler
from napari_ziggurat.training.volumes import LabelCode, LabelledVolume, label_positions


def trainee() -> Trainee:
    rng = np.random.default_rng(0)
    image = image_from_array(rng.integers(0, 255, (40, 40)).astype(np.uint8), axes="yx")
    labels = image_from_array(rng.choice([0, 1, 5], (40, 40)).astype(np.uint8), axes="yx")
    code = LabelCode((0, 1, 5), dense=True, foreground=False)
    volume = LabelledVolume(image, labels, 0, 0, code)
    index = LabelIndex.from_volumes([finish(label_positions(volume))])
    spec = tiny_model().spec
    return Trainee(
        create_network(spec.network),
        Sampler([volume], [spec.intensity], index, (16, 16)),
        Augmentation(Symmetry(2, mirror=True, in_plane=False)),
        Recipe(batch=2, flat=False),
        torch.device("cpu"),
    )


def steps_of(seconds: dict[int, float], monkeypatch: pytest.MonkeyPatch) -> list[loop.Step]:
    """Train for a minute on a machine whose steps take a tenth of a second, but for some."""
    clock = SimpleNamespace(now=0.0, steps=0)

    def step(*_: object) -> float:
        clock.steps += 1
        clock.now += seconds.get(clock.steps, 0.1)
        return 1.0

    monkeypatch.setattr(loop, "_step", step)
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return list(fit(trainee(), Budget(seconds=60, forwards=64)))


@pytest.mark.parametrize("slow", [{1: 10.0}, {1: 10.0, 5: 8.0}])
def test_a_slow_step_does_not_end_the_training(
    slow: dict[int, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = steps_of(slow, monkeypatch)
    closing = 64 * loop._FORWARD * 0.1
    assert steps[-1].elapsed == pytest.approx(60 - closing, abs=0.2)


def test_time_for_what_follows_is_kept_when_all_steps_are_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = steps_of(dict.fromkeys(range(100), 2.0), monkeypatch)
    assert len(steps) <= 5


def test_a_training_that_was_stopped_after_its_last_step_knows_it(tmp_path: Path) -> None:
    safe = Safe(tmp_path / "state.safetensors", {})
    done = list(fit(trainee(), Budget(steps=3), safe))[-1]
    again = list(fit(trainee(), Budget(steps=3), safe))
    assert again == [done]
    assert done.number == 3
    assert math.isfinite(done.loss)


def test_a_loss_that_is_no_number_stops_at_the_last_good_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, real = [], loop.deep_supervision_loss

    def loss(*args: object, **more: object) -> torch.Tensor:
        calls.append(1)
        return real(*args, **more) * (math.nan if len(calls) == 4 else 1)

    monkeypatch.setattr(loop, "deep_supervision_loss", loss)
    broken, safe = trainee(), Safe(tmp_path / "state.safetensors", {})
    with pytest.raises(
        loop.Diverged, match=r"step 4, at a learning rate of .*--learning-rate"
    ) as e:
        list(fit(broken, Budget(steps=9), safe))
    assert e.value.step == 4
    assert e.value.rate == pytest.approx(2e-3 * 4 / 50 * 0.5 * (1 + math.cos(math.pi / 3)))
    assert all(torch.isfinite(value).all() for value in broken.network.state_dict().values())
    monkeypatch.setattr(loop, "deep_supervision_loss", real)
    good = trainee()
    restored = list(fit(good, Budget(steps=3), safe))  # what was saved is the third step
    assert [step.number for step in restored] == [3]
    for one, two in zip(broken.network.parameters(), good.network.parameters(), strict=True):
        assert torch.equal(one, two)
