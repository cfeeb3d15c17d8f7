"""Journal: which blocks of a run are done, so that an interrupted run goes on.

One small file per block, written after the block's shards and renamed into place; they are removed
when the run is finished. The journal carries the fingerprint of its run: another model, input or
setting is refused by name.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_ziggurat.errors import ExistsError

__all__ = ["Fingerprint", "Journal"]


@dataclass(frozen=True)
class Fingerprint:
    """Everything that decides the result of a run, by name."""

    parts: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 of the parts."""
        text = json.dumps(self.parts, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """Names of the parts that differ."""
        mine = json.loads(json.dumps(self.parts, default=str))
        return sorted(k for k in {*mine, *other} if mine.get(k) != other.get(k))


class Journal:
    """The finished blocks of one output, in a folder inside it.

    Parameters
    ----------
    folder : Path
        Made when the run begins.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def exists(self) -> bool:
        """Tell whether a run has begun here."""
        return self._run.is_file()

    def begin(self, fingerprint: Fingerprint) -> None:
        """Start a journal."""
        self._blocks.mkdir(parents=True, exist_ok=True)
        _write_whole(self._run, dict(fingerprint.parts))

    def differences(self, fingerprint: Fingerprint) -> list[str]:
        """Name what differs from the run that began here; nothing for the same run."""
        return fingerprint.differences(json.loads(self._run.read_text(encoding="utf-8")))

    def check(self, fingerprint: Fingerprint, out: Path) -> None:
        """Refuse to go on with another run than the one that began here.

        Raises
        ------
        ExistsError
            The message names what differs.
        """
        if differs := self.differences(fingerprint):
            raise ExistsError(
                f"'{out}' holds another run (different {', '.join(differs)}). "
                "Give another --out, or --overwrite to replace it."
            )

    def close(self) -> None:
        """Remove the entries of a finished run: that it is complete stands in its output."""
        shutil.rmtree(self._blocks, ignore_errors=True)

    def has(self, block: str) -> bool:
        """Tell whether a block is finished."""
        return self._entry(block).is_file()

    def add(self, block: str, facts: Mapping[str, Any]) -> None:
        """Note a finished block; call it after its shards are written."""
        _write_whole(self._entry(block), dict(facts))

    @property
    def _run(self) -> Path:
        return self._folder / "run.json"

    @property
    def _blocks(self) -> Path:
        return self._folder / "blocks"

    def _entry(self, block: str) -> Path:
        return self._blocks / f"{block}.json"


def _write_whole(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file in full, flush it to the disk, then give it its name."""
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        json.dump(content, file, default=str)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
