"""Start: the network of a round, and what its parent finds before anything is changed."""

import torch

from napari_ziggurat.networks import Model, create_network
from napari_ziggurat.networks.network import SegmentationNetwork
from napari_ziggurat.networks.widen import start_low, with_classes
from napari_ziggurat.runs.retrain.mix import Mix
from napari_ziggurat.runs.setup.train_setup import TrainSetup
from napari_ziggurat.training.rounds import Counts, count_found

__all__ = ["count_before", "start_network"]


def start_network(setup: TrainSetup, parent: Model | None) -> SegmentationNetwork:
    """Make the network: fresh, or with the weights of a parent, widened for new classes."""
    torch.manual_seed(setup.config.seed)
    network = create_network(setup.network)
    if parent is None:
        start_low(network, len(setup.config.shapes))
    else:
        old, new = ([c.value for c in each] for each in (parent.spec.classes, setup.classes))
        state = with_classes(parent.network.state_dict(), parent.spec.network, old, new)
        network.load_state_dict(state, strict=True)
    return network


def count_before(parent: Model | None, mix: Mix, device: torch.device) -> dict[str, Counts]:
    """Count what the parent finds on the labels that the round will be scored on."""
    if parent is None or mix.held is None:
        return {}
    values = [c.value for c in parent.spec.classes]
    found = count_found(parent.network.to(device), values, mix.held)
    parent.network.cpu()  # the room is for the round
    return found
