"""Objects of a segmentation: a run that can be killed, its table, and what it refuses."""

import csv
import multiprocessing
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.geometry import Axes, Spacing
from napari_ziggurat.images import (
    OutputGrid,
    create_output,
    fill_coarser,
    image_from_array,
    open_image,
    open_output,
    read_record,
)
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import ObjectsConfig
from napari_ziggurat.runs.objects import ObjectsResult, objects
from napari_ziggurat.runs.objects import table as table_module
from napari_ziggurat.runs.objects.plan import ObjectsPlan
from napari_ziggurat.runs.output import journal as journal_module
from stores import files_of

cc3d = pytest.importorskip("cc3d")


@pytest.fixture
def labels(tmp_path: Path) -> np.ndarray:
    """Noise of two classes in a volume, stored as labels.npy, and grey values beside it."""
    rng = np.random.default_rng(0)
    drawn = ((rng.random((12, 20, 18)) < 0.2) * rng.integers(1, 3, (12, 20, 18))).astype(np.uint8)
    np.save(tmp_path / "labels.npy", drawn)
    np.save(tmp_path / "grey.npy", rng.integers(0, 65_535, drawn.shape).astype(np.uint16))
    return drawn


def config(folder: Path, **settings) -> ObjectsConfig:
    usual = {"axes": "zyx", "spacing": (2.0, 0.5, 0.5), "unit": "um", "block": (5, 6, 7)}
    return ObjectsConfig.create(
        {"labels": folder / "labels.npy", "out": folder / "o.ome.zarr", **usual, **settings}
    )


def run(folder: Path, **settings) -> ObjectsResult:
    return finish(objects(config(folder, **settings)))


def voxels(folder: Path) -> np.ndarray:
    return open_output(folder / "o.ome.zarr")[0][:]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_objects_and_their_table_are_those_of_the_whole_image(tmp_path, labels) -> None:
    made = run(tmp_path, image=tmp_path / "grey.npy")
    found, grey = voxels(tmp_path), np.load(tmp_path / "grey.npy")
    whole = cc3d.connected_components(labels, connectivity=26)
    pairs = np.unique(np.stack([found.ravel(), whole.ravel().astype(np.uint64)]), axis=1)
    assert pairs.shape[1] == whole.max() + 1 == made.objects + 1
    for row in table(tmp_path / "o_objects.csv")[:40]:
        there = found == int(row["index"])
        places = np.argwhere(there) * (2.0, 0.5, 0.5)
        assert int(row["class"]) == labels[there].max()
        assert int(row["voxels"]) == there.sum()
        assert float(row["volume"]) == pytest.approx(there.sum() * 0.5)
        centre = [float(row[a]) for a in "zyx"]
        assert centre == pytest.approx(places.mean(0), rel=1e-8)
        assert float(row["z_start"]) == places[:, 0].min() - 1
        assert float(row["x_stop"]) == places[:, 2].max() + 0.25
        assert float(row["mean_channel 0"]) == pytest.approx(grey[there].mean(), rel=1e-8)


def test_blocks_change_neither_the_voxels_nor_the_table(tmp_path, labels) -> None:
    found = []
    for i, block in enumerate([(12, 20, 18), (5, 6, 7), (1, 20, 3)]):
        folder = tmp_path / str(i)
        folder.mkdir()
        for name in ("labels.npy", "grey.npy"):
            (folder / name).symlink_to(tmp_path / name)
        run(folder, block=block, image=folder / "grey.npy", min_size="2")
        found.append((voxels(folder).tobytes(), (folder / "o_objects.csv").read_text()))
    assert found[0] == found[1] == found[2]


def test_several_processes_write_the_same_bytes(tmp_path, labels) -> None:
    alone = run(tmp_path)
    wanted = files_of(tmp_path / "o.ome.zarr")
    shared = run(tmp_path, out=tmp_path / "p.ome.zarr", workers=2)
    assert files_of(tmp_path / "p.ome.zarr") == wanted
    assert shared.facts() == alone.facts()


def test_small_objects_are_left_out_by_their_whole_size_and_in_physical_units(tmp_path) -> None:
    plane = np.zeros((4, 12), np.uint8)
    plane[0, :6] = 1  # 6 voxels, 2 in each of three blocks
    plane[3, 3:6] = 1  # 3 voxels
    np.save(tmp_path / "labels.npy", plane)
    shape = {"axes": "yx", "spacing": (0.5, 2.0), "block": (4, 2)}
    made = run(tmp_path, min_size="4um2", **shape)
    assert (made.objects, made.removed, made.merged) == (1, 1, 1)
    assert set(voxels(tmp_path)[0, :6]) == {1}
    made = run(tmp_path, min_size="3", overwrite=True, **shape)
    assert (made.objects, made.removed) == (2, 0)
    with pytest.raises(InputError, match="Give it in um2"):
        run(tmp_path, min_size="4um3", overwrite=True, **shape)


