"""What is painted is there when the call returns, with who, when, and what it contradicted."""

import json
import subprocess
import sys
import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaozarrs
import zarr

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.errors import ExistsError, InputError, MissingError
from napari_ziggurat.geometry import Axes, Box, Spacing
from napari_ziggurat.images import Image, OutputGrid, create_output, image_from_array, open_image
from napari_ziggurat.images.annotation_store import AnnotationStore, default_place
from napari_ziggurat.images.marks import is_annotation
from napari_ziggurat.images.zarr_output import check_removable
from painting import image

CLASSES = (LabelClass(1, "nucleus", "#ff8000"), LabelClass(7, "cell wall", "#0000ff"))
BOX = Box((3, 100, 100), (5, 160, 200))


@pytest.fixture
def store(tmp_path: Path) -> AnnotationStore:
    return AnnotationStore.create(
        image(), place=tmp_path / "a.ome.zarr", classes=CLASSES, who="Ann"
    )


def ome_zarr(path: Path, version: str = "0.5", seed: int = 0) -> Image:
    """Write an image of two levels or more."""
    grid = OutputGrid(
        Axes("czyx"), (1, 20, 600, 600), np.dtype(np.uint8), Spacing((2.0, 0.5, 0.5), "um"),
        (4.0, 5.0, 6.0), (1, 20, 128, 128), (1, 20, 256, 256),
    )  # fmt: skip
    arrays = create_output(path, grid, kind="image", channels=["dna"], version=version)
    for array in arrays:
        array[...] = np.random.default_rng(seed).integers(0, 255, array.shape, dtype=np.uint8)
    return open_image(path)


def test_a_stroke_is_read_again_by_the_store_and_by_any_reader(store: AnnotationStore) -> None:
    values = np.random.default_rng(0).integers(0, 256, BOX.shape, dtype=np.uint8)
    mask = np.random.default_rng(1).random(BOX.shape) < 0.5
    store.write(BOX, values, mask)
    expected = np.zeros(store.shape, np.uint8)
    expected[BOX.slices][mask] = values[mask]
    whole = Box.whole(store.shape)
    np.testing.assert_array_equal(store.read(whole), expected)
    np.testing.assert_array_equal(open_image(store.path).read(0, whole)[0], expected)
    np.testing.assert_array_equal(AnnotationStore.open(store.path).read(whole), expected)
    np.testing.assert_array_equal(zarr.open_array(store.path / "0", mode="r")[...], expected)
    assert sum(store.counts().values()) == np.count_nonzero(expected)


def test_only_chunks_that_were_touched_exist(store: AnnotationStore) -> None:
    assert list(store.touched()) == []
    store.write(Box((0, 0, 0), (1, 1, 1)), 1)
    assert list(store.touched()) == [Box((0, 0, 0), (16, 128, 128))]
    store.write(Box((39, 299, 299), (40, 300, 300)), 1)
    assert list(store.touched())[1:] == [Box((32, 256, 256), (40, 300, 300))]
    store.write(Box((0, 0, 0), (1, 1, 1)), 0)
    assert len(list(store.touched())) == 1


def test_the_history_tells_who_confirmed_what_and_when(store: AnnotationStore) -> None:
    store.write(BOX, 1)
    store.write(Box((0, 0, 0), (40, 300, 300)), 2, kind="correction", note="model 3")
    store.write(Box((0, 0, 0), (1, 10, 10)), 0)
    store.complete(Box((0, 0, 0), (2, 20, 20)))
    (first, second, third, fourth) = store.history()
    assert (first.who, first.kind, first.box, first.painted) == (
        "Ann",
        "stroke",
        BOX,
        {1: BOX.size},
    )
    assert first.when.endswith("Z")
    assert (second.kind, second.note, second.contradicted) == ("correction", "model 3", BOX.size)
    assert (third.painted, third.contradicted) == ({0: 100}, 0)
    assert (fourth.kind, fourth.box) == ("complete", Box((0, 0, 0), (2, 20, 20)))
    assert fourth.painted == {255: 100}
    assert [r.number for r in AnnotationStore.open(store.path).history()] == [1, 2, 3, 4]


def test_the_later_of_two_strokes_wins_and_what_it_contradicts_is_counted(
    store: AnnotationStore,
) -> None:
    store.write(Box((0, 0, 0), (1, 10, 10)), 1)
    record = store.write(Box((0, 0, 5), (1, 10, 15)), 7)
    assert (record.contradicted, record.changed) == (50, 100)
    assert store.counts() == {1: 50, 7: 100}
    assert store.write(Box((0, 0, 5), (1, 10, 15)), 7).changed == 0


