"""Objects: labels of classes -> one number for each object and a table, over any size."""

import shutil
import time
from pathlib import Path

from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.config import ObjectsConfig
from napari_ziggurat.runs.journal import Entry
from napari_ziggurat.runs.objects.files import Files
from napari_ziggurat.runs.objects.hands import Hands, drafts, hands
from napari_ziggurat.runs.objects.join import Joined, join, joined
from napari_ziggurat.runs.objects.place import Place, begin, table_beside
from napari_ziggurat.runs.objects.plan import ObjectsPlan
from napari_ziggurat.runs.objects.result import ObjectsResult
from napari_ziggurat.runs.objects.rows import rows
from napari_ziggurat.runs.objects.table import Tables, check_table, restore, table_in
from napari_ziggurat.runs.objects.work import Stage, left, stages

__all__ = ["ObjectsResult", "objects"]


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
    count = sum(task in done for task in stage.tasks)
    yield Progress(stage.name, count, len(stage.tasks))
    began = time.monotonic()
    with place.journal.log() as log:
        for task, digest in workers.do(left(stage, done)):
            log.add(Entry(task, digest, 0, time.monotonic() - began))
            began, count = time.monotonic(), count + 1
            yield Progress(stage.name, count, len(stage.tasks))


def _finish(plan: ObjectsPlan, place: Place, report: Joined, table: Path) -> Run[None]:
    """Write the tables, then say that all is there, then remove what is not needed any more."""
    yield Progress("table")
    tables = Tables(table_in(place.store), table)
    tables.write(rows(plan, _files(place.store), report.objects))
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