@pytest.mark.parametrize(("value", "count"), [(0, 0), (1, 1)])
def test_an_empty_volume_has_no_object_and_a_full_one_has_one(tmp_path, value, count) -> None:
    np.save(tmp_path / "labels.npy", np.full((9, 9, 9), value, np.uint8))
    made = run(tmp_path, block=(4, 4, 4))
    assert (made.objects, made.seams) == (count, count)
    rows = table(tmp_path / "o_objects.csv")
    assert len(rows) == count
    assert all(row["at_border"] == "True" and row["voxels"] == "729" for row in rows)


def test_one_voxel_is_an_object(tmp_path) -> None:
    plane = np.zeros((3, 3), np.uint8)
    plane[1, 1] = 7
    np.save(tmp_path / "labels.npy", plane)
    run(tmp_path, axes="yx", spacing=(1.0, 1.0), block=(2, 2))
    (row,) = table(tmp_path / "o_objects.csv")
    assert (row["class"], row["voxels"], row["at_border"]) == ("7", "1", "False")
    assert float(row["elongation"]) == 1.0


def test_times_have_objects_of_their_own(tmp_path) -> None:
    np.save(tmp_path / "labels.npy", np.ones((3, 4, 4), np.uint8))
    made = run(tmp_path, axes="tyx", spacing=(1.0, 1.0), block=(2, 2))
    assert made.objects == 3
    assert voxels(tmp_path)[:, 0, 0].tolist() == [1, 2, 3]
    assert [row["time"] for row in table(tmp_path / "o_objects.csv")] == ["0", "1", "2"]


def test_probabilities_give_classes_and_how_sure_they_are(tmp_path) -> None:
    store = tmp_path / "p.ome.zarr"
    grid = OutputGrid(Axes("cyx"), (2, 4, 4), np.dtype(np.uint8), Spacing((1.0, 1.0), "um"),
                      (0.0, 0.0), (2, 4, 4), (2, 4, 4))  # fmt: skip
    classes = [{"value": v, "name": n, "color": "#ffffff"} for v, n in ((0, "none"), (9, "cell"))]
    create_output(
        store, grid, kind="image", channels=["none", "cell"],
        attributes={"ziggurat": {"content": "probabilities", "classes": classes}},
    )  # fmt: skip
    stored = np.zeros((2, 4, 4), np.uint8)
    stored[0], stored[1, 1, 1:3] = 102, (255, 153)
    open_output(store)[0][:] = stored
    finish(objects(ObjectsConfig(labels=store, out=tmp_path / "o.ome.zarr", block=(4, 2))))
    (row,) = table(tmp_path / "o_objects.csv")
    assert (row["class"], row["class_name"], row["voxels"]) == ("9", "cell", "2")
    assert float(row["confidence"]) == pytest.approx(0.8, abs=1e-6)


def test_all_labels_are_one_class_where_only_the_foreground_counts(tmp_path) -> None:
    np.save(tmp_path / "labels.npy", np.array([[1, 2, 0, 1]], np.uint8))
    shape = {"axes": "yx", "spacing": (1.0, 1.0), "block": (1, 1)}
    assert run(tmp_path, **shape).objects == 3
    assert run(tmp_path, task="foreground", overwrite=True, **shape).objects == 2


class _Far:
    """An array of more than 2^33 voxels that holds one object in its last corner."""

    shape = (2**13, 2**11, 2**10)
    dtype = np.dtype(np.uint8)
    chunks = (64, 64, 64)

    def __getitem__(self, key):
        part = np.zeros([k.stop - k.start for k in key], np.uint8)
        if all(k.stop == n for k, n in zip(key, self.shape, strict=True)):
            part[-1, -1, -1] = 1
        return part


def test_blocks_beyond_two_to_the_33_voxels_have_their_place(tmp_path, monkeypatch) -> None:
    image = image_from_array(_Far(), axes="zyx")
    monkeypatch.setattr("napari_ziggurat.runs.objects.plan.open_image", lambda *a, **k: image)
    plan = ObjectsPlan.of(config(tmp_path, block=None))
    last = plan.blocks - 1
    ground = plan.ground(last)
    assert ground.anchor(tuple(np.array([255]) for _ in range(3)))[0] == 2**34 - 1
    assert plan.neighbour(last, (1, 0, 0)) is None
    assert plan.neighbour(last, (-1, -1, -1)) == last - 4 * 8 - 4 - 1


KILLS = ("in the fragments", "after joining", "in the objects", "in the table")


