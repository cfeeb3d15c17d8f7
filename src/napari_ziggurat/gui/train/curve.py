"""Curve: training loss and held-out score over the steps."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from qtpy.QtGui import QPalette
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

__all__ = ["Curve"]

_HEIGHT = 150
_LOSS = "#ee8866"
_SCORE = "#44bb99"


class Curve(QWidget):
    """Two small plots above each other; pyqtgraph is loaded when there is something to draw."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: tuple[Any, Any] | None = None
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(_HEIGHT)
        self.setToolTip("Above the training loss, below the mean Dice of strokes kept aside.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)

    def show_points(self, points: Sequence[Any]) -> None:
        """Draw the curves anew, from two points on; a point has step, loss and scores."""
        if len(points) < 2 and self._lines is None:
            return
        if self._lines is None:
            self._lines = self._make()
        (loss, score) = self._lines
        loss.setData([p.step for p in points], [p.loss for p in points])
        judged = [p for p in points if p.scores]
        means = [float(np.mean(list(p.scores.values()))) for p in judged]
        score.setData([p.step for p in judged], means)

    def _make(self) -> tuple[Any, Any]:
        import pyqtgraph

        palette = self.palette()
        view = pyqtgraph.GraphicsLayoutWidget()
        view.setBackground(palette.color(QPalette.ColorRole.Window))
        pen = pyqtgraph.mkPen(palette.color(QPalette.ColorRole.WindowText))
        (top, bottom) = (view.addPlot(row=0, col=0), view.addPlot(row=1, col=0))
        top.setLimits(yMin=0)
        bottom.setYRange(0, 1)
        bottom.setXLink(top)
        for plot, name in ((top, "loss"), (bottom, "Dice")):
            plot.setMouseEnabled(x=False, y=False)
            plot.hideButtons()
            plot.setMenuEnabled(False)
            plot.getAxis("left").setWidth(44)
            plot.setLabel("left", name)
            for side in ("left", "bottom"):
                plot.getAxis(side).setPen(pen)
                plot.getAxis(side).setTextPen(pen)
        top.getAxis("bottom").setStyle(showValues=False)
        if (layout := self.layout()) is not None:
            layout.addWidget(view)
        lines = (pyqtgraph.mkPen(_LOSS, width=2), pyqtgraph.mkPen(_SCORE, width=2))
        return top.plot(pen=lines[0]), bottom.plot(pen=lines[1])
