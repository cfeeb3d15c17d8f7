"""Pruning: a shallower network out of a deep one, with the same parameters."""

import torch

from napari_ziggurat.errors import InputError
from napari_ziggurat.networks.checkpoint import Model
from napari_ziggurat.networks.config import ComposedConfig
from napari_ziggurat.networks.encoders.stages import StageEncoder
from napari_ziggurat.networks.necks import NestedUNetNeckConfig
from napari_ziggurat.networks.network import ComposedNetwork, SegmentationNetwork

__all__ = ["prune", "prune_model"]


def prune_model(model: Model, depth: int) -> Model:
    """Give a model with the first levels and columns of its UNet++, as `prune` does.

    Windows and rims stay as they are, so that it gives what the whole model's output of that depth
    gives; the stride becomes smaller.

    Raises
    ------
    InputError
        The network cannot be pruned, or not to this depth.
    """
    network = prune(model.network, depth)
    return Model(model.spec.model_copy(update={"network": network.config}), network)


def prune(network: SegmentationNetwork, depth: int) -> ComposedNetwork:
    """Give the first levels and columns of a UNet++ (arXiv 1807.10165, section 3.3).

    What it computes is output X0,depth of the whole network; it is faster, and its total stride
    is smaller.

    Parameters
    ----------
    network : SegmentationNetwork
        With the neck of UNet++; not folded. It is left as it is and shares its parameters.
    depth : int
        Steps down that are kept; 1 to the number of levels less 1, which keeps all.

    Raises
    ------
    InputError
        The network cannot be pruned, or not to this depth.
    """
    config = _prunable(network)
    most = config.topology.levels - 1
    least = max(1, most + 1 - config.supervised)  # columns that were not trained have no classifier
    if not least <= depth <= most:
        raise InputError(f"Network '{config.name}' can be pruned to a depth of {least} to {most}; "
                         f"{depth} was asked for.")  # fmt: skip
    with torch.device("meta"):
        pruned = ComposedNetwork(_shallower(config, depth))
    state = network.state_dict()
    names = {name: _in_whole(name, most - depth) for name in pruned.state_dict()}
    pruned.load_state_dict({name: state[whole] for name, whole in names.items()}, assign=True)
    return pruned.train(network.training)


def _prunable(network: SegmentationNetwork) -> ComposedConfig:
    """Give the config of a network whose fine levels do not depend on the coarse ones."""
    config = network.config
    fits = (
        isinstance(config, ComposedConfig)
        and isinstance(config.neck, NestedUNetNeckConfig)
        and config.head is None
        and isinstance(network.encoder, StageEncoder)
    )
    if not fits:
        raise InputError(
            f"Network '{config.name}' cannot be pruned. Only a UNet++ without a head can, with an "
            "encoder that computes level after level: its output on the finest grid has a version "
            "for every depth."
        )
    if network.config.surroundings is not None:
        raise InputError(
            f"Network '{config.name}' cannot be pruned: the surroundings join its coarsest level, "
            "and a shallower network would not see them. Use it whole, or train a 'unetpp'."
        )
    assert isinstance(config, ComposedConfig)
    return config


def _shallower(config: ComposedConfig, depth: int) -> ComposedConfig:
    """Give the config of the first levels; the context works on the last one only."""
    topology = config.topology
    missing = topology.levels - 1 - depth
    names = ("features", "strides", "kernels")
    kept = {name: getattr(topology, name)[: depth + 1] for name in names}
    return config.model_copy(
        update={
            "topology": topology.model_copy(update=kept),
            "context": None if missing else config.context,
            "supervised": max(1, min(config.supervised, topology.levels - 1) - missing),
        }
    )


def _in_whole(name: str, missing: int) -> str:
    """Find the name of a parameter in the whole network; columns lie deepest first."""
    if not name.startswith("classifiers."):
        return name
    part, index, rest = name.split(".", 2)
    return f"{part}.{int(index) + missing}.{rest}"
