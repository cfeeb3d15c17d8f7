"""Folder of an explanation: whole or not there, and replaced only where it was made by one."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.images.zarr_output import holds_image

__all__ = ["BRANCHES", "FEATURES", "FIELD", "LAYERS", "RECORD", "check_folder", "growing"]

RECORD, LAYERS = "explain.json", "layers"
FEATURES, BRANCHES, FIELD = "features.png", "branches.png", "receptive_field.png"
_MADE = {RECORD, LAYERS, FEATURES, BRANCHES, FIELD}


def check_folder(out: Path, *, overwrite: bool) -> None:
    """Refuse a place that is taken; nothing is touched.

    Raises
    ------
    ExistsError
        Something is there; with ``overwrite``, something that no explanation made.
    InputError
        The place lies inside an image.
    """
    inside = next((folder for folder in out.absolute().parents if holds_image(folder)), None)
    if inside is not None:
        raise InputError(f"'{out}' lies inside the image '{inside}'. Give another --out.")
    if not out.exists():
        return
    if not out.is_dir():
        raise ExistsError(f"'{out}' is a file; an explanation is a folder. Give another --out.")
    names = {entry.name for entry in out.iterdir()}
    strange = sorted(names - _MADE) if RECORD in names else sorted(names)
    if overwrite and strange:
        raise ExistsError(
            f"'{out}' holds {', '.join(strange[:3])}, which no explanation made; --overwrite does "
            "not remove it. Give another --out."
        )
    if names and not overwrite:
        raise ExistsError(f"'{out}' exists. Give another --out, or --overwrite to replace it.")


@contextmanager
def growing(out: Path) -> Iterator[Path]:
    """Give a folder beside the place to write into; it gets its name when all went well.

    Raises
    ------
    InputError
        The place cannot be written.
    """
    out = out.absolute()
    folder = out.with_name(f".{out.name}.part")
    try:
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
        folder.mkdir(parents=True)
    except OSError as error:
        raise InputError(
            f"'{out}' cannot be written ({error.strerror}). Give an --out that you may write to."
        ) from error
    try:
        yield folder
        if out.exists():
            shutil.rmtree(out)
        folder.rename(out)
    except BaseException:  # Ctrl-C and the end of the generator too
        shutil.rmtree(folder, ignore_errors=True)
        raise
