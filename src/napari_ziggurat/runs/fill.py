"""Fill: every block of an output that is missing, then the mark that it is complete."""

from collections.abc import Iterator
from contextlib import closing

from napari_ziggurat.errors import WorkFailed
from napari_ziggurat.progress import Progress
from napari_ziggurat.runs.executor import Executor, drive
from napari_ziggurat.runs.output import Output
from napari_ziggurat.runs.schedule import Schedule
from napari_ziggurat.runs.tally import Tally
from napari_ziggurat.runs.tasks import Tasks

__all__ = ["fill"]

_TRIES = 3


def fill(output: Output, schedule: Schedule, executor: Executor) -> Iterator[Progress]:
    """Compute what is missing, block by block at every level, and finish the output.

    Parameters
    ----------
    output : Output
        Begun.
    schedule : Schedule
        Its tasks, as far as they are left.
    executor : Executor
        Closed at the end.

    Raises
    ------
    WorkFailed
        Some blocks failed three times; the others are done.
    """
    total, done = output.plan.windows, schedule.windows_done
    failed: dict[int, str] = {}
    with closing(executor):
        yield Progress("segment", done, total)
        for _ in range(_TRIES):
            failed.clear()
            for report in drive(schedule, executor):
                done += report.windows
                if report.state == "failed":
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
    else:
        tally = Tally.of(output.journal, len(schedule.tasks))
        output.finish({"windows": tally.as_dict()})


def _failure(tasks: Tasks, failed: dict[int, str]) -> str:
    number, why = next(iter(failed.items()))
    box = tasks.task(number).node.block.write_box
    blocks = "1 block" if len(failed) == 1 else f"{len(failed)} blocks"
    return (
        f"{blocks} of {len(tasks)} failed {_TRIES} times. Block {box}: {why} The rest is done, and "
        "the same command tries only what is missing."
    )
