"""Objects: labels of classes -> one number for each object and a table, over any size."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from napari_ziggurat.errors import WorkFailed
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.config import ObjectsConfig
from napari_ziggurat.runs.objects.doubtful import doubtful_in, write_doubtful
from napari_ziggurat.runs.objects.files import Files
from napari_ziggurat.runs.objects.hands import Hands, drafts, hands
from napari_ziggurat.runs.objects.join import Joined, join, joined
from napari_ziggurat.runs.objects.place import Place, begin, table_beside
from napari_ziggurat.runs.objects.plan import ObjectsPlan
from napari_ziggurat.runs.objects.result import ObjectsResult, doubtful_beside
from napari_ziggurat.runs.objects.rows import rows
from napari_ziggurat.runs.objects.table import Tables, check_table, restore, table_in
from napari_ziggurat.runs.objects.work import Stage, left, stages
from napari_ziggurat.runs.output.journal import Entry, Log

__all__ = ["ObjectsResult", "objects"]

_TRIES = 3


def objects(config: ObjectsConfig) -> Run[ObjectsResult]:
    """Give each object of a segmentation a number of its own, and measure it.

    An object is what hangs together within one class. The result is that of the whole image at
    once, whatever the blocks and however often the run was interrupted; numbers go by the first
    voxel in a scan of the image.

    Parameters
    ----------
    config : ObjectsConfig
        What, where to and how.

    Returns
    -------
    ObjectsResult
        As the generator's value.

    Raises
    ------
    ZigguratError
        Something does not fit; it is said before anything that exists is touched.
    """
    started = time.monotonic()
    plan = ObjectsPlan.of(config)
    table = table_beside(plan)
    check_table(table)
    place = begin(plan)
    if place.complete:
        _tidy(place)
        if not table.exists():
            restore(table_in(place.store), table)
        if plan.parting.cuts and not doubtful_beside(table).exists():
            restore(doubtful_in(place.store), doubtful_beside(table))
        yield Progress("objects", 1, 1, message=f"'{config.out}' is complete already")
        return _told(place, table, started)
    yield Progress("plan", message=plan.render())
    with place.journal.locked(place.store):
        with hands(plan, place.store) as workers:
            report = yield from _all_stages(plan, place, workers)
        yield from _finish(plan, place, report, table)
    return _told(place, table, started)


def _all_stages(plan: ObjectsPlan, place: Place, workers: Hands) -> Run[Joined]:
    files, first, *others = _files(place.store), *stages(plan)
    done = {entry.task for entry in place.journal.news()}
    yield from _stage(first, place, workers, done)
    report = joined(files) or (yield from join(plan, files))
    for stage in others:
        yield from _stage(stage, place, workers, done)
    return report


def _stage(stage: Stage, place: Place, workers: Hands, done: set[int]) -> Run[None]:
    """Do what is left of a stage; tasks that fail are tried again.

    Raises
    ------
    WorkFailed
        Some failed each time; the others are done.
    """
    tasks, failed = list(left(stage, done)), dict[int, str]()
    yield Progress(stage.name, len(stage.tasks) - len(tasks), len(stage.tasks))
    with place.journal.log() as log:
        for _ in range(_TRIES):
            failed = yield from _try(tasks, stage, log, workers)
            tasks = list(failed)
    if failed:
        raise WorkFailed(_failure(stage, failed))


def _try(tasks: list[int], stage: Stage, log: Log, workers: Hands) -> Run[dict[int, str]]:
    """Do tasks; give what went wrong with those that failed."""
    failed: dict[int, str] = {}
    began, count = time.monotonic(), len(stage.tasks) - len(tasks)
    for each in workers.do(tasks):
        if each.why:
            failed[each.task] = each.why
            continue
        log.add(Entry(each.task, each.digest, 0, time.monotonic() - began))
        began, count = time.monotonic(), count + 1
        yield Progress(stage.name, count, len(stage.tasks))
    return failed


def _failure(stage: Stage, failed: Mapping[int, str]) -> str:
    task, why = next(iter(failed.items()))
    blocks = "1 block" if len(failed) == 1 else f"{len(failed)} blocks"
    return (
        f"{blocks} of {len(stage.tasks)} failed {_TRIES} times ({stage.name}). Block "
        f"{task - stage.tasks.start + 1}: {why} The rest is done, and the same command tries only "
        "what is missing."
    )


def _finish(plan: ObjectsPlan, place: Place, report: Joined, table: Path) -> Run[None]:
    """Write the tables, then say that all is there, then remove what is not needed any more."""
    yield Progress("table")
    tables = Tables(table_in(place.store), table)
    tables.write(rows(plan, _files(place.store), report.objects))
    if plan.parting.cuts:
        write_doubtful(plan, _files(place.store), doubtful_in(place.store), doubtful_beside(table))
    result = ObjectsResult(
        out=str(place.store),
        table=str(table),
        classes=dict(tables.classes),
        objects=report.objects,
        removed=report.removed,
        blocks=plan.blocks,
        fragments=report.fragments,
        seams=report.seams,
        merged=report.merged,
        split=plan.settings.split,
        settings=plan.words,
        cut=report.cut,
        doubtful=report.doubtful,
    )
    place.finish({"objects": result.facts()})
    _tidy(place)


def _told(place: Place, table: Path, started: float) -> ObjectsResult:
    facts = place.record["objects"]
    return ObjectsResult(
        out=str(place.store), table=str(table), **facts, seconds=time.monotonic() - started
    )


def _files(store: Path) -> Files:
    return Files(store / ".ziggurat" / "fragments")


def _tidy(place: Place) -> None:
    for folder in (_files(place.store).folder, drafts(place.store)):
        shutil.rmtree(folder, ignore_errors=True)
