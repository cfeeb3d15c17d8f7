"""Recent: the models that were opened last, kept beside napari's own settings."""

import contextlib
import json
from pathlib import Path

__all__ = ["recent_models", "remember_model"]

_MOST = 8


def recent_models() -> list[Path]:
    """List the models opened last, newest first; those that are gone are left out."""
    try:
        names = json.loads(_file().read_text(encoding="utf-8"))["models"]
        return [path for path in map(Path, names) if path.exists()]
    except (OSError, ValueError, KeyError, TypeError):
        return []  # never written, or not by us


def remember_model(path: Path) -> None:
    """Put a model on top of the list."""
    others = [other for other in recent_models() if other != path]
    text = json.dumps({"models": [str(p) for p in [path, *others][:_MOST]]}, indent=2)
    with contextlib.suppress(OSError, TypeError):  # no place to write is no reason to stop
        _file().write_text(text, encoding="utf-8")


def _file() -> Path:
    from napari.settings import get_settings

    return Path(get_settings().config_path).with_name("napari-ziggurat.json")
