"""Widgets: small parts that every box of the dock is made of."""

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QBoxLayout, QComboBox, QHBoxLayout, QLabel, QLayout, QVBoxLayout, QWidget

from napari_ziggurat.errors import InputError

__all__ = ["caption", "column", "note", "row", "shrinking_combo", "typed_path"]

Part = QWidget | QLayout


def column(*parts: Part) -> QVBoxLayout:
    """Put parts below each other, without a margin."""
    layout = QVBoxLayout()
    _fill(layout, parts)
    return layout


def row(*parts: Part) -> QHBoxLayout:
    """Put parts beside each other, without a margin."""
    layout = QHBoxLayout()
    _fill(layout, parts)
    return layout


def caption(text: str) -> QLabel:
    """Write the heading of a box."""
    label = QLabel(f"<b>{text}</b>")
    label.setTextFormat(Qt.TextFormat.RichText)
    return label


def note(name: str) -> QLabel:
    """Make a text that wraps, can be copied, and takes no room while it is empty."""
    label = QLabel()
    label.setObjectName(name)
    label.setWordWrap(True)
    label.setTextInteractionFlags(
        Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.LinksAccessibleByMouse
    )
    return label


def shrinking_combo(name: str, tooltip: str, *, least: int = 8) -> QComboBox:
    """Make a combo box that does not grow with its longest entry."""
    combo = QComboBox()
    combo.setObjectName(name)
    combo.setToolTip(tooltip)
    policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    combo.setSizeAdjustPolicy(policy)
    combo.setMinimumContentsLength(least)
    return combo


def typed_path(text: str) -> Path:
    """Read a path that somebody typed, where ``~`` and ``~name`` are homes."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise InputError(
            f"'{text}' begins with ~ and a name, and nobody here is called so; write the path in "
            "full, or ~/ for your own home."
        ) from None


def _fill(layout: QBoxLayout, parts: Sequence[Part]) -> None:
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for part in parts:
        if isinstance(part, QLayout):
            layout.addLayout(part)
        else:
            layout.addWidget(part)
