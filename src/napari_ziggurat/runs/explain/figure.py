"""Figure of the features: a row for each level, columns for image, means and components."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.images.pyramid import mean
from napari_ziggurat.runs.explain.layers import Layer
from napari_ziggurat.runs.explain.region import Region
from napari_ziggurat.runs.pictures import DARK, LIGHT, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Panel

__all__ = ["save_features"]

_GREY = "#8b93a3"
_PARTS = ("encoder", "context", "neck", "head", "logits", "attention")
_PANEL = 1.9  # inches along the longer side of a panel
_MOST_ROWS = 8

Plane = NDArray[np.float32]


def save_features(layers: Sequence[Layer], region: Region, path: Path) -> None:
    """Draw the pyramid, seen from above through the middle of the region, and write it as PNG."""
    rows = _rows(layers)[:_MOST_ROWS]
    columns = _columns(layers)
    (height, width) = _panel_size(region)
    (wide, high) = (len(columns) * width + 0.6, len(rows) * (height + 0.28) + 0.7)
    figure = new_figure(wide, high)
    figure.subplots_adjust(0.5 / wide, 0.04, 1 - 0.1 / wide, 1 - 0.65 / high, 0.04, 0.28 / height)
    grid = figure.subplots(len(rows), len(columns), squeeze=False)
    for panel in grid.ravel():
        panel.set_axis_off()
    for level, (panels, row) in enumerate(zip(grid, rows, strict=True)):
        _draw_row(dict(zip(columns, panels, strict=True)), row, region)
        panels[0].text(-0.06, 0.5, f"level {level}", transform=panels[0].transAxes, color=LIGHT,
                       fontsize=11, rotation=90, ha="right", va="center")  # fmt: skip
    for panel, title in zip(grid[0], columns, strict=True):
        panel.text(0.5, 1.17, title, transform=panel.transAxes, color=LIGHT, fontsize=11,
                   ha="center", va="bottom")  # fmt: skip
    figure.savefig(path, dpi=100, facecolor=DARK)


def _rows(layers: Sequence[Layer]) -> list[list[Layer]]:
    """Put layers of one level side by side, those of the encoder first."""
    strides = [layer.stride for layer in layers if layer.part == "encoder"]
    rows: dict[int, list[Layer]] = {}
    for layer in layers:
        free = layer.part in ("context", "attention") and layer.stride in strides
        rows.setdefault(strides.index(layer.stride) if free else layer.level, []).append(layer)
    return [rows[level] for level in sorted(rows)]


def _columns(layers: Sequence[Layer]) -> list[str]:
    found = ["image"]
    for part in _PARTS:
        if any(layer.part == part for layer in layers):
            found += [part] if part == "attention" else [f"{part}: mean", f"{part}: components"]
    return found


def _draw_row(panels: dict[str, "Panel"], row: Sequence[Layer], region: Region) -> None:
    stride = row[0].stride
    grey = mean(region.voxels[0].astype(np.float32), stride)
    _show(panels["image"], _coloured(_section(grey, region, stride), "gray"), stride, region)
    _caption(panels["image"], f"1 voxel = {' × '.join(map(str, stride))}")
    for layer in row:
        middle = _section(layer.mean, region, layer.stride)
        if layer.part == "attention":
            shown = _coloured(middle, "inferno", (0, 1))
            _show(panels["attention"], shown, layer.stride, region)
            _caption(panels["attention"], f"{middle.min():.2f} to {middle.max():.2f}")
            continue
        (left, right) = (panels[f"{layer.part}: {what}"] for what in ("mean", "components"))
        _show(left, _coloured(middle, "viridis"), layer.stride, region)
        _caption(left, f"{layer.channels} channels")
        _show(right, _rgb(layer, region), layer.stride, region)
        _caption(right, f"{sum(layer.shares):.0%} of the variance")


def _show(panel: "Panel", picture: Plane, stride: Sequence[int], region: Region) -> None:
    """Show a picture (Y, X, 3) where it lies in the region."""
    (dy, dx) = (s * size for s, size in zip(stride[-2:], region.spacing.values[-2:], strict=True))
    (height, width) = picture.shape[:2]
    panel.imshow(
        picture, extent=(0, width * dx, height * dy, 0), interpolation="nearest", aspect="auto"
    )
    (high, wide) = _extent(region)
    panel.set_xlim(0, wide)
    panel.set_ylim(high, 0)


def _caption(panel: "Panel", text: str) -> None:
    panel.text(0.0, 1.03, text, transform=panel.transAxes, color=_GREY, fontsize=8, va="bottom")


def _section(volume: NDArray[Any], region: Region, stride: Sequence[int]) -> NDArray[Any]:
    """Take the section through the middle of the region; planes are their own."""
    if volume.ndim == 2:
        return volume
    return np.asarray(volume[region.box.shape[0] // 2 // stride[0]])


def _coloured(plane: Plane, name: str, limits: tuple[float, float] | None = None) -> Plane:
    """Give a plane colours; nearly all of its values are told apart."""
    from matplotlib import colormaps

    (low, high) = limits or np.percentile(plane, (0.5, 99.5))
    shade = np.clip((plane - low) / max(high - low, 1e-12), 0, 1)
    return np.asarray(colormaps[name](shade)[..., :3], np.float32)


def _rgb(layer: Layer, region: Region) -> Plane:
    """Show components as red, green and blue; a single one is grey."""
    planes = [_section(each, region, layer.stride) for each in layer.colours]
    if len(planes) == 1:
        planes *= 3
    planes += [np.zeros_like(planes[0])] * (3 - len(planes))
    return np.stack(planes, axis=-1)


def _extent(region: Region) -> tuple[float, float]:
    """Height and width of the region."""
    (height, width) = region.box.shape[-2:]
    (dy, dx) = region.spacing.values[-2:]
    return height * dy, width * dx


def _panel_size(region: Region) -> tuple[float, float]:
    """Height and width of a panel in inches; long and thin regions are shown less so."""
    (height, width) = _extent(region)
    longest = max(height, width)
    return _PANEL * max(height / longest, 0.3), _PANEL * max(width / longest, 0.3)
