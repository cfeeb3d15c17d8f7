"""Sample data: File > Open Sample, drawn by the generator that the demo uses."""

from typing import TYPE_CHECKING

from napari_ziggurat.gui.layers import class_colormap, class_features, layer_units
from napari_ziggurat.gui.reader import LayerData, contrast_limits

if TYPE_CHECKING:
    from napari_ziggurat.images.samples import Drawn

__all__ = ["plane", "volume"]


def volume() -> list[LayerData]:
    """Draw the volume of the demo, with planes farther apart than pixels."""
    from napari_ziggurat.images.samples import draw_volume

    return _layers(draw_volume(), "zyx", "drawn volume")


def plane() -> list[LayerData]:
    """Draw its sibling in two dimensions."""
    from napari_ziggurat.images.samples import draw_plane

    return _layers(draw_plane(), "yx", "drawn plane")


def _layers(drawn: "Drawn", axes: str, name: str) -> list[LayerData]:
    """Show the image, and the truth hidden above it."""
    place = {
        "scale": drawn.spacing.values,
        "units": layer_units(axes, drawn.spacing.unit),
        "axis_labels": tuple(axes),
    }
    image = {"name": name, "contrast_limits": contrast_limits(drawn.image), **place}
    truth = {
        "name": f"{name}, truth",
        "visible": False,
        "colormap": class_colormap(drawn.classes),
        "features": class_features(drawn.classes),
        **place,
    }
    return [(drawn.image, image, "image"), (drawn.labels, truth, "labels")]
