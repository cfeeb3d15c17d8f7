from napari_ziggurat.classes import LabelClass
from napari_ziggurat.errors import ZigguratError
from napari_ziggurat.images import Image, find_images, image_from_array, open_image
from napari_ziggurat.images.annotation_store import AnnotationStore, SparseLabels, import_labels
from napari_ziggurat.networks import Model, load_model
from napari_ziggurat.progress import Progress, finish
from napari_ziggurat.runs.calibrate import calibrate
from napari_ziggurat.runs.config import (
    CalibrateConfig,
    EvaluateConfig,
    ExplainConfig,
    ExportConfig,
    SearchConfig,
    SegmentConfig,
    SuggestConfig,
    TrainConfig,
)
from napari_ziggurat.runs.evaluate import evaluate
from napari_ziggurat.runs.explain import explain
from napari_ziggurat.runs.export import export
from napari_ziggurat.runs.live import LiveTraining, live_config
from napari_ziggurat.runs.search import search
from napari_ziggurat.runs.segment import segment
from napari_ziggurat.runs.suggest import suggest
from napari_ziggurat.runs.train import train

__version__: str

__all__ = [
    "AnnotationStore",
    "CalibrateConfig",
    "EvaluateConfig",
    "ExplainConfig",
    "ExportConfig",
    "Image",
    "LabelClass",
    "LiveTraining",
    "Model",
    "Progress",
    "SearchConfig",
    "SegmentConfig",
    "SparseLabels",
    "SuggestConfig",
    "TrainConfig",
    "ZigguratError",
    "__version__",
    "calibrate",
    "evaluate",
    "explain",
    "export",
    "find_images",
    "finish",
    "image_from_array",
    "import_labels",
    "live_config",
    "load_model",
    "open_image",
    "search",
    "segment",
    "suggest",
    "train",
]
