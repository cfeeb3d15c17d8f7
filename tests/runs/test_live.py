"""Live training: strokes join while it runs, it can be looked at, and it gives all back."""

import gc
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr
from numpy.typing import NDArray

from napari_ziggurat import LiveTraining, live_config
from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import Image, image_from_array
from napari_ziggurat.images.annotation_store import AnnotationStore, SparseLabels
from napari_ziggurat.networks import load_model
from napari_ziggurat.progress import Progress, finish
from napari_ziggurat.runs.live import learning
from napari_ziggurat.runs.predict import predict_box
from napari_ziggurat.training import loop
from napari_ziggurat.training.loop import Diverged, Prefetch

SMALL: dict[str, Any] = {"patch": (32, 32), "features": 4, "depth": 2, "batch": 2, "device": "cpu"}
DARK, GREY, BRIGHT = Box((4, 4), (12, 60)), Box((24, 4), (36, 60)), Box((50, 4), (60, 60))


def drawn() -> Image:
    """Three bands: a dark one, a chequered one (called grey), a bright one."""
    bands = np.repeat([20, 60, 200], [20, 24, 20])[:, None]
    chequered = 120 * (np.indices((64, 64)).sum(0) // 2 % 2)
    chequered[:20] = chequered[44:] = 0
    noise = np.random.default_rng(0).integers(0, 10, (64, 64))
    return image_from_array((bands + chequered + noise).astype(np.uint8), axes="yx", name="bands")


def painted(**strokes: int) -> NDArray[np.uint8]:
    labels = np.zeros((64, 64), np.uint8)
    for place, value in strokes.items():
        labels[{"dark": DARK, "grey": GREY, "bright": BRIGHT}[place].slices] = value
    return labels


def live(image: Image, labels: Any, **more: Any) -> LiveTraining:
    """A small training; nothing is held out unless it is said."""
    own = {"parent", "out", "hold_out"}
    settings = {k: v for k, v in more.items() if k not in own}
    chosen = {"hold_out": False} | {k: v for k, v in more.items() if k in own}
    return LiveTraining(image, labels, live_config(image, labels, **SMALL | settings), **chosen)


def until(run: Iterator[Progress], step: int) -> list[Progress]:
    """Let a training run up to a step; give what it said."""
    seen = []
    for progress in run:
        seen.append(progress)
        if progress.stage == "train" and not progress.message and progress.done >= step:
            return seen
    return seen


def opinion(session: LiveTraining, image: Image, box: Box) -> int:
    """The class that most voxels of a box get."""
    snapshot = session.snapshot()
    assert snapshot is not None
    found = finish(predict_box(image, snapshot.model, 0, box, device="cpu"))
    return int(np.bincount(found.ravel()).argmax())


def test_it_says_what_to_paint_and_begins_by_itself() -> None:
    (image, labels) = (drawn(), painted(dark=255))
    with live(image, labels) as session:
        run = session.run()
        waiting = next(p for p in run if p.stage == "wait")
        assert "Paint at least one stroke of another class" in waiting.message
        assert next(run).message == ""  # it was said
        assert session.snapshot() is None
        labels[BRIGHT.slices] = 1
        session.touch(BRIGHT)
        assert until(run, 1)[-1].metrics["labelled"] == DARK.size + BRIGHT.size


@pytest.mark.parametrize(("said", "dims"), [({}, 2), ({"dims": 3}, 3)])
def test_on_the_cpu_a_volume_is_learned_by_sections_unless_it_is_said(
    said: dict[str, int], dims: int
) -> None:
    grey = np.repeat(np.array([20, 200], np.uint8), 16)[None, :, None].repeat(8, 0).repeat(32, 2)
    (image, labels) = (image_from_array(grey, axes="zyx", name="halves"), np.zeros_like(grey))
    labels[3, 4:12], labels[3, 20:28] = 255, 1
    with live(image, labels, patch=None, **said) as session:
        words = "".join(p.message for p in until(session.run(), 1))
        snapshot = session.snapshot()
        assert snapshot is not None
        assert snapshot.model.spec.network.topology.dims == dims
    assert ("network over sections" in words) == (dims == 2)


def test_a_stroke_that_is_painted_meanwhile_changes_the_opinion_there(tmp_path: Path) -> None:
    image = drawn()
    with AnnotationStore.create(image, 0, tmp_path / "a.ome.zarr") as store:
        labels = SparseLabels(store)
        labels[DARK.slices] = 255
        labels[BRIGHT.slices] = 1
        session, ready, stop = live(image, labels), threading.Event(), threading.Event()
        said: list[Progress] = []

        def train() -> None:
            for progress in session.run():
                said.append(progress)
                if progress.done >= 40:
                    ready.set()

        thread = threading.Thread(target=train)
        thread.start()
        assert ready.wait(300)
        before = opinion(session, image, GREY)
        labels[GREY.slices] = 1 if before == 0 else 255  # the store tells it, nobody else does
        wanted = 1 if before == 0 else 0
        found, late = before, said[-1].done + 2000
        while found != wanted and said[-1].done < late:
            stop.wait(0.05)  # lets the training have its turn
            found = opinion(session, image, GREY)
        session.close()
        thread.join(300)
        assert found == wanted
        assert not thread.is_alive()
        assert said[-1].metrics["labelled"] == DARK.size + BRIGHT.size + GREY.size


def test_snapshots_do_not_change_what_is_learned() -> None:
    (image, labels) = (drawn(), painted(dark=255, bright=1))

    def weights(*, watched: bool) -> dict[str, torch.Tensor]:
        with live(image, labels, seed=3) as session:
            run, done = session.run(), threading.Event()
            until(run, 1)

            def watch() -> None:
                while not done.is_set():
                    session.snapshot()

            thread = threading.Thread(target=watch)
            if watched:
                thread.start()
            until(run, 25)
            done.set()
            if watched:
                thread.join()
            snapshot = session.snapshot()
            assert snapshot is not None
            assert snapshot.step == 25
            # Statistics of norms are the snapshot's own, by a thread with its own number of cores.
            return dict(snapshot.model.network.named_parameters())

    (calm, looked_at) = (weights(watched=False), weights(watched=True))
    assert all(torch.equal(calm[key], looked_at[key]) for key in calm)


def test_a_snapshot_stays_the_same_until_the_next_step() -> None:
    with live(drawn(), painted(dark=255, bright=1)) as session:
        run = session.run()
        until(run, 3)
        first = session.snapshot()
        assert first is session.snapshot()
        kept = {k: v.clone() for k, v in first.model.network.state_dict().items()}
        until(run, 6)
        assert session.snapshot().step == 6
        now = first.model.network.state_dict()
        assert all(torch.equal(kept[key], now[key]) for key in kept)


def test_a_new_class_joins_while_it_runs() -> None:
    (image, labels) = (drawn(), painted(dark=255, bright=2))
    with live(image, labels) as session:
        run = session.run()
        until(run, 40)
        labels[GREY.slices] = 1  # between the values that are there
        session.touch(GREY)
        said = until(run, 160)
        assert any("new in the training" in p.message for p in said)
        classes = session.snapshot().model.spec.classes
        assert [c.value for c in classes] == [0, 1, 2]
        assert [opinion(session, image, box) for box in (DARK, GREY, BRIGHT)] == [0, 1, 2]


def test_it_waits_when_strokes_are_erased_and_goes_on_with_new_ones() -> None:
    (image, labels) = (drawn(), painted(dark=255, bright=1))
    with live(image, labels) as session:
        run = session.run()
        until(run, 3)
        labels[BRIGHT.slices] = 0
        session.touch(BRIGHT)
        said = [next(run) for _ in range(4)]
        assert any("Paint at least one stroke of another class" in p.message for p in said)
        assert said[-1].stage == "wait"
        labels[GREY.slices] = 1
        session.touch(GREY)
        assert until(run, 8)[-1].metrics["labelled"] == DARK.size + GREY.size


def test_what_is_saved_is_a_model_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (image, labels) = (drawn(), painted(dark=255, bright=1))
    with live(image, labels) as session:
        with pytest.raises(InputError, match="no training step"):
            finish(session.save(tmp_path / "model"))
        run = session.run()
        until(run, 50)
        result = finish(session.save(tmp_path / "model"))
        model = load_model(tmp_path / "model")
        until(run, 52)
        monkeypatch.setattr(learning, "_SURE", 50)
        finish(session.save(tmp_path / "model"))  # its own may be replaced
        box = Box.whole(image.levels[0].shape)
    assert result.steps == 50
    assert result.class_shares == {}  # too early to tell
    training = load_model(tmp_path / "model").spec.training
    assert training["steps"] == 52
    assert set(training["class_shares"]) == {"background", "class 1"}
    found = finish(predict_box(image, model, 0, box, device="cpu"))
    assert found[BRIGHT.slices].mean() > 0.9
    assert found[DARK.slices].mean() < 0.1
    with live(image, labels) as other:
        until(other.run(), 1)
        with pytest.raises(ExistsError, match="overwrite"):
            finish(other.save(tmp_path / "model"))


def test_a_run_that_is_closed_saves_what_it_has_learned(tmp_path: Path) -> None:
    with live(drawn(), painted(dark=255, bright=1), out=tmp_path / "model") as session:
        run = session.run()
        until(run, 5)
        run.close()
        assert session.saved.steps == 5
        assert load_model(tmp_path / "model").spec.training["steps"] == 5
        again = session.run()
        until(again, 7)
        session.stop()
        assert "after 7 steps is saved" in list(again)[-1].message


def test_it_goes_on_from_a_model_with_a_class_more(tmp_path: Path) -> None:
    (image, labels) = (drawn(), painted(dark=255, bright=2))
    with live(image, labels) as session:
        until(session.run(), 50)
        finish(session.save(tmp_path / "model"))
    labels[GREY.slices] = 1
    with live(image, labels, parent=load_model(tmp_path / "model")) as session:
        until(session.run(), 1)
        assert [c.value for c in session.snapshot().model.spec.classes] == [0, 1, 2]
        assert opinion(session, image, BRIGHT) == 2  # it knows that still


def test_strokes_are_held_out_until_somebody_paints_there() -> None:
    rng = np.random.default_rng(1)
    truth = (rng.random((4, 6)) > 0.5).repeat(32, 0).repeat(32, 1)
    image = image_from_array((truth * 120 + rng.integers(0, 60, truth.shape)).astype(np.uint8),
                             axes="yx")  # fmt: skip
    labels = np.where(rng.random(truth.shape) < 0.05, np.where(truth, 1, 255), 0).astype(np.uint8)
    with live(image, labels, hold_out=True) as session:
        run = session.run()
        said = until(run, 60)
        assert any("held out" in p.message for p in said)
        assert next(p.scores for p in session.points if p.scores)["class 1"] > 0.5
        all_of_it = Box.whole(truth.shape)
        seen = session._trainer.learning.trainee.sampler.index
        session.touch(all_of_it)
        assert any("0 of" in p.message for p in until(run, 62))
        now = session._trainer.learning.trainee.sampler.index
        assert sum(map(len, now.positions.values())) > sum(map(len, seen.positions.values()))


def test_too_few_strokes_to_hold_out_are_said_to_be() -> None:
    labels = np.zeros((64, 64), np.uint8)
    labels[8, 8], labels[9, 9] = 1, 255
    with live(drawn(), labels, hold_out=True) as session:
        said = until(session.run(), 1)
        assert any("not enough held-out strokes" in p.message for p in said)


def test_a_loss_that_is_not_finite_keeps_the_step_before(monkeypatch: pytest.MonkeyPatch) -> None:
    with live(drawn(), painted(dark=255, bright=1)) as session:
        run = session.run()
        until(run, 4)
        kept = session.snapshot()
        monkeypatch.setattr(loop, "_step", lambda *_: float("nan"))
        with pytest.raises(Diverged, match="step 5, at a learning rate"):
            until(run, 6)
        assert session.snapshot() is kept


def test_memory_is_given_back_when_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[weakref.ref[Any]] = []
    prefetch: list[Prefetch] = []
    original = Prefetch.next

    def next_batch(self: Prefetch) -> loop.Batch:
        batch = original(self)
        made.append(weakref.ref(batch))
        prefetch[:] = [self]
        return batch

    monkeypatch.setattr(Prefetch, "next", next_batch)
    session = live(drawn(), painted(dark=255, bright=1))
    run = session.run()
    until(run, 3)
    session.snapshot()
    learned = session._trainer.learning
    thread = prefetch.pop()._thread
    made += [
        weakref.ref(each)
        for each in (learned.trainee.network, learned.state.optimiser, learned.state.kept)
    ]
    del learned
    session.close()  # the generator is still there
    gc.collect()
    assert not thread.is_alive()
    assert [ref() for ref in made] == [None] * len(made)
    assert list(run) == []
    with pytest.raises(InputError, match="closed"):
        next(session.run())


def test_a_second_run_beside_the_first_is_refused() -> None:
    with live(drawn(), painted(dark=255, bright=1)) as session:
        run = session.run()
        until(run, 1)
        with pytest.raises(InputError, match="runs already"):
            next(session.run())
        assert until(run, 2)[-1].done == 2


def test_of_a_huge_volume_only_what_was_touched_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = (2000, 2300, 2300)  # 10^10 voxels, none of them stored
    array = zarr.create_array(tmp_path / "huge.zarr", shape=shape, chunks=(64,) * 3, dtype="u1")
    array[992:1056, 960:1088, 960:1088] = np.random.default_rng(0).integers(0, 255, (64, 128, 128))
    image = image_from_array(array, axes="zyx", name="huge")
    with AnnotationStore.create(image, 0, tmp_path / "a.ome.zarr") as store:
        store.write(Box((1000, 1000, 1000), (1002, 1040, 1040)), 1)
        store.write(Box((1010, 1000, 1000), (1012, 1040, 1040)), 255)
        read: list[int] = []
        original = AnnotationStore.read

        def counted(self: AnnotationStore, box: Box) -> Any:
            read.append(box.size)
            return original(self, box)

        monkeypatch.setattr(AnnotationStore, "read", counted)
        with live(image, store, patch=(8, 32, 32)) as session:
            run = session.run()
            until(run, 2)
            before = len(read)
            assert max(read) < 10**6
            store.write(Box((1020, 1000, 1000), (1022, 1040, 1040)), 1)
            assert until(run, 3)[-1].metrics["labelled"] == 3 * 2 * 40 * 40
            assert len(read) - before < 20


def test_a_run_can_be_compared_with_its_beginning_and_taken_back() -> None:
    (image, labels) = (drawn(), painted(dark=255, bright=1))
    with live(image, labels, hold_out=True) as session:
        until(session.run(), 30)
        first = session.snapshot()
        assert first is not None
        comparison = finish(session.compare())
        assert comparison is not None
        (row,) = comparison.classes
        assert row.before is None  # nothing had been learned
        assert row.after is not None
        until(session.run(), first.step + 20)
        comparison = finish(session.compare())
        assert comparison is not None
        assert comparison.classes[0].before == row.after
        assert session.go_back() == session.step == first.step
        back = session.snapshot()
        assert back is not None
        assert all(
            torch.equal(value, back.model.network.state_dict()[name])
            for name, value in first.model.network.state_dict().items()
        )
        assert max(point.step for point in session.points) <= first.step
        again = until(session.run(), first.step + 1)
        assert again[-1].done == first.step + 1
        session.keep()
        with pytest.raises(InputError, match="no run of this training"):
            session.go_back()


def test_what_is_taken_back_is_learned_the_same_again() -> None:
    (image, labels) = (drawn(), painted(dark=255, bright=1))

    def losses(*, there_and_back: bool) -> list[float]:
        with live(image, labels, seed=3) as session:
            until(session.run(), 8)
            if there_and_back:
                until(session.run(), 16)
                session.go_back()
            return [p.metrics["loss"] for p in until(session.run(), 12) if "loss" in p.metrics]

    assert losses(there_and_back=True) == losses(there_and_back=False)


def test_too_little_that_is_held_out_compares_nothing() -> None:
    (image, labels) = (drawn(), painted(dark=255, bright=1))
    with live(image, labels) as session:
        until(session.run(), 3)
        assert finish(session.compare()) is None


def test_a_class_that_came_in_a_run_stays_when_the_run_is_taken_back() -> None:
    (image, labels) = (drawn(), painted(dark=255, bright=1))
    with live(image, labels) as session:
        until(session.run(), 3)
        run = session.run()
        until(run, 4)
        labels[GREY.slices] = 2
        session.touch(GREY)
        until(run, 6)
        run.close()
        session.go_back()
        until(session.run(), 5)
        snapshot = session.snapshot()
        assert snapshot is not None
        assert [c.value for c in snapshot.model.spec.classes] == [0, 1, 2]
