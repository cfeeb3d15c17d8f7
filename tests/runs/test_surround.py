"""Networks that see the surroundings of their windows, from training to a finished output."""

import multiprocessing
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dying import run_and_die
from interrupting import stop_after
from models import tiny_model
from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Axes, Box, Spacing, mirrored
from napari_ziggurat.images import Image, OutputGrid, create_output, image_from_array, open_image
from napari_ziggurat.images.coarser import averaged
from napari_ziggurat.images.pyramid import fill_coarser
from napari_ziggurat.networks import GateLevel, Model, load_model, save_model
from napari_ziggurat.networks.norms import reestimate_statistics
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import ExplainConfig, SearchConfig, SegmentConfig, TrainConfig
from napari_ziggurat.runs.explain import explain
from napari_ziggurat.runs.plan.options import SegmentOptions
from napari_ziggurat.runs.predict import predict_box
from napari_ziggurat.runs.search import search
from napari_ziggurat.runs.segment import segment, segment_image
from napari_ziggurat.runs.session import Session
from napari_ziggurat.runs.train import train
from pyramids import seen
from stores import files_of

RNG = np.random.default_rng(0)
PLANE = RNG.integers(0, 255, (150, 203), dtype=np.uint8)
VOLUME = RNG.integers(0, 255, (9, 40, 50), dtype=np.uint8)
EXACT = SegmentOptions(probabilities=True, precision="float32", device="cpu")


def model(axes: str = "yx", name: str = "hooknet", **changes: object) -> Model:
    """A network with surroundings and many windows in the arrays above."""
    sizes = {"window": (32,) * len(axes), "rim": (8,) * len(axes)}
    return tiny_model(axes, name=name, features=(4, 6, 8), **sizes | changes)


def probabilities(out: Path) -> NDArray[np.float32]:
    store = open_image(out.with_name(out.name.replace(".ome.zarr", "_probabilities.ome.zarr")))
    return store.read(0, Box.whole(store.levels[0].shape))


def run(image: Image, out: Path, used: Model, options: SegmentOptions = EXACT) -> Path:
    finish(segment_image(image, used, options, out))
    return out


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), blend=st.booleans())
def test_the_result_is_the_same_for_every_partition(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, blend: bool
) -> None:
    folder, image = tmp_path_factory.mktemp("cut"), image_from_array(PLANE, axes="yx")
    block = tuple(data.draw(st.integers(20, n)) for n in PLANE.shape)
    whole = replace(EXACT, blend=blend, block=PLANE.shape, threads=1)
    cut = replace(EXACT, blend=blend, block=block, threads=data.draw(st.integers(1, 3)))
    found = [
        run(image, folder / f"{name}.ome.zarr", model(), options)
        for name, options in (("whole", whole), ("cut", cut))
    ]
    assert np.array_equal(*map(probabilities, found))


@torch.no_grad()
def test_cells_and_windows_give_what_one_pass_over_the_whole_gives(tmp_path: Path) -> None:
    plane = RNG.integers(0, 255, (300, 420), dtype=np.uint8)
    used = model(window=(128, 128), rim=(32, 32))
    statistics = [seen(used.network, torch.randn(2, 1, 64, 64)) for _ in range(4)]
    reestimate_statistics(used.network, statistics)
    found = probabilities(run(image_from_array(plane, axes="yx"), tmp_path / "o.ome.zarr", used))
    network, rim = used.network.eval(), 32
    coarse = averaged(plane, (4, 4))
    around = coarse[np.ix_(*(mirrored(range(-rim, n + rim + 3), n) for n in coarse.shape))]

    def tensor(voxels: NDArray[np.uint8]) -> torch.Tensor:
        return torch.from_numpy(used.spec.intensity.apply(voxels[None]))[None]

    hook = network.surround(tensor(around))[..., rim : rim + 75, rim : rim + 105]
    expected = network(tensor(plane), hook=hook)[0].softmax(dim=0).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_every_cell_of_the_surroundings_is_computed_once(tmp_path: Path) -> None:
    image, options = image_from_array(PLANE, axes="yx"), replace(EXACT, threads=2)
    with Session(model(), options) as session:
        plan = session.plan(image)
        words, wanted = plan.render(), plan.surround_windows
        reader = session.reader(
            lambda box: image.read(0, box), session.intensity(image, 0, 0),
            session.surroundings(plan),
        )  # fmt: skip
        before = session.predictor.surround_forwards
        pieces = list(session.cells(plan).predict(plan.region, reader))
        assert session.predictor.surround_forwards - before == wanted
        assert len(pieces) == plan.windows > 4 * wanted
    assert "Surroundings: 4 x 4 voxels in one, the means of voxels of level 0" in words
    assert f"{wanted} windows of 32 x 32, whose features are kept" in words


