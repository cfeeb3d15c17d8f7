"""Pictures: figures that need no screen, in the colours of all figures."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Panel
    from matplotlib.figure import Figure

__all__ = ["DARK", "GRID", "LIGHT", "dress", "new_figure"]

DARK, LIGHT, GRID = "#12151c", "#eef1f6", "#2b313d"


def new_figure(width: float, height: float) -> "Figure":
    """Make an empty figure; needs no screen.

    Parameters
    ----------
    width, height : float
        In inches.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor=DARK)
    FigureCanvasAgg(figure)
    return figure


def dress(panel: "Panel", y: str, x: str) -> None:
    """Give a chart its colours and the names of its axes."""
    panel.set_facecolor(DARK)
    panel.tick_params(colors=LIGHT, which="both", labelsize=9)
    panel.spines[:].set_color(GRID)
    panel.grid(color=GRID, lw=0.6)
    panel.set_axisbelow(True)
    panel.set_ylabel(y, color=LIGHT)
    panel.set_xlabel(x, color=LIGHT)