def test_a_complete_box_changes_only_what_is_unlabelled(store: AnnotationStore) -> None:
    store.write(BOX, 1)
    store.complete(Box((0, 0, 0), (20, 200, 200)))
    assert store.counts() == {1: BOX.size, 255: 20 * 200 * 200 - BOX.size}


@pytest.mark.parametrize(
    ("box", "values", "words"),
    [
        (Box((0, 0, 0), (41, 1, 1)), 1, "not inside the annotation"),
        (Box((0, 0), (1, 1)), 1, "axes zyx, level 0"),
        (BOX, 256, "1 to 254"),
        (BOX, -1, "negative"),
        (BOX, 1.5, "whole numbers"),
    ],
)
def test_what_is_no_stroke_is_refused(
    store: AnnotationStore, box: Box, values: float, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        store.write(box, values)
    assert list(store.history()) == []
    assert not list((store.path / ".ziggurat").glob("pending/*"))


def test_reading_is_possible_while_another_process_writes_and_writing_is_not(
    store: AnnotationStore,
) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from napari_ziggurat.images.annotation_store import AnnotationStore\n"
        "from napari_ziggurat.geometry import Box\n"
        "path = Path(sys.argv[1])\n"
        "print(AnnotationStore.open(path).read(Box((0, 0, 0), (1, 1, 2))).tolist())\n"
        "try: AnnotationStore.open(path, write=True)\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    store.write(Box((0, 0, 0), (1, 1, 1)), 7)

    def other() -> str:
        command = [sys.executable, "-c", code, str(store.path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    said = other()
    assert said.startswith("[[[7, 0]]]\nExistsError")
    holder = json.loads((store.path / ".ziggurat" / "holder.json").read_text())
    for what in ("who", "host", "pid", "since"):
        assert str(holder[what]) in said
    store.close()
    assert other() == "[[[7, 0]]]\n"


def test_a_note_of_a_dead_process_does_not_block(store: AnnotationStore) -> None:
    note = store.path / ".ziggurat" / "holder.json"
    text = note.read_text()
    store.close()
    note.write_text(text)
    AnnotationStore.open(store.path, write=True).close()
    assert not note.exists()


def test_what_is_opened_for_reading_is_not_painted(store: AnnotationStore) -> None:
    reader = AnnotationStore.open(store.path)
    with pytest.raises(InputError, match="opened for reading"):
        reader.write(BOX, 1)
    with pytest.raises(InputError, match="opened for reading"):
        reader.set_classes(CLASSES)


def test_classes_have_names_and_colours_that_others_read(store: AnnotationStore) -> None:
    yaozarrs.validate_zarr_store(str(store.path))
    assert store.classes == CLASSES
    changed = (LabelClass(2, "gap", "#123456"),)
    store.set_classes(changed)
    assert AnnotationStore.open(store.path).classes == changed
    yaozarrs.validate_zarr_store(str(store.path))
    with pytest.raises(InputError, match="1 to 254"):
        store.set_classes([LabelClass(300, "x", "#123456")])
    with pytest.raises(InputError, match="two is given twice"):
        store.set_classes([LabelClass(1, "two", "#123456"), LabelClass(2, "two", "#123456")])
    with pytest.raises(InputError, match="#ee6677"):
        store.set_classes([LabelClass(1, "x", "red")])
    assert store.classes == changed


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_an_annotation_inside_its_image_lies_on_the_level_it_is_drawn_on(
    version: str, tmp_path: Path
) -> None:
    source = ome_zarr(tmp_path / "i.ome.zarr", version)
    place = tmp_path / "i.ome.zarr" / "labels" / "strokes"
    with AnnotationStore.create(source, 1, place, classes=CLASSES) as store:
        store.write(Box((0, 0, 0), (2, 200, 200)), 7)
    yaozarrs.validate_zarr_store(str(place))
    labels = open_image(store.path)
    assert labels.format == f"OME-Zarr {version}"
    assert labels.levels == source.levels[1:2] == (store.grid,)
    assert labels.read(0, Box((1, 199, 199), (2, 201, 201)))[0].tolist() == [[[7, 0], [0, 0]]]
    assert store.counts() == {7: 2 * 200 * 200}
    with AnnotationStore.open(store.path, write=True) as again:
        again.set_classes(CLASSES[:1])
        assert again.classes == CLASSES[:1]


def test_the_place_is_beside_the_image(tmp_path: Path) -> None:
    np.save(tmp_path / "plane.npy", np.zeros((30, 20), np.uint8))
    plane = open_image(tmp_path / "plane.npy")
    assert default_place(plane) == tmp_path / "plane.annotation.ome.zarr"
    with AnnotationStore.create(plane) as store:
        store.write(Box((0, 0), (3, 4)), 1)
        assert store.counts() == {1: 12}
    with pytest.raises(ExistsError):
        AnnotationStore.create(plane)
    assert default_place(ome_zarr(tmp_path / "i.ome.zarr")) == tmp_path / "i.annotation.ome.zarr"
    with pytest.raises(InputError, match="in memory"):
        default_place(image())


def test_an_image_with_times_has_strokes_at_each(tmp_path: Path) -> None:
    with AnnotationStore.create(image((3, 4, 50, 60)), place=tmp_path / "a.ome.zarr") as store:
        assert store.axes.names == "tzyx"
        store.write(Box((2, 0, 0, 0), (3, 1, 2, 2)), 1)
        assert store.counts() == {1: 4}
        assert open_image(store.path).read(0, Box((0, 0, 0), (1, 2, 2)), time=2).all()


def test_a_level_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no level 3"):
        AnnotationStore.create(image(), 3, tmp_path / "a.ome.zarr")
    assert not (tmp_path / "a.ome.zarr").exists()


def _other(change: str) -> Image:
    base = image()
    level = base.levels[0]
    others = {
        "shape": image((40, 300, 299)),
        "voxels": image(seed=1),
        "spacing": replace(base, levels=(replace(level, spacing=Spacing((2.0, 0.5, 0.6), "um")),)),
        "unit": replace(base, levels=(replace(level, spacing=Spacing((2.0, 0.5, 0.5), "nm")),)),
        "translation": replace(base, levels=(replace(level, translation=(0.0, 0.0, 1.0)),)),
        "type": replace(base, dtype=np.dtype(np.int16)),
        "times": image((2, 40, 300, 300)),
    }
    return others[change]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("shape", r"shape \(40, 300, 299\), was \(40, 300, 300\)"),
        ("voxels", "another checksum"),
        ("spacing", "spacing 2 x 0.5 x 0.6 um, was 2 x 0.5 x 0.5 um"),
        ("unit", "spacing 2 x 0.5 x 0.5 nm, was"),
        ("translation", "translation"),
        ("type", "type int16, was uint8"),
        ("times", "time points 2, was 1"),
    ],
)
def test_what_has_changed_in_the_image_is_named(
    store: AnnotationStore, change: str, words: str
) -> None:
    AnnotationStore.open(store.path, image=image())
    with pytest.raises(InputError, match=words):
        AnnotationStore.open(store.path, image=_other(change))


def test_a_level_that_is_gone_is_named(tmp_path: Path) -> None:
    source = ome_zarr(tmp_path / "i.ome.zarr")
    AnnotationStore.create(source, 1, tmp_path / "a.ome.zarr").close()
    alone = replace(source, arrays=source.arrays[:1], levels=source.levels[:1])
    with pytest.raises(InputError, match=r"level 1 is gone \(it has level 0 alone\)"):
        AnnotationStore.open(tmp_path / "a.ome.zarr", image=alone)


def test_an_image_that_has_changed_can_be_adopted_unless_the_strokes_cannot_fit(
    store: AnnotationStore,
) -> None:
    assert store.adopt(_other("voxels")) == ["voxels (a sample of them has another checksum)"]
    store.check(_other("voxels"))
    assert store.adopt(_other("voxels")) == []
    with pytest.raises(InputError, match="shape"):
        store.adopt(_other("shape"))


def test_an_image_with_other_values_for_nan_is_the_same(tmp_path: Path) -> None:
    voxels = np.full((20, 20), np.nan, np.float32)
    source = image_from_array(voxels, axes="yx")
    with AnnotationStore.create(source, place=tmp_path / "a.ome.zarr") as store:
        store.check(replace(source, nan_as=0.0))


def test_ten_to_the_twelve_voxels_cost_what_is_touched(tmp_path: Path) -> None:
    huge = zarr.create_array(
        str(tmp_path / "i.zarr"), shape=(10_000,) * 3, chunks=(64,) * 3, dtype="uint8", fill_value=0
    )
    source = image_from_array(huge, axes="zyx")
    with AnnotationStore.create(source, place=tmp_path / "a.ome.zarr") as store:
        tracemalloc.start()
        for at in (0, 5000, 9990):
            store.write(Box((at,) * 3, (at + 2,) * 3), 1)
        assert store.read(Box((5000, 0, 5000), (5001, 10_000, 5001))).sum() == 2
        again = AnnotationStore.open(store.path)
        assert (again.counts(), len(list(again.touched()))) == ({1: 24}, 3)
        (_, peak) = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 20e6
        assert sum(f.stat().st_size for f in store.path.rglob("*") if f.is_file()) < 20_000


def test_a_damaged_chunk_is_named_and_the_others_are_read(store: AnnotationStore) -> None:
    store.write(Box((0, 0, 0), (1, 300, 300)), 1)
    chunk = store.path / "0" / "c" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:10])
    with pytest.raises(InputError, match=r"c/0/0/0 is damaged"):
        store.read(Box((0, 0, 0), (1, 1, 1)))
    with pytest.raises(InputError, match="is damaged"):
        store.write(Box((0, 0, 0), (1, 1, 1)), 2)
    assert store.read(Box((0, 200, 200), (1, 201, 201))).item() == 1
    store.write(Box((0, 200, 200), (1, 201, 201)), 2)
    assert [record.number for record in store.history()] == [1, 2]


