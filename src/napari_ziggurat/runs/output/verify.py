"""Verify: what is written is read again, and what is not as the journal has it is done anew."""

from collections.abc import Iterable

from napari_ziggurat.errors import InputError
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.output.output import Output
from napari_ziggurat.runs.output.tasks import Task, Tasks

__all__ = ["verify"]


def verify(output: Output) -> Run[Output]:
    """Read every file of the blocks that are finished; forget those that were changed.

    Returns
    -------
    Output
        As the generator's value: the same, and no longer complete where something is to be done.

    Raises
    ------
    InputError
        The output is a finished file: the blocks that it was made of are gone.
    """
    if output.complete and output.store != output.out:
        raise InputError(
            f"'{output.out}' was written whole, from blocks that are gone; --verify reads OME-Zarr "
            "outputs again. Give --overwrite to make it anew."
        )
    tasks, writer = Tasks.of(output.plan), output.writer
    entries = {entry.task: entry for entry in output.journal.news()}
    changed: list[Task] = []
    for done, entry in enumerate(entries.values()):
        yield Progress("verify", done, len(entries))
        if writer.digest(tasks.task(entry.task)) != entry.digest:
            changed.append(tasks.task(entry.task))
    yield Progress("verify", len(entries), len(entries), message=_words(len(entries), len(changed)))
    anew = _with_coarser(tasks, changed)
    output.journal.replace(entry for number, entry in entries.items() if number not in anew)
    return output if len(entries) == len(tasks) and not anew else output.reopened()


def _with_coarser(tasks: Tasks, changed: Iterable[Task]) -> set[int]:
    """Give the numbers of tasks and of all that were made from them."""
    anew: set[int] = set()
    for each in changed:
        task: Task | None = each
        while task is not None:
            anew.add(task.number)
            task = tasks.needed_by(task)
    return anew


def _words(count: int, changed: int) -> str:
    if changed:
        return f"{changed} of {count} blocks are not as they were written; they are done anew."
    return f"All {count} blocks that are finished are as they were written."
