"""Widgets: small parts that every box of the dock is made of."""

from collections.abc import Sequence
from html import unescape
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QBoxLayout, QComboBox, QHBoxLayout, QLabel, QLayout, QVBoxLayout, QWidget

from napari_ziggurat.errors import InputError

__all__ = ["Note", "caption", "column", "note", "row", "shrinking_combo", "typed_path"]

Part = QWidget | QLayout

_WRONG = "⚠"  # what comes after it went wrong


class Note(QLabel):
    """A text of the dock that says when what it shows went wrong, so that it can be taken down."""

    failed = Signal(str)  # the sentence
    told = Signal(str)

    def setText(self, text: str | None) -> None:
        """Show a text."""
        super().setText(text)
        (_, wrong, sentence) = (text or "").partition(_WRONG)
        if wrong:
            plain = self.textFormat() == Qt.TextFormat.PlainText
            self.failed.emit((sentence if plain else unescape(sentence)).strip())

    def tell(self, text: str) -> None:
        """Show a text that is worth taking down."""
        self.setText(text)
        if text and _WRONG not in text:
            self.told.emit(text)


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


def note(name: str) -> Note:
    """Make a text that wraps, can be copied, and takes no room while it is empty."""
    label = Note()
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