@pytest.mark.parametrize(("axes", "array"), [("zyx", VOLUME), ("yx", VOLUME)])
def test_volumes_and_their_planes_one_by_one(
    axes: str, array: NDArray[np.uint8], tmp_path: Path
) -> None:
    image = image_from_array(array, axes="zyx")
    if axes == "zyx":
        used = model("zyx", name="hook_residual_unet", window=(8, 32, 32), rim=(0, 8, 8))
    else:
        plane = model()
        values = plane.spec.model_dump() | {
            "axes": "zyx", "spacing": (1.0,) * 3, "window": (1, 32, 32), "rim": (0, 8, 8),
        }  # fmt: skip
        used = Model(type(plane.spec).model_validate(values), plane.network)
    one = run(image, tmp_path / "one.ome.zarr", used, replace(EXACT, threads=1))
    cut = run(image, tmp_path / "cut.ome.zarr", used, replace(EXACT, threads=2, block=(4, 16, 16)))
    assert np.array_equal(probabilities(one), probabilities(cut))
    box = Box((2, 8, 10), (7, 30, 41))
    labels = finish(predict_box(image, used, 0, box, device="cpu"))
    with_defaults = run(image, tmp_path / "d.ome.zarr", used, SegmentOptions(device="cpu"))
    whole = open_image(with_defaults)
    assert np.array_equal(labels, whole.read(0, box)[0])


def test_each_time_point_has_surroundings_of_its_own(tmp_path: Path) -> None:
    both = np.stack([PLANE, PLANE[::-1]])
    run(image_from_array(both, axes="tyx"), tmp_path / "times.ome.zarr", model())
    found = open_image(tmp_path / "times_probabilities.ome.zarr")
    for time, plane in enumerate(both):
        image = image_from_array(plane, axes="yx")
        alone = run(image, tmp_path / f"{time}.ome.zarr", model())
        assert np.array_equal(found.read(0, Box.whole(PLANE.shape), time), probabilities(alone))


@pytest.fixture
def config(tmp_path: Path) -> SegmentConfig:
    """Blocks of a few windows, two levels, probabilities."""
    save_model(model(), tmp_path / "model")
    tall = np.random.default_rng(0).integers(0, 255, (560, 96), dtype=np.uint8)
    np.save(tmp_path / "plane.npy", tall)
    return SegmentConfig(
        image=tmp_path / "plane.npy", model=tmp_path / "model", out=tmp_path / "out.ome.zarr",
        block=(48, 48), probabilities=True, device="cpu", threads=1,
    )  # fmt: skip


@pytest.fixture
def calm(config: SegmentConfig, tmp_path: Path) -> dict[str, str]:
    """Files of a run by one process."""
    calm = config.model_copy(update={"out": tmp_path / "calm.ome.zarr", "threads": 2})
    finish(segment(calm))
    return files_of(calm.out)


def test_an_interrupted_run_ends_with_the_bytes_of_a_calm_one(
    config: SegmentConfig, calm: dict[str, str]
) -> None:
    stop_after(segment(config), config.out, 5)
    stop_after(segment(config), config.out, 11)
    finish(segment(config))
    assert files_of(config.out) == calm


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_run_that_is_killed_ends_with_the_bytes_of_a_calm_one(
    config: SegmentConfig, calm: dict[str, str]
) -> None:
    process = multiprocessing.get_context("spawn").Process(
        target=run_and_die, args=(config, "before the journal", 4)
    )
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    finish(segment(config))
    assert files_of(config.out) == calm


@pytest.mark.slow
def test_several_processes_and_parts_write_the_same_files(
    config: SegmentConfig, calm: dict[str, str]
) -> None:
    finish(segment(config.model_copy(update={"workers": 2})))
    assert files_of(config.out) == calm
    part = config.model_copy(update={"out": config.out.with_name("part.ome.zarr"), "part": "0/1"})
    finish(segment(part))
    assert files_of(part.out) == calm


