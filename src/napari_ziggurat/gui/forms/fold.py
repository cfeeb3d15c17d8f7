"""Fold: something that a button shows and hides."""

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QToolButton, QWidget

from napari_ziggurat.gui.widgets import column

__all__ = ["Fold"]


class Fold(QWidget):
    """A button with an arrow, and what it unfolds; folded at first.

    Parameters
    ----------
    title, tooltip : str
        Of the button.
    inside : QWidget
    """

    def __init__(self, title: str, tooltip: str, inside: QWidget) -> None:
        super().__init__()
        self.inside = inside
        self.button = QToolButton()
        self.button.setText(title)
        self.button.setToolTip(tooltip)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setArrowType(Qt.ArrowType.RightArrow)
        self.button.setCheckable(True)
        self.button.toggled.connect(self._show)
        inside.hide()
        self.setLayout(column(self.button, inside))

    def _show(self, shown: bool) -> None:
        arrow = Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow
        self.button.setArrowType(arrow)
        self.inside.setVisible(shown)
