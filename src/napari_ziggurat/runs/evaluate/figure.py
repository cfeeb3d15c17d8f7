"""Figure: how well objects of each size were found, and the worst of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_ziggurat.errors import ExistsError, MissingError
from napari_ziggurat.evaluation.comparison import Comparison
from napari_ziggurat.evaluation.sizes import SIZE_NAMES, SizeBounds
from napari_ziggurat.runs.evaluate.thumbnails import PREDICTED, TRUE, Thumbnail, draw_thumbnail
from napari_ziggurat.runs.pictures import DARK, GRID, LIGHT, dress, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Panel

__all__ = ["MOST_THUMBNAILS", "Scatter", "check_figure", "save_figure"]

MOST_THUMBNAILS = 12
_COLUMNS = 4
_POINT, _MEAN = "#66ccee", "#f2a65a"


@dataclass(frozen=True, eq=False)
class Scatter:
    """Sizes and scores of objects.

    Attributes
    ----------
    sizes : ndarray of float64, (objects,)
        Area or volume of the objects of the truth.
    iou : ndarray of float64, (objects,)
        Best IoU of each with a predicted one.
    invented : ndarray of float64, (objects,)
        Sizes of predicted objects that meet none of the truth.
    bins : ndarray of int64, (objects,)
        Size class of each object of the truth.
    """

    sizes: NDArray[np.float64]
    iou: NDArray[np.float64]
    invented: NDArray[np.float64]
    bins: NDArray[np.int64]

    @classmethod
    def of(cls, comparisons: Sequence[Comparison], bounds: SizeBounds | None) -> "Scatter":
        """Take the objects of comparisons."""
        parts = [
            (
                each.truth_sizes,
                each.matching.best_iou,
                each.matching.prediction.voxels[each.matching.home < 0] * each.voxel_size,
                each.truth_sizes * 0
                if bounds is None
                else bounds.bins(each.matching.truth.voxels, each.voxel_size),
            )
            for each in comparisons
        ]
        sizes, iou, invented, bins = (
            np.concatenate([np.empty(0), *column]) for column in zip(*parts, strict=True)
        )
        return cls(sizes, iou, invented, bins.astype(np.int64))


def check_figure(path: Path, *, overwrite: bool) -> None:
    """Refuse to draw over something, or into a folder that is not there."""
    if path.exists() and not overwrite:
        raise ExistsError(f"'{path}' exists; say --overwrite to replace it, or another --figure.")
    if not path.absolute().parent.is_dir():
        raise MissingError(f"There is no folder '{path.parent}' for the figure; make it first.")


def save_figure(scatter: Scatter, worst: Sequence[Thumbnail], size_text: str, path: Path) -> None:
    """Draw scores by size, and the worst objects beside them, and write it as PNG.

    Parameters
    ----------
    scatter : Scatter
        All objects.
    worst : sequence of Thumbnail
        Worst first.
    size_text : str
        What sizes are, such as ``"area of the object in um^2"``.
    path : Path
        File to write.
    """
    rows = max(1, -(-len(worst) // _COLUMNS))
    figure = new_figure(13.0 if worst else 6.6, 5.2)
    if not worst:
        _draw_scatter(figure.add_subplot(), scatter, size_text)
    else:
        left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=[1, 1.05])[0]
        for part in (left, right):
            part.set_facecolor(DARK)
        _draw_scatter(left.add_subplot(), scatter, size_text)
        right.suptitle("the worst objects", color=LIGHT, fontsize=11)
        panels = right.subplots(rows, _COLUMNS, squeeze=False).ravel()
        for panel in panels:
            panel.set_axis_off()
        for panel, each in zip(panels, worst, strict=False):
            draw_thumbnail(panel, each)
        right.text(0.13, 0.94, "truth", color=TRUE, fontsize=10)
        right.text(0.22, 0.94, "prediction", color=PREDICTED, fontsize=10)
    figure.savefig(path, dpi=110, facecolor=DARK, bbox_inches="tight")


def _draw_scatter(panel: "Panel", scatter: Scatter, size_text: str) -> None:
    dress(panel, "IoU with the best predicted object", size_text)
    panel.set_xscale("log")
    panel.set_ylim(-0.07, 1.03)
    panel.axhline(0.5, color=LIGHT, lw=0.8, ls=(0, (4, 4)), alpha=0.5)
    panel.plot(scatter.sizes, scatter.iou, "o", color=_POINT, ms=4, alpha=0.6, mec="none")
    if len(scatter.invented):
        at = np.full(len(scatter.invented), -0.04)
        panel.plot(scatter.invented, at, "x", color=PREDICTED, ms=4, alpha=0.8, label="invented")
    for size, name in enumerate(SIZE_NAMES):
        chosen = scatter.bins == size
        if chosen.any():
            (low, high, mean) = _line(scatter, chosen)
            panel.plot([low, high], [mean, mean], color=_MEAN, lw=2.5, solid_capstyle="butt")
            panel.text(low, mean + 0.015, f"{name} {mean:.2f}", color=_MEAN, fontsize=9)
    if len(scatter.invented):
        panel.legend(
            facecolor=DARK, edgecolor=GRID, labelcolor=LIGHT, fontsize=9, loc="lower right"
        )


def _line(scatter: Scatter, chosen: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Smallest and largest size, and mean IoU."""
    sizes = scatter.sizes[chosen]
    return float(sizes.min()), float(sizes.max()), float(scatter.iou[chosen].mean())