def stored(folder: Path, levels: int, voxels: NDArray[np.uint8] | None = None) -> Image:
    """Write an image with a pyramid of halves; where it is zero nothing is stored."""
    voxels = PLANE if voxels is None else voxels
    grid = OutputGrid(
        Axes("yx"), voxels.shape, np.dtype(np.uint8), Spacing((1.0, 1.0)), (0.0, 0.0), (16, 16),
        (16, 16), downsamplings=tuple((2**n,) * 2 for n in range(1, levels)),
    )  # fmt: skip
    path = folder / f"{levels}.ome.zarr"
    create_output(path, grid, kind="image")[0][...] = voxels
    for _ in fill_coarser(path, "image"):
        pass
    return open_image(path)


def test_a_stored_level_is_read_and_said_and_decides_the_run(tmp_path: Path) -> None:
    one, three = stored(tmp_path, 1), stored(tmp_path, 3)
    with Session(model(), EXACT) as session:
        plans = [session.outline(image) for image in (one, three)]
        assert "level 2 of the image" in plans[1].render()
        assert [plan.as_dict()["surroundings"]["level"] for plan in plans] == [None, 2]
        first, second = (session.fingerprint(plan).parts for plan in plans)
        assert first["surroundings"]["level"] is None
        assert second["surroundings"] | {"content": 0} != first["surroundings"] | {"content": 0}
        assert plans[1].read_regions[1] == (2, Box((0, 0), (38, 51)))
    with Session(tiny_model(), EXACT) as session:
        plan = session.outline(one)
        assert "surroundings" not in session.fingerprint(plan).parts
        assert "surroundings" not in plan.as_dict()


def test_memory_and_time_of_the_surroundings_are_in_the_plan() -> None:
    image = image_from_array(np.zeros((4000, 4000), np.uint8), axes="yx")
    costs = []
    for used in (model(), model(name="unet")):
        with Session(used, replace(EXACT, threads=1)) as session:
            costs.append(session.plan(image, probe=True).cost)
    assert costs[0].memory > costs[1].memory
    assert costs[0].seconds > 0


def test_gaps_give_the_bits_of_an_image_that_is_stored_whole(tmp_path: Path) -> None:
    voxels = np.zeros((160, 208), np.uint8)
    voxels[10:50, 20:70] = PLANE[:40, :50]
    gaps = stored(tmp_path, 1, voxels)
    whole = run(image_from_array(voxels, axes="yx"), tmp_path / "whole.ome.zarr", model())
    labels = replace(EXACT, probabilities=False, block=(32, 32))
    some = run(gaps, tmp_path / "gaps.ome.zarr", model(), labels)
    assert np.array_equal(
        *(open_image(out).read(0, Box.whole(voxels.shape)) for out in (whole, some))
    )


def test_levels_scales_and_a_gate_work_with_surroundings(tmp_path: Path) -> None:
    image = stored(tmp_path, 2)
    cut, whole = (
        run(image, tmp_path / f"{n}.ome.zarr", model(), replace(EXACT, levels=(0, 1), **more))
        for n, more in enumerate(({"block": (32, 64), "threads": 2}, {"threads": 1}))
    )
    assert np.array_equal(probabilities(cut), probabilities(whole))
    scales = run(image, tmp_path / "s.ome.zarr", model(), replace(EXACT, all_scales=True))
    plain = run(image, tmp_path / "p.ome.zarr", model())
    np.testing.assert_allclose(probabilities(scales), probabilities(plain), atol=1e-5)
    record = GateLevel(
        spacing=(2.0, 2.0), radius=1, foreground=100, kept=0.1, thresholds=((0.999, 0.5),)
    )
    gated = model(gate=(record,))
    options = replace(EXACT, probabilities=False, gate="auto", level=0)
    found = open_image(run(image, tmp_path / "g.ome.zarr", gated, options))
    dense = open_image(plain)
    labels, expected = (each.read(0, Box.whole(PLANE.shape))[0] for each in (found, dense))
    assert np.array_equal(labels[labels > 0], expected[labels > 0])


