"""Networks: a window of the image -> logits. Composed: encoder -> neck -> head.

Importing this package loads no torch; the modules that need it load it.
"""

from napari_ziggurat.networks import presets  # noqa: F401  registers what it defines
from napari_ziggurat.networks.checkpoint import (
    GateLevel,
    Model,
    ModelSpec,
    load_model,
    read_spec,
    save_model,
    save_spec,
)
from napari_ziggurat.networks.composition import Composition
from napari_ziggurat.networks.config import AnyNetworkConfig, NetworkConfig, Topology
from napari_ziggurat.networks.intensity import Intensity
from napari_ziggurat.networks.level_weights import LevelWeights
from napari_ziggurat.networks.lineage import Round, Score, TrainedOn
from napari_ziggurat.networks.object_settings import ObjectSettings
from napari_ziggurat.networks.registry import (
    configure_network,
    create_network,
    list_networks,
    register_network,
)

__all__ = [
    "AnyNetworkConfig",
    "Composition",
    "GateLevel",
    "Intensity",
    "LevelWeights",
    "Model",
    "ModelSpec",
    "NetworkConfig",
    "ObjectSettings",
    "Round",
    "Score",
    "Topology",
    "TrainedOn",
    "configure_network",
    "create_network",
    "list_networks",
    "load_model",
    "read_spec",
    "register_network",
    "save_model",
    "save_spec",
]
