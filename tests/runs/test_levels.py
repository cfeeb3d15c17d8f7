"""Levels: several levels of an image are segmented and fused on the grid of the finest."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from interrupting import finished_blocks, stop_after
from models import tiny_model
from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Axes, Box, Spacing
from napari_ziggurat.images import Image, OutputGrid, create_output, open_image
from napari_ziggurat.inference.fusing import fuse
from napari_ziggurat.networks import LevelWeights, Model, save_model
from napari_ziggurat.progress import Progress, finish
from napari_ziggurat.runs.config import SegmentConfig
from napari_ziggurat.runs.output.place import coarse_store
from napari_ziggurat.runs.plan.options import SegmentOptions
from napari_ziggurat.runs.segment import SegmentResult, segment, segment_image
from napari_ziggurat.runs.workers import fill as filling
from napari_ziggurat.runs.workers.crew import lease_folder
from napari_ziggurat.runs.workers.lease import Leases

FITTED = LevelWeights(
    ((1.0, 1.0), (2.0, 2.0), (4.0, 4.0)), ((0.5, 0.2, 0.6), (0.3, 0.5, 0.4), (0.2, 0.3, 0.0))
)
THREE = SegmentOptions(levels=(0, 1, 2), probabilities=True, precision="float32", threads=1)


def model(fitted: LevelWeights | None = FITTED) -> Model:
    """A network with many windows in the image below."""
    return tiny_model(window=(32, 32), rim=(8, 8), level_weights=fitted)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Three levels whose lengths are odd."""
    path = tmp_path_factory.mktemp("levels") / "image.ome.zarr"
    grid = OutputGrid(
        Axes("yx"), (75, 101), np.dtype(np.uint8), Spacing((1.0, 1.0)), (0.0, 0.0), (75, 101),
        (75, 101), downsamplings=((2, 2), (4, 4)),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    for array in create_output(path, grid, kind="image"):
        array[...] = rng.integers(0, 255, array.shape, dtype=np.uint8)
    return open_image(path)


def run(
    image: Image, out: Path, options: SegmentOptions = THREE, used: Model | None = None
) -> SegmentResult:
    return finish(segment_image(image, used or model(), options, out))


def config(image: Image, folder: Path, out: Path, **more: object) -> SegmentConfig:
    save_model(model(), folder / "model")
    values = {"image": image.source, "model": folder / "model", "out": out, "levels": "0,1,2"}
    return SegmentConfig.create(
        values | {"probabilities": True, "precision": "float32", "threads": 1} | more
    )


def voxels(path: Path) -> np.ndarray:
    return np.asarray(open_image(path).arrays[0][...])


def probabilities(out: Path) -> np.ndarray:
    return voxels(out.with_name(f"{out.name[:-9]}_probabilities.ome.zarr"))


def same(one: Path, other: Path) -> bool:
    return all(np.array_equal(read(one), read(other)) for read in (voxels, probabilities))


def test_the_result_is_the_weighted_sum_of_what_the_levels_say(
    image: Image, tmp_path: Path
) -> None:
    run(image, tmp_path / "a.ome.zarr")
    alone = []
    for level in range(3):
        options = replace(THREE, levels=(), level=level, probability_type="float32")
        run(image, tmp_path / f"{level}.ome.zarr", options)
        found = probabilities(tmp_path / f"{level}.ome.zarr")
        upsampling = image.levels[0].upsampling(image.levels[level])
        alone.append(upsampling(found, (0, 0), Box.whole(image.levels[0].shape)))
    expected = fuse(alone, FITTED.weights)
    # Coarser levels are kept with half the precision.
    np.testing.assert_allclose(probabilities(tmp_path / "a.ome.zarr"), expected, atol=1e-3)
    labels = np.array([0, 1, 5])[probabilities(tmp_path / "a.ome.zarr").argmax(axis=0)]
    assert np.array_equal(voxels(tmp_path / "a.ome.zarr"), labels)
    assert not np.array_equal(labels, voxels(tmp_path / "0.ome.zarr"))


def test_fused_probabilities_sum_to_one(image: Image, tmp_path: Path) -> None:
    run(image, tmp_path / "a.ome.zarr")
    np.testing.assert_allclose(probabilities(tmp_path / "a.ome.zarr").sum(axis=0), 1, atol=1e-6)


@pytest.mark.parametrize("blend", [False, True])
def test_the_result_does_not_depend_on_how_the_image_is_cut(
    blend: bool, image: Image, tmp_path: Path
) -> None:
    options = replace(THREE, blend=blend)
    run(image, tmp_path / "a.ome.zarr", options)
    run(image, tmp_path / "b.ome.zarr", replace(options, block=(1, 1), threads=2, version="0.4"))
    assert same(tmp_path / "a.ome.zarr", tmp_path / "b.ome.zarr")


def slicewise() -> Model:
    """A network over the planes of a volume."""
    flat = tiny_model()
    changes = {"axes": "zyx", "spacing": (9.0, 1.0, 1.0), "window": (1, 32, 32), "rim": (0, 8, 8)}
    return Model(flat.spec.model_copy(update=changes), flat.network)


def stack(axes: str, folder: Path) -> Image:
    """Two levels of a volume with thick sections, or of a movie."""
    dims, shape = len(axes.strip("t")), (3, 40, 50)
    grid = OutputGrid(
        Axes(axes), shape, np.dtype(np.uint8), Spacing((4.0, 1.0, 1.0)[-dims:]), (0.0,) * dims,
        (1, 40, 50), (1, 40, 50), downsamplings=((1, 2, 2)[-dims:],),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    for array in create_output(folder / "image.ome.zarr", grid, kind="image"):
        array[...] = rng.integers(0, 255, array.shape, dtype=np.uint8)
    return open_image(folder / "image.ome.zarr")


@pytest.mark.parametrize(
    ("axes", "used"),
    [
        ("zyx", tiny_model("zyx", window=(32,) * 3, rim=(8,) * 3)),
        ("zyx", slicewise()),
        ("tyx", model(None)),
    ],
    ids=["volume", "sections", "movie"],
)
def test_volumes_and_movies_do_not_depend_on_it_either(
    axes: str, used: Model, tmp_path: Path
) -> None:
    image, options = stack(axes, tmp_path), replace(THREE, levels=(0, 1))
    run(image, tmp_path / "a.ome.zarr", options, used)
    small = replace(options, block=(1,) * image.dims, threads=2)
    run(image, tmp_path / "b.ome.zarr", small, used)
    assert same(tmp_path / "a.ome.zarr", tmp_path / "b.ome.zarr")
    fused, fine = probabilities(tmp_path / "a.ome.zarr"), replace(options, levels=(), level=0)
    run(image, tmp_path / "c.ome.zarr", fine, used)
    assert not np.allclose(fused, probabilities(tmp_path / "c.ome.zarr"), atol=0.01)


def test_a_box_gives_the_bits_of_the_whole(image: Image, tmp_path: Path) -> None:
    run(image, tmp_path / "a.ome.zarr")
    run(image, tmp_path / "b.ome.zarr", replace(THREE, box="13:60,27:98"))
    whole = probabilities(tmp_path / "a.ome.zarr")[:, 13:60, 27:98]
    assert np.array_equal(probabilities(tmp_path / "b.ome.zarr"), whole)


def _by_workers(given: Callable[..., SegmentConfig]) -> None:
    finish(segment(given(workers=2)))


def _by_parts(given: Callable[..., SegmentConfig]) -> None:
    runs = [segment(given(part=f"{i}/2")) for i in range(2)]
    # Both have begun before either goes on; then the second computes what the first leaves.
    for steps in itertools.zip_longest(*runs):
        assert steps


def _by_dask(given: Callable[..., SegmentConfig]) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.Client(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as client:
        finish(segment(given(), client))


@pytest.mark.parametrize("by", [_by_workers, _by_parts, _by_dask])
def test_several_processes_write_the_same_bytes(
    by: Callable[[Callable[..., SegmentConfig]], None], image: Image, tmp_path: Path
) -> None:
    run(image, tmp_path / "a.ome.zarr", replace(THREE, block=(1, 1)))
    out = tmp_path / "b.ome.zarr"
    by(lambda **who: config(image, tmp_path, out, block="1,1", **who))
    assert same(tmp_path / "a.ome.zarr", out)
    assert not list(tmp_path.glob(".*"))


def test_a_part_waits_for_the_coarse_blocks_of_others(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "_LOOK", 0.01)
    run(image, tmp_path / "a.ome.zarr", replace(THREE, block=(1, 1)))
    out = tmp_path / "b.ome.zarr"
    steps = segment(config(image, tmp_path, out, block="1,1", part="0/2"))
    with Leases(lease_folder(coarse_store(out, 1))) as other:
        assert other.take("0")
        last = [next(steps)]
        while len(last) < 50:  # until nothing has happened for a while
            step = next(steps)
            last = [*last, step] if step == last[-1] else [step]
        assert finished_blocks(coarse_store(out, 1)) > 0
        assert finished_blocks(out) == 0
    finish(steps)  # type: ignore[arg-type]
    assert same(tmp_path / "a.ome.zarr", out)


def test_an_interrupted_run_goes_on_in_whichever_level_it_was(image: Image, tmp_path: Path) -> None:
    options = replace(THREE, block=(1, 1))
    run(image, tmp_path / "a.ome.zarr", options)
    out = tmp_path / "b.ome.zarr"
    levels = tmp_path / ".b.ome.zarr.levels"
    for store, blocks in ((levels / "2.ome.zarr", 1), (levels / "1.ome.zarr", 3), (out, 4)):
        stop_after(segment_image(image, model(), options, out), store, blocks)
    assert finished_blocks(levels / "1.ome.zarr") > 3
    run(image, out, options)
    assert same(tmp_path / "a.ome.zarr", out)
    assert not levels.exists()


def test_a_changed_block_is_done_anew_although_the_coarser_levels_are_gone(
    image: Image, tmp_path: Path
) -> None:
    options = replace(THREE, block=(1, 1))
    run(image, tmp_path / "a.ome.zarr", options)
    run(image, tmp_path / "b.ome.zarr", options)
    shard = next(p for p in (tmp_path / "b.ome.zarr" / "0" / "c").rglob("*") if p.is_file())
    shard.unlink()
    run(image, tmp_path / "b.ome.zarr", replace(options, verify=True))
    assert same(tmp_path / "a.ome.zarr", tmp_path / "b.ome.zarr")


def test_the_plan_and_the_progress_count_the_windows_of_all_levels(
    image: Image, tmp_path: Path
) -> None:
    steps: list[Progress] = list(segment_image(image, model(), THREE, tmp_path / "a.ome.zarr"))
    plan = next(step.message for step in steps if step.stage == "plan")
    assert "level 1 (12 windows), level 2 (1 windows) first, then level 0 (35 windows)" in plan
    assert "weights that were fitted" in plan
    segmented = [step for step in steps if step.stage == "segment"]
    assert {step.total for step in segmented} == {48}
    assert [step.done for step in segmented] == sorted(step.done for step in segmented)
    assert (segmented[0].done, segmented[-1].done) == (0, 48)


def test_without_fitted_weights_levels_count_the_same_and_the_plan_says_so(
    image: Image, tmp_path: Path
) -> None:
    plain = run(image, tmp_path / "a.ome.zarr", used=model(None)).plans
    assert "all count the same ('ziggurat calibrate'" in str(plain)
    even = LevelWeights(FITTED.downsampling, ((1 / 3,) * 3,) * 3)
    run(image, tmp_path / "b.ome.zarr", used=model(even))
    assert same(tmp_path / "a.ome.zarr", tmp_path / "b.ome.zarr")


def test_weights_belong_to_the_size_of_a_level_and_not_to_its_number(
    image: Image, tmp_path: Path
) -> None:
    for levels in ((0, 1), (1, 2)):
        plans = run(image, tmp_path / f"{levels}.ome.zarr", replace(THREE, levels=levels)).plans
        (plan,) = plans.values()
        assert plan["level_weights"] == [list(row) for row in FITTED.weights[:2]]
        assert "fitted for 3 levels together" in str(plan["words"])


def test_a_level_without_weights_is_refused(image: Image, tmp_path: Path) -> None:
    two = LevelWeights(FITTED.downsampling[:2], FITTED.weights[:2])
    with pytest.raises(InputError, match=r"no weights for a level that is 4\.?\d* x .*calibrate"):
        run(image, tmp_path / "a.ome.zarr", used=model(two))
    assert not list(tmp_path.iterdir())


def test_a_level_that_does_not_exist_is_refused(image: Image, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no level 3"):
        run(image, tmp_path / "a.ome.zarr", replace(THREE, levels=(0, 3)), model(None))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"level": 1}, "or --level"),
        ({"all_scales": True}, "--all-scales"),
        ({"levels": "1"}, "For one level say --level"),
        ({"levels": "1,1"}, "named once"),
    ],
)
def test_settings_that_contradict_levels_are_refused(more: dict[str, object], words: str) -> None:
    values = {"image": "a", "model": "b", "out": "c", "levels": "0,1"}
    with pytest.raises(InputError, match=words):
        SegmentConfig.create(values | more)


def test_weights_change_no_run_that_does_not_use_them(image: Image, tmp_path: Path) -> None:
    ordinary = replace(THREE, levels=())
    run(image, tmp_path / "a.ome.zarr", ordinary, model(None))
    steps = list(segment_image(image, model(), ordinary, tmp_path / "a.ome.zarr"))
    assert "complete already" in steps[-1].message


def test_a_model_says_nothing_of_weights_that_it_does_not_have(tmp_path: Path) -> None:
    save_model(model(None), tmp_path)
    assert "level_weights" not in (tmp_path / "model.json").read_text()
