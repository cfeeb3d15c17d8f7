"""Going on from a model: nothing is forgotten unsaid, and nothing gets worse unsaid."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.errors import InputError, WorkFailed
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import open_image
from napari_ziggurat.images.annotation_store import AnnotationStore
from napari_ziggurat.networks import load_model, read_spec, save_model
from napari_ziggurat.networks.checkpoint import Model
from napari_ziggurat.progress import finish
from napari_ziggurat.runs import train as train_module
from napari_ziggurat.runs.config import TrainConfig
from napari_ziggurat.runs.lineage import trace_lineage
from napari_ziggurat.runs.retrain.mix import Mix
from napari_ziggurat.runs.retrain.start import count_before
from napari_ziggurat.runs.train import TrainResult, train
from napari_ziggurat.training import loop

SMALL = {
    "steps": 3, "patch": (32, 32), "batch": 2, "features": 4, "depth": 2, "class_shares": "painted",
}  # fmt: skip
SIDE = 192


def draw(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A plane with bright discs of class 1 and dark ones of class 2."""
    rng = np.random.default_rng(seed)
    truth = np.zeros((SIDE, SIDE), np.uint8)
    y, x = np.indices(truth.shape)
    for value in (1, 2) * 14:
        centre = rng.integers(6, SIDE - 6, 2)
        truth[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < 64] = value
    grey = np.array([110, 200, 30])[truth] + rng.normal(0, 8, truth.shape)
    return np.clip(grey, 0, 255).astype(np.uint8), truth


