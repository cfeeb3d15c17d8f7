"""Segment: image and model -> label pyramid, block by block, as a generator of Progress."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from napari_ziggurat.errors import InputError, WorkFailed
from napari_ziggurat.images import Image, Source, fill_coarser, find_images, open_image, stem
from napari_ziggurat.images.finite import refuse_not_finite
from napari_ziggurat.networks import Intensity, Model, load_model
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.block_result import BlockResult
from napari_ziggurat.runs.config import SegmentConfig
from napari_ziggurat.runs.failure import explain
from napari_ziggurat.runs.options import SegmentOptions
from napari_ziggurat.runs.output import Output, begin_output
from napari_ziggurat.runs.place import check_place
from napari_ziggurat.runs.plan import SegmentPlan
from napari_ziggurat.runs.session import Session

__all__ = ["SegmentResult", "segment", "segment_image"]

logger = logging.getLogger(__name__)

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
        The plan of each image in figures, and as ``words``.
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
        """Say where everything lies; after a dry run, what would be done."""
        lines = [f"{image} -> {out}" for image, out in self.outputs.items()]
        lines += [str(p["words"]) for image, p in self.plans.items() if image not in self.outputs]
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
        Something does not fit. What the image, the model and the place have against the run is
        said before anything that exists is touched.
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


def _jobs(config: SegmentConfig) -> list[tuple[Source, Path]]:
    """Pairs of input and output."""
    images = find_images(config.image)
    if images == [config.image]:
        return [(config.image, config.out)]
    outs = [config.out / (stem(path) + _suffix(path, config)) for path in images]
    if len(set(outs)) < len(outs):
        twice = sorted({out.name for out in outs if outs.count(out) > 1})
        raise InputError(
            f"Images of a folder need different names; several would be written to "
            f"{', '.join(twice)}. Rename them or segment them one by one."
        )
    return list(zip(images, outs, strict=True))


def _suffix(path: Source, config: SegmentConfig) -> str:
    if config.all_scales:
        return ".ome.zarr"  # no other format that is written holds several levels
    return _SUFFIX_FOR.get(path.suffix.lower(), ".tif")


def _open(path: Source, config: SegmentConfig) -> Image:
    return open_image(
        path,
        axes=config.axes,
        spacing=config.spacing,
        unit=config.unit,
        nan_as=config.nan_as,
    )


def _segment_all(
    jobs: list[tuple[Source, Path]], session: Session, config: SegmentConfig
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
        # Whatever is wrong with this one, memory that ran out included, the others may be fine.
        except Exception as error:
            logger.debug("%s failed", path, exc_info=True)
            why = failed[str(path)] = explain(error)
            yield Progress("images", done, len(jobs), message=f"{path.name} failed: {why}")
    yield Progress("images", len(jobs), len(jobs))
    result = SegmentResult(
        outputs={k: v for each in results for k, v in each.outputs.items()},
        failed=failed,
        plans={k: v for each in results for k, v in each.plans.items()},
        seconds=time.monotonic() - started,
    )
    if failed:
        names = ", ".join(Path(path).name for path in failed)
        command = "the same command without --overwrite" if config.overwrite else "the same command"
        raise SomeFailed(
            f"{len(failed)} of {len(jobs)} images failed: {names}. The others are done; {command} "
            "tries only what is missing.",
            result,
        )
    return result


def _segment_one(image: Image, session: Session, out: Path, dry_run: bool) -> Run[SegmentResult]:
    started = time.monotonic()
    plan = session.plan(image)
    check_place(plan, out, session.options.memory)
    name = str(image.source or image.name)
    plans = {name: {**plan.as_dict(), "words": plan.render()}}
    yield Progress("plan", message="" if dry_run else plan.render())
    if dry_run:
        return SegmentResult(plans=plans)
    intensities = yield from _look_through(plan, session)
    fingerprint = session.fingerprint(plan)
    overwrite = session.options.overwrite
    output = begin_output(plan, out, fingerprint, _facts(plan), overwrite=overwrite)
    if output.complete:
        yield Progress("segment", 1, 1, message=f"'{out}' is complete already; nothing to do")
    else:
        yield from _fill(plan, session, intensities, output)
    return SegmentResult({name: str(out)}, plans=plans, seconds=time.monotonic() - started)


def _look_through(plan: SegmentPlan, session: Session) -> Run[tuple[Intensity, ...]]:
    """Refuse what a network cannot use before anything is written; normalisation of each time."""
    yield from refuse_not_finite(plan.image, plan.level, plan.read_region)
    found: list[Intensity] = []
    for moment in range(plan.times):
        found.append(session.intensity(plan.image, plan.level, moment))
        yield Progress("check", moment + 1, plan.times)
    return tuple(found)


def _fill(
    plan: SegmentPlan, session: Session, intensities: Sequence[Intensity], output: Output
) -> Iterator[Progress]:
    """Compute what is missing, then the coarser levels, then mark it complete."""
    done = 0
    for moment, intensity in enumerate(intensities):
        for block in plan.grid:
            count = plan.lattice.count(block.write_box)
            if not output.has(block, moment):
                result = BlockResult.empty(plan, block.write_box)
                pieces = session.predict(plan, block.write_box, intensity, moment)
                for number, piece in enumerate(pieces):
                    result.put(*piece)
                    yield Progress("segment", done + number, plan.windows)
                output.write(block, moment, result)
            done += count
            yield Progress("segment", done, plan.windows)
    for stage, store, kind in output.pyramids():
        for level_done, total in fill_coarser(store, kind, len(plan.levels)):
            yield Progress(stage, level_done, total)
    output.finish()


def _facts(plan: SegmentPlan) -> dict[str, Any]:
    """Give what is told of the run in its output."""
    return {
        "task": plan.spec.task,
        "classes": [asdict(c) for c in plan.spec.classes],
        "image": str(plan.image.source or plan.image.name),
        "plan": plan.as_dict(),
        "versions": dict(plan.spec.versions),
    }