def _run_and_die(settings: ObjectsConfig, moment: str) -> None:
    """Make objects in this process, and kill it at a moment."""
    count, line = [0], journal_module.Entry.line
    at = {"in the fragments": 5, "after joining": 48, "in the objects": 10}.get(moment)

    def dies(self):
        count[0] += 1
        if count[0] == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return line(self)

    def dies_in_the_table(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    journal_module.Entry.line = dies
    if moment == "in the table":
        table_module.Tables.write = dies_in_the_table
    finish(objects(settings))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_run_that_is_killed_again_and_again_ends_as_a_calm_one(tmp_path, labels) -> None:
    calm = run(tmp_path, out=tmp_path / "calm.ome.zarr")
    assert calm.blocks == 36
    server = multiprocessing.get_context("spawn" if sys.platform == "darwin" else "fork")
    for moment in KILLS:
        process = server.Process(target=_run_and_die, args=(config(tmp_path), moment))
        process.start()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL, moment
        assert (read_record(tmp_path / "o.ome.zarr") or {})["status"] == "running"
    again = run(tmp_path)
    assert files_of(tmp_path / "o.ome.zarr") == files_of(tmp_path / "calm.ome.zarr")
    assert again.facts() == calm.facts()
    text = (tmp_path / "o_objects.csv").read_text()
    assert text == (tmp_path / "calm_objects.csv").read_text()
    assert not (tmp_path / "o.ome.zarr" / ".ziggurat" / "fragments").exists()


def test_a_finished_run_is_not_done_again_and_another_is_refused(tmp_path, labels) -> None:
    made = run(tmp_path)
    said = [step.message for step in objects(config(tmp_path)) if step.message]
    assert any("complete already" in message for message in said)
    (tmp_path / "o_objects.csv").unlink()
    assert run(tmp_path).facts() == made.facts()
    assert len(table(tmp_path / "o_objects.csv")) == made.objects
    with pytest.raises(ExistsError, match="minimum size"):
        run(tmp_path, min_size="5")


def test_what_is_no_label_image_is_refused(tmp_path, labels) -> None:
    np.save(tmp_path / "real.npy", labels.astype(np.float32) / 3)
    with pytest.raises(InputError, match="real numbers"):
        run(tmp_path, labels=tmp_path / "real.npy")
    np.save(tmp_path / "below.npy", labels.astype(np.int16) - 1)
    with pytest.raises(InputError, match="must not be negative; found -1"):
        run(tmp_path, labels=tmp_path / "below.npy")
    with pytest.raises(InputError, match=r"ending in \.ome\.zarr"):
        run(tmp_path, out=tmp_path / "o.tif")
    np.save(tmp_path / "small.npy", labels[1:])
    with pytest.raises(InputError, match="11 x 20 x 18"):
        run(tmp_path, image=_zarr(tmp_path / "small.npy"))


def test_the_truth_of_real_nuclei_has_as_many_objects_as_nuclei(tmp_path, shared_data) -> None:
    truth = shared_data / "organoid_nuclei_3d" / "val" / "labels" / "EGFP_d4_flt32_18.ome.tif"
    made = run(tmp_path, labels=truth, spacing=(8.0, 1.0, 1.0), block=(8, 64, 64))
    assert made.objects == 12


def _zarr(path: Path) -> Path:
    """Store an array where it says its axes."""
    array, store = np.load(path), path.with_suffix(".ome.zarr")
    grid = OutputGrid(Axes("zyx"), array.shape, array.dtype, Spacing((1.0, 1.0, 1.0)),
                      (0.0, 0.0, 0.0), array.shape, array.shape)  # fmt: skip
    create_output(store, grid, kind="image")[0][:] = array
    return store


def test_parquet_without_pyarrow_is_refused_before_anything_is_done(tmp_path, labels, monkeypatch):
    monkeypatch.setattr(table_module, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pyarrow, which is not installed"):
        run(tmp_path, table=tmp_path / "t.parquet")
    assert not (tmp_path / "o.ome.zarr").exists()


def test_a_parquet_table_has_the_rows_of_the_csv(tmp_path, labels) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs an extra")
    run(tmp_path, table=tmp_path / "t.parquet")
    found = parquet.read_table(tmp_path / "t.parquet").to_pydict()
    rows = table(table_module.table_in(tmp_path / "o.ome.zarr"))
    assert list(found) == list(rows[0])
    assert [str(i) for i in found["index"]] == [row["index"] for row in rows]
    assert found["volume"] == pytest.approx([float(row["volume"]) for row in rows])


def test_objects_lie_among_the_labels_of_their_image_with_its_spacing(tmp_path, labels) -> None:
    np.save(tmp_path / "grey.npy", labels)
    image = _zarr(tmp_path / "grey.npy")
    run(tmp_path, labels=image, out=image / "labels" / "o")
    assert open_image(image / "labels" / "o").levels[0].spacing.values == (2.0, 0.5, 0.5)
    assert (tmp_path / "o_objects.csv").exists()


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_coarser_levels_are_those_that_are_made_of_the_whole(tmp_path, version) -> None:
    plane = (np.random.default_rng(0).random((2, 1100, 40)) < 0.5).astype(np.uint8)
    np.save(tmp_path / "labels.npy", plane)
    run(
        tmp_path, axes="tyx", spacing=(0.5, 0.5), block=(512, 40), connectivity="face",
        version=version,
    )  # fmt: skip
    levels = [array[:] for array in open_output(tmp_path / "o.ome.zarr")]
    assert [level.shape for level in levels] == [(2, 1100, 40), (2, 550, 20), (2, 275, 10)]
    for _ in fill_coarser(tmp_path / "o.ome.zarr", "labels"):
        pass
    again = [array[:] for array in open_output(tmp_path / "o.ome.zarr")]
    assert all(np.array_equal(a, b) for a, b in zip(levels, again, strict=True))
    assert levels[2].any()
