"""Units of length: one short form inside ("um"), converted at the border to every file format."""

__all__ = ["OME_TIFF_UNITS", "convert_length", "long_unit", "short_unit"]

# Short form -> (name in OME-Zarr, meters). Units that are not listed pass through unchanged.
_UNITS = {
    "pm": ("picometer", 1e-12),
    "angstrom": ("angstrom", 1e-10),
    "nm": ("nanometer", 1e-9),
    "um": ("micrometer", 1e-6),
    "mm": ("millimeter", 1e-3),
    "cm": ("centimeter", 1e-2),
    "dm": ("decimeter", 1e-1),
    "m": ("meter", 1.0),
    "km": ("kilometer", 1e3),
    "inch": ("inch", 0.0254),
    "foot": ("foot", 0.3048),
}

_ALIASES = {
    **{name: short for short, (name, _) in _UNITS.items()},
    **{name[:-2] + "re": short for short, (name, _) in _UNITS.items() if name.endswith("meter")},
    "micron": "um",
    "\N{MICRO SIGN}m": "um",
    "\N{GREEK SMALL LETTER MU}m": "um",
    "\\u00b5m": "um",  # ImageJ escapes the sign
    "\N{LATIN SMALL LETTER A WITH RING ABOVE}": "angstrom",
    "in": "inch",
    "ft": "foot",
}

# Short form -> symbol in OME-XML, which lists the symbols that it allows.
OME_TIFF_UNITS = {
    **{short: short for short in ("pm", "nm", "mm", "cm", "dm", "m", "km")},
    "um": "\N{MICRO SIGN}m",
    "angstrom": "\N{LATIN CAPITAL LETTER A WITH RING ABOVE}",
    "inch": "in",
    "foot": "ft",
}

_NO_UNIT = {"", "none", "null", "pixel", "px", "voxel", "unknown", "unit", "reference frame"}


def short_unit(text: str | None) -> str | None:
    """Give the form used inside the package, such as ``"um"`` for ``"micrometer"`` or ``"micron"``.

    Units that mean "no physical size", such as ``"pixel"``, become None; unknown ones are kept.
    """
    if text is None:
        return None
    plain = text.strip()
    if plain in _UNITS:
        return plain
    lower = plain.lower()
    for candidate in (lower, lower.removesuffix("s")):
        if candidate in _NO_UNIT:
            return None
        if candidate in _ALIASES or candidate in _UNITS:
            return _ALIASES.get(candidate, candidate)
    return plain


def long_unit(unit: str | None) -> str | None:
    """Give the name that OME-Zarr wants, such as ``"micrometer"`` for ``"um"``."""
    return _UNITS[unit][0] if unit in _UNITS else unit


def convert_length(value: float, unit: str | None, wanted: str | None) -> float | None:
    """Convert a length; None when one of the units is not a length that is known."""
    if unit == wanted:
        return value
    if unit not in _UNITS or wanted not in _UNITS:
        return None
    return value * (_UNITS[unit][1] / _UNITS[wanted][1])
