"""Copying: a model to another folder, whole or not at all."""

import shutil
from collections.abc import Generator
from pathlib import Path

from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.progress import Progress

__all__ = ["copy_model"]


def copy_model(model: Path, out: Path) -> Generator[Progress, None, Path]:
    """Copy the folder of a model; the generator gives back the new one.

    Raises
    ------
    ZigguratError
        There is something at the new place already, or there is no model to copy.
    OSError
        It cannot be written; nothing is left of it.
    """
    yield Progress("copy")
    from napari_ziggurat.networks.checkpoint import read_spec

    read_spec(model)
    if out.exists():
        raise ExistsError(f"'{out}' is there already. Give another name; nothing is replaced.")
    if not out.absolute().parent.is_dir():
        raise InputError(f"The folder of '{out}' does not exist. Make it, or give another place.")
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of a copy that was interrupted
    try:
        shutil.copytree(model, part)
        part.replace(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return out
