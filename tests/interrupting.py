"""Interrupt a segmentation when some of its blocks are in the journal."""

from collections.abc import Iterator
from pathlib import Path

from napari_ziggurat.progress import Progress
from napari_ziggurat.runs.output.journal import Journal


def finished_blocks(out: Path) -> int:
    """Count the blocks of an OME-Zarr output that the journal knows."""
    return len(list(Journal(out / ".ziggurat").news()))


def stop_after(run: Iterator[Progress], out: Path, blocks: int) -> None:
    """Close a run once so many blocks are finished; fail if it ended before."""
    for _ in run:
        if finished_blocks(out) >= blocks:
            run.close()  # type: ignore[attr-defined]
            return
    raise AssertionError(f"the run ended before {blocks} blocks were counted")
