"""Segment in a process that is killed at a moment of one's choice."""

import os
import signal
import threading

from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import SegmentConfig
from napari_ziggurat.runs.output import journal as journal_module
from napari_ziggurat.runs.output import writer as writer_module
from napari_ziggurat.runs.segment import segment

MOMENTS = ("before the shard", "within the shard", "before the journal", "within the journal")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run_and_die(config: SegmentConfig, moment: str, blocks: int) -> None:
    """Segment in this process, and kill it at a moment of the block after so many."""
    count = [0]
    digest, line = writer_module.BlockWriter.digest, journal_module.Entry.line

    def note(when: str) -> bool:
        count[0] += when == MOMENTS[0]
        return count[0] > blocks and when == moment

    write = writer_module.BlockWriter.write

    def dies_around_the_shard(self, task, result):
        if note("before the shard"):
            _die()
        if note("within the shard"):
            threading.Timer(0.002, _die).start()
        return write(self, task, result)

    def dies_before_the_journal(self, task):
        found = digest(self, task)
        if note("before the journal"):
            _die()
        return found

    def dies_within_the_journal(self):
        whole = line(self)
        if not note("within the journal"):
            return whole
        threading.Timer(0.05, _die).start()
        return whole[: len(whole) // 2]  # a torn line

    writer_module.BlockWriter.write = dies_around_the_shard
    writer_module.BlockWriter.digest = dies_before_the_journal
    journal_module.Entry.line = dies_within_the_journal
    finish(segment(config))


def run_for(config: SegmentConfig, seconds: float) -> None:
    threading.Timer(seconds, _die).start()
    finish(segment(config))
