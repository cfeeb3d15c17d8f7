from napari_ziggurat.classes import LabelClass
from napari_ziggurat.errors import ZigguratError
from napari_ziggurat.images import Image, find_images, image_from_array, open_image
from napari_ziggurat.networks import Model, load_model
from napari_ziggurat.progress import Progress, finish
from napari_ziggurat.runs.config import EvaluateConfig, SegmentConfig, TrainConfig
from napari_ziggurat.runs.evaluate import evaluate
from napari_ziggurat.runs.segment import segment
from napari_ziggurat.runs.train import train

__version__: str

__all__ = [
    "EvaluateConfig",
    "Image",
    "LabelClass",
    "Model",
    "Progress",
    "SegmentConfig",
    "TrainConfig",
    "ZigguratError",
    "__version__",
    "evaluate",
    "find_images",
    "finish",
    "image_from_array",
    "load_model",
    "open_image",
    "segment",
    "train",
]
