"""A gate decides once, from the whole coarse level, and refines the bits of the dense run."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clusters import cluster
from interrupting import stop_after
from models import tiny_model
from napari_ziggurat.errors import InputError
from napari_ziggurat.evaluation.audit import Audit
from napari_ziggurat.geometry import Axes, Box, Spacing
from napari_ziggurat.images import Image, OutputGrid, create_output, open_image, read_record
from napari_ziggurat.images.pyramid import fill_coarser
from napari_ziggurat.networks import GateLevel, Model, load_model, save_model
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.calibrate import calibrate
from napari_ziggurat.runs.config import CalibrateConfig, SegmentConfig
from napari_ziggurat.runs.output.gate_map import GateMap, decide_map
from napari_ziggurat.runs.plan.gate import choose_gate
from napari_ziggurat.runs.plan.options import SegmentOptions
from napari_ziggurat.runs.segment import SegmentResult, segment, segment_image
from napari_ziggurat.runs.session import Session

SHAPE = (192, 224)
_AUTO = SegmentOptions(gate="auto")


def _model(threshold: float = 0.5, radius: int = 1) -> Model:
    """A network with random parameters whose gate was calibrated, so they say, at half the size."""
    record = GateLevel(
        spacing=(2.0, 2.0), radius=radius, foreground=100, kept=0.1,
        thresholds=((0.9, 0.5), (0.999, threshold), (1.0, threshold / 2)),
    )  # fmt: skip
    model = tiny_model(window=(32, 32), rim=(8, 8), gate=(record,))
    for name, parameter in model.network.named_parameters():
        if name.endswith("bias") and len(parameter) == 3:
            parameter.data[0] += 0.4  # leans to background, as in an image with few objects
    return model


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Noise in one corner of a level of zeros, and the level above."""
    path = tmp_path_factory.mktemp("gate") / "image.ome.zarr"
    grid = OutputGrid(
        Axes("yx"), SHAPE, np.dtype(np.uint8), Spacing((1.0, 1.0), None), (0.0, 0.0),
        (32, 32), (64, 64), downsamplings=((2, 2),),
    )  # fmt: skip
    fine = create_output(path, grid, kind="image")[0]
    voxels = np.zeros(SHAPE, np.uint8)
    voxels[20:60, 30:80] = np.random.default_rng(0).integers(0, 255, (40, 50))
    fine[...] = voxels
    for _ in fill_coarser(path, "image"):
        pass
    return open_image(path)


def _run(image: Image, out: Path, model: Model | None = None, **more: object) -> SegmentResult:
    options = SegmentOptions(**{"level": 0, "gate": "auto", "block": (64, 64)} | more)
    return finish(segment_image(image, model or _model(), options, out))


def _labels(out: Path) -> np.ndarray:
    return np.asarray(open_image(out).arrays[0][...])


