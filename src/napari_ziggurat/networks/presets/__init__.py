"""Presets: the networks that ``--network`` knows by name, each one a choice of parts."""

from napari_ziggurat.networks.presets import (  # registers what they define
    contexts,
    heads,
    monai,
    other_encoders,
    pyramids,
    surroundings,
    unets,
)

__all__ = ["contexts", "heads", "monai", "other_encoders", "pyramids", "surroundings", "unets"]
