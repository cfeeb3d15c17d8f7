"""Objects that touch are cut at necks, and blocks change nothing of it."""

import csv
import multiprocessing
import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ziggurat.errors import ExistsError, InputError, WorkFailed
from napari_ziggurat.images import image_from_array, open_output, read_record
from napari_ziggurat.inference.objects import Faces, depth, measure
from napari_ziggurat.networks import ObjectSettings
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import ObjectsConfig
from napari_ziggurat.runs.objects import ObjectsResult, objects, parting
from napari_ziggurat.runs.objects.files import Files
from napari_ziggurat.runs.objects.join import join
from napari_ziggurat.runs.objects.necks import DoubtfulNecks
from napari_ziggurat.runs.objects.plan import ObjectsPlan
from napari_ziggurat.runs.objects.voxels import ClassVoxels, Seen
from napari_ziggurat.runs.objects.work import Work
from shape_maps import drawn_balls, write_map
from stores import files_of

cc3d = pytest.importorskip("cc3d")


class Drawn(ClassVoxels):
    """Voxels that are in memory: classes, and shapes where there are such."""

    def read(self, box, time):
        classes = np.asarray(self.source.arrays[0])[box.slices]
        shapes = getattr(self, "drawn", None)
        return Seen(classes, None, None if shapes is None else shapes[(slice(None), *box.slices)])


class Held(Files):
    """Files that are held in memory."""

    def __init__(self, folder):
        super().__init__(folder)
        object.__setattr__(self, "held", {})

    def save(self, number, fragments, faces, more):
        self.held[number] = {**fragments.arrays(), **faces.planes, **more}

    def column(self, number, name):
        return self.held[number][name]

    @contextmanager
    def opened(self, number):
        yield self.held[number]

    def save_numbers(self, arrays):
        self.held.update(arrays)

    def numbers(self, name):
        return self.held[name]


def in_blocks(classes, block, *, around=None, **how):
    """Objects of an array, and its doubtful necks: found block by block in some order."""
    with near_sighted(around):
        return _in_blocks(classes, block, **how)


def _in_blocks(classes, block, *, split, order=0, connectivity="full", shapes=None):
    image = image_from_array(classes, axes="zyx"[-classes.ndim :])
    voxels = Drawn(image, shapes=() if shapes is None else ("boundary", "distance"))
    object.__setattr__(voxels, "drawn", shapes)
    config = ObjectsConfig(
        labels=Path("none"), out=Path("none.ome.zarr"), connectivity=connectivity
    )
    plan = ObjectsPlan(voxels, config, None, 0, block, block, ObjectSettings(split=split))
    files, made = Held(Path("none")), {}
    for number in np.random.default_rng(order).permutation(plan.blocks).tolist():
        ground = plan.ground(number)
        found = plan.parting.find(ground)
        measured = measure(found.fragments, found.seen.classes, ground)
        files.save(number, measured, Faces.of(found.fragments), found.basins)
        made[number] = found.fragments
    finish(join(plan, files))
    ids, offsets = files.numbers("ids"), files.numbers("offsets")
    result = np.zeros(classes.shape, np.uint64)
    for number, fragments in made.items():
        mine = ids[int(offsets[number]) : int(offsets[number + 1])]
        result[plan.ground(number).box.slices] = np.insert(mine, 0, 0)[fragments]
    return result, DoubtfulNecks.load(files) if split else None


