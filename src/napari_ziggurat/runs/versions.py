"""Versions of the packages that decide a result."""

import platform
from importlib.metadata import PackageNotFoundError, version

from napari_ziggurat import __version__

__all__ = ["versions"]

_PACKAGES = ("torch", "monai", "numpy", "zarr")


def versions() -> dict[str, str]:
    """Give the versions of this package, Python and the libraries results depend on."""
    found = {"napari-ziggurat": __version__, "python": platform.python_version()}
    return found | {name: _version(name) for name in _PACKAGES}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
