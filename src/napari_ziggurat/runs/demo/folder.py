"""Folder of the demo: what lies in it under which name, and whether it may be written."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_ziggurat.errors import ExistsError, InputError

__all__ = [
    "FIGURE",
    "METRICS",
    "MODEL",
    "SEGMENTATION",
    "STROKES",
    "TRUTH",
    "VOLUME",
    "claim",
    "remove",
]

VOLUME, MODEL, METRICS, FIGURE = "volume.ome.zarr", "model", "metrics.json", "demo.png"
TRUTH, STROKES, SEGMENTATION = (
    f"{VOLUME}/labels/{name}" for name in ("truth", "strokes", "segmentation")
)
_MADE = (VOLUME, MODEL, METRICS, FIGURE)
_RECORD = ".ziggurat-demo.json"


def claim(out: Path, settings: Mapping[str, Any], overwrite: bool) -> None:
    """Make the folder ours, or go on in it where a demo of the same settings was interrupted.

    What is finished is replaced when ``overwrite`` is set; what was interrupted is gone on with.

    Raises
    ------
    ExistsError
        A finished demo, or another one, is there and ``overwrite`` is not set; or something that
        no demo made, which is never removed.
    InputError
        The folder cannot be written.
    """
    wanted = json.dumps(dict(settings), sort_keys=True)
    record = out / _RECORD
    found = [name for name in _MADE if (out / name).exists()]
    _refuse_strangers(out, found, record)
    going_on = METRICS not in found and record.is_file() and record.read_text("utf-8") == wanted
    if found and not overwrite and not going_on:
        raise ExistsError(
            f"'{out}' holds a demo already. Give another --out, or --overwrite to replace it."
        )
    if not going_on:
        for name in found:
            remove(out / name)
    try:
        out.mkdir(parents=True, exist_ok=True)
        record.write_text(wanted, "utf-8")
    except OSError as error:
        raise InputError(
            f"'{out}' cannot be written ({error.strerror}). Give an --out that you may write to."
        ) from error


def remove(path: Path) -> None:
    """Remove a file or a folder."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _refuse_strangers(out: Path, found: list[str], record: Path) -> None:
    if out.is_file():
        raise ExistsError(f"'{out}' is a file; the demo makes a folder. Give another --out.")
    if found and not record.is_file():
        raise ExistsError(
            f"'{out}' holds {' and '.join(found)}, which no demo made. Give another --out."
        )