@contextmanager
def near_sighted(around):
    """Look only so far beyond a block, so that small images show what large ones do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["napari_ziggurat.runs.objects.join"], "put", lambda *_: None)
        if around is not None:
            patch.setattr(depth, "_REACH", {2: 3, 3: 3})
            patch.setattr(parting, "_AROUND", {2: around, 3: around})
        yield


@st.composite
def cases(draw):
    dims = draw(st.sampled_from([2, 3]))
    shape = tuple(draw(st.integers(1, 12 if dims == 2 else 7)) for _ in range(dims))
    block = tuple(draw(st.integers(2, 6)) for _ in range(dims))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    there = rng.random(shape) < draw(st.sampled_from([0.0, 0.3, 0.7, 0.95, 1.0]))
    classes = (there * rng.integers(1, draw(st.integers(1, 3)) + 1, shape)).astype(np.uint8)
    steps = draw(st.sampled_from([1, 3, 255]))  # few steps: many equally deep voxels
    shapes = None
    if draw(st.booleans()):
        shapes = (rng.integers(0, steps + 1, (2, *shape)) * (255 // steps)).astype(np.uint8)
    return classes, block, shapes


@settings(max_examples=30)
@given(
    cases(), st.integers(1, 4), st.integers(0, 9), st.sampled_from(["full", "face"]),
    st.sampled_from([0.3, 0.7, 1.0]),
)  # fmt: skip
def test_blocks_of_any_shape_in_any_order_cut_where_the_whole_image_is_cut(
    case, around, order, connectivity, split
) -> None:
    classes, block, shapes = case
    how = {"split": split, "connectivity": connectivity, "shapes": shapes}
    found, doubtful = in_blocks(classes, block, around=around, order=order, **how)
    whole, doubtful_there = in_blocks(classes, classes.shape, around=around, **how)
    np.testing.assert_array_equal(found, whole)
    for name in ("ids", "ratio", "cut", "places"):
        np.testing.assert_array_equal(getattr(doubtful, name), getattr(doubtful_there, name))


def test_a_way_that_goes_to_and_fro_between_blocks_is_followed_to_its_end() -> None:
    """All of a winding path leads down to one voxel; what is seen around a block ends halfway."""
    classes, way = np.zeros((31, 12), np.uint8), []
    for row in range(0, 31, 2):
        there = range(3, 9) if row % 4 == 0 else range(8, 2, -1)
        way += [(row, column) for column in there]
        way += [(row + 1, 8 if row % 4 == 0 else 3)] * (row < 30)
    shapes = np.zeros((2, *classes.shape), np.uint8)
    for step, place in enumerate(way):
        classes[place], shapes[1][place] = 1, 10 + 2 * step
    for around in (1, 4):
        how = {"around": around, "split": 1, "connectivity": "face", "shapes": shapes}
        found, _ = in_blocks(classes, (10, 6), **how)
        assert set(np.unique(found)) == {0, 1}


@settings(max_examples=8)
@given(cases(), st.sampled_from(["full", "face"]))
def test_with_the_least_strength_objects_are_connected_components(case, connectivity) -> None:
    classes, block, shapes = case
    shaped = None if shapes is None else np.full_like(shapes, 255)
    found, _ = in_blocks(
        classes, block, around=1, split=1e-9, connectivity=connectivity, shapes=shaped
    )
    plain, _ = in_blocks(classes, block, split=0, connectivity=connectivity)
    if shapes is not None:  # all as deep as each other: no neck anywhere
        np.testing.assert_array_equal(found > 0, plain > 0)
    joined, _ = in_blocks(classes, block, around=1, split=1e-9, connectivity=connectivity)
    np.testing.assert_array_equal(joined, plain)


@settings(max_examples=8)
@given(cases(), st.sampled_from([(0.2, 0.5), (0.5, 0.9)]))
def test_a_greater_strength_only_cuts_more(case, strengths) -> None:
    classes, block, shapes = case
    (less, _), (more, _) = (
        in_blocks(classes, block, around=2, split=s, shapes=shapes) for s in strengths
    )
    pairs = np.unique(np.stack([more.ravel(), less.ravel()]), axis=1)
    assert len(np.unique(pairs[0])) == pairs.shape[1]


@pytest.mark.parametrize("shape", [(120, 130), (24, 40, 44)])
def test_the_cuts_are_those_of_a_watershed_that_floods_the_whole_image(shape) -> None:
    segmentation = pytest.importorskip("skimage.segmentation")
    classes = (drawn_balls(shape, 22, 10.0) > 0).astype(np.uint8)
    found, _ = in_blocks(classes, tuple(n // 3 for n in shape), split=0.8)
    deep = depth.depth_of_classes(classes, (1.0,) * len(shape)).astype(np.int64)
    middles = np.zeros(shape, np.int64)
    for each in range(1, int(found.max()) + 1):
        middles.flat[np.where(found == each, deep, -1).argmax()] = each
    flooded = segmentation.watershed(
        -deep, middles, connectivity=np.ones((3,) * len(shape)), mask=classes > 0
    )
    assert found.max() > cc3d.connected_components(classes).max()
    assert (found != flooded).sum() < 0.005 * classes.sum()


def run(folder: Path, labels: Path, **given) -> ObjectsResult:
    return finish(
        objects(ObjectsConfig.create({"labels": labels, "out": folder / "o.ome.zarr", **given}))
    )


def voxels(folder: Path) -> np.ndarray:
    return open_output(folder / "o.ome.zarr")[0][:]


def agreement(found: np.ndarray, ids: np.ndarray) -> float:
    """Least share of a drawn object that one found object covers."""
    each = [np.bincount(found[ids == i].astype(int)) / (ids == i).sum() for i in np.unique(ids)[1:]]
    return min(shares.max() for shares in each)


@pytest.mark.parametrize("shape", [(90, 100), (20, 36, 40)])
def test_a_map_with_shapes_gives_the_objects_it_was_drawn_from(tmp_path, shape) -> None:
    ids = drawn_balls(shape, 25, 9.0)
    store = write_map(tmp_path / "map.ome.zarr", ids)
    made = run(tmp_path, store, block=(16,) * len(shape))
    assert cc3d.connected_components(ids > 0).max() < made.objects == len(np.unique(ids)) - 1
    assert agreement(voxels(tmp_path), ids) > 0.9
    assert made.cut > 0
    assert made.blocks > 4
    rows = list(csv.DictReader((tmp_path / "o_objects.csv").open()))
    assert {round(float(row["confidence"]), 2) for row in rows} == {0.9}
    assert run(tmp_path, store, block=(16,) * len(shape), split=0, overwrite=True).objects == (
        cc3d.connected_components(ids > 0, connectivity=8 if len(shape) == 2 else 26).max()
    )


def test_blobs_of_one_class_that_touch_are_cut_by_their_distance_to_the_border(tmp_path) -> None:
    ids = drawn_balls((120, 130), 20, 12.0)
    np.save(tmp_path / "labels.npy", (ids > 0).astype(np.uint8))
    how = {"axes": "yx", "spacing": (0.5, 0.5), "unit": "um"}
    assert run(tmp_path, tmp_path / "labels.npy", **how).split == 0
    made = run(tmp_path, tmp_path / "labels.npy", split=0.8, overwrite=True, block=(32, 48), **how)
    assert made.objects == len(np.unique(ids)) - 1
    found = voxels(tmp_path)
    assert agreement(found, ids) > 0.85
    whole = run(tmp_path, tmp_path / "labels.npy", split=0.8, overwrite=True, **how)
    np.testing.assert_array_equal(voxels(tmp_path), found)
    assert (whole.blocks, whole.cut, whole.doubtful) == (1, made.cut, made.doubtful)


def test_objects_of_a_network_without_distance_are_cut_at_its_boundaries(tmp_path) -> None:
    ids = np.zeros((12, 40), np.int64)
    ids[1:11, 1:20], ids[1:11, 20:39] = 1, 2
    store = write_map(tmp_path / "map.ome.zarr", ids, shapes=("boundary",))
    assert run(tmp_path, store).objects == 2
    assert run(tmp_path, store, boundary=0.0, overwrite=True).objects == 1


def test_doubtful_necks_are_a_table_of_points_in_the_unit_of_the_image(tmp_path) -> None:
    plane = np.zeros((30, 60), np.uint8)
    plane[5:25, 4:24] = plane[5:25, 36:56] = 1  # two squares, ten voxels deep
    plane[10:20, 24:36] = 1  # a neck of half that
    np.save(tmp_path / "labels.npy", plane)
    how = {"axes": "yx", "spacing": (2.0, 2.0), "block": (15, 30)}
    made = run(tmp_path, tmp_path / "labels.npy", split=0.55, **how)
    assert (made.objects, made.cut, made.doubtful) == (2, 1, 1)
    assert f"1 neck cut, 1 doubtful: {tmp_path / 'o_doubtful.csv'}" in made.render()
    (row,) = csv.DictReader((tmp_path / "o_doubtful.csv").open())
    assert (row["first"], row["second"], row["cut"]) == ("1", "2", "True")
    assert float(row["neck"]) == pytest.approx(0.5, abs=0.02)
    assert 18 <= float(row["axis-0"]) <= 40
    assert 44 <= float(row["axis-1"]) <= 74
    made = run(tmp_path, tmp_path / "labels.npy", split=0.45, overwrite=True, **how)
    assert (made.objects, made.cut, made.doubtful) == (1, 0, 1)
    made = run(tmp_path, tmp_path / "labels.npy", split=0.9, overwrite=True, **how)
    assert (made.objects, made.doubtful) == (2, 0)


@pytest.mark.parametrize(("value", "count"), [(0, 0), (1, 1)])
def test_an_empty_volume_has_no_object_and_a_full_one_is_not_cut(tmp_path, value, count) -> None:
    np.save(tmp_path / "labels.npy", np.full((9, 9, 9), value, np.uint8))
    made = run(tmp_path, tmp_path / "labels.npy", axes="zyx", block=(4, 4, 4), split=1)
    assert (made.objects, made.seams, made.cut) == (count, count, 0)


def test_an_even_snake_through_fifty_blocks_stays_one_object(tmp_path) -> None:
    plane = np.zeros((203, 19), np.uint8)
    for row in range(1, 200, 8):
        plane[row : row + 3, 1:18] = 1
        side = slice(15, 18) if row % 16 == 1 else slice(1, 4)
        plane[row : row + 11, side] = 1
    np.save(tmp_path / "labels.npy", plane[:202])
    made = run(tmp_path, tmp_path / "labels.npy", axes="yx", block=(8, 8), split=0.7)
    assert (made.objects, made.seams, made.merged) == (1, 1, 1)
    assert made.blocks > 50


def test_objects_that_touch_only_at_a_corner_are_cut_there(tmp_path) -> None:
    plane = np.zeros((20, 20), np.uint8)
    plane[2:10, 2:10] = plane[10:18, 10:18] = 1
    np.save(tmp_path / "labels.npy", plane)
    for block in ((10, 10), (20, 20)):
        how = {"axes": "yx", "block": block, "overwrite": True}
        assert run(tmp_path, tmp_path / "labels.npy", **how).objects == 1
        assert run(tmp_path, tmp_path / "labels.npy", split=0.5, **how).objects == 2


def test_several_processes_write_the_same_bytes(tmp_path) -> None:
    store = write_map(tmp_path / "map.ome.zarr", drawn_balls((60, 70), 14, 8.0))
    alone = run(tmp_path, store, block=(16, 16))
    wanted, necks = files_of(tmp_path / "o.ome.zarr"), (tmp_path / "o_doubtful.csv").read_text()
    shared = run(tmp_path, store, block=(16, 16), out=tmp_path / "p.ome.zarr", workers=2)
    assert files_of(tmp_path / "p.ome.zarr") == wanted
    assert (tmp_path / "p_doubtful.csv").read_text() == necks
    assert shared.facts() == alone.facts()


def test_what_was_fitted_counts_unless_something_else_is_said(tmp_path) -> None:
    fitted = {"split": 0.3, "foreground": 0.4, "boundary": 0.0}
    ids = drawn_balls((40, 40), 4, 8.0)
    store = write_map(tmp_path / "map.ome.zarr", ids, objects=fitted, dtype=np.float32)
    made = run(tmp_path, store)
    assert made.settings == (
        "split 0.3, foreground 0.4, boundary 0 (as fitted to labels by ziggurat calibrate)"
    )
    assert (read_record(tmp_path / "o.ome.zarr") or {})["objects"]["settings"] == made.settings
    made = run(tmp_path, store, split=0.6, overwrite=True)
    assert made.settings.startswith("split 0.6, foreground 0.4, boundary 0 (split as given, all")


def test_a_foreground_that_is_less_likely_makes_larger_objects(tmp_path) -> None:
    ids = drawn_balls((40, 40), 4, 8.0)
    store = write_map(tmp_path / "map.ome.zarr", ids)
    run(tmp_path, store, foreground=0.04)
    assert voxels(tmp_path).all()  # 0.05 there, 0.9 in the objects
    assert run(tmp_path, store, foreground=0.95, overwrite=True).objects == 0


def test_what_makes_no_sense_is_refused_in_a_sentence(tmp_path) -> None:
    np.save(tmp_path / "ids.npy", np.full((4, 4), 300, np.uint16))
    for settings_given, said in (
        ({"split": 0.5}, "holds the number 300.*Leave --split out, or say --task foreground"),
        ({"foreground": 0.5}, "--foreground is a probability"),
        ({"boundary": 0.5}, "--boundary is for maps with a channel of boundaries"),
        ({"split": 1.5}, "--split"),
    ):
        with pytest.raises(InputError, match=said):
            run(tmp_path, tmp_path / "ids.npy", axes="yx", **settings_given)
    made = run(tmp_path, tmp_path / "ids.npy", axes="yx", split=0.5, task="foreground",
               overwrite=True)  # fmt: skip
    assert made.objects == 1


def test_a_block_that_fails_is_tried_three_times_and_the_rest_is_done(
    tmp_path, monkeypatch
) -> None:
    np.save(tmp_path / "labels.npy", np.ones((8, 8), np.uint8))
    find, tries = parting.Parting.find, []

    def breaks(self, ground):
        if ground.box.start == (4, 0) and len(tries) < 3:
            tries.append(1)
            raise ArithmeticError("a bit fell over")
        return find(self, ground)

    monkeypatch.setattr(parting.Parting, "find", breaks)
    how = {"axes": "yx", "block": (4, 4), "split": 0.5}
    with pytest.raises(WorkFailed, match=r"1 block of 4 failed 3 times.*a bit fell over") as error:
        run(tmp_path, tmp_path / "labels.npy", **how)
    assert error.value.exit_code == 1
    tries[:] = [1]  # fails twice, then not any more
    assert run(tmp_path, tmp_path / "labels.npy", **how).objects == 1


def _dies(settings: ObjectsConfig) -> None:
    def dies(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    Work._number = dies  # after basins were joined
    finish(objects(settings))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_run_that_is_killed_after_joining_goes_on_to_the_same_bytes(tmp_path) -> None:
    np.save(tmp_path / "labels.npy", (drawn_balls((40, 50), 9, 8.0) > 0).astype(np.uint8))
    how = {"labels": tmp_path / "labels.npy", "axes": "yx", "block": (16, 16), "split": 0.8}
    calm = finish(objects(ObjectsConfig.create({**how, "out": tmp_path / "c.ome.zarr"})))
    given = ObjectsConfig.create({**how, "out": tmp_path / "o.ome.zarr"})
    server = multiprocessing.get_context("spawn" if sys.platform == "darwin" else "fork")
    process = server.Process(target=_dies, args=(given,))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    with pytest.raises(ExistsError, match="different split"):
        finish(objects(given.model_copy(update={"split": 0.6})))
    again = finish(objects(given))
    assert files_of(tmp_path / "o.ome.zarr") == files_of(tmp_path / "c.ome.zarr")
    assert again.facts() == calm.facts()
    doubtful = (tmp_path / "o_doubtful.csv").read_text()
    assert doubtful == (tmp_path / "c_doubtful.csv").read_text()


@pytest.mark.slow
def test_real_nuclei_are_cut_alike_in_blocks_and_at_once(tmp_path, shared_data) -> None:
    truth = shared_data / "organoid_nuclei_3d" / "val" / "labels" / "EGFP_d4_flt32_18.ome.tif"
    how = {"spacing": (8.0, 1.0, 1.0), "split": 0.8, "task": "foreground", "overwrite": True}
    made = run(tmp_path, truth, block=(8, 64, 64), **how)
    found = voxels(tmp_path)
    assert made.blocks > 8
    whole = run(tmp_path, truth, **how)
    np.testing.assert_array_equal(voxels(tmp_path), found)
    assert (whole.objects, whole.cut, whole.doubtful) == (made.objects, made.cut, made.doubtful)
    assert whole.objects > run(tmp_path, truth, **{**how, "split": 0}).objects
