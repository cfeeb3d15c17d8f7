"""Levels: spacing and place of each, from the file, the person, or the image they belong to."""

import logging
from collections.abc import Sequence

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Axes, Spacing
from napari_ziggurat.images.image import Image, Level
from napari_ziggurat.images.stored import Said, Stored
from napari_ziggurat.images.units import short_unit

__all__ = ["downsampling", "make_levels"]

logger = logging.getLogger(__name__)

Values = tuple[float, ...]
Shape = tuple[int, ...]


def make_levels(
    stored: Stored, said: Said, axes: Axes, shapes: Sequence[Shape], name: str
) -> tuple[Level, ...]:
    """Give each level its spacing and translation.

    Parameters
    ----------
    stored, said : Stored, Said
        What the file and the person say; the person wins.
    axes : Axes
        Resolved axes.
    shapes : sequence of tuple of int
        Spatial shape ((Z), Y, X) of each level.
    name : str
        Name for messages.

    Returns
    -------
    tuple of Level
        One per level, finest first.
    """
    stated = _stated_spacings(stored, axes, name)
    if stated is None and said.spacing is None:
        like = _matching_level(said.like, shapes[0])
        if like is not None:
            return _levels_by_shape(shapes, like.spacing, like.translation)
    first = _first_spacing(stored, said, axes, stated, name)
    if stated is None or len(stated) < len(shapes):
        return _levels_by_shape(shapes, first, (0.0,) * axes.dims)
    return _levels_as_stated(stored, axes, shapes, stated, first)


def downsampling(fine: Sequence[int], coarse: Sequence[int]) -> Values:
    """Ratio between two levels per axis, from their shapes.

    A whole number where the shapes allow one (writers round odd lengths up or down).
    """
    return tuple(_ratio(n, m) for n, m in zip(fine, coarse, strict=True))


def _ratio(fine: int, coarse: int) -> float:
    factor = max(1, round(fine / coarse))
    fits = coarse in (fine // factor, -(-fine // factor))
    return float(factor) if fits else fine / coarse


def _matching_level(like: Image | None, shape: Shape) -> Level | None:
    levels = like.levels if like is not None else ()
    return next((level for level in levels if level.shape == shape), None)


def _stated_spacings(stored: Stored, axes: Axes, name: str) -> tuple[Values, ...] | None:
    """Spacing of the levels as far as the file states it; None when an axis is missing."""
    if stored.scales is None:
        return None
    missing = [a for a in axes.spatial if any(a not in scale for scale in stored.scales)]
    if missing:
        logger.warning(
            "%s states a voxel size for some axes but not for %s, so its spacing is taken as "
            "unknown; say it with --spacing and --unit.",
            name,
            ", ".join(missing),
        )
        return None
    return tuple(tuple(scale[a] for a in axes.spatial) for scale in stored.scales)


def _first_spacing(
    stored: Stored, said: Said, axes: Axes, stated: tuple[Values, ...] | None, name: str
) -> Spacing:
    unit = _resolve_unit(stored, said, stated is not None, name)
    if said.spacing is None:
        return Spacing(stated[0] if stated else (1.0,) * axes.dims, unit)
    if len(said.spacing) != axes.dims:
        raise InputError(
            f"--spacing needs one value per spatial axis of {name} ({axes.spatial}), "
            f"that is {axes.dims}; got {len(said.spacing)}: {said.spacing}."
        )
    return Spacing(tuple(float(value) for value in said.spacing), unit)


def _resolve_unit(stored: Stored, said: Said, has_spacing: bool, name: str) -> str | None:
    in_file = short_unit(stored.unit) if has_spacing else None
    if said.unit is None:
        return in_file
    unit = short_unit(said.unit)
    if said.spacing is None and not has_spacing:
        raise InputError(
            f"--unit {said.unit} needs --spacing as well, because {name} states no voxel size."
        )
    if said.spacing is None and in_file not in (None, unit):
        raise InputError(
            f"{name} states its voxel size in {in_file}; to use other numbers, say --spacing "
            f"together with --unit {said.unit}."
        )
    return unit


def _levels_by_shape(
    shapes: Sequence[Shape], first: Spacing, translation: Values
) -> tuple[Level, ...]:
    """Levels of a source that states no size per level: the corners of all levels coincide."""
    levels = []
    for shape in shapes:
        factors = downsampling(shapes[0], shape)
        # The centre of a coarse voxel is the centre of the voxels that it stands for.
        centre = tuple(
            t + (f - 1) / 2 * s for t, f, s in zip(translation, factors, first.values, strict=True)
        )
        levels.append(Level(shape, first.scaled(factors), centre))
    return tuple(levels)


def _levels_as_stated(
    stored: Stored,
    axes: Axes,
    shapes: Sequence[Shape],
    stated: tuple[Values, ...],
    first: Spacing,
) -> tuple[Level, ...]:
    """Levels with stated sizes; a spacing that was said rescales all of them."""
    rescale = [a / b for a, b in zip(first.values, stated[0], strict=True)]
    levels = []
    for i, (shape, values) in enumerate(zip(shapes, stated, strict=True)):
        offset = stored.offsets[i] if stored.offsets is not None else {}
        centre = tuple(offset.get(a, 0.0) * r for a, r in zip(axes.spatial, rescale, strict=True))
        scaled = tuple(v * r for v, r in zip(values, rescale, strict=True))
        levels.append(Level(shape, Spacing(scaled, first.unit), centre))
    return tuple(levels)
