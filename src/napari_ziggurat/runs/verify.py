"""Verify: what is written is read again, and what is not as the journal has it is done anew."""

from napari_ziggurat.errors import InputError
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.output import Output
from napari_ziggurat.runs.tasks import Tasks

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
    kept = dict(entries)
    for done, entry in enumerate(entries.values()):
        yield Progress("verify", done, len(entries))
        if writer.digest(tasks.task(entry.task)) != entry.digest:
            del kept[entry.task]
    changed = len(entries) - len(kept)
    yield Progress("verify", len(entries), len(entries), message=_words(len(entries), changed))
    output.journal.replace(kept.values())
    return output if len(kept) == len(tasks) else output.reopened()


def _words(count: int, changed: int) -> str:
    if changed:
        return f"{changed} of {count} blocks are not as they were written; they are done anew."
    return f"All {count} blocks that are finished are as they were written."
