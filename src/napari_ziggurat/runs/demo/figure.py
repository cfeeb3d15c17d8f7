"""Figure of the demo: image, strokes, truth and segmentation, seen from above and from the side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.classes import EXPLICIT_BACKGROUND, LabelClass
from napari_ziggurat.geometry import Spacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Panel
    from matplotlib.figure import Figure

__all__ = ["Views", "save_figure"]

_DARK, _LIGHT = "#12151c", "#eef1f6"
_STROKE_OF_BACKGROUND = "#c3c9d4"
_BAR = 50.0  # length of the scale bar, in the unit of the spacing

Bytes = NDArray[np.uint8]
Colours = NDArray[np.float32]


@dataclass(frozen=True)
class Views:
    """What the demo made, as volumes (Z, Y, X), and how to show it."""

    image: Bytes
    strokes: Bytes
    truth: Bytes
    segmentation: Bytes
    spacing: Spacing
    classes: tuple[LabelClass, ...]


def save_figure(views: Views, dice: Mapping[int, float], path: Path) -> None:
    """Draw the figure and write it as PNG; needs no screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    depth, height, width = np.array(views.image.shape) * views.spacing.values
    figure = Figure(figsize=(16, 16 / 4 * (height + depth) / width + 1.0), facecolor=_DARK)
    FigureCanvasAgg(figure)
    figure.subplots_adjust(0.008, 0.075, 0.992, 0.94, wspace=0.025, hspace=0.025)
    grid = figure.subplots(2, 4, height_ratios=(height, depth))
    z, y = _telling_plane(views.strokes, views.truth), views.image.shape[1] // 2
    for column, (title, colours) in enumerate(_columns(views, z, y)):
        _show(grid[0, column], colours[0], (width, height), title)
        _show(grid[1, column], colours[1], (width, depth))
    _scale_bar(grid[0, 0], (width, height), views.spacing.unit)
    _mark_cuts(grid[0, 0], grid[1, 0], y * views.spacing.values[1], z * views.spacing.values[0])
    _legend(figure, views.classes, dice)
    figure.savefig(path, dpi=110, facecolor=_DARK)


def _telling_plane(strokes: Bytes, truth: Bytes) -> int:
    """Choose the painted plane in which most is to be seen of the rarest class."""
    painted = np.flatnonzero(strokes.any(axis=(1, 2)))
    areas = np.stack([np.bincount(truth[z].ravel(), minlength=256)[1:] for z in painted])
    shares = areas[:, areas.any(0)] / np.maximum(areas.sum(0)[areas.any(0)], 1)
    return int(painted[shares.min(axis=1).argmax()])


def _columns(views: Views, z: int, y: int) -> list[tuple[str, tuple[Colours, Colours]]]:
    """Title and two cuts, from above and from the side, of each column."""
    cuts: tuple[tuple[int | slice, ...], ...] = ((z,), (slice(None), y))
    grey = [_grey(views.image[cut], views.image) for cut in cuts]
    painted = np.count_nonzero(views.strokes) / views.strokes.size
    labelled = {
        f"strokes on {painted:.2%} of the voxels": (views.strokes, 0.55, 1.0),
        "truth": (views.truth, 0.5, 0.8),
        "segmentation": (views.segmentation, 0.5, 0.8),
    }
    columns = [("image", (grey[0], grey[1]))]
    for title, (labels, dim, opacity) in labelled.items():
        above, side = (
            _overlay(g * dim, labels[cut], views.classes, opacity)
            for g, cut in zip(grey, cuts, strict=True)
        )
        columns.append((title, (above, side)))
    return columns


def _grey(plane: Bytes, image: Bytes) -> Colours:
    """Stretch to the range that nearly all voxels of the image have."""
    low, high = np.percentile(image[::4, ::4, ::4], (0.5, 99.7))
    shade = np.clip((plane.astype(np.float32) - low) / max(high - low, 1), 0, 1)
    return np.repeat(shade[..., None], 3, axis=-1).astype(np.float32)


def _overlay(grey: Colours, labels: Bytes, classes: Sequence[LabelClass], alpha: float) -> Colours:
    colours = {c.value: c.color for c in classes} | {EXPLICIT_BACKGROUND: _STROKE_OF_BACKGROUND}
    out = grey.copy()
    for value, colour in colours.items():
        inside = labels == value
        out[inside] += alpha * (_rgb(colour) - out[inside])
    return out


def _rgb(colour: str) -> Colours:
    return np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)], np.float32)


def _show(panel: "Panel", cut: Colours, size: tuple[float, float], title: str = "") -> None:
    """Show a cut at its physical size, (width, height)."""
    panel.imshow(cut, extent=(0, size[0], size[1], 0), interpolation="nearest", aspect="auto")
    panel.set_xticks([])
    panel.set_yticks([])
    panel.spines[:].set_visible(False)
    if title:
        panel.set_title(title, color=_LIGHT, fontsize=15, pad=8)


def _scale_bar(panel: "Panel", size: tuple[float, float], unit: str | None) -> None:
    length = min(_BAR, size[0] / 3)
    left, bottom = 0.04 * size[0], 0.955 * size[1]
    panel.plot([left, left + length], [bottom, bottom], color=_LIGHT, lw=4, solid_capstyle="butt")
    name = {"um": "µm", None: "voxels"}.get(unit, unit)
    panel.text(
        left + length / 2,
        bottom - 0.025 * size[1],
        f"{length:.0f} {name}",
        bbox={"facecolor": _DARK, "alpha": 0.6, "edgecolor": "none", "pad": 2},
        **_words(12, ha="center", va="bottom"),
    )


def _mark_cuts(above: "Panel", side: "Panel", y: float, z: float) -> None:
    """Show in each view where the other one cuts."""
    for panel, where, name in ((above, y, "xy"), (side, z, "xz")):
        panel.axhline(where, color=_LIGHT, lw=0.8, ls=(0, (6, 6)), alpha=0.7)
        panel.text(0.97, 0.97, name, transform=panel.transAxes, **_words(13, ha="right", va="top"))


def _legend(figure: "Figure", classes: Sequence[LabelClass], dice: Mapping[int, float]) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(color=c.color, label=f"{c.name}   Dice {dice.get(c.value, float('nan')):.2f}")
        for c in classes
    ]
    handles.append(Patch(color=_STROKE_OF_BACKGROUND, label="background strokes"))
    figure.legend(
        handles=handles,
        loc="lower center",
        ncols=len(handles),
        frameon=False,
        labelcolor=_LIGHT,
        fontsize=14,
        columnspacing=3,
    )


def _words(size: int, **align: str) -> dict[str, Any]:
    return {"color": _LIGHT, "fontsize": size, **align}