def test_what_cannot_see_surroundings_is_refused(tmp_path: Path) -> None:
    image = image_from_array(PLANE, axes="yx")
    with pytest.raises(InputError, match="--augment flips changes windows, and network 'hooknet'"):
        run(image, tmp_path / "o.ome.zarr", model(), replace(EXACT, augment=("flips",)))
    with pytest.raises(InputError, match="'hook_unetpp' cannot be pruned"):
        run(image, tmp_path / "o.ome.zarr", model(name="hook_unetpp"), replace(EXACT, depth=1))
    np.save(tmp_path / "image.npy", PLANE)
    save_model(model(), tmp_path / "model")
    told = ExplainConfig(
        model=tmp_path / "model", image=tmp_path / "image.npy", out=tmp_path / "explained"
    )
    with pytest.raises(InputError, match="'ziggurat explain' shows what a network makes of one"):
        finish(explain(told))
    (tmp_path / "net.yaml").write_text("preset: nas_fpn\nsurround: {level: 1}\n")
    values = {
        "image": [tmp_path / "image.npy"], "labels": [tmp_path / "image.npy"],
        "network": str(tmp_path / "net.yaml"), "out": tmp_path / "found", "candidates": 1,
        "steps": 1,
    }  # fmt: skip
    with pytest.raises(InputError, match="Leave its surround out"):
        finish(search(SearchConfig.create(values)))


# ---- A task that needs the surroundings

CELL, FAR = 224, 96  # a patch is 32 voxels wide: what tells the classes apart is 3 of them away


def draw_discs(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw equal discs; those of class 2 have four squares far around them."""
    rng = np.random.default_rng(seed)
    image, labels = rng.normal(60, 6, (4 * CELL,) * 2), np.zeros((4 * CELL,) * 2, np.uint8)
    y, x = np.indices(labels.shape)
    for number, value in enumerate(rng.permutation([1, 2] * 8)):
        cy, cx = (CELL * n + CELL // 2 for n in divmod(number, 4))
        disc = (y - cy) ** 2 + (x - cx) ** 2 < 64
        labels[disc] = value
        image[disc] += 80
        for dy, dx in ((0, FAR), (0, -FAR), (FAR, 0), (-FAR, 0)) if value == 2 else ():
            image[cy + dy - 12 : cy + dy + 12, cx + dx - 12 : cx + dx + 12] += 80
    return np.clip(image, 0, 255).astype(np.uint8), labels


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Let PyTorch use one thread: steps so small are slower with several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_what_lies_far_away_is_learned_by_the_network_that_sees_it(tmp_path: Path) -> None:
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for seed in range(2):
        for name, array in zip(("images", "labels"), draw_discs(seed), strict=True):
            np.save(tmp_path / name / f"{seed}.npy", array)
    (tmp_path / "hook.yaml").write_text("preset: hooknet\nsurround: {level: 3}\n")
    image, labels = draw_discs(7)
    right = {}
    for network in ("unet", str(tmp_path / "hook.yaml")):
        values = {
            "image": [tmp_path / "images"], "labels": [tmp_path / "labels"], "network": network,
            "out": tmp_path / "model", "patch": (32, 32), "batch": 6, "features": 8, "steps": 110,
            "learning_rate": 4e-3, "deep_supervision": (1.0,), "device": "cpu", "overwrite": True,
        }  # fmt: skip
        result = finish(train(TrainConfig.create(values)))
        used = load_model(Path(result.model))
        whole = Box.whole(image.shape)
        found = finish(
            predict_box(image_from_array(image, axes="yx"), used, 0, whole, device="cpu")
        )
        discs = [float((found == labels)[labels == value].mean()) for value in (1, 2)]
        right[network] = float(np.mean(discs))
    plain, hooked = right.values()
    assert plain < 0.65
    assert hooked > 0.85


def test_a_short_training_is_validated_and_goes_on(tmp_path: Path) -> None:
    labels = (PLANE > 127).astype(np.uint8)
    np.save(tmp_path / "image.npy", PLANE)
    np.save(tmp_path / "labels.npy", labels)
    values = {
        "image": [tmp_path / "image.npy"], "labels": [tmp_path / "labels.npy"],
        "val_image": [tmp_path / "image.npy"], "val_labels": [tmp_path / "labels.npy"],
        "network": "hook_attention_unet", "out": tmp_path / "model", "patch": (32, 32),
        "batch": 2, "features": 4, "steps": 3, "device": "cpu", "equalize": "explicit",
    }  # fmt: skip
    result = finish(train(TrainConfig.create(values)))
    assert result.val_dice
    first = load_model(tmp_path / "model")
    reasons = " ".join(first.spec.training["reasons"])
    assert "surroundings of each patch, 4 x 4 voxels in one: means of what is trained on" in reasons
    more = values | {"from": tmp_path / "model", "out": tmp_path / "more", "steps": 2}
    for name in ("network", "features", "equalize"):
        del more[name]
    finish(train(TrainConfig.create(more)))
    assert load_model(tmp_path / "more").spec.network == first.spec.network
