"""Options of a segmentation, as functions need them: without the paths a person types."""

from dataclasses import dataclass, fields
from typing import Any, Literal

from napari_ziggurat.geometry import Box
from napari_ziggurat.networks.views import Kind
from napari_ziggurat.runs.config import SegmentConfig

__all__ = ["SegmentOptions", "coarse_changes"]


@dataclass(frozen=True)
class SegmentOptions:
    """How to segment; the same words as in `SegmentConfig`, with memory in bytes."""

    level: int | None = None
    levels: tuple[int, ...] = ()
    box: str | None = None
    probabilities: bool = False
    probability_type: Literal["float32", "float16", "uint8"] = "float32"
    blend: bool = False
    augment: tuple[Kind, ...] = ()
    all_scales: bool = False
    depth: int | None = None
    gate: str = "off"
    gate_level: int | None = None
    overwrite: bool = False
    version: Literal["0.4", "0.5"] = "0.5"
    device: str = "auto"
    precision: str = "auto"
    batch: int | None = None
    memory: int | None = None
    threads: int | None = None
    window: tuple[int, ...] | None = None
    rim: tuple[int, ...] | None = None
    block: tuple[int, ...] | None = None
    exact: bool = False
    verify: bool = False
    dry_run: bool = False

    @classmethod
    def from_config(cls, config: SegmentConfig) -> "SegmentOptions":
        """Take what a config says."""
        same: dict[str, Any] = {f.name: getattr(config, f.name) for f in fields(cls)}
        return cls(**same | {"memory": config.memory_bytes})


def coarse_changes(level: int, box: Box) -> dict[str, Any]:
    """Give what a pass over a coarser level has other than its run; in options and in a config.

    Parameters
    ----------
    level : int
        Of the image.
    box : Box
        Voxels of that level.
    """
    return {
        "level": level,
        "levels": (),
        "box": str(box),
        "probabilities": True,
        "probability_type": "float16",
        "gate": "off",
        "gate_level": None,
    }
