"""Segment: image and model -> label pyramid, block by block, as a generator of Progress."""

import logging
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from napari_ziggurat.errors import InputError, WorkFailed
from napari_ziggurat.evaluation.audit import Audit
from napari_ziggurat.images import Image, Source, find_images, open_image, read_record, stem
from napari_ziggurat.networks import Intensity, Model, load_model
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.config import SegmentConfig
from napari_ziggurat.runs.output.output import Output
from napari_ziggurat.runs.output.place import check_place, coarse_store, disk_words
from napari_ziggurat.runs.output.tally import Tally
from napari_ziggurat.runs.output.verify import verify
from napari_ziggurat.runs.plan.options import SegmentOptions
from napari_ziggurat.runs.plan.plan import SegmentPlan
from napari_ziggurat.runs.segment.carry_out import begin, look_through
from napari_ziggurat.runs.segment.coarse import coarse_pass
from napari_ziggurat.runs.segment.gated import gated
from napari_ziggurat.runs.session import Session
from napari_ziggurat.runs.workers.crew import Crew
from napari_ziggurat.runs.workers.dask_cluster import connect
from napari_ziggurat.runs.workers.failure import explain
from napari_ziggurat.runs.workers.fill import Share, fill

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
    windows : mapping of str to Tally
        How many windows of each image were computed, and how many held one value.
    gates : mapping of str to mapping
        Where there was a gate, what it left out and what its audit found.
    seconds : float
        Wall time.
    """

    outputs: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    plans: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    windows: Mapping[str, Tally] = field(default_factory=dict)
    gates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """Give the result as JSON can hold it."""
        return asdict(self)

    def render(self) -> str:
        """Say where everything lies; after a dry run, what would be done."""
        lines = [f"{image} -> {out}{self._counted(image)}" for image, out in self.outputs.items()]
        lines += [Audit(**gate["audit"]).render() for gate in self.gates.values()]
        lines += [str(p["words"]) for image, p in self.plans.items() if image not in self.outputs]
        lines += [f"{image} failed: {why}" for image, why in self.failed.items()]
        return "\n".join(lines)

    def _counted(self, image: str) -> str:
        tally = self.windows.get(image)
        return f" ({tally.render()})" if tally is not None and tally.constant else ""


class SomeFailed(WorkFailed):
    """Some images of a folder failed; ``result`` holds what was made of the others."""

    def __init__(self, message: str, result: SegmentResult) -> None:
        super().__init__(message)
        self.result = result


def segment(config: SegmentConfig, client: Any = None) -> Run[SegmentResult]:
    """Segment an image, or each image of a folder.

    Parameters
    ----------
    config : SegmentConfig
        What, with what, where to and how.
    client : distributed.Client, optional
        Of a Dask cluster whose workers compute; it stays open.

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
    with ExitStack() as opened:
        crew = _crew(config, client, opened)
        jobs = _jobs(config)
        options = replace(SegmentOptions.from_config(config), threads=crew.threads)
        session = opened.enter_context(Session(load_model(config.model), options))
        if jobs[0][0] == config.image:
            image = _open(config.image, config)
            return (yield from _segment_one(image, session, config.out, crew))
        return (yield from _segment_all(jobs, session, crew, config))


def segment_image(
    image: Image, model: Model, options: SegmentOptions, out: Path
) -> Run[SegmentResult]:
    """Segment an image that is open already, in this process; as `segment` otherwise."""
    with Session(model, options) as session:
        return (yield from _segment_one(image, session, out, Crew()))


def _crew(config: SegmentConfig, client: Any, opened: ExitStack) -> Crew:
    if config.dask is not None:
        client = opened.enter_context(connect(config.dask))
    return Crew.of(config, client)


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
    jobs: list[tuple[Source, Path]], session: Session, crew: Crew, config: SegmentConfig
) -> Run[SegmentResult]:
    """Segment every image of a folder; one that fails does not stop the others."""
    started = time.monotonic()
    results: list[SegmentResult] = []
    failed: dict[str, str] = {}
    for done, (path, out) in enumerate(jobs):
        yield Progress("images", done, len(jobs), message=f"{path.name} ({done + 1}/{len(jobs)})")
        try:
            image = _open(path, config)
            results.append((yield from _segment_one(image, session, out, crew)))
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
        windows={k: v for each in results for k, v in each.windows.items()},
        gates={k: v for each in results for k, v in each.gates.items()},
        seconds=time.monotonic() - started,
    )
    if failed:
        names = ", ".join(Path(path).name for path in failed)
        command = (
            "the same command without --overwrite"
            if session.options.overwrite
            else "the same command"
        )
        raise SomeFailed(
            f"{len(failed)} of {len(jobs)} images failed: {names}. The others are done; {command} "
            "tries only what is missing.",
            result,
        )
    return result


def _segment_one(image: Image, session: Session, out: Path, crew: Crew) -> Run[SegmentResult]:
    started = time.monotonic()
    dry_run = session.options.dry_run
    plan = session.plan(image, processes=crew.processes, probe=dry_run)
    check_place(plan, out, session.options.memory)
    name = str(image.source or image.name)
    words = f"{plan.render()}\n{disk_words(out)}"
    plans = {name: {**plan.as_dict(), "words": words}}
    yield Progress("plan", message="" if dry_run else words)
    if dry_run:
        return SegmentResult(plans=plans)
    intensities = yield from look_through(plan, session)
    output = begin(plan, session, out, crew, overwrite=session.options.overwrite)
    with crew.claim(output):
        yield from _carry_out(output, session, crew, dict(enumerate(intensities)))
    record = read_record(out) or {}
    return SegmentResult(
        {name: str(out)},
        plans=plans,
        windows={name: Tally.told(record)},
        gates={name: record["gate"]} if "gate" in record else {},
        seconds=time.monotonic() - started,
    )


def _carry_out(
    output: Output, session: Session, crew: Crew, intensities: Mapping[int, Intensity]
) -> Run[None]:
    """Verify what is there, if that is wanted, and do what is missing."""
    plan, out = output.plan, output.out
    if session.options.verify:
        output = yield from verify(output)
    if output.complete:
        yield Progress("segment", 1, 1, message=f"'{out}' is complete already; nothing to do")
        return
    share = yield from _coarse_passes(plan, session, out, crew)
    if plan.gate is not None:
        output = yield from gated(output, session, crew)
    with crew.at_work(output, session, intensities) as (schedule, executor):
        yield from fill(output, schedule, executor, share)


def _coarse_passes(plan: SegmentPlan, session: Session, out: Path, crew: Crew) -> Run[Share]:
    """Segment the coarser levels of a plan, coarsest first; give what is left of the run."""
    before = 0
    for each in reversed(plan.coarse):
        share = Share(before, plan.all_windows - before - each.windows)
        yield from coarse_pass(each, session, coarse_store(out, each.level), crew, share)
        before += each.windows
    return Share(before)
