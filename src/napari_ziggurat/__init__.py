"""napari-ziggurat: train segmentation networks and segment images of any size.

The public names are loaded when they are first used, so importing the package costs nothing.
Their types are declared in ``__init__.pyi``.
"""

from importlib import import_module

__version__ = "0.1.0"

_HOMES = {
    "AnnotationStore": "images.annotation_store",
    "CalibrateConfig": "runs.config",
    "EvaluateConfig": "runs.config",
    "ExplainConfig": "runs.config",
    "ExportConfig": "runs.config",
    "Image": "images",
    "LabelClass": "classes",
    "LiveTraining": "runs.live",
    "Model": "networks",
    "Progress": "progress",
    "SearchConfig": "runs.config",
    "SegmentConfig": "runs.config",
    "SparseLabels": "images.annotation_store",
    "SuggestConfig": "runs.config",
    "TrainConfig": "runs.config",
    "ZigguratError": "errors",
    "calibrate": "runs.calibrate",
    "evaluate": "runs.evaluate",
    "explain": "runs.explain",
    "export": "runs.export",
    "find_images": "images",
    "finish": "progress",
    "image_from_array": "images",
    "import_labels": "images.annotation_store",
    "live_config": "runs.live",
    "load_model": "networks",
    "open_image": "images",
    "search": "runs.search",
    "segment": "runs.segment",
    "suggest": "runs.suggest",
    "train": "runs.train",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