def _gate(image: Image, out: Path) -> GateMap:
    with Session(_model(), SegmentOptions(level=0)) as session:
        found = GateMap.load(out / ".ziggurat", session.outline(image).lattice)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def outs(image: Image, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Labels of a dense run and of one with a gate."""
    folder = tmp_path_factory.mktemp("outs")
    _run(image, folder / "dense.ome.zarr", gate="off")
    _run(image, folder / "gated.ome.zarr", _model(_threshold(image, folder)))
    return folder / "dense.ome.zarr", folder / "gated.ome.zarr"


def _threshold(image: Image, folder: Path) -> float:
    """Half way between what the network says of nothing and the most that it says."""
    options = {"gate": "off", "level": 1, "probabilities": True}
    _run(image, folder / "coarse.ome.zarr", **options)
    values = 1 - np.asarray(open_image(folder / "coarse_probabilities.ome.zarr").arrays[0][0])
    return float(min(0.5, (np.median(values) + values.max()) / 2))


def test_refined_cells_have_the_bits_of_the_dense_run_and_the_others_are_background(
    image: Image, outs: tuple[Path, Path]
) -> None:
    dense, gated, gate = _labels(outs[0]), _labels(outs[1]), _gate(image, outs[1])
    assert gate.gated
    refined = 0
    for cell in gate.lattice.cells(Box.whole(SHAPE)):
        here = cell.box.slices
        wanted = dense[here] if gate.refines(cell, 0) else 0
        assert np.array_equal(gated[here], np.broadcast_to(wanted, gated[here].shape))
        refined += gate.refines(cell, 0)
    assert 0 < refined < gate.dense
    assert gate.windows == refined


@pytest.mark.parametrize("more", [{"block": (16, 16)}, {"block": (192, 224)}, {"threads": 1}])
def test_the_decision_and_the_labels_do_not_depend_on_how_it_is_computed(
    image: Image, outs: tuple[Path, Path], tmp_path: Path, more: dict[str, object]
) -> None:
    threshold = _threshold(image, tmp_path)
    _run(image, tmp_path / "out.ome.zarr", _model(threshold), **more)
    assert np.array_equal(
        _gate(image, tmp_path / "out.ome.zarr").states, _gate(image, outs[1]).states
    )
    assert np.array_equal(_labels(tmp_path / "out.ome.zarr"), _labels(outs[1]))


def test_an_interrupted_run_goes_on_with_the_same_decision(
    image: Image, outs: tuple[Path, Path], tmp_path: Path
) -> None:
    out, model = tmp_path / "out.ome.zarr", _model(_threshold(image, tmp_path))
    options = SegmentOptions(level=0, gate="auto", block=(64, 64))
    stop_after(segment_image(image, model, options, out), out, 3)
    before = (out / ".ziggurat" / "gate.npz").stat().st_mtime_ns
    finish(segment_image(image, model, options, out))
    assert (out / ".ziggurat" / "gate.npz").stat().st_mtime_ns == before
    assert np.array_equal(_labels(out), _labels(outs[1]))


def test_several_processes_and_parts_decide_the_same(
    image: Image, outs: tuple[Path, Path], tmp_path: Path
) -> None:
    save_model(_model(_threshold(image, tmp_path)), tmp_path / "model")
    for name, more in (("workers", {"workers": 2, "threads": 1}), ("part", {"part": "0/2"})):
        config = _config(image, tmp_path, name, more)
        finish(segment(config))
        assert np.array_equal(_labels(config.out), _labels(outs[1]))


@pytest.mark.slow
def test_the_workers_of_a_dask_cluster_look_at_the_coarse_level_and_refine_the_same(
    image: Image, outs: tuple[Path, Path], tmp_path: Path
) -> None:
    save_model(_model(_threshold(image, tmp_path)), tmp_path / "model")
    config = _config(image, tmp_path, "dask", {})
    with cluster() as client:
        finish(segment(config, client))
    assert np.array_equal(_labels(config.out), _labels(outs[1]))
    assert np.array_equal(_gate(image, config.out).states, _gate(image, outs[1]).states)


def _config(image: Image, folder: Path, name: str, more: dict[str, object]) -> SegmentConfig:
    return SegmentConfig.create(
        {"image": image.source, "model": folder / "model", "level": 0, "gate": "auto",
         "block": (64, 64), "out": folder / f"{name}.ome.zarr", **more}
    )  # fmt: skip


def test_each_time_point_is_decided_by_itself(tmp_path: Path) -> None:
    grid = OutputGrid(
        Axes("tyx"), (2, *SHAPE), np.dtype(np.uint8), Spacing((1.0, 1.0), None), (0.0, 0.0),
        (1, 32, 32), (1, 64, 64), downsamplings=((2, 2),),
    )  # fmt: skip
    voxels = np.zeros((2, *SHAPE), np.uint8)
    voxels[1, 20:60, 30:80] = np.random.default_rng(0).integers(0, 255, (40, 50))
    create_output(tmp_path / "movie.ome.zarr", grid, kind="image")[0][...] = voxels
    for _ in fill_coarser(tmp_path / "movie.ome.zarr", "image"):
        pass
    movie = open_image(tmp_path / "movie.ome.zarr")
    folder = tmp_path / "movie"
    _run(movie, folder / "coarse.ome.zarr", gate="off", level=1, probabilities=True)
    seen = 1 - np.asarray(open_image(folder / "coarse_probabilities.ome.zarr").arrays[0][:, 0])
    model = _model(float(min(0.5, (np.median(seen) + seen.max()) / 2)))
    _run(movie, folder / "dense.ome.zarr", gate="off")
    _run(movie, folder / "gated.ome.zarr", model)
    gate = _gate(movie, folder / "gated.ome.zarr")
    refined = gate.states == 1
    assert (refined[1] & ~refined[0]).any()
    assert not (refined[0] & ~refined[1]).any()
    dense, gated = _labels(folder / "dense.ome.zarr"), _labels(folder / "gated.ome.zarr")
    for cell in gate.lattice.cells(Box.whole(SHAPE)):
        if gate.refines(cell, 1):
            here = (1, *cell.box.slices)
            assert np.array_equal(gated[here], dense[here])


def test_what_is_told_of_the_gate_stands_in_the_record(
    image: Image, outs: tuple[Path, Path]
) -> None:
    record, gate = read_record(outs[1]), _gate(image, outs[1])
    assert record is not None
    told, audit = record["gate"], Audit(**record["gate"]["audit"])
    assert told["windows"] == gate.windows == sum(record["windows"].values())
    assert audit.foreground == np.count_nonzero(_labels(outs[1]))
    dense = _labels(outs[0])
    found = [
        sum(np.count_nonzero(dense[box.slices]) for number, box in _audited(gate) if number == tile)
        for tile in gate.drawn
    ]
    assert (audit.found, audit.drawn) == (sum(found), len(found))
    assert audit.rejected == gate.rejected


def _audited(gate: GateMap) -> list[tuple[int, Box]]:
    return list(gate.audited(Box.whole(SHAPE), 0))


def test_a_finished_run_still_tells_what_its_audit_found(
    image: Image, outs: tuple[Path, Path]
) -> None:
    result = _run(image, outs[1], _model(_threshold(image, outs[1].parent / "again")))
    assert "Audit: " in result.render()


def test_a_threshold_of_nothing_computes_everything(image: Image, tmp_path: Path) -> None:
    model = _model()
    record = model.spec.gate[0].model_copy(update={"thresholds": ((1.0, 0.02),)})
    spec = model.spec.model_copy(update={"gate": (record,)})
    result = _run(image, tmp_path / "out.ome.zarr", Model(spec, model.network))
    _run(image, tmp_path / "dense.ome.zarr", gate="off")
    assert np.array_equal(_labels(tmp_path / "out.ome.zarr"), _labels(tmp_path / "dense.ome.zarr"))
    assert "nothing can have been missed" in result.render()


def test_tiles_grow_only_while_that_costs_hardly_any_windows(image: Image) -> None:
    with Session(_model(), SegmentOptions(level=0, gate="auto")) as session:
        plan = session.outline(image)
    largest = np.zeros((1, 12, 14), np.float32)
    largest[0, 4:8, 4:8] = 1  # exactly four tiles of two cells a side
    assert decide_map(plan, largest, 0.5, 0).tiles.size == 2
    largest[0, 8, 8] = 1
    decided = decide_map(plan, largest, 0.5, 0)
    assert decided.tiles.size == 1
    assert decided.costs[1] < decided.costs[2] < decided.costs[4]


def test_with_a_box_that_cuts_cells_the_windows_are_counted_as_computed(
    image: Image, tmp_path: Path
) -> None:
    _run(image, tmp_path / "out.ome.zarr", _model(_threshold(image, tmp_path)), box="5:150,9:200")
    record = read_record(tmp_path / "out.ome.zarr")
    assert record is not None
    assert record["gate"]["windows"] == sum(record["windows"].values())
    assert record["gate"]["gated"]


def test_a_calibrated_model_has_a_gate_that_keeps_what_it_was_shown(
    image: Image, tmp_path: Path
) -> None:
    plain = _model()
    spec = plain.spec.model_copy(update={"gate": ()})
    save_model(Model(spec, plain.network), tmp_path / "model")
    np.save(tmp_path / "labels.npy", np.zeros(SHAPE, np.uint8))
    values = {"model": tmp_path / "model", "image": [image.source]}
    result = finish(
        calibrate(CalibrateConfig.create(values | {"labels": [tmp_path / "labels.npy"]}))
    )
    model = load_model(tmp_path / "model")
    (record,) = model.spec.gate
    assert record.spacing == (2.0, 2.0)
    assert "segment --gate" in result.render()
    rule = choose_gate(image, model.spec, 0, SegmentOptions(gate="1"))
    assert rule is not None
    _run(image, tmp_path / "dense.ome.zarr", model, gate="off")
    _run(image, tmp_path / "gated.ome.zarr", model, gate="1")
    dense, gated = _labels(tmp_path / "dense.ome.zarr"), _labels(tmp_path / "gated.ome.zarr")
    assert record.foreground == np.count_nonzero(dense)
    assert np.array_equal(gated, dense)
    assert read_record(tmp_path / "gated.ome.zarr")["gate"]["gated"]


def _refused(image: Image, model: Model, **more: object) -> str:
    options = SegmentOptions(**{"gate": "auto", "level": 0} | more)
    with pytest.raises(InputError) as caught:
        choose_gate(image, model.spec, options.level or 0, options)
    return str(caught.value)


def test_a_gate_that_nothing_is_known_of_is_refused_in_words(image: Image) -> None:
    model = _model()
    plain = Model(model.spec.model_copy(update={"gate": ()}), model.network)
    assert "never calibrated" in _refused(image, plain)
    assert "no coarser level" in _refused(image, model, level=1)
    assert "--blend" in _refused(image, model, blend=True)
    assert "--probabilities" in _refused(image, model, probabilities=True)
    assert "--levels" in _refused(image, model, levels=(0, 1))
    assert "--gate-level 7" in _refused(image, model, gate_level=7)
    blunt = _model(threshold=0.001)
    assert "--gate 0.99" in _refused(image, blunt)


def test_the_threshold_is_that_of_the_smallest_recall_that_is_enough(image: Image) -> None:
    spec = _model(threshold=0.3).spec
    for asked, threshold in (("auto", 0.3), ("0.9", 0.5), ("0.95", 0.3), ("1", 0.15)):
        rule = choose_gate(image, spec, 0, SegmentOptions(gate=asked))
        assert rule is not None
        assert rule.threshold == threshold


@pytest.mark.parametrize(("kept", "level"), [((0.1, 0.2), 2), ((0.1, 0.5), 1)])
def test_of_several_levels_the_one_that_costs_least_is_looked_at(
    image: Image, kept: tuple[float, float], level: int
) -> None:
    spec = _model().spec
    coarse = replace(image.levels[1], shape=(48, 56), spacing=Spacing((4.0, 4.0), None))
    three = replace(image, levels=(*image.levels, coarse), arrays=(*image.arrays, image.arrays[1]))
    records = tuple(
        spec.gate[0].model_copy(update={"spacing": (size, size), "kept": share})
        for size, share in zip((2.0, 4.0), kept, strict=True)
    )
    rule = choose_gate(three, spec.model_copy(update={"gate": records}), 0, _AUTO)
    assert rule is not None
    assert rule.level == level
    given = replace(_AUTO, gate_level=1)
    rule = choose_gate(three, spec.model_copy(update={"gate": records}), 0, given)
    assert rule is not None
    assert rule.level == 1


@pytest.mark.parametrize(("given", "kept"), [(False, "off"), (0.99, "0.99"), ("auto", "auto")])
def test_a_gate_may_be_a_word_or_a_number(tmp_path: Path, given: object, kept: str) -> None:
    values = {"image": "a.zarr", "model": "m", "out": "o.zarr", "gate": given}
    config = SegmentConfig.create(values)
    assert config.gate == kept
    assert json.loads(config.model_dump_json())["gate"] == kept


@pytest.mark.parametrize("given", ["on", 2, 0])
def test_another_gate_is_refused(given: object) -> None:
    values = {"image": "a.zarr", "model": "m", "out": "o.zarr", "gate": given}
    with pytest.raises(InputError, match=r"auto, off"):
        SegmentConfig.create(values)
