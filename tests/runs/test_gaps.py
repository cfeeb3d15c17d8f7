"""What is not stored is not computed, and the result is the same to the last bit."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models import tiny_model
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import Image, image_from_array, open_image, read_record
from napari_ziggurat.networks import LevelWeights, Model
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.plan.options import SegmentOptions
from napari_ziggurat.runs.segment import SegmentResult, segment_image

CHUNK = (16, 24)
SHAPE = (100, 130)


def _model(bias: float = 50.0, **changes: object) -> Model:
    """A network that sees background where there is nothing: its last layer leans to it."""
    model = tiny_model(window=(32, 32), rim=(8, 8), **changes)
    biased = [p for n, p in model.network.named_parameters() if n.endswith("bias") and len(p) == 3]
    for parameter in biased:
        parameter.data[0] += bias
    return model


def _store(folder: Path, stored: set[tuple[int, int]], fill: int = 0) -> "zarr.Array":
    array = zarr.create_array(
        folder, shape=SHAPE, chunks=CHUNK, dtype=np.uint8, fill_value=fill, overwrite=True
    )
    noise = np.random.default_rng(0).integers(0, 255, SHAPE, dtype=np.uint8)
    for row, column in stored:
        here = Box((row * 16, column * 24), (min(row * 16 + 16, 100), min(column * 24 + 24, 130)))
        array[here.slices] = noise[here.slices]
    return array


def _run(image: Image, model: Model, out: Path, **options: object) -> SegmentResult:
    shutil.rmtree(out, ignore_errors=True)
    return finish(segment_image(image, model, SegmentOptions(block=(1, 1), **options), out))


def _levels(out: Path) -> list[np.ndarray]:
    image = open_image(out)
    return [image.read(n, Box.whole(level.shape)) for n, level in enumerate(image.levels)]


@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(
    stored=st.sets(st.tuples(st.integers(0, 6), st.integers(0, 5)), max_size=4),
    fill=st.sampled_from([0, 255]),
    blend=st.booleans(),
    bias=st.sampled_from([0.0, 1.0, 50.0]),
)
def test_gaps_give_the_bits_of_an_image_that_is_stored_whole(
    tmp_path: Path, stored: set[tuple[int, int]], fill: int, blend: bool, bias: float
) -> None:
    array = _store(tmp_path / "in.zarr", stored, fill)
    model = _model(bias)
    _run(image_from_array(array, axes="yx"), model, tmp_path / "gaps.zarr", blend=blend)
    _run(image_from_array(array[:], axes="yx"), model, tmp_path / "whole.zarr", blend=blend)
    for found, wanted in zip(
        _levels(tmp_path / "gaps.zarr"), _levels(tmp_path / "whole.zarr"), strict=True
    ):
        assert np.array_equal(found, wanted)


def test_an_empty_block_is_neither_read_nor_computed_nor_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = image_from_array(_store(tmp_path / "in.zarr", set()), axes="yx")
    out = tmp_path / "out.zarr"
    monkeypatch.setattr(Image, "read", _only_samples(Image.read))
    result = _run(image, _model(), out)
    (tally,) = result.windows.values()
    assert (tally.computed, tally.constant) == (0, 63)
    assert read_record(out)["windows"] == {"computed": 0, "constant": 63}
    assert "63 held one value" in result.render()
    assert not [p for p in out.rglob("c/*/*") if p.is_file()]


def _only_samples(read):  # type: ignore[no-untyped-def]
    """Let the fingerprint look at the whole image, and nobody at a part."""

    def checked(self: Image, level: int, box: Box, time: int = 0) -> np.ndarray:
        assert box == Box.whole(SHAPE), f"{box} was read although nothing of it is stored"
        return read(self, level, box, time)

    return checked


def test_where_levels_are_fused_a_gap_in_the_finest_is_filled_by_the_coarser(
    tmp_path: Path,
) -> None:
    coarse = np.random.default_rng(1).integers(0, 255, (50, 65), dtype=np.uint8)
    stored = _store(tmp_path / "in.zarr", {(2, 2)})
    only_coarse = LevelWeights(((1.0, 1.0), (2.0, 2.0)), ((0.0,) * 3, (1.0,) * 3))
    model = _model(0.4, level_weights=only_coarse)
    for name, fine in (("gaps", stored), ("whole", stored[:])):
        image = image_from_array([fine, coarse], axes="yx", spacing=(1.0, 1.0), unit="um")
        _run(image, model, tmp_path / f"{name}.zarr", levels=(0, 1))
    found, wanted = _levels(tmp_path / "gaps.zarr"), _levels(tmp_path / "whole.zarr")
    assert np.array_equal(found[0], wanted[0])
    assert wanted[0].any()


def test_an_answer_that_is_no_background_is_written(tmp_path: Path) -> None:
    image = image_from_array(_store(tmp_path / "in.zarr", set()), axes="yx")
    result = _run(image, _model(bias=-50.0), tmp_path / "out.zarr")
    (tally,) = result.windows.values()
    assert tally.constant == 63
    assert _levels(tmp_path / "out.zarr")[0].all()


def test_windows_of_one_value_are_counted_in_any_image(tmp_path: Path) -> None:
    result = _run(
        image_from_array(np.zeros(SHAPE, np.uint8), axes="yx"), _model(), tmp_path / "out.zarr"
    )
    (tally,) = result.windows.values()
    assert (tally.computed, tally.constant) == (0, 63)


def test_a_file_that_was_put_where_nothing_belongs_is_removed(tmp_path: Path) -> None:
    image = image_from_array(_store(tmp_path / "in.zarr", set()), axes="yx")
    out = tmp_path / "out.zarr"
    finish(segment_image(image, _model(), SegmentOptions(block=(1, 1)), out))
    labels = zarr.open_array(out / "0")
    labels[:16, :16] = 7
    finish(segment_image(image, _model(), SegmentOptions(block=(1, 1), verify=True), out))
    assert not labels[:].any()


def test_a_store_that_vanishes_is_not_taken_for_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "constant", lambda *_: None)  # as where gaps are not known
    everything = {(row, column) for row in range(7) for column in range(6)}
    image = image_from_array(_store(tmp_path / "in.zarr", everything), axes="yx")
    run = segment_image(image, _model(), SegmentOptions(block=(1, 1)), tmp_path / "out.zarr")
    for step in run:
        if step.stage == "segment":
            shutil.rmtree(tmp_path / "in.zarr")
            break
    with pytest.raises(Exception, match="vanished"):
        finish(run)