class Site:
    """An image with an annotation of it, and models that are trained on it."""

    def __init__(self, folder: Path, name: str = "cells", seed: int = 0) -> None:
        self.folder, self.image = folder, folder / f"{name}.npy"
        grey, self.truth = draw(seed)
        np.save(self.image, grey)
        self.store = folder / f"{name}.annotation.ome.zarr"
        classes = [LabelClass(1, "disc", "#ee6677"), LabelClass(2, "hole", "#4477aa")]
        AnnotationStore.create(open_image(self.image), place=self.store, classes=classes).close()

    def paint(self, rows: range, step: int = 2, value: int | None = None) -> None:
        """Paint every so many columns of some rows as they are, or with one value."""
        truth = np.where(self.truth == 0, 255, self.truth)
        values = truth if value is None else np.full_like(truth, value)
        where = np.zeros(truth.shape, bool)
        where[rows.start : rows.stop : rows.step, ::step] = True
        box = Box((rows.start, 0), (rows.stop, SIDE))
        with AnnotationStore.open(self.store, write=True) as store:
            store.write(box, values[rows.start : rows.stop], where[rows.start : rows.stop])

    def config(self, **more: object) -> TrainConfig:
        values = {"image": self.image, "annotation": self.store, "out": self.folder / "model"}
        return TrainConfig.model_validate(values | SMALL | more)

    def train(self, **more: object) -> TrainResult:
        return finish(train(self.config(**more)))

    def go_on(self, out: str = "next", **more: object) -> TrainResult:
        silent = {"features": None, "depth": None}
        given = {"from_model": self.folder / "model", "out": self.folder / out}
        return self.train(**silent | given | more)

    def said(self, **more: object) -> str:
        values = {"from_model": self.folder / "model", "out": self.folder / "next"}
        silent = {"features": None, "depth": None}
        return "\n".join(p.message for p in train(self.config(**silent | values | more)))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A model that was trained on strokes in the upper part of an image."""
    site = Site(tmp_path)
    site.paint(range(4, 60, 8))
    site.train()
    return site


def test_a_model_keeps_what_it_was_trained_on(site: Site) -> None:
    (first,) = read_spec(site.folder / "model").rounds
    assert first.data is not None
    (data,) = first.data
    assert (data.image, data.labels) == (str(site.image.absolute()), str(site.store.absolute()))
    assert (data.level, data.shape, data.strokes, data.dense) == (0, (SIDE, SIDE), 1, False)
    assert sum(data.voxels.values()) == 7 * SIDE / 2
    assert data.held_out == ()
    assert first.path == str((site.folder / "model").absolute())


def test_new_strokes_are_half_of_the_patches_and_a_round_is_compared(site: Site) -> None:
    site.paint(range(100, 190, 3), step=1)
    messages = site.said()
    new, old = 30 * SIDE, 7 * SIDE / 2
    assert "half of the patches around" in messages
    assert "block(s) of labels are held out" in messages
    model = read_spec(site.folder / "next")
    first, second = model.rounds
    assert first == read_spec(site.folder / "model").rounds[0]
    assert second.data is not None
    assert second.data[0].strokes == 2
    assert second.data[0].held_out
    assert sum(second.data[0].voxels.values()) == new + old
    scores = {each.name: each for each in second.scores}
    assert set(scores) == {"disc", "hole"}
    assert all(each.before is not None and each.voxels >= 50 for each in scores.values())
    assert all(each.blocks >= 1 for each in scores.values())


def test_images_of_earlier_rounds_are_replayed_and_what_is_gone_is_named(site: Site) -> None:
    other = Site(site.folder, "others", seed=5)
    other.paint(range(4, 190, 6))
    site.paint(range(70, 80), value=1)
    messages = other.said(tolerance=1)
    assert "1 image(s) of earlier rounds are replayed" in messages
    assert f"'{site.store}' has changed since and is replayed as it is now" in messages
    second = read_spec(site.folder / "next").rounds[-1]
    assert second.replayed == 1
    third = Site(site.folder, "thirds", seed=6)
    third.paint(range(4, 190, 6))
    site.image.unlink()
    more = {"from_model": site.folder / "next", "out": site.folder / "last", "tolerance": 1}
    messages = third.said(**more)
    assert f"not replayed: '{site.image}' is gone" in messages
    assert "1 image(s) of earlier rounds are replayed" in messages


def test_where_nothing_is_left_to_replay_it_is_refused_and_can_be_told(site: Site) -> None:
    other = Site(site.folder, "others", seed=5)
    other.paint(range(4, 190, 6))
    shutil.rmtree(site.store)
    with pytest.raises(InputError, match=r"can be replayed.*is gone.*--replay off"):
        other.go_on()
    assert "not replayed (--replay off)" in other.said(replay="off", tolerance=1)


def test_an_image_that_changed_is_named_and_not_replayed(site: Site) -> None:
    other = Site(site.folder, "others", seed=5)
    other.paint(range(4, 190, 6))
    np.save(site.image, 255 - np.load(site.image))
    with pytest.raises(InputError, match=r"voxels \(a sample of them has another checksum\)"):
        other.go_on()


def test_label_files_are_new_where_they_changed_and_old_where_they_did_not(site: Site) -> None:
    labels = site.folder / "labels.npy"
    np.save(labels, site.truth)
    dense = {"annotation": (), "labels": labels, "tolerance": 1}
    site.train(**dense | {"tolerance": 0.02}, out=site.folder / "dense")
    parent = {"from_model": site.folder / "dense"}
    assert "all patches around earlier labels" in site.said(**dense, **parent, hold_out="off")
    site.truth[:9] = 1
    np.save(labels, site.truth)
    again = {"out": site.folder / "again", "hold_out": "off"}
    messages = site.said(**dense, **parent, **again)
    assert "all patches around new labels" in messages
    assert f"'{labels}' has changed since: all of it counts as new" in messages
    np.save(site.image, 255 - np.load(site.image))
    other = Site(site.folder, "others", seed=5)
    other.paint(range(4, 190, 6))
    with pytest.raises(InputError, match=r"has changed since \(other voxels\).*--replay off"):
        other.go_on("last", **parent)


def test_a_model_without_a_record_says_so_and_nothing_is_scored(site: Site) -> None:
    model = load_model(site.folder / "model")
    old = Model(model.spec.model_copy(update={"rounds": ()}), model.network)
    save_model(old, site.folder / "model")
    assert "rounds" not in json.loads((site.folder / "model" / "model.json").read_text())
    site.paint(range(100, 190, 3), step=1)
    messages = site.said()
    assert "does not say what it was trained on" in messages
    assert "not enough held-out strokes" in messages
    first, second = read_spec(site.folder / "next").rounds
    assert first.data is None
    assert second.scores == ()
    lineage = trace_lineage(site.folder / "next")
    assert "not recorded" in lineage.render()


def test_strokes_in_one_place_give_no_number(site: Site) -> None:
    site.paint(range(150, 151), step=12)
    assert "not enough held-out strokes" in site.said()
    result = site.go_on("again")
    assert result.comparison is None
    assert result.val_dice == {}
    assert (site.folder / "next" / "model.json").exists()


def test_a_new_class_widens_the_network_and_the_others_keep_their_names(site: Site) -> None:
    site.truth[120:180, 100:] = 7
    site.paint(range(100, 190, 4))
    result = site.go_on(tolerance=1)
    spec = read_spec(Path(result.model))
    assert [(c.value, c.name) for c in spec.classes] == [
        (0, "background"), (1, "disc"), (2, "hole"), (7, "class 7"),
    ]  # fmt: skip
    assert spec.network.topology.out_channels == 4
    new = {each.name: each for each in spec.rounds[-1].scores}["class 7"]
    assert new.before is None
    load_model(Path(result.model))


def test_one_class_alone_may_be_corrected(site: Site) -> None:
    site.paint(range(150, 151), value=1)
    site.go_on()
    assert [c.value for c in read_spec(site.folder / "next").classes] == [0, 1, 2]


def _name(site: Site, **names: int) -> None:
    with AnnotationStore.open(site.store, write=True) as store:
        store.set_classes([LabelClass(v, name, "#000000") for name, v in names.items()])


@pytest.mark.parametrize(
    ("names", "says", "kept", "taken"),
    [
        ({"hole": 1, "disc": 2}, "'hole' is class 2 in the model and 1", "disc hole", "hole disc"),
        ({"cell": 1}, "class 1 is 'disc' in the model and 'cell'", "disc hole", "cell hole"),
    ],
)
def test_classes_with_other_names_are_asked_about(
    site: Site, names: dict[str, int], says: str, kept: str, taken: str
) -> None:
    _name(site, **names)
    with pytest.raises(InputError, match=f"{says}.*--classes keep.*--classes labels"):
        site.go_on()
    for choice, wanted in (("keep", kept), ("labels", taken)):
        site.go_on(choice, classes=choice)
        found = [c.name for c in read_spec(site.folder / choice).classes]
        assert found == ["background", *wanted.split()]


def test_a_class_that_is_gone_is_asked_about(site: Site) -> None:
    other = Site(site.folder, "others", seed=5)
    other.truth[other.truth == 2] = 0
    other.paint(range(4, 190, 6))
    other.go_on("replayed", tolerance=1)  # it is there in what is replayed
    assert [c.value for c in read_spec(site.folder / "replayed").classes] == [0, 1, 2]
    with pytest.raises(InputError, match=r"class 2 'hole' has no voxel"):
        other.go_on(replay="off")
    for choice, values in (("keep", [0, 1, 2]), ("labels", [0, 1])):
        other.go_on(choice, replay="off", classes=choice, tolerance=1)
        assert [c.value for c in read_spec(site.folder / choice).classes] == values


def _best_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the parent find everything."""

    def perfect(parent: object, mix: Mix, device: object) -> dict[str, NDArray[np.int64]]:
        found = count_before(parent, mix, device)
        return {name: np.eye(*c.shape, dtype=int) * c.sum(1)[:, None] for name, c in found.items()}

    monkeypatch.setattr(train_module, "count_before", perfect)


