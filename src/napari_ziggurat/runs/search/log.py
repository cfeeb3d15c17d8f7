"""Search log: what a search has tried, in its folder, so that the same command goes on.

``search.json`` says which search it is, ``candidates.jsonl`` has a line for each trial, and
``network.yaml`` is the best network so far.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.runs.config import SearchConfig
from napari_ziggurat.runs.output.journal import Fingerprint
from napari_ziggurat.runs.output.place import make_folder
from napari_ziggurat.training.climbing import Trial

__all__ = ["SearchLog"]

# None of them decides what is tried: a search can be made longer.
_FREE = {"overwrite", "out", "minutes", "candidates"}


class SearchLog:
    """The log of one search.

    Parameters
    ----------
    config : SearchConfig
        Says where it lies and whether another search there may be replaced.

    Raises
    ------
    ExistsError
        A search with other settings is there, or files of another kind are.
    InputError
        The folder cannot be made.
    """

    def __init__(self, config: SearchConfig) -> None:
        self.network = config.out / "network.yaml"
        self._folder = config.out
        self._about = config.out / "search.json"
        self._lines = config.out / "candidates.jsonl"
        self._settings = config.model_dump(mode="json", exclude=_FREE)
        if self._folder.is_file():
            raise ExistsError(f"'{self._folder}' is a file; a search is a folder. Give another "
                              "--out.")  # fmt: skip
        self._overwrite = config.overwrite
        self._found = self._read_about()
        # What is there stays until the images are read and there is something to replace it with.
        self._anew = self._overwrite and bool(self._found.get("complete"))
        self._check(self._settings)

    @property
    def shapes(self) -> tuple[tuple[int, ...], int] | None:
        """Patch and batch that it began with: the memory there is may have changed since."""
        found = None if self._anew else self._found.get("shapes")
        return (tuple(found["patch"]), found["batch"]) if found else None

    def begin(self, data: Mapping[str, Any], shapes: tuple[tuple[int, ...], int]) -> list[Trial]:
        """Start, or go on; give what was tried.

        Parameters
        ----------
        data : mapping
            What the images and labels hold, by name; a change is refused.
        shapes : (tuple of int, int)
            Patch and batch.
        """
        self._check(data)
        make_folder(self._folder)
        if self._anew:
            self._clear()
        if not self._found:
            patch, batch = shapes
            self._found = {
                "settings": {**self._settings, **data},
                "shapes": {"patch": patch, "batch": batch},
            }
        self._write_about(complete=False)
        return self._read_trials()

    def add(self, trial: Trial) -> None:
        """Write a trial down."""
        with self._lines.open("a", encoding="utf-8") as file:
            file.write(json.dumps(trial.as_dict()) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def write_network(self, text: str) -> None:
        """Write the best network so far."""
        _write_whole(self.network, text)

    def end(self) -> None:
        """Note that the search has used what it was given."""
        self._write_about(complete=True)

    def _read_about(self) -> dict[str, Any]:
        if not self._about.is_file():
            return {}
        try:
            found: dict[str, Any] = json.loads(self._about.read_text(encoding="utf-8"))
        except ValueError as error:
            raise self._damaged(self._about) from error
        return found

    def _write_about(self, *, complete: bool) -> None:
        self._found["complete"] = complete
        _write_whole(self._about, json.dumps(self._found, indent=2))

    def _check(self, wanted: Mapping[str, Any]) -> None:
        """Refuse another search that is there, or begin anew where that is allowed."""
        sentence = self._other(wanted)
        if sentence and not self._overwrite:
            raise ExistsError(sentence)
        self._anew = self._anew or bool(sentence)

    def _other(self, wanted: Mapping[str, Any]) -> str:
        """Say what else is there; empty where it is the same search, or nothing."""
        if not self._found:
            there = [path.name for path in (self._lines, self.network) if path.exists()]
            rest = "is of no search. Give another --out, or --overwrite to replace it."
            return f"'{self._folder / there[0]}' {rest}" if there else ""
        before = self._found["settings"]
        differs = Fingerprint(wanted).differences({k: before[k] for k in wanted if k in before})
        if not differs:
            return ""
        return (
            f"'{self._folder}' holds another search (different {', '.join(differs)}). Take the "
            "change back to go on with it, give another --out, or --overwrite to start anew."
        )

    def _damaged(self, path: Path) -> InputError:
        return InputError(
            f"'{path}' is not as a search writes it. Put it back as it was, give another --out, or "
            "delete it and say --overwrite to start anew."
        )

    def _clear(self) -> None:
        for path in (self._about, self._lines, self.network):
            path.unlink(missing_ok=True)
        self._found, self._anew = {}, False

    def _read_trials(self) -> list[Trial]:
        """Read all whole lines; half a line is what a machine that stopped left, and is cut off."""
        text = self._lines.read_text(encoding="utf-8") if self._lines.exists() else ""
        whole, _, rest = text.rpartition("\n")
        if rest:
            _write_whole(self._lines, whole + "\n" if whole else "")
        try:
            return [Trial.from_dict(json.loads(line)) for line in whole.splitlines()]
        except (ValueError, TypeError, KeyError) as error:
            raise self._damaged(self._lines) from error


def _write_whole(path: Path, text: str) -> None:
    """Write a file beside its place, then give it its name."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
