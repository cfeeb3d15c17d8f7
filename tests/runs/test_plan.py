"""Plan: the level that is read, the memory that is needed, what a person is told."""

import numpy as np
import pytest

from models import tiny_model
from napari_ziggurat.errors import InputError
from napari_ziggurat.images import Image, image_from_array
from napari_ziggurat.inference.levels import finest_level
from napari_ziggurat.networks import ModelSpec
from napari_ziggurat.runs.plan.decide import decide
from napari_ziggurat.runs.plan.fit import fit
from napari_ziggurat.runs.plan.level import choose_level
from napari_ziggurat.runs.plan.options import SegmentOptions
from napari_ziggurat.runs.plan.plan import Engine, SegmentPlan

PLANE = np.zeros((64, 64), np.uint8)
FINEST = (finest_level(2),)
CPU = Engine("cpu", "float32", at_once=2, waiting=4)


def _plan(image: Image, spec: ModelSpec, options: SegmentOptions, engine: Engine) -> SegmentPlan:
    return fit(decide(image, spec, options, engine, FINEST), options)


def pyramid(spacing: float = 1.0, unit: str | None = None) -> Image:
    levels = [PLANE, PLANE[::2, ::2], PLANE[::4, ::4]]
    return image_from_array(levels, axes="yx", spacing=(spacing, spacing), unit=unit)


@pytest.mark.parametrize(
    ("image", "model", "level", "words"),
    [
        ((1.0, None), (4.0, None), 2, ""),
        ((1.0, "um"), (2.1, "um"), 1, ""),
        ((1.0, "um"), (4000.0, "nm"), 2, ""),
        ((1.0, None), (2.0, "um"), 0, "cannot be compared"),
        ((1.0, "um"), (2.0, None), 0, "cannot be compared"),
        ((1.0, "um"), (2.0, "second"), 0, "cannot be compared"),
        ((1.0, "um"), (40.0, "um"), 2, "10.0 times smaller"),
        ((8.0, "um"), (1.0, "um"), 0, "8.0 times larger"),
    ],
)
def test_the_level_is_chosen_by_spacing_and_doubts_are_told(
    image: tuple[float, str | None], model: tuple[float, str | None], level: int, words: str
) -> None:
    spec = tiny_model(spacing=(model[0],) * 2, unit=model[1]).spec
    plan = _plan(pyramid(*image), spec, SegmentOptions(), CPU)
    assert plan.level == level
    assert words in " ".join(plan.notes)
    assert bool(plan.notes) == bool(words)
    assert all(note in plan.render() for note in plan.notes)


def test_a_model_of_other_dimension_is_refused_before_levels_are_compared() -> None:
    with pytest.raises(InputError, match="3D images"):
        choose_level(pyramid(), tiny_model("zyx").spec)


def test_a_gpu_is_measured_by_its_own_memory() -> None:
    image, spec = image_from_array(PLANE, axes="yx"), tiny_model().spec
    small = Engine("cuda:0", "float32", at_once=400, waiting=3, free=1000)
    with pytest.raises(InputError, match=r"on cuda:0 with 400 windows.*smaller --batch"):
        _plan(image, spec, SegmentOptions(), small)
    large = Engine("cuda:0", "float32", at_once=900, waiting=3, free=10**12)
    plan = _plan(image, spec, SegmentOptions(memory=180 * 10**6), large)
    assert plan.cost.memory < 180 * 10**6 < plan.cost.network
    assert "of the device's" in plan.render()


def test_a_batch_that_the_cpu_does_not_use_is_told() -> None:
    image, spec = image_from_array(PLANE, axes="yx"), tiny_model().spec
    assert _plan(image, spec, SegmentOptions(), CPU).notes == ()
    (note,) = _plan(image, spec, SegmentOptions(batch=4), CPU).notes
    assert "--batch 4" in note