def _interrupted_before_scoring(beside: Path) -> None:
    """Put beside a model what a killed training leaves: the same, not judged yet."""
    torn = beside.with_name(f"{beside.name[:-1]}3")
    shutil.copytree(beside, torn)
    spec = json.loads((torn / "model.json").read_text(encoding="utf-8"))
    spec["rounds"][-1]["scores"] = []
    (torn / "model.json").write_text(json.dumps(spec), encoding="utf-8")


def test_a_round_that_makes_it_worse_is_kept_beside_until_it_is_accepted(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.paint(range(100, 190, 3), step=1)
    (site.folder / "model.not-taken").mkdir()  # whatever is there is left alone
    with monkeypatch.context() as patched:
        _best_before(patched)
        with pytest.raises(WorkFailed, match=r"lowers.*model\.not-taken-2'.*--accept") as e:
            site.go_on("model", overwrite=True)
    result = e.value.result  # type: ignore[attr-defined]
    assert result.comparison.means[0] == 1
    assert "mean of the classes" in result.render()
    beside = site.folder / "model.not-taken-2"
    assert result.model == str(beside)
    assert len(load_model(site.folder / "model").spec.rounds) == 1
    made = load_model(beside)
    assert not made.spec.rounds[-1].accepted
    _interrupted_before_scoring(beside)
    taken = site.go_on("model", overwrite=True, accept=True)
    assert not beside.exists()
    now = load_model(site.folder / "model")
    assert taken.model == str(site.folder / "model")
    pairs = zip(made.network.parameters(), now.network.parameters(), strict=True)
    assert all((one == two).all() for one, two in pairs)
    assert now.spec.rounds[-1].accepted
    assert now.spec.rounds[-1].model == "model"


def test_a_round_that_is_accepted_beforehand_is_taken_over(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.paint(range(100, 190, 3), step=1)
    _best_before(monkeypatch)
    result = site.go_on(accept=True)
    assert result.model == str(site.folder / "next")
    assert result.worse
    assert read_spec(site.folder / "next").rounds[-1].accepted
    assert not (site.folder / "next.not-taken").exists()


@pytest.mark.parametrize("out", ["model", "next"])
def test_a_loss_that_is_no_number_never_replaces_a_model(
    site: Site, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    calls, real = [], loop.deep_supervision_loss

    def loss(*args: object, **more: object) -> torch.Tensor:
        calls.append(1)
        return real(*args, **more) * (np.nan if len(calls) == 3 else 1)

    before = read_spec(site.folder / "model")
    monkeypatch.setattr(loop, "deep_supervision_loss", loss)
    with pytest.raises(WorkFailed, match=r"at step 3, at a learning rate.*after step 2, is kept"):
        site.go_on(out, overwrite=True)
    assert read_spec(site.folder / "model") == before
    kept = load_model(site.folder / f"{out}.not-taken")
    assert kept.spec.rounds[-1].steps == 2
    assert all(torch.isfinite(value).all() for value in kept.network.state_dict().values())


def test_lineage_goes_on_when_an_ancestor_is_gone_and_blocks_stay_out(site: Site) -> None:
    site.paint(range(100, 190, 3), step=1)
    site.go_on(tolerance=1)
    site.paint(range(101, 190, 9), step=1)
    site.go_on(from_model=site.folder / "next", out=site.folder / "third", tolerance=1)
    shutil.rmtree(site.folder / "model")
    lineage = trace_lineage(site.folder / "third")
    assert lineage.places == ("gone", "there", "there")
    assert [each.model for each in lineage.rounds] == ["model", "next", "third"]
    rounds = lineage.as_dict()["rounds"]
    assert isinstance(rounds, list)
    assert [each["parent"] for each in rounds] == [None, *(r["weights"] for r in rounds[:-1])]
    text = lineage.render()
    assert text.index("round 1") < text.index("round 3")
    assert "(gone)" in text
    _, second, third = (each.data for each in lineage.rounds)
    assert second is not None
    assert third is not None
    assert second[0].held_out
    assert set(second[0].held_out) <= set(third[0].held_out)


def test_an_interrupted_round_goes_on_and_ends_with_the_same_weights(site: Site) -> None:
    site.paint(range(100, 190, 3), step=1)
    more = {"tolerance": 1, "steps": 12}
    site.go_on("calm", **more)
    stormy = {"from_model": site.folder / "model", "out": site.folder / "stormy"}
    config = site.config(**stormy, **more, features=None, depth=None)
    run = train(config)
    assert next(p for p in run if p.stage == "train")
    run.close()
    assert "going on with" in "\n".join([p.message for p in train(config)])
    calm, found = (load_model(site.folder / name).network for name in ("calm", "stormy"))
    for one, two in zip(calm.parameters(), found.parameters(), strict=True):
        assert (one == two).all()


def test_blocks_may_be_held_out_of_the_first_training(site: Site) -> None:
    site.paint(range(100, 190, 3), step=1)
    result = site.train(out=site.folder / "fresh", hold_out="on")
    assert result.comparison is not None
    assert all(each.before is None for each in result.comparison.classes)
    assert result.comparison.told
    (first,) = read_spec(site.folder / "fresh").rounds
    assert first.data is not None
    assert first.data[0].held_out


@pytest.mark.parametrize("given", [{"accept": True}, {"replay": "off"}, {"tolerance": 0.5}])
def test_what_belongs_to_a_parent_needs_one(site: Site, given: dict[str, object]) -> None:
    option = next(iter(given))
    with pytest.raises(InputError, match=f"--{option} need.*--from"):
        TrainConfig.create(
            {"image": site.image, "annotation": site.store, "out": "x", "steps": 1, **given}
        )
