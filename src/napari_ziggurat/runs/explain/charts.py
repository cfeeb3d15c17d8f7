"""Charts of an explanation: variances of joined branches, and the receptive field."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_ziggurat.networks.analysis import FusionScale
from napari_ziggurat.networks.receptive_field import ReceptiveField
from napari_ziggurat.runs.pictures import DARK, LIGHT, dress, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Panel

__all__ = ["save_branches", "save_field"]

_BEFORE, _AFTER = "#6ea8dc", "#f2a65a"
_HALF, _MOST = "#66ccee", "#ee6677"
_NAMED = 40  # fusions up to which each is named


def save_branches(fusions: Sequence[FusionScale], path: Path) -> None:
    """Draw the variance of every branch of every fusion, and write it as PNG."""
    figure = new_figure(max(6.0, min(16.0, 2.5 + 0.45 * len(fusions))), 4.6)
    panel = figure.add_subplot()
    dress(panel, "variance of each branch", "")
    if not fusions:
        panel.text(0.5, 0.5, "no features are joined by parts of this package",
                   transform=panel.transAxes, color=LIGHT, ha="center")  # fmt: skip
    for place, fusion in enumerate(fusions):
        _mark(panel, place - 0.12, fusion.before, _BEFORE, "o")
        _mark(panel, place + 0.12, fusion.after or (), _AFTER, "D")
    if fusions:
        panel.set_yscale("log")
        panel.axhline(1, color=LIGHT, lw=0.8, ls=(0, (4, 4)), alpha=0.5)
        _legend(panel, equalized=any(fusion.after for fusion in fusions))
    names = [fusion.name for fusion in fusions] if len(fusions) <= _NAMED else []
    panel.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=8)
    panel.set_xlabel("fusions, in the order of execution", color=LIGHT)
    figure.savefig(path, dpi=110, facecolor=DARK, bbox_inches="tight")


def save_field(field: ReceptiveField, unit: str | None, path: Path) -> None:
    """Draw the gradient of the centre and how much of it lies within a distance, as PNG."""
    figure = new_figure(12.5 if field.gradient.ndim == 2 else 17.0, 5.2)
    views = [(-2, -1)] if field.gradient.ndim == 2 else [(-2, -1), (-3, -1)]
    panels = figure.subplots(1, len(views) + 1, gridspec_kw={"wspace": 0.28})
    for panel, axes in zip(panels, views, strict=False):
        _draw_gradient(panel, field, axes, unit or "voxels")
    _draw_energy(panels[-1], field, unit or "voxels")
    figure.savefig(path, dpi=100, facecolor=DARK, bbox_inches="tight")


def _mark(panel: "Panel", place: float, values: Sequence[float], colour: str, marker: str) -> None:
    if values:
        panel.plot([place, place], [min(values), max(values)], color=colour, lw=1.5, alpha=0.5)
        panel.plot([place] * len(values), values, marker, color=colour, ms=6, mec="none")


def _legend(panel: "Panel", *, equalized: bool) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=_BEFORE, marker="o", label="as the branches arrive")]
    if equalized:
        handles.append(Line2D([], [], color=_AFTER, marker="D", label="behind their equalizers"))
    title = None if equalized else "no scale equalizers"
    legend = panel.legend(handles=handles, title=title, frameon=False, labelcolor=LIGHT)
    legend.get_title().set_color(LIGHT)


def _draw_gradient(panel: "Panel", field: ReceptiveField, axes: tuple[int, int], unit: str) -> None:
    """Show the section through the centre, with circles and the theoretical field."""
    from matplotlib.colors import PowerNorm
    from matplotlib.patches import Circle, Rectangle

    sizes = [field.looked_at[a] * field.spacing[a] for a in axes]
    # the centre voxel is at n // 2: its middle is the origin
    (bottom, left) = (-(field.looked_at[a] // 2 + 0.5) * field.spacing[a] for a in axes)
    panel.imshow(
        _through_centre(field, axes), extent=(left, left + sizes[1], bottom + sizes[0], bottom),
        cmap="inferno", norm=PowerNorm(0.35), interpolation="nearest",
    )  # fmt: skip
    for radius, colour, name in (
        (field.distance_50, _HALF, "50 %"), (field.distance_95, _MOST, "95 %"),
    ):  # fmt: skip
        panel.add_patch(Circle((0, 0), radius, fill=False, color=colour, lw=1.8, label=name))
    if not any(field.larger):
        (high, wide) = (field.theoretical.voxels[a] * field.spacing[a] for a in axes)
        corner = (-wide / 2, -high / 2)
        panel.add_patch(Rectangle(corner, wide, high, fill=False, color=LIGHT, ls="--", lw=1,
                                  label="in theory"))  # fmt: skip
    dress(panel, f"{'zyx'[axes[0]]} in {unit}", f"x in {unit}")
    panel.grid(visible=False)
    panel.legend(frameon=False, labelcolor=LIGHT, fontsize=9, loc="upper right")


def _draw_energy(panel: "Panel", field: ReceptiveField, unit: str) -> None:
    """Show how much of the gradient lies within a distance."""
    (distance, share) = field.energy()
    panel.plot(distance, share * 100, color=LIGHT, lw=2)
    for radius, colour, level in ((field.distance_50, _HALF, 50), (field.distance_95, _MOST, 95)):
        panel.plot([radius, radius, 0], [0, level, level], color=colour, lw=1.2, ls="--")
        panel.text(radius, 3, f" {radius:.3g}", color=colour)
    panel.set_xlim(0, min(float(distance[-1]), 4 * max(field.distance_95, 1e-9)))
    panel.set_ylim(0, 101)
    dress(panel, "% of the gradient", f"within a distance in {unit}")


def _through_centre(field: ReceptiveField, axes: tuple[int, int]) -> np.ndarray:
    kept = {a % field.gradient.ndim for a in axes}
    index = tuple(slice(None) if a in kept else n // 2 for a, n in enumerate(field.looked_at))
    return field.gradient[index]
