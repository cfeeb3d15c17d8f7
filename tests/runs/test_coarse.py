"""Coarse pass: a run of its own beside the output, read at the voxels of a finer level."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interrupting import finished_blocks, stop_after
from models import tiny_model
from napari_ziggurat.geometry import Axes, Box, Spacing
from napari_ziggurat.images import Image, OutputGrid, create_output, open_image
from napari_ziggurat.progress import Progress, Run, finish
from napari_ziggurat.runs.output.coarse_probabilities import CoarseProbabilities
from napari_ziggurat.runs.output.output import Output
from napari_ziggurat.runs.output.place import coarse_store
from napari_ziggurat.runs.plan.decide import with_coarse
from napari_ziggurat.runs.plan.options import SegmentOptions
from napari_ziggurat.runs.plan.plan import SegmentPlan
from napari_ziggurat.runs.segment import segment_image
from napari_ziggurat.runs.segment.coarse import coarse_pass
from napari_ziggurat.runs.session import Session
from napari_ziggurat.runs.workers.crew import Crew

RNG = np.random.default_rng(0)
MODEL = tiny_model("zyx", window=(24, 24, 24), rim=(8, 8, 8))
SMALL = SegmentOptions(level=0, precision="float32", threads=1, block=(1, 1, 1))


def pyramid(folder: Path) -> Image:
    """Two levels of a volume; z is as fine in both."""
    grid = OutputGrid(
        Axes("zyx"), (20, 60, 50), np.dtype(np.uint8), Spacing((4.0, 1.0, 1.0)), (0.0, 0.0, 0.0),
        (20, 30, 50), (20, 60, 50), downsamplings=((1, 2, 2),),
    )  # fmt: skip
    for array in create_output(folder / "image.ome.zarr", grid, kind="image"):
        array[...] = RNG.integers(0, 255, array.shape, dtype=np.uint8)
    return open_image(folder / "image.ome.zarr")


def planned(session: Session, image: Image) -> SegmentPlan:
    plan = session.plan(image)
    return with_coarse(plan, (1,), session.options)


def passed(session: Session, plan: SegmentPlan, out: Path) -> Run[Output]:
    return coarse_pass(plan.coarse[0], session, coarse_store(out, 1), Crew())


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[CoarseProbabilities, np.ndarray]:
    """A finished pass, and what it gives for the whole fine level."""
    folder = tmp_path_factory.mktemp("coarse")
    with Session(MODEL, SMALL) as session:
        plan = planned(session, pyramid(folder))
        finish(passed(session, plan, folder / "a.ome.zarr"))
    store = coarse_store(folder / "a.ome.zarr", 1)
    coarse = CoarseProbabilities.of(plan.coarse[0], store, 0)
    return coarse, coarse.read(Box.whole((20, 60, 50)))


def test_it_is_the_ordinary_run_of_its_level(tmp_path: Path) -> None:
    image, out = pyramid(tmp_path), tmp_path / "a.ome.zarr"
    with Session(MODEL, SMALL) as session:
        finish(passed(session, planned(session, image), out))
    ordinary = SegmentOptions(
        level=1, precision="float32", probabilities=True, probability_type="float16"
    )
    finish(segment_image(image, MODEL, ordinary, tmp_path / "b.ome.zarr"))
    ours, theirs = (
        np.asarray(open_image(path).arrays[0][...])
        for path in (
            tmp_path / ".a.ome.zarr.levels" / "1_probabilities.ome.zarr",
            tmp_path / "b_probabilities.ome.zarr",
        )
    )
    assert np.array_equal(ours, theirs)


@settings(max_examples=25)
@given(st.tuples(*(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)) for n in (20, 60, 50))))
def test_any_box_has_the_bits_of_the_whole(
    found: tuple[CoarseProbabilities, np.ndarray], edges: tuple[tuple[int, int], ...]
) -> None:
    coarse, whole = found
    box = Box(tuple(min(pair) for pair in edges), tuple(max(pair) + 1 for pair in edges))
    assert np.array_equal(coarse.read(box), whole[(slice(None), *box.slices)])


def test_a_box_of_the_run_gives_the_bits_of_the_whole(
    found: tuple[CoarseProbabilities, np.ndarray], tmp_path: Path
) -> None:
    box = Box((3, 17, 21), (11, 40, 48))
    image = open_image(found[0].store.parents[1] / "image.ome.zarr")
    with Session(MODEL, SegmentOptions(level=0, precision="float32", box=str(box))) as session:
        plan = planned(session, image)
        finish(passed(session, plan, tmp_path / "a.ome.zarr"))
    store = coarse_store(tmp_path / "a.ome.zarr", 1)
    part = CoarseProbabilities.of(plan.coarse[0], store, 0).read(box)
    assert np.array_equal(part, found[1][(slice(None), *box.slices)])
    assert plan.coarse[0].region == Box((3, 8, 10), (11, 21, 25))


def test_an_interrupted_pass_goes_on_with_what_it_has(tmp_path: Path) -> None:
    image, out = pyramid(tmp_path), tmp_path / "a.ome.zarr"
    store = coarse_store(out, 1)
    with Session(MODEL, SMALL) as session:
        stop_after(passed(session, planned(session, image), out), store, 2)
        forwards, done = session.predictor.forwards, finished_blocks(store)
        finish(passed(session, planned(session, image), out))
        windows = planned(session, image).coarse[0].windows
        assert session.predictor.forwards - forwards < windows
        assert finished_blocks(store) > done


def test_one_that_is_finished_is_kept_and_one_of_another_run_is_replaced(tmp_path: Path) -> None:
    image, out = pyramid(tmp_path), tmp_path / "a.ome.zarr"
    with Session(MODEL, SMALL) as session:
        plan = planned(session, image)
        finish(passed(session, plan, out))
        forwards = session.predictor.forwards
        finish(passed(session, plan, out))
        assert session.predictor.forwards == forwards
    other = tiny_model("zyx", window=(48, 48, 48), rim=(8, 8, 8))
    with Session(other, SMALL) as session:
        steps: list[Progress] = list(passed(session, planned(session, image), out))
        assert steps[-1].done == steps[-1].total
        assert session.predictor.forwards > 0
