"""Gated: a coarse pass over everything, and the decision where the fine level is computed."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.geometry import BlockGrid, Box
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.output.coarse_probabilities import CoarseProbabilities
from napari_ziggurat.runs.output.gate_map import GateMap, decide_map
from napari_ziggurat.runs.output.output import Output
from napari_ziggurat.runs.output.place import coarse_store
from napari_ziggurat.runs.plan.decide import with_coarse
from napari_ziggurat.runs.plan.gate import GateRule
from napari_ziggurat.runs.plan.plan import SegmentPlan
from napari_ziggurat.runs.segment.coarse import coarse_pass
from napari_ziggurat.runs.session import Session
from napari_ziggurat.runs.workers.crew import Crew
from napari_ziggurat.runs.workers.fill import Share

__all__ = ["gated", "largest_around_cells"]

_CELLS_AT_ONCE = 8  # per axis


def gated(output: Output, session: Session, crew: Crew) -> Run[Output]:
    """Give an output the decision where it is computed; it is made once and kept in the journal.

    Parameters
    ----------
    output : Output
        Begun, of a plan with a gate.
    session, crew : Session, Crew
        Of the whole run.

    Returns
    -------
    Output
        As the generator's value.
    """
    rule = output.plan.gate
    assert rule is not None
    known = output.with_gate()
    if known.gate is None:
        coarse = with_coarse(output.plan, (rule.level,), session.options).coarse[0]
        store = coarse_store(output.out, rule.level)
        yield from coarse_pass(coarse, session, store, crew, Share(after=output.plan.windows))
        with crew.alone(output.out):  # of several parts one decides
            known = output.with_gate()
            if known.gate is None:
                seen = CoarseProbabilities.of(coarse, store, output.plan.level)
                known = replace(output, gate=_decided(output, rule, seen))
    assert known.gate is not None
    yield Progress("gate", 1, 1, message=known.gate.render())
    return known


def _decided(output: Output, rule: GateRule, coarse: CoarseProbabilities) -> GateMap:
    plan = output.plan
    largest = np.stack(
        [largest_around_cells(plan, coarse, rule.radius, time) for time in range(plan.times)]
    )
    decided = decide_map(plan, largest, rule.threshold, output.journal.seed)
    decided.save(output.journal.folder)
    return decided


def largest_around_cells(
    plan: SegmentPlan, coarse: CoarseProbabilities, radius: int, time: int
) -> NDArray[np.float32]:
    """Find the largest coarse probability of foreground in and around each cell.

    Parameters
    ----------
    plan : SegmentPlan
        Of the fine level.
    coarse : CoarseProbabilities
        Of a pass over the plan's region.
    radius : int
        Coarse voxels around each cell that count for it.
    time : int
        Time point.

    Returns
    -------
    ((Z), Y, X) float32 array
        One value per cell of the region. Some cells are looked at together, so that memory does not
        grow with the image.
    """
    cells = plan.lattice.indices(plan.region)
    found = np.zeros(cells.shape, np.float32)
    background = [c.value for c in plan.spec.classes].index(0)
    for part in BlockGrid(cells, (_CELLS_AT_ONCE,) * cells.ndim):
        around = list(_around(plan, coarse, radius, part.write_box))
        box = Box(tuple(s[0].start for s in around), tuple(s[-1].stop for s in around))
        values = 1 - coarse.stored(box, time)[background]
        for axis, spans in enumerate(around):
            values = _largest_along(values, axis, spans, box.start[axis])
        found[part.write_box.relative_to(cells.start).slices] = values
    return found


def _around(
    plan: SegmentPlan, coarse: CoarseProbabilities, radius: int, cells: Box
) -> Iterator[list[range]]:
    """Give the coarse voxels that count for each cell, per axis."""
    lattice, region = plan.lattice, coarse.region
    for axis, (first, last) in enumerate(zip(cells.start, cells.stop, strict=True)):
        spans = []
        for i in range(first, last):
            index = tuple(i if a == axis else n for a, n in enumerate(cells.start))
            box = coarse.upsampling.support(lattice.cell(index).box.intersect(plan.region))
            low = max(region.start[axis], box.start[axis] - radius)
            spans.append(range(low, min(region.stop[axis], box.stop[axis] + radius)))
        yield spans


def _largest_along(
    values: NDArray[np.float32], axis: int, spans: list[range], start: int
) -> NDArray[np.float32]:
    largest = [
        values.take(range(span.start - start, span.stop - start), axis).max(axis) for span in spans
    ]
    return np.stack(largest, axis)
