"""Configurations: everything that can be said about a run, once.

The command line, the YAML files, the forms and the record in the output are made from these models.
"""

from napari_ziggurat.runs.config.annotation import (
    AnnotationInfoConfig,
    AnnotationNewConfig,
    ClassesConfig,
    CompleteConfig,
    CopyConfig,
    ImportConfig,
    OwnerConfig,
)
from napari_ziggurat.runs.config.evaluation import EvaluateConfig
from napari_ziggurat.runs.config.others import (
    DemoConfig,
    ExplainConfig,
    ExportConfig,
    InfoConfig,
    NetworksConfig,
)
from napari_ziggurat.runs.config.segmentation import SegmentConfig, SlurmConfig
from napari_ziggurat.runs.config.suggestion import SuggestConfig
from napari_ziggurat.runs.config.training import (
    DEFAULT_MINUTES,
    CalibrateConfig,
    PlanConfig,
    SearchConfig,
    TrainConfig,
)

__all__ = [
    "DEFAULT_MINUTES",
    "AnnotationInfoConfig",
    "AnnotationNewConfig",
    "CalibrateConfig",
    "ClassesConfig",
    "CompleteConfig",
    "CopyConfig",
    "DemoConfig",
    "EvaluateConfig",
    "ExplainConfig",
    "ExportConfig",
    "ImportConfig",
    "InfoConfig",
    "NetworksConfig",
    "OwnerConfig",
    "PlanConfig",
    "SearchConfig",
    "SegmentConfig",
    "SlurmConfig",
    "SuggestConfig",
    "TrainConfig",
]