def test_a_damaged_line_of_the_history_costs_that_line_alone(store: AnnotationStore) -> None:
    for value in (1, 2, 3):
        store.write(BOX, value)
    store.close()
    history = store.path / ".ziggurat" / "history.jsonl"
    lines = history.read_bytes().splitlines(keepends=True)
    for damaged in (0, 1, 2):
        history.write_bytes(b"".join([*lines[:damaged], b"\x00{\n", *lines[damaged + 1 :]]))
        again = AnnotationStore.open(store.path, write=True)
        assert again.unreadable_history() == 1
        assert len(list(again.history())) == 2
        assert again.write(BOX, 4).number == 4
        assert again.read(BOX).min() == 4
        again.close()


def test_a_store_that_vanished_is_not_taken_for_an_empty_one(
    store: AnnotationStore, tmp_path: Path
) -> None:
    store.path.rename(tmp_path / "away")
    with pytest.raises(MissingError, match="vanished"):
        store.read(BOX)
    with pytest.raises(MissingError, match="vanished"):
        store.write(BOX, 1)
    assert not store.path.exists()


def test_what_is_no_annotation_is_not_opened_as_one(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="nothing at"):
        AnnotationStore.open(tmp_path / "nowhere")
    ome_zarr(tmp_path / "i.ome.zarr")
    with pytest.raises(MissingError, match="something else"):
        AnnotationStore.open(tmp_path / "i.ome.zarr")


