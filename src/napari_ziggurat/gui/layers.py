"""Layers: what napari shows of voxels, in the words of the package, and back."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.errors import ZigguratError
from napari_ziggurat.geometry import Axes, Spacing
from napari_ziggurat.gui.view import layer_shape

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.layers import Layer
    from napari.utils.colormaps import DirectLabelColormap

__all__ = [
    "METADATA",
    "Placement",
    "axes_choices",
    "class_colormap",
    "class_features",
    "facts",
    "layer_spacing",
    "layer_units",
    "likely_axes",
    "spacing_text",
    "unwrapped",
]

METADATA = "ziggurat"  # our key in layer.metadata

_NO_BREAK = "\N{NO-BREAK SPACE}"

# By number of axes.
_CHOICES = {
    2: ("yx",),
    3: ("zyx", "tyx", "cyx"),
    4: ("czyx", "zcyx", "tzyx", "tcyx"),
    5: ("tczyx", "tzcyx"),
}


def unwrapped(thing: Any) -> Any:
    """Take napari's proxy off; docks get the viewer, layers and even *our* arrays in one."""
    return getattr(thing, "__wrapped__", thing)


def axes_choices(layer: "Layer") -> tuple[str, ...]:
    """List the axes that a layer may have; one when its axis labels say it or there is no other.

    There are none for a layer with more axes than an image can have.
    """
    names = "".join(layer.axis_labels)
    if len(names) == layer.ndim and _are_axes(names):
        return (names,)
    return _CHOICES.get(layer.ndim, ())


def likely_axes(layer: "Layer") -> str:
    """Give the axes that the layer tells; empty where somebody has to say them.

    Of three axes the first is time when its unit is one, and z when it has a length or a scale.
    """
    choices = axes_choices(layer)
    if len(choices) < 2 or layer.ndim != 3:
        return choices[0] if len(choices) == 1 else ""
    if layer.units[0].is_compatible_with("second"):
        return "tyx"
    is_length = layer.units[0].is_compatible_with("meter")
    return "zyx" if is_length or abs(float(layer.scale[0])) != 1 else ""


def _are_axes(names: str) -> bool:
    try:
        Axes(names)
    except ZigguratError:
        return False
    return True


def layer_spacing(layer: "Layer", axes: str) -> Spacing:
    """Voxel size of a layer per spatial axis, in the unit of x; no unit when that is the pixel."""
    index = [axes.index(letter) for letter in Axes(axes).spatial]
    units = [layer.units[i] for i in index]
    scale = [abs(float(layer.scale[i])) for i in index]
    if str(units[-1]) == "pixel" or any(not u.is_compatible_with(units[-1]) for u in units):
        return Spacing(tuple(scale))
    values = ((s * u).to(units[-1]).magnitude for s, u in zip(scale, units, strict=True))
    return Spacing(tuple(map(float, values)), _short(units[-1]))


def layer_units(axes: str, unit: str | None) -> tuple[str, ...]:
    """Units for a layer with these axes; what napari does not know becomes the pixel."""
    length = unit if unit is not None and _is_known(unit) else "pixel"
    return tuple(length if letter in Axes(axes).spatial else "pixel" for letter in axes)


def _is_known(unit: str) -> bool:
    import pint

    try:
        pint.Unit(unit)
    except (pint.errors.PintError, ValueError):
        return False
    return True


def _short(unit: Any) -> str:
    """Symbol of a unit in plain letters: ``um``, ``nm``."""
    return f"{unit:~}".replace("µ", "u")


@dataclass(frozen=True)
class Placement:
    """Where a layer lies in the world, so that other layers can be laid on its voxels."""

    scale: tuple[float, ...]
    translate: tuple[float, ...]
    rotate: Any
    shear: Any
    affine: Any
    units: tuple[Any, ...]
    axis_labels: tuple[str, ...]

    @classmethod
    def of(cls, layer: "Layer") -> "Placement":
        """Take it from a layer."""
        return cls(
            tuple(map(float, layer.scale)),
            tuple(map(float, layer.translate)),
            np.array(layer.rotate),
            np.array(layer.shear),
            np.array(layer.affine.affine_matrix),
            tuple(layer.units),
            tuple(layer.axis_labels),
        )

    def part(self, offset: Sequence[float], factors: Sequence[float]) -> dict[str, Any]:
        """Place a layer on some of the voxels.

        Parameters
        ----------
        offset : sequence of float
            Voxel of this layer on which the centre of the new layer's voxel 0 lies.
        factors : sequence of float
            Size of the new layer's voxels in voxels of this layer.

        Returns
        -------
        dict
            Keyword arguments for the new layer.
        """
        from napari.utils.transforms import Affine

        turned = {"rotate": self.rotate, "shear": self.shear}
        here = Affine(scale=self.scale, translate=self.translate, **turned)
        return {
            **turned,
            "scale": tuple(s * f for s, f in zip(self.scale, factors, strict=True)),
            "translate": tuple(np.asarray(here(np.array(offset, float))).tolist()),
            "affine": self.affine,
            "units": self.units,
            "axis_labels": self.axis_labels,
        }


def class_colormap(classes: Sequence[LabelClass]) -> "DirectLabelColormap":
    """Give each class its colour; background and unknown values are not drawn."""
    from napari.utils.colormaps import DirectLabelColormap

    colors: dict[int | None, Any] = {c.value: c.color for c in classes if c.value}
    return DirectLabelColormap(color_dict={**colors, None: "transparent", 0: "transparent"})


def class_features(classes: Sequence[LabelClass]) -> Mapping[str, Sequence[object]]:
    """Names of the classes as napari shows them in its status bar, under the pointer."""
    named = [c for c in classes if c.value]
    return {"index": [c.value for c in named], "class": [c.name for c in named]}


def facts(layer: "ImageLayer", axes: str) -> str:
    """Say what an image layer is: shape, type, size, and where its axes are known, its spacing."""
    shape = layer_shape(layer)
    count = len(layer.data) if layer.multiscale else 1
    size = math.prod(shape) * np.dtype(layer.dtype).itemsize * (3 if layer.rgb else 1)
    said = [" × ".join(map(str, shape)), "RGB" if layer.rgb else str(layer.dtype), _bytes(size)]
    more = [spacing_text(layer_spacing(layer, axes))] if axes else []
    more += [f"{count} levels"] * (count > 1)
    return "\n".join(" · ".join(line) for line in (said, more) if line)


def spacing_text(spacing: Spacing) -> str:
    """Write a voxel size for the dock."""
    values = " × ".join(f"{value:.4g}" for value in spacing.values)
    unit = (spacing.unit or "(no unit)").replace("um", "µm")
    return f"{values} {unit}".replace(" ", _NO_BREAK)


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} PB"
