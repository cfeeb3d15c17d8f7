"""Segment: image and model -> label pyramid, block by block, as a generator of Progress."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.errors import InputError, WorkFailed, ZigguratError
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import Image, fill_coarser, find_images, open_image, stem
from napari_ziggurat.inference.labels import most_probable
from napari_ziggurat.networks import Model, load_model
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.config import SegmentConfig
from napari_ziggurat.runs.options import SegmentOptions
from napari_ziggurat.runs.output import Output, begin_output, remove_output
from napari_ziggurat.runs.plan import SegmentPlan, check_disk, choose_level
from napari_ziggurat.runs.session import Session

__all__ = ["SegmentResult", "choose_level", "predict_box", "segment", "segment_image"]

_SUFFIX_FOR = {".zarr": ".ome.zarr", ".nii": ".nii.gz", ".gz": ".nii.gz", ".png": ".png",
               ".jpg": ".png", ".jpeg": ".png"}  # fmt: skip


@dataclass(frozen=True)
class SegmentResult:
    """What a segmentation made.

    Attributes
    ----------
    outputs : mapping of str to str
        Output of each image; empty after a dry run.
    failed : mapping of str to str
        What went wrong with the others.
    plans : mapping of str to mapping
        The plan of each image in figures.
    seconds : float
        Wall time.
    """

    outputs: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    plans: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """Give the result as JSON can hold it."""
        return asdict(self)

    def render(self) -> str:
        """Say where everything lies."""
        lines = [f"{image} -> {out}" for image, out in self.outputs.items()]
        lines += [f"{image} failed: {why}" for image, why in self.failed.items()]
        return "\n".join(lines)


class SomeFailed(WorkFailed):
    """Some images of a folder failed; ``result`` holds what was made of the others."""

    def __init__(self, message: str, result: SegmentResult) -> None:
        super().__init__(message)
        self.result = result


def segment(config: SegmentConfig) -> Run[SegmentResult]:
    """Segment an image, or each image of a folder.

    Returns
    -------
    SegmentResult
        As the generator's value.

    Raises
    ------
    ZigguratError
        Something does not fit; nothing that exists was touched.
    WorkFailed
        Some images of a folder failed; its ``result`` holds what was made.
    """
    jobs = _jobs(config)
    options = SegmentOptions.from_config(config)
    with Session(load_model(config.model), options) as session:
        if jobs[0][0] == config.image:
            image = _open(config.image, config)
            return (yield from _segment_one(image, session, config.out, config.dry_run))
        return (yield from _segment_all(jobs, session, config))


def segment_image(
    image: Image, model: Model, options: SegmentOptions, out: Path
) -> Run[SegmentResult]:
    """Segment an image that is open already; as `segment` otherwise."""
    with Session(model, options) as session:
        return (yield from _segment_one(image, session, out, dry_run=False))


def predict_box(
    image: Image, model: Model, level: int, box: Box, time: int = 0
) -> NDArray[np.uint8]:
    """Labels of a box, in memory: the same bits that a run over the whole level gives there.

    Returns
    -------
    ((Z), Y, X) uint8 array
    """
    with Session(model, SegmentOptions(level=level, box=str(box))) as session:
        plan = session.plan(image)
        _refuse_not_finite(image, level)
        found = _BlockResult.empty(plan, box)
        intensity = session.intensity(image, level, time)
        for piece in session.predict(plan, box, intensity, time):
            found.put(*piece)
        return found.labels


@dataclass(frozen=True)
class _BlockResult:
    """Labels of a block, and its probabilities where they are wanted."""

    box: Box
    values: tuple[int, ...]
    labels: NDArray[np.uint8]
    probabilities: NDArray[np.float32] | None

    @classmethod
    def empty(cls, plan: SegmentPlan, box: Box) -> "_BlockResult":
        values = tuple(c.value for c in plan.spec.classes)
        more = np.empty((len(values), *box.shape), np.float32) if plan.probabilities else None
        return cls(box, values, np.empty(box.shape, np.uint8), more)

    def put(self, box: Box, probabilities: NDArray[np.float32]) -> None:
        inside = box.relative_to(self.box.start).slices
        self.labels[inside] = most_probable(probabilities, self.values)
        if self.probabilities is not None:
            self.probabilities[(slice(None), *inside)] = probabilities


def _jobs(config: SegmentConfig) -> list[tuple[Path, Path]]:
    """Pairs of input and output."""
    images = find_images(config.image)
    if images == [config.image]:
        return [(config.image, config.out)]
    outs = [config.out / (stem(path) + _suffix(path)) for path in images]
    if len(set(outs)) < len(outs):
        twice = sorted({out.name for out in outs if outs.count(out) > 1})
        raise InputError(
            f"Images of a folder need different names; several would be written to "
            f"{', '.join(twice)}. Rename them or segment them one by one."
        )
    return list(zip(images, outs, strict=True))


def _suffix(path: Path) -> str:
    return _SUFFIX_FOR.get(path.suffix.lower(), ".tif")


def _open(path: Path, config: SegmentConfig) -> Image:
    return open_image(
        path,
        axes=config.axes,
        spacing=config.spacing,
        unit=config.unit,
        nan_as=config.nan_as,
    )


def _segment_all(
    jobs: list[tuple[Path, Path]], session: Session, config: SegmentConfig
) -> Run[SegmentResult]:
    """Segment every image of a folder; one that fails does not stop the others."""
    started = time.monotonic()
    results: list[SegmentResult] = []
    failed: dict[str, str] = {}
    for done, (path, out) in enumerate(jobs):
        yield Progress("images", done, len(jobs), message=f"{path.name} ({done + 1}/{len(jobs)})")
        try:
            image = _open(path, config)
            results.append((yield from _segment_one(image, session, out, config.dry_run)))
        except (ZigguratError, OSError) as error:
            failed[str(path)] = str(error)
            yield Progress("images", done, len(jobs), message=f"{path.name} failed: {error}")
    yield Progress("images", len(jobs), len(jobs))
    result = SegmentResult(
        outputs={k: v for each in results for k, v in each.outputs.items()},
        failed=failed,
        plans={k: v for each in results for k, v in each.plans.items()},
        seconds=time.monotonic() - started,
    )
    if failed:
        names = ", ".join(Path(path).name for path in failed)
        raise SomeFailed(
            f"{len(failed)} of {len(jobs)} images failed: {names}. The others are done; the same "
            "command tries only what is missing.",
            result,
        )
    return result


def _segment_one(image: Image, session: Session, out: Path, dry_run: bool) -> Run[SegmentResult]:
    started = time.monotonic()
    plan = session.plan(image)
    yield Progress("plan", message=plan.render())
    check_disk(plan, out)
    name = str(image.source or image.name)
    if dry_run:
        return SegmentResult(plans={name: plan.as_dict()})
    _refuse_not_finite(image, plan.level)
    _refuse_same(image, out)
    if session.options.overwrite:
        remove_output(out)
    output = begin_output(plan, out, session.fingerprint(plan), _facts(plan))
    if output.complete:
        yield Progress("segment", 1, 1, message=f"'{out}' is complete already; nothing to do")
    else:
        yield from _fill(plan, session, output)
    return SegmentResult(
        outputs={name: str(out)},
        plans={name: plan.as_dict()},
        seconds=time.monotonic() - started,
    )


def _fill(plan: SegmentPlan, session: Session, output: Output) -> Iterator[Progress]:
    """Compute what is missing, then the coarser levels, then mark it complete."""
    done = 0
    for moment in range(plan.times):
        intensity = session.intensity(plan.image, plan.level, moment)
        for block in plan.grid:
            count = plan.lattice.count(block.write_box)
            if not output.has(block, moment):
                result = _BlockResult.empty(plan, block.write_box)
                pieces = session.predict(plan, block.write_box, intensity, moment)
                for number, piece in enumerate(pieces):
                    result.put(*piece)
                    yield Progress("segment", done + number, plan.windows)
                output.write(block, moment, result.labels, result.probabilities)
            done += count
            yield Progress("segment", done, plan.windows)
    for stage, store, kind in output.pyramids():
        for level_done, total in fill_coarser(store, kind):
            yield Progress(stage, level_done, total)
    output.finish()


def _refuse_not_finite(image: Image, level: int) -> None:
    if image.nan_as is None and (count := image.count_not_finite(level)):
        raise InputError(
            f"'{image.name}' has {count} voxels that are NaN or infinite; a network cannot use "
            "them. Say what they stand for, for example --nan-as 0."
        )


def _refuse_same(image: Image, out: Path) -> None:
    if image.source is not None and out.resolve() == Path(image.source).resolve():
        raise InputError(f"The output '{out}' is the input itself. Give another --out.")


def _facts(plan: SegmentPlan) -> dict[str, Any]:
    """Give what is told of the run in its output."""
    return {
        "task": plan.spec.task,
        "classes": [asdict(c) for c in plan.spec.classes],
        "image": str(plan.image.source or plan.image.name),
        "plan": plan.as_dict(),
        "versions": dict(plan.spec.versions),
    }
