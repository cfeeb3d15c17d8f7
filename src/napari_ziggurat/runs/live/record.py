"""Record: what a model of a live training knows of itself."""

from collections.abc import Mapping
from typing import Any

from napari_ziggurat.networks import ModelSpec
from napari_ziggurat.runs.train_setup import TrainSetup
from napari_ziggurat.runs.versions import versions

__all__ = ["spec_of"]


def spec_of(setup: TrainSetup, training: Mapping[str, Any]) -> ModelSpec:
    """Describe a model as `train` does, with what is to be said of its training."""
    image, shape, spacing = setup.data.volumes[0].image, setup.shape, setup.data.spacing
    axes: Any = image.axes.spatial
    return ModelSpec(
        network=setup.network,
        task=setup.config.task,
        classes=setup.classes,
        channels=image.channels,
        axes=axes,
        spacing=spacing.values,
        unit=spacing.unit,
        intensity=setup.intensity,
        window=shape.window,
        rim=shape.rim,
        training={
            **training,
            "patch": list(shape.patch),
            "reasons": list(setup.reasons),
            "config": setup.config.model_dump(mode="json", exclude_none=True),
        },
        versions=versions(),
    )