def test_a_newer_record_is_refused(store: AnnotationStore) -> None:
    document = store.path / "zarr.json"
    document.write_text(document.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(InputError, match="newer version"):
        AnnotationStore.open(store.path)


def test_no_run_may_overwrite_an_annotation(store: AnnotationStore) -> None:
    assert is_annotation(store.path)
    with pytest.raises(InputError, match="somebody painted"):
        check_removable(store.path)


def test_one_that_was_interrupted_while_it_was_made_says_so(store: AnnotationStore) -> None:
    (store.path / "0" / "zarr.json").unlink()
    with pytest.raises(InputError, match="interrupted while it was made"):
        AnnotationStore.open(store.path)


def test_a_thread_that_reads_while_another_paints_sees_old_or_new(store: AnnotationStore) -> None:
    box = Box((0, 0, 0), (1, 300, 300))
    store.write(box, 1)
    seen: set[int] = set()
    painting = threading.Event()

    def watch() -> None:
        while not painting.is_set():
            seen.update(np.unique(store.read(box)).tolist())

    watcher = threading.Thread(target=watch)
    watcher.start()
    for step in range(30):
        store.write(box, 1 + step % 2)
    painting.set()
    watcher.join()
    assert seen <= {1, 2}


@pytest.mark.parametrize("content", ["{", '{"zarr_format": 3, "node_type": "group"}'])
def test_an_annotation_without_its_metadata_is_still_one(
    store: AnnotationStore, content: str
) -> None:
    store.write(BOX, 1)
    store.close()
    (store.path / "zarr.json").write_text(content)
    with pytest.raises(InputError, match=r"what was painted is there. Restore zarr.json"):
        AnnotationStore.open(store.path)
    with pytest.raises(InputError, match="somebody painted"):
        check_removable(store.path)
