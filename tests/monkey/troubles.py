"""Troubles: whatever Python, Qt, napari or the log complain of."""

import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Troubles"]

_OURS = "napari_ziggurat"


class Troubles(logging.Handler):
    """Hears of exceptions in slots and threads, of errors in logs, and of what the dock caught."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def listen(self) -> None:
        """Hear of everything from now on."""
        sys.excepthook = lambda *error: self._take("exception", *error)
        threading.excepthook = lambda args: self._take("in a thread", *args[:3])
        sys.unraisablehook = lambda args: self._take(f"unraisable, {args.err_msg}", *args[:3])
        warnings.filterwarnings("error", module=_OURS)
        logging.getLogger().addHandler(self)
        self._hear_qt()
        self._hear_the_dock()

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Take down an exception and go on."""
        try:
            yield
        except Exception as error:
            self._take("exception", type(error), error, error.__traceback__)

    def emit(self, record: logging.LogRecord) -> None:
        """Take errors of everybody, and warnings of our own code."""
        if record.levelno >= logging.ERROR or record.name.startswith(_OURS):
            caught = sys.exc_info()[1]  # what the code that logs has caught
            details = "" if caught is None else "".join(traceback.format_exception(caught))
            self.found.append(f"log of {record.name}: {record.getMessage()}\n{details}")

    def _take(self, what: str, kind: Any, error: Any, trace: Any) -> None:
        self.found.append(f"{what}: " + "".join(traceback.format_exception(kind, error, trace)))

    def _hear_qt(self) -> None:
        from qtpy.QtCore import QtMsgType, qInstallMessageHandler

        harmless = (QtMsgType.QtDebugMsg, QtMsgType.QtInfoMsg)

        def hear(kind: Any, context: Any, message: str) -> None:
            # The screen has no window manager, and says so.
            if kind not in harmless and "propagateSizeHints" not in message:
                self.found.append(f"Qt: {message}")

        qInstallMessageHandler(hear)

    def _hear_the_dock(self) -> None:
        """An exception that is none of our sentences is a bug, also where the dock shows it."""
        from napari_ziggurat.errors import ZigguratError
        from napari_ziggurat.gui.job import Failure

        make = Failure.of

        def noted(error: Exception) -> Failure:
            if not isinstance(error, ZigguratError):
                self._take("the dock caught", type(error), error, error.__traceback__)
            return make(error)

        Failure.of = noted  # type: ignore[method-assign, assignment]
