"""Live training: a network learns while strokes are painted, and can be looked at any time."""

from napari_ziggurat.runs.live.config import live_config
from napari_ziggurat.runs.live.session import LiveTraining
from napari_ziggurat.runs.live.watched import Point, Snapshot

__all__ = ["LiveTraining", "Point", "Snapshot", "live_config"]
