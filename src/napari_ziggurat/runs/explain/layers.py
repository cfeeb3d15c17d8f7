"""Layers of an explanation: features as images that lie where they belong."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.geometry import Axes
from napari_ziggurat.images import OutputGrid, create_output, fill_coarser
from napari_ziggurat.networks.analysis import Feature, principal_components
from napari_ziggurat.runs.explain.region import Region

__all__ = ["Layer", "summarise", "write_image", "write_layer"]

_CHUNK = 128
_COLOURS = ("#ff0000", "#00ff00", "#0000ff")
_SHOWN = (1, 99)  # percentiles of a component that become 0 and 1


@dataclass(frozen=True, eq=False)
class Layer:
    """A feature, summed up for the eye, along the axes of the image.

    Attributes
    ----------
    part : str
        As in `Feature`.
    level : int
    channels : int
        Of the feature.
    stride : tuple of int
        Voxels of the region per voxel, ((Z), Y, X).
    mean : ndarray
        ((Z), Y, X), over the channels.
    colours : ndarray
        (3 or less, (Z), Y, X): the first principal components, each 0 to 1.
    shares : tuple of float
        Share of the variance that each component explains.
    limits : tuple of (float, float)
        What 0 and 1 stand for in each component.
    """

    part: str
    level: int
    channels: int
    stride: tuple[int, ...]
    mean: NDArray[np.float32]
    colours: NDArray[np.float32]
    shares: tuple[float, ...]
    limits: tuple[tuple[float, float], ...]

    @property
    def name(self) -> str:
        """Name for people and files, such as ``"encoder 1"``."""
        return f"{self.part} {self.level}"

    def as_dict(self, region: Region) -> dict[str, Any]:
        """Give place and figures as JSON can hold them."""
        (spacing, translation) = region.place(self.stride)
        return {
            "part": self.part,
            "level": self.level,
            "channels": self.channels,
            "shape": list(self.mean.shape),
            "stride": list(self.stride),
            "spacing": list(spacing.values),
            "unit": spacing.unit,
            "translation": list(translation),
            "mean": float(self.mean.mean()),
            "std_of_mean": float(self.mean.std()),
            "explained": list(self.shares),
            "component_limits": [list(pair) for pair in self.limits],
        }


def summarise(feature: Feature, region: Region) -> Layer:
    """Take the mean and the first principal components of a feature over its channels."""
    values = feature.values[0].float().cpu().numpy()
    found = principal_components(values)
    pairs = [np.percentile(component, _SHOWN).tolist() for component in found.maps]
    scaled = [_stretch(c, *pair) for c, pair in zip(found.maps, pairs, strict=True)]
    return Layer(
        feature.part,
        feature.level,
        values.shape[0],
        region.on_axes(feature.stride),
        region.in_space(values.mean(axis=0, keepdims=True))[0],
        region.in_space(np.stack(scaled)),
        found.shares,
        tuple((low, high) for low, high in pairs),
    )


def write_layer(layer: Layer, region: Region, folder: Path) -> list[str]:
    """Write the mean and the components of a layer as OME-Zarr; give the names of the files."""
    name = layer.name.replace(" ", "_")
    mean, colours = f"{name}_mean.ome.zarr", f"{name}_components.ome.zarr"
    _write(folder / mean, layer.mean, layer.stride, region)
    if layer.channels == 1:
        return [mean]  # it is its own component
    names = [f"{layer.name} component {i + 1}" for i in range(len(layer.colours))]
    _write(folder / colours, layer.colours, layer.stride, region, names)
    return [mean, colours]


def write_image(region: Region, folder: Path) -> str:
    """Write the region itself as OME-Zarr; give the name of the file."""
    voxels = region.voxels if len(region.voxels) > 1 else region.voxels[0]
    _write(folder / "image.ome.zarr", voxels, (1,) * region.box.ndim, region)
    return "image.ome.zarr"


def _write(
    path: Path,
    values: NDArray[Any],
    stride: Sequence[int],
    region: Region,
    components: Sequence[str] = (),
) -> None:
    (spacing, translation) = region.place(stride)
    spatial = region.image.axes.spatial
    axes = Axes("c" + spatial if values.ndim > len(spatial) else spatial)
    leading = (1,) * (values.ndim - len(spatial))
    chunk = leading + tuple(min(n, _CHUNK) for n in values.shape[len(leading) :])
    grid = OutputGrid(axes, values.shape, values.dtype, spacing, translation, chunk, chunk)
    # The colours of channels are said as those of classes are.
    classes = [LabelClass(i + 1, n, _COLOURS[i]) for i, n in enumerate(components)]
    levels = create_output(path, grid, kind="image", classes=classes, channels=components)
    levels[0][...] = values
    for _ in fill_coarser(path, "image"):
        pass


def _stretch(values: NDArray[np.float32], low: float, high: float) -> NDArray[np.float32]:
    """Bring a range to 0 ... 1; what does not vary becomes 0."""
    if high <= low:
        return np.zeros_like(values)
    stretched: NDArray[np.float32] = np.clip((values - low) / (high - low), 0, 1)
    return stretched
