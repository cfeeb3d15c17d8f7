"""Settings of a live training: those of `train`, for an image that is open already."""

from typing import Any

from napari_ziggurat.images import Image
from napari_ziggurat.images.annotation_store import AnnotationStore, SparseLabels
from napari_ziggurat.runs.config import TrainConfig
from napari_ziggurat.runs.live.labels import Labels

__all__ = ["live_config"]


def live_config(image: Image, labels: Labels, **settings: Any) -> TrainConfig:
    """Make the settings for an image and labels that are open, or in memory.

    Parameters
    ----------
    image : Image
        What is segmented.
    labels : AnnotationStore, SparseLabels or array of uint8
        What is painted on.
    **settings
        Fields of `TrainConfig`, such as ``patch=(16, 96, 96)``. ``minutes`` and ``steps`` do not
        matter: a live training goes on until it is stopped.

    Raises
    ------
    InputError
        A setting does not exist, or its value does not fit.
    """
    store = labels.store if isinstance(labels, SparseLabels) else labels
    place = store.path if isinstance(store, AnnotationStore) else "labels in memory"
    names = {"image": (image.source or image.name,), "annotation": (place,), "out": "model"}
    return TrainConfig.create(names | settings)
