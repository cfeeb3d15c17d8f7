"""Fill: every block of an output that is missing, then the mark that it is complete."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from napari_ziggurat.errors import WorkFailed
from napari_ziggurat.progress import Progress
from napari_ziggurat.runs.output.output import Output
from napari_ziggurat.runs.output.tally import Tally, audited
from napari_ziggurat.runs.output.tasks import Tasks
from napari_ziggurat.runs.workers.executor import Executor, Report, drive
from napari_ziggurat.runs.workers.schedule import Schedule

__all__ = ["WHOLE", "Share", "fill"]

_TRIES = 3
_LOOK = 0.5  # seconds between two looks at what others do


@dataclass(frozen=True)
class Share:
    """What a fill is of the whole run, in windows; all of it by default.

    Attributes
    ----------
    before, after : int
        Windows of the passes before and after.
    """

    before: int = 0
    after: int = 0


WHOLE = Share()


def fill(
    output: Output,
    schedule: Schedule,
    executor: Executor,
    share: Share = WHOLE,
    *,
    wait: bool = False,
) -> Iterator[Progress]:
    """Compute what is missing, block by block at every level, and finish the output.

    Parameters
    ----------
    output : Output
        Begun.
    schedule : Schedule
        Its tasks, as far as they are left.
    executor : Executor
        Closed at the end.
    share : Share
        Where in the run this is, for who watches.
    wait : bool
        Stay until the blocks of other processes are finished as well.

    Raises
    ------
    WorkFailed
        Some blocks failed three times; the others are done.
    """
    done = share.before + schedule.windows_done
    total = share.before + output.windows + share.after
    failed: dict[int, str] = {}
    with closing(executor):
        yield Progress("segment", done, total)
        for _ in range(_TRIES):
            failed.clear()
            for report in _reports(schedule, executor, wait):
                done += report.windows if report else 0
                if report and report.state == "failed":
                    failed[report.task] = report.why
                yield Progress("segment", done, total)
            if not failed:
                break
            schedule.begin_again()
    if failed:
        raise WorkFailed(_failure(schedule.tasks, failed))
    if schedule.left:
        blocks = "1 block is" if schedule.left == 1 else f"{schedule.left} blocks are"
        others = f"{blocks} left to other processes, the last of which finishes the output."
        yield Progress("segment", done, total, message=others)
        return
    said = ""
    with schedule.alone():  # not a moment longer than it takes: whoever looks at us may be slow
        if not output.is_over:
            facts, said = _told(output, len(schedule.tasks))
            output.finish(facts)
    yield Progress("segment", done, total, message=said)


def _told(output: Output, tasks: int) -> tuple[dict[str, Any], str]:
    """Give what is known of a run now that it is over: for its record, and for who watches."""
    tally = Tally.of(output.journal, tasks)
    facts: dict[str, Any] = {"windows": tally.as_dict()}
    if output.gate is None:
        return facts, ""
    audit = audited(output.gate, tally)
    return {**facts, "gate": {**output.gate.as_dict(), "audit": audit.as_dict()}}, audit.render()


def _reports(schedule: Schedule, executor: Executor, wait: bool) -> Iterator[Report | None]:
    """Give reports until no task can begin; or, where we wait, until others are done, too.

    None comes while there is nothing to do but to wait.
    """
    failed = False
    while True:
        for report in drive(schedule, executor):
            failed = failed or report.state == "failed"
            yield report
        if failed or not wait or not schedule.left:
            return
        yield None
        time.sleep(_LOOK)


def _failure(tasks: Tasks, failed: dict[int, str]) -> str:
    number, why = next(iter(failed.items()))
    box = tasks.task(number).node.block.write_box
    blocks = "1 block" if len(failed) == 1 else f"{len(failed)} blocks"
    return (
        f"{blocks} of {len(tasks)} failed {_TRIES} times. Block {box}: {why} The rest is done, and "
        "the same command tries only what is missing."
    )
