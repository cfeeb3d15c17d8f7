"""Classes: what is named, renamed, recoloured and removed; each gives a new list of classes."""

from collections.abc import Iterable, Sequence

from napari_ziggurat.classes import (
    EXPLICIT_BACKGROUND,
    MAX_CLASS,
    UNLABELLED,
    LabelClass,
    default_classes,
)
from napari_ziggurat.errors import InputError

__all__ = ["BACKGROUND", "ERASER", "added", "changed", "key_of", "shown", "without"]

BACKGROUND = LabelClass(EXPLICIT_BACKGROUND, "background", "#808080")
ERASER = LabelClass(UNLABELLED, "eraser (unlabelled)", "#000000")

_COLORS = 12  # after which the palette begins anew
_KEYS = 9


def shown(named: Sequence[LabelClass], painted: Iterable[int]) -> tuple[LabelClass, ...]:
    """List what can be painted: background, the classes by value, and those that have no name."""
    known = {each.value: each for each in named}
    nameless = [v for v in painted if v not in known and v not in (0, EXPLICIT_BACKGROUND)]
    known |= {each.value: each for each in default_classes(nameless)}
    return (BACKGROUND, *(known[value] for value in sorted(known)))


def added(classes: Sequence[LabelClass]) -> LabelClass:
    """Give one more class: the first free value, a name and a colour that no other has.

    Raises
    ------
    InputError
        All values are taken.
    """
    values = {each.value for each in classes}
    value = next((v for v in range(1, MAX_CLASS + 1) if v not in values), None)
    if value is None:
        raise InputError(f"An annotation has at most {MAX_CLASS} classes; remove one first.")
    (names, colors) = ({c.name for c in classes}, {c.color for c in classes})
    tried = default_classes(range(value, value + _COLORS))
    color = next((c.color for c in tried if c.color not in colors), tried[0].color)
    numbers = range(value, value + len(names) + 1)
    name = next(n for n in (f"class {i}" for i in numbers) if n not in names)
    return LabelClass(value, name, color)


def changed(
    classes: Sequence[LabelClass], value: int, *, name: str | None = None, color: str | None = None
) -> tuple[LabelClass, ...]:
    """Rename or recolour a class; background and eraser are what they are."""
    found = [c for c in classes if c.value == value]
    new = [LabelClass(value, c.name if name is None else name, color or c.color) for c in found]
    return tuple(new[0] if c.value == value else c for c in classes)


def without(classes: Sequence[LabelClass], value: int) -> tuple[LabelClass, ...]:
    """Take a class away."""
    return tuple(c for c in classes if c.value != value)


def key_of(row: int) -> str:
    """Name the key of a row: Alt+0 is background, which comes first; Alt+1 to 9 are classes."""
    return f"Alt+{row}" if row <= _KEYS else ""
