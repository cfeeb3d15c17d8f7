"""Reader: opens images lazily, at every level, with their spacing and units."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_ziggurat.errors import InputError, ZigguratError
from napari_ziggurat.gui.layers import METADATA, class_colormap, class_features, layer_units
from napari_ziggurat.gui.lazy_view import Arranged, LazyView
from napari_ziggurat.gui.objects.grid import ObjectGrid
from napari_ziggurat.gui.stores import is_label_store, is_store, label_stores, stated_classes

if TYPE_CHECKING:
    from napari_ziggurat.images import Image, Source

__all__ = ["LayerData", "contrast_limits", "get_reader", "read"]

logger = logging.getLogger(__name__)

LayerData = tuple[Any, dict[str, Any], str]

_SUFFIXES = (".zarr", ".nii", ".nii.gz", ".ome.tif", ".ome.tiff")
_IN_MEMORY = 2**28  # bytes up to which an image without further levels is simply loaded
_FEATURES = 10**6  # objects up to which a table is read: some seconds, some hundred megabytes
_SAMPLE = 512  # pixels on each side that contrast limits are taken from
_GUESSES = ("yx", "zyx", "czyx", "tczyx")
_COLORS = ("green", "magenta", "cyan", "yellow", "red", "blue")


def get_reader(path: str | Sequence[str]) -> Callable[[str], list[LayerData]] | None:
    """Give napari the reader for a path; None where it is no kind of file that we read."""
    if not isinstance(path, str):
        return None  # several files as one stack
    known = path.rstrip("/\\").lower().endswith(_SUFFIXES)
    return read if known or is_store(Path(path)) else None


def read(path: str) -> list[LayerData]:
    """Open an image, and the labels that lie in it.

    There is a layer for each channel, or one for the colours of an RGB image. The axes of an image
    that does not state them are left open. Labels that come with an image are hidden at first.
    """
    from napari_ziggurat.images import to_source

    place = to_source(path)
    if is_label_store(place):
        return [_labels(place, visible=True)]
    return [*_channels(place), *_hidden_labels(place)]


def _channels(path: "Source") -> list[LayerData]:
    (image, certain) = _open(path)
    if not certain:
        return [_picture(image, image.axes.names, {"axis_labels": None})]
    onto = _shown_axes(image)
    if _is_rgb(image):
        return [_picture(image, onto + "c", {"rgb": True})]
    if len(image.channels) == 1:
        return [_picture(image, onto, {}, {"c": 0} if image.has_channel_axis else {})]
    colors = (_COLORS[i % len(_COLORS)] for i in range(len(image.channels)))
    looks = ({"colormap": color, "blending": "additive"} for color in colors)
    return [
        _picture(image, onto, {"name": name, **look}, {"c": index})
        for index, (name, look) in enumerate(zip(image.channels, looks, strict=True))
    ]


def contrast_limits(array: Any) -> tuple[float, float]:
    """Choose limits from the middle of an array; reads one small piece of it."""
    middle = (n // 2 for n in array.shape[:-2])
    centre = (slice(max(0, n // 2 - _SAMPLE // 2), n // 2 + _SAMPLE // 2) for n in array.shape[-2:])
    piece = np.asarray(array[(*middle, *centre)])
    piece = piece[np.isfinite(piece)]
    (low, high) = np.percentile(piece, (0.1, 99.9)) if piece.size else (0, 1)
    return float(low), float(high if high > low else low + 1)


def _open(path: "Source") -> tuple["Image", bool]:
    """Open an image, and tell whether its axes are certain.

    The viewer can show an array that does not say which axis is which; the dock asks then.
    """
    from napari_ziggurat.images import open_image

    try:
        return open_image(path), True
    except InputError:
        for axes in _GUESSES:
            try:
                return open_image(path, axes=axes), False
            except InputError:
                continue
        raise


def _hidden_labels(path: "Source") -> list[LayerData]:
    layers = []
    for store in label_stores(path):
        try:
            layers.append(_labels(store, visible=False))
        except ZigguratError as error:
            logger.warning("%s", error)  # the image can be shown without them
    return layers


def _labels(path: "Source", *, visible: bool) -> LayerData:
    """Show labels, in the colours of their classes where they have such."""
    from napari_ziggurat.images import open_image, stem

    image = open_image(path)
    axes = _shown_axes(image)
    views = _views(image, axes, {"c": 0} if image.has_channel_axis else {})
    options = _options(image, axes, views)
    options |= {"name": path.name if str(path).endswith(f"/labels/{path.name}") else stem(path)}
    options["metadata"][METADATA]["axes"] = axes
    if classes := stated_classes(image):
        options |= {"colormap": class_colormap(classes), "features": class_features(classes)}
    elif features := _object_features(path):
        options |= {"features": features}
        options["metadata"][METADATA]["objects"] = ObjectGrid.of(image)
    return _data(views), {**options, "visible": visible}, "labels"


def _object_features(path: "Source") -> Mapping[str, Any] | None:
    """Table of the objects that lies with their labels: napari shows the row under the pointer."""
    from napari_ziggurat.runs.objects.table import read_table, table_in

    if not isinstance(path, Path) or not table_in(path).is_file():
        return None
    features = read_table(table_in(path), _FEATURES)
    if features is None:
        logger.warning("The table of %s is too long to be shown beside the labels.", path)
    return features


def _picture(
    image: "Image", onto: str, look: dict[str, Any], fixed: Mapping[str, int] = MappingProxyType({})
) -> LayerData:
    """Show the levels of an image along some axes; ``look`` wins over what is chosen here."""
    rgb = bool(look.get("rgb"))
    views = _views(image, onto, fixed)
    options = {"rgb": rgb, **_options(image, onto[:-1] if rgb else onto, views)}
    if not rgb:
        options["contrast_limits"] = contrast_limits(views[-1])
    return _data(views), {**options, **look}, "image"


def _options(image: "Image", axes: str, views: Sequence[LazyView]) -> dict[str, Any]:
    """Give what layers of images and of labels are told alike."""
    from napari_ziggurat.images import stem

    return {
        "name": stem(image.source or image.name),
        "multiscale": len(views) > 1,
        "axis_labels": tuple(axes),
        **_place(image, axes),
        "metadata": {METADATA: {"path": str(image.source)}},
    }


def _views(image: "Image", onto: str, fixed: Mapping[str, int]) -> list[LazyView]:
    arrays = (Arranged(a, image.axes.names, onto, fixed=fixed) for a in image.arrays)
    return [LazyView(array) for array in arrays]


def _shown_axes(image: "Image") -> str:
    """Axes of a layer: napari shows channels as layers or as colours."""
    return "t" * image.axes.has("t") + image.axes.spatial


def _is_rgb(image: "Image") -> bool:
    return image.axes.names.endswith("c") and len(image.channels) in (3, 4)


def _data(views: list[LazyView]) -> Any:
    (first, size) = (views[0], views[0].size * views[0].dtype.itemsize)
    if len(views) > 1:
        return views
    return np.asarray(first) if size <= _IN_MEMORY else first


def _place(image: "Image", axes: str) -> dict[str, Any]:
    """Scale, translation and units of level 0 along some axes."""
    finest = image.levels[0]
    scale = dict(zip(image.axes.spatial, finest.spacing.values, strict=True))
    shift = dict(zip(image.axes.spatial, finest.translation, strict=True))
    return {
        "scale": tuple(scale.get(letter, 1.0) for letter in axes),
        "translate": tuple(shift.get(letter, 0.0) for letter in axes),
        "units": layer_units(axes, finest.spacing.unit),
    }
