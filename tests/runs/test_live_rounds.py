"""A live training is a round: what it learned from is recorded, and replayed by the next."""

from pathlib import Path
from typing import Any

import numpy as np

from napari_ziggurat import LiveTraining, live_config
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import Image, image_from_array, open_image
from napari_ziggurat.images.annotation_store import AnnotationStore
from napari_ziggurat.networks import load_model, read_spec
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import TrainConfig
from napari_ziggurat.runs.lineage import trace_lineage
from napari_ziggurat.runs.train import train
from napari_ziggurat.training.replay import ReplaySampler

SMALL: dict[str, Any] = {"patch": (32, 32), "features": 4, "depth": 2, "batch": 2, "device": "cpu"}
SIDE = 96


class Site:
    """An image with an annotation, in a file each."""

    def __init__(self, folder: Path, name: str) -> None:
        rng = np.random.default_rng(sum(map(ord, name)))
        self.truth = rng.integers(0, 2, (3, 3)).repeat(32, 0).repeat(32, 1)
        np.save(folder / f"{name}.npy", (60 + 120 * self.truth).astype(np.uint8))
        self.image: Image = open_image(folder / f"{name}.npy")
        self.store = AnnotationStore.create(self.image)

    def paint(self, row: int) -> None:
        values = np.where(self.truth[row] == 0, 255, 1).astype(np.uint8)
        self.store.write(Box((row, 0), (row + 1, SIDE)), values[None])

    def learn(self, out: Path, steps: int = 2, **more: Any) -> list[str]:
        """Train live for some steps and save; give what was said."""
        own = {k: v for k, v in more.items() if k in ("parent", "hold_out")}
        settings = SMALL | {k: v for k, v in more.items() if k not in own}
        config = live_config(self.image, self.store, **settings)
        said = []
        with LiveTraining(self.image, self.store, config, **({"hold_out": False} | own)) as live:
            for progress in live.run():
                said.append(progress.message)
                if live.step >= steps:
                    break
            finish(live.save(out))
            self.sampler = live._trainer.learning.trainee.sampler
        return said


def site(folder: Path, name: str, rows: range = range(2, SIDE, 12)) -> Site:
    made = Site(folder, name)
    for row in rows:
        made.paint(row)
    return made


def test_what_was_learned_live_is_in_the_record_and_its_lineage(tmp_path: Path) -> None:
    one = site(tmp_path, "one")
    one.store.complete(Box((1, 0), (3, 20)))
    one.learn(tmp_path / "model", hold_out=True)
    (round_,) = read_spec(tmp_path / "model").rounds
    (data,) = round_.data
    assert (data.image, data.labels) == (str(one.image.source), str(one.store.path))
    assert data.strokes == 9
    assert data.complete == 1
    assert sum(data.painted.values()) >= 8
    assert sum(data.voxels.values()) == 8 * SIDE + 20
    assert data.held_out
    assert (round_.steps, round_.model) == (2, "model")
    assert round_.began <= round_.when
    assert all(score.voxels and score.blocks for score in round_.scores)
    words = trace_lineage(tmp_path / "model").render()
    assert "while strokes were painted" in words
    assert "in 9 stroke(s), 1 of them complete boxes" in words
    one.store.close()


def test_a_live_training_replays_what_its_parent_learned_and_names_what_is_gone(
    tmp_path: Path,
) -> None:
    one, two, three = (site(tmp_path, name) for name in ("one", "two", "three"))
    one.learn(tmp_path / "first")
    said = two.learn(tmp_path / "second", from_model=tmp_path / "first", features=None, depth=None)
    assert "half of the patches around labels of 1 image(s) of earlier rounds" in said
    assert isinstance(two.sampler, ReplaySampler)
    assert [part.chance for part in two.sampler.parts] == [0.5, 0.5]
    numbers = {two.sampler.place(np.random.default_rng(n))[0] for n in range(40)}
    assert numbers == {0, 1}
    image, target = two.sampler.draw(np.random.default_rng(0))
    assert image.shape == (1, 32, 32)
    assert target.any()
    rounds = read_spec(tmp_path / "second").rounds
    assert [each.model for each in rounds] == ["first", "second"]
    assert rounds[-1].replayed == 1
    (tmp_path / "one.npy").unlink()
    (tmp_path / "two.npy").unlink()
    parent = load_model(tmp_path / "second")
    said = three.learn(tmp_path / "third", parent=parent, features=None, depth=None)
    assert any(f"not replayed: '{one.image.source}' is gone" in each for each in said)
    assert not isinstance(three.sampler, ReplaySampler)
    for each in (one, two, three):
        each.store.close()


def test_train_goes_on_from_a_live_training_with_the_strokes_since(tmp_path: Path) -> None:
    one, other = site(tmp_path, "one"), site(tmp_path, "other")
    one.learn(tmp_path / "model")
    settings = {
        "image": tmp_path / "one.npy", "annotation": one.store.path, "steps": 2, "tolerance": 1,
        "patch": (32, 32), "batch": 2, "from_model": tmp_path / "model", "hold_out": "off",
    }  # fmt: skip
    said = [
        p.message for p in train(TrainConfig.model_validate(settings | {"out": tmp_path / "a"}))
    ]
    assert any("all patches around earlier labels" in each for each in said)
    one.paint(44)
    said = [
        p.message for p in train(TrainConfig.model_validate(settings | {"out": tmp_path / "b"}))
    ]
    assert any(f"half of the patches around {SIDE} new labelled voxels" in each for each in said)
    new = {"image": tmp_path / "other.npy", "annotation": other.store.path, "out": tmp_path / "c"}
    said = [p.message for p in train(TrainConfig.model_validate(settings | new))]
    assert any("1 image(s) of earlier rounds are replayed" in each for each in said)
    one.store.close()
    other.store.close()


def test_of_strokes_in_memory_it_is_said_that_nothing_is_known(tmp_path: Path) -> None:
    labels = np.zeros((64, 64), np.uint8)
    labels[4:8], labels[40:44] = 1, 255
    image = image_from_array(np.arange(64, dtype=np.uint8)[:, None].repeat(64, 1), axes="yx")
    with LiveTraining(image, labels, live_config(image, labels, **SMALL), hold_out=False) as live:
        next(p for p in live.run() if p.stage == "train" and p.done)
        finish(live.save(tmp_path / "model"))
    (round_,) = read_spec(tmp_path / "model").rounds
    assert round_.data is None
    assert "data    not recorded" in trace_lineage(tmp_path / "model").render()
    assert round_.steps == 1
