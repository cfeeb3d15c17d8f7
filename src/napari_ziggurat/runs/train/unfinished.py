"""Unfinished training: what lies in the folder of a model, and whether the same command goes on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_ziggurat.errors import ExistsError
from napari_ziggurat.runs.config import TrainConfig
from napari_ziggurat.training.state import TrainingState

__all__ = ["Unfinished"]

# Neither decides which steps are made.
_FREE = {"overwrite", "out", "val_image", "val_labels", "tolerance", "accept"}


@dataclass(frozen=True)
class Unfinished:
    """The place of an unfinished training, and the facts of the one that was found there.

    Attributes
    ----------
    path : Path
        Where a training is kept until it is done.
    settings : mapping
        What the config says that decides a training.
    overwrite : bool
        Another training that is found there may be replaced.
    found : mapping or None
        Facts of the training that is there.
    """

    path: Path
    settings: Mapping[str, Any]
    overwrite: bool
    found: Mapping[str, Any] | None

    @classmethod
    def of(cls, config: TrainConfig) -> "Unfinished":
        """Look for the unfinished training of a config.

        Raises
        ------
        ExistsError
            There is one of other settings, and it may not be replaced.
        """
        path = config.out / ".training.safetensors"
        found = TrainingState.settings(path) if path.is_file() else None
        unfinished = cls(
            path, config.model_dump(mode="json", exclude=_FREE), config.overwrite, found
        )
        if found is not None and not config.overwrite:
            unfinished._refuse(unfinished._other_settings())
        return unfinished

    @property
    def shapes(self) -> tuple[tuple[int, ...], int] | None:
        """Patch and batch that it began with: the memory there is may have changed since."""
        if self.found is None or self._other_settings():
            return None
        shapes = self.found.get("shapes")
        return (tuple(shapes["patch"]), shapes["batch"]) if shapes else None

    def facts(self, **more: Any) -> dict[str, Any]:
        """Give what has to be the same for a training to go on, as JSON holds it."""
        facts: dict[str, Any] = json.loads(json.dumps({"settings": self.settings, **more}))
        return facts

    def goes_on(self, facts: Mapping[str, Any]) -> bool:
        """Tell whether the training with these facts has begun; make room for another one.

        Raises
        ------
        ExistsError
            The images or labels were changed since, and the training may not be replaced.
        """
        if self.found is None:
            return False
        if self.found == facts:
            return True
        if not self.overwrite:
            self._refuse(_differences(self.found, facts))
        self.path.unlink()
        return False

    def remove(self) -> None:
        """Remove what was kept: the training is done."""
        self.path.unlink(missing_ok=True)

    def _other_settings(self) -> list[str]:
        found = (self.found or {}).get("settings", {})
        wanted = self.settings
        differs = sorted(k for k in {*found, *wanted} if found.get(k) != wanted.get(k))
        return [f"other settings (different {', '.join(differs)})"] if differs else []

    def _refuse(self, differences: list[str]) -> None:
        if differences:
            raise ExistsError(
                f"'{self.path.parent}' holds an unfinished training with "
                f"{' and '.join(differences)}. Take the change back to go on with it, give "
                "another --out, or --overwrite to start anew."
            )


def _differences(found: Mapping[str, Any], facts: Mapping[str, Any]) -> list[str]:
    """Say what of the data is not as it was."""
    before, now = found.get("data", {}), facts["data"]
    if before.get("classes") != now["classes"]:
        then, today = (", ".join(map(str, d.get("classes", ()))) for d in (before, now))
        return [f"other classes (labels held {then} when it began, now {today})"]
    names = [f"other {k} (changed since)" for k in ("labels", "images") if before.get(k) != now[k]]
    return names or ["another network or intensity"]
