"""Choices: how objects are made where a person says it, where a model was fitted, and else."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from napari_ziggurat.errors import InputError
from napari_ziggurat.images import read_record
from napari_ziggurat.networks import ObjectSettings
from napari_ziggurat.runs.config import ObjectsConfig
from napari_ziggurat.runs.objects.voxels import ClassVoxels

__all__ = ["NO_SPLIT", "settled"]

NO_SPLIT = ObjectSettings(split=0)


def settled(voxels: ClassVoxels, config: ObjectsConfig) -> tuple[ClassVoxels, ObjectSettings, str]:
    """Give the settings of a run, the voxels as they say, and where they come from.

    What is said in the config counts before what ``ziggurat calibrate`` fitted, which the record
    of a map holds, and that before what is usual.

    Raises
    ------
    InputError
        A setting is for other inputs.
    """
    _check(voxels, config)
    fitted = _fitted(voxels)
    usual = fitted or (ObjectSettings() if voxels.shapes else NO_SPLIT)
    said = {
        name: value
        for name in ("split", "foreground", "boundary")
        if (value := getattr(config, name)) is not None
    }
    settings = usual.model_copy(update=said)
    least = settings.foreground if voxels.shapes or config.foreground is not None else None
    return replace(voxels, least=least), settings, _origin(said, fitted is not None)


def _origin(said: Mapping[str, float], fitted: bool) -> str:
    other = "as fitted to labels by ziggurat calibrate" if fitted else "as usual"
    if not said:
        return other
    return f"{', '.join(said)} as given, all else {other}"


def _fitted(voxels: ClassVoxels) -> ObjectSettings | None:
    if not voxels.shapes or voxels.source.source is None:
        return None
    record: Mapping[str, Any] = read_record(voxels.source.source) or {}
    found = record.get("objects")
    return None if found is None else ObjectSettings.model_validate(found)


def _check(voxels: ClassVoxels, config: ObjectsConfig) -> None:
    name = voxels.source.source or voxels.source.name
    if config.foreground is not None and not voxels.values:
        raise InputError(
            f"--foreground is a probability, and '{name}' holds labels. Give the probabilities "
            "that 'segment --probabilities' wrote, or leave it out."
        )
    if config.boundary is not None and "boundary" not in voxels.shapes:
        raise InputError(
            f"--boundary is for maps with a channel of boundaries, and '{name}' has none. Leave it "
            "out, or give the probabilities of a model that was trained with --task instance."
        )
