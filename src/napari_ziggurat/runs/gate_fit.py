"""Gate fit: what a model's probabilities at coarser levels tell of foreground at its own."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.errors import InputError
from napari_ziggurat.evaluation.gate import GateSample, fit_gate
from napari_ziggurat.images import Image
from napari_ziggurat.networks import GateLevel, Model
from napari_ziggurat.progress import Run
from napari_ziggurat.runs.coarse import CoarseProbabilities, coarse_pass
from napari_ziggurat.runs.crew import Crew
from napari_ziggurat.runs.options import SegmentOptions
from napari_ziggurat.runs.plan import SegmentPlan, with_coarse
from napari_ziggurat.runs.predict import predict_box
from napari_ziggurat.runs.session import Session

__all__ = ["calibrate_gate"]


def calibrate_gate(
    image: Image, model: Model, options: SegmentOptions, labels: NDArray[np.integer] | None = None
) -> Run[tuple[GateLevel, ...]]:
    """Compare coarse probabilities with fine labels, at every coarser level of an image.

    Parameters
    ----------
    image, model : Image, Model
        An image that the model was not trained on.
    options : SegmentOptions
        Level and box; what lies in the box is held in memory.
    labels : ((Z), Y, X) array, optional
        Of the box at that level, 0 is background; what the model itself predicts by default, and
        then the gate keeps what a run without a gate would find.

    Returns
    -------
    tuple of GateLevel
        As the generator's value: what belongs into `ModelSpec.gate`.

    Raises
    ------
    InputError
        The image has no coarser level, or the labels have no foreground or another shape.
    """
    with Session(model, replace(options, gate="off")) as session:
        plan = session.plan(image)
        _check(plan, labels)
        fine = labels
        if fine is None:
            fine = yield from predict_box(
                image, model, plan.level, plan.region, device=options.device
            )
        found = []
        for level in range(plan.level + 1, len(image.levels)):
            found.append((yield from _fit_level(plan, session, level, fine != 0)))
    return tuple(found)


def _check(plan: SegmentPlan, labels: NDArray[np.integer] | None) -> None:
    if len(plan.image.levels) == plan.level + 1:
        raise InputError(
            f"'{plan.image.name}' has no level coarser than {plan.level}, and a gate looks at one. "
            "Give an image with a pyramid."
        )
    if labels is not None and labels.shape != plan.region.shape:
        raise InputError(
            f"The labels have the shape {labels.shape} and the box has {plan.region.shape}; give "
            "labels of the box."
        )


def _fit_level(
    plan: SegmentPlan, session: Session, level: int, foreground: NDArray[np.bool_]
) -> Run[GateLevel]:
    coarse = with_coarse(plan, (level,), session.options).coarse[0]
    with TemporaryDirectory(prefix="ziggurat-gate-") as folder:
        store = Path(folder) / "coarse.ome.zarr"
        yield from coarse_pass(coarse, session, store, Crew())
        seen = CoarseProbabilities.of(coarse, store, plan.level)
        background = [c.value for c in plan.spec.classes].index(0)
        values = 1 - seen.stored(coarse.region)[background]
    whole = np.zeros(seen.upsampling.shape, np.float32)
    whole[coarse.region.slices] = values
    fit = fit_gate([GateSample(whole, seen.upsampling, foreground, plan.region.start)])
    sizes = zip(plan.spec.spacing, seen.upsampling.step, strict=True)
    return GateLevel(
        spacing=tuple(size / step for size, step in sizes),
        radius=fit.radius, thresholds=fit.thresholds, foreground=fit.foreground,
    )  # fmt: skip
