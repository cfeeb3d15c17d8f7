"""Axes: which letter each array axis has, in storage order."""

from dataclasses import dataclass

from napari_ziggurat.errors import InputError

__all__ = ["Axes"]

_LETTERS = "tczyx"


@dataclass(frozen=True)
class Axes:
    """The axes of an array in storage order, such as ``Axes("tczyx")`` or ``Axes("yxc")``.

    ``t`` is time, ``c`` channel, ``z``, ``y``, ``x`` are space. Any order is allowed (NIfTI stores
    ``"xyz"``); inside the package arrays are always ``(C, (Z), Y, X)``.

    Raises
    ------
    InputError
        A letter is unknown or repeated, or y and x are missing.
    """

    names: str

    def __post_init__(self) -> None:
        unknown = sorted(set(self.names) - set(_LETTERS))
        if unknown:
            raise InputError(
                f"Axes are made of the letters t, c, z, y, x; '{self.names}' has "
                f"{', '.join(unknown)}. Say for example --axes zyx."
            )
        if len(set(self.names)) != len(self.names):
            raise InputError(f"Each axis may occur once; '{self.names}' repeats a letter.")
        if not {"y", "x"} <= set(self.names):
            raise InputError(f"Axes need y and x; '{self.names}' lacks one. Say --axes yx or zyx.")

    def __str__(self) -> str:
        return self.names

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.names)

    @property
    def spatial(self) -> str:
        """The spatial axes in the order used inside the package: ``"zyx"`` or ``"yx"``."""
        return "".join(letter for letter in "zyx" if letter in self.names)

    @property
    def dims(self) -> int:
        """Number of spatial axes, 2 or 3."""
        return len(self.spatial)

    def has(self, letter: str) -> bool:
        """Tell whether there is such an axis."""
        return letter in self.names

    def index(self, letter: str) -> int:
        """Position of an axis in storage order."""
        return self.names.index(letter)
