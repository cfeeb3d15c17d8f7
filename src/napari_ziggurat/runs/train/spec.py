"""Spec: what a trained model knows of itself."""

from collections.abc import Mapping
from typing import Any

from napari_ziggurat.networks import ModelSpec, Round
from napari_ziggurat.runs.setup.train_setup import TrainSetup
from napari_ziggurat.runs.versions import versions

__all__ = ["spec_of"]


def spec_of(
    setup: TrainSetup,
    training: Mapping[str, Any],
    parent: ModelSpec | None = None,
    rounds: tuple[Round, ...] = (),
) -> ModelSpec:
    """Describe a model.

    Parameters
    ----------
    setup : TrainSetup
        What was decided before the training.
    training : mapping
        What is to be said of its course, as JSON can hold it.
    parent : ModelSpec, optional
        Of the model that it went on from, whose windows it keeps.
    rounds : tuple of Round
        How it came to be.
    """
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
        window=shape.window if parent is None else parent.window,
        rim=shape.rim if parent is None else parent.rim,
        training={
            **training,
            "patch": list(shape.patch),
            "reasons": list(setup.reasons),
            "config": setup.config.model_dump(mode="json", exclude_none=True),
        },
        versions=versions(),
        rounds=rounds,
        shapes=setup.config.shapes,
    )
