"""DrawnOn: what an annotation remembers of its image, and what has changed since."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Axes, Spacing
from napari_ziggurat.images.image import Image, Level
from napari_ziggurat.images.source import Source
from napari_ziggurat.images.statistics import sample_digest

__all__ = ["DrawnOn"]

_TOLERANCE = 1e-6  # of spacing and place, in voxels: some formats keep 32 bits


class DrawnOn(BaseModel):
    """The record of an annotation: which image and level it was drawn on.

    Attributes
    ----------
    content, version
        Mark the store as an annotation, and tell how it is laid out.
    created : str
        Time in UTC.
    source : str or None
        Path or URL of the image; None for one in memory.
    image : str
        Name of the image.
    level : int
        Level that is drawn on.
    axes : str
        Spatial axes, ``"zyx"`` or ``"yx"``.
    times : int
        Time points of the image.
    shape : tuple of int
        Shape of the level, ((Z), Y, X).
    dtype : str
        Type of the image's voxels.
    spacing : tuple of float
        Size of a voxel of the level, ((z), y, x).
    unit : str or None
    translation : tuple of float
        Centre of voxel 0 of the level.
    checksum : str
        SHA-256 of a sample of the level's voxels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    content: Literal["annotation"] = "annotation"
    version: Literal[1] = 1
    created: str
    source: str | None
    image: str
    level: int
    axes: str
    times: int
    shape: tuple[int, ...]
    dtype: str
    spacing: tuple[float, ...]
    unit: str | None
    translation: tuple[float, ...]
    checksum: str

    @classmethod
    def of(cls, image: Image, level: int, created: str) -> Self:
        """Take down an image as it is now; a sample of its voxels is read."""
        image.check_level(level)
        found = image.levels[level]
        return cls(
            created=created,
            source=_whole_name(image.source),
            image=image.name,
            level=level,
            axes=image.axes.spatial,
            times=image.times,
            shape=found.shape,
            dtype=str(image.dtype),
            spacing=found.spacing.values,
            unit=found.spacing.unit,
            translation=found.translation,
            checksum=_checksum(image, level),
        )

    @classmethod
    def read(cls, attributes: dict[str, Any], store: object) -> Self:
        """Read the record among the attributes of a store.

        Raises
        ------
        InputError
            It is of a newer version, or damaged.
        """
        try:
            return cls.model_validate(attributes)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise InputError(
                f"The record of the annotation '{store}' cannot be read ({where}: {first['msg']}). "
                "A newer version of napari-ziggurat may have written it; update, or restore its "
                "zarr.json from a copy."
            ) from None

    @property
    def grid(self) -> Level:
        """Shape, spacing and translation of the level."""
        return Level(self.shape, Spacing(self.spacing, self.unit), self.translation)

    @property
    def array_axes(self) -> Axes:
        """Axes of the annotation: those of space, and time in front where there is any."""
        return Axes(("t" if self.times > 1 else "") + self.axes)

    @property
    def array_shape(self) -> tuple[int, ...]:
        """Shape of the annotation, one length per axis of `array_axes`."""
        return ((self.times,) if self.times > 1 else ()) + self.shape

    def differences(self, image: Image) -> list[str]:
        """Name what of an image is not as it was; nothing where it is the same.

        Where its name or its place alone are others it is the same image.
        """
        if self.level >= len(image.levels):
            last = len(image.levels) - 1
            there = f"levels 0 to {last}" if last else "level 0 alone"
            return [f"level {self.level} is gone (it has {there})"]
        return list(self._differences(image))

    def _differences(self, image: Image) -> Iterator[str]:
        now, old = image.levels[self.level], self.grid
        for what, before, after in (
            ("axes", self.axes, image.axes.spatial),
            ("shape", self.shape, now.shape),
            ("time points", self.times, image.times),
            ("type", self.dtype, str(image.dtype)),
        ):
            if before != after:
                yield f"{what} {after}, was {before}"
        if len(now.shape) == len(self.shape) and not _same_size(old.spacing, now.spacing):
            yield f"spacing {now.spacing}, was {old.spacing}"
        elif not _same_place(old, now):
            yield f"translation {now.translation}, was {self.translation}"
        if now.shape == self.shape and _checksum(image, self.level) != self.checksum:
            yield "voxels (a sample of them has another checksum)"


def _whole_name(source: Source | None) -> str | None:
    """Name a file so that it is found from any folder."""
    if source is None:
        return None
    return str(source.absolute() if isinstance(source, Path) else source)


def _checksum(image: Image, level: int) -> str:
    """Look at voxels as they are stored, whatever stands in for NaN now."""
    return sample_digest(replace(image, nan_as=None), level)


def _same_size(old: Spacing, new: Spacing) -> bool:
    pairs = zip(old.values, new.values, strict=True)
    return old.unit == new.unit and all(math.isclose(a, b, rel_tol=_TOLERANCE) for a, b in pairs)


def _same_place(old: Level, new: Level) -> bool:
    if len(old.shape) != len(new.shape):
        return True  # told by the axes
    places = zip(old.translation, new.translation, old.spacing.values, strict=True)
    return all(abs(a - b) <= _TOLERANCE * max(size, abs(a)) for a, b, size in places)
