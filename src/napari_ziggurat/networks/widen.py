"""Widening: weights of a network for other classes; outputs of the old classes are kept."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch

from napari_ziggurat.errors import InputError
from napari_ziggurat.networks.config import AnyNetworkConfig, NetworkConfig
from napari_ziggurat.networks.network import SegmentationNetwork
from napari_ziggurat.networks.registry import create_network

__all__ = ["start_low", "with_classes", "with_outputs"]

Config = TypeVar("Config", bound=NetworkConfig)

# A new class starts as a rarer kind of background: the old classes win where they won before.
_LOWER = 1.0  # of the bias, in logits
_BACKGROUND = 0
_RARE = -2.0  # a logit: few voxels are boundary, or far inside of an object


def with_outputs(config: Config, classes: int) -> Config:
    """Give the configuration of the same network with so many classes."""
    topology = config.topology.model_copy(update={"out_channels": classes})
    return type(config).model_validate(config.model_dump() | {"topology": topology.model_dump()})


def with_classes(
    state: Mapping[str, torch.Tensor],
    config: AnyNetworkConfig,
    old: Sequence[int],
    new: Sequence[int],
) -> dict[str, torch.Tensor]:
    """Fit the weights of a network to other classes.

    Every tensor with a row per class, of the last and of every other supervised classifier, gets
    the rows of the new classes: copied where a class was there, else that of the background with a
    bias that is lower by 1 (of all classes the mean, where none is background). What was most
    probable among the old classes stays so.

    Parameters
    ----------
    state : mapping of str to tensor
        Weights of the network with the old classes.
    config : NetworkConfig
        Of that network.
    old, new : sequence of int
        Class value of each output.
    """
    if list(old) == list(new):
        return dict(state)
    per_class = _per_class(config)
    return {
        name: _fitted(name, tensor, old, new) if name in per_class else tensor
        for name, tensor in state.items()
    }


@torch.no_grad()
def start_low(network: SegmentationNetwork, shapes: int) -> None:
    """Let the shape channels of a fresh network begin near 0, which most voxels are, not at 1/2.

    Short trainings would spend many of their steps on that (arXiv 1708.02002, section 3.3).
    """
    here, more = _with_one_more(network.config) if shapes else ({}, {})
    for name, each in network.named_parameters():
        if name.endswith("bias") and here.get(name) != more.get(name):
            each[-shapes:] = _RARE


def _per_class(config: AnyNetworkConfig) -> set[str]:
    """Names of the tensors that have a row per class: one more class makes them longer."""
    count = config.topology.out_channels
    here, more = _with_one_more(config)
    found = {name for name, shape in here.items() if more[name] != shape}
    if any((here[n][0], more[n][0]) != (count, count + 1) for n in found):
        raise InputError(
            f"Network '{config.name}' cannot take other classes; train a fresh one by leaving "
            "--from out."
        )
    return found


def _with_one_more(config: NetworkConfig) -> tuple[dict[str, torch.Size], ...]:
    """Shapes of all tensors, as they are and with one more output."""
    count = config.topology.out_channels
    return tuple(_shapes(with_outputs(config, n)) for n in (count, count + 1))


def _shapes(config: NetworkConfig) -> dict[str, torch.Size]:
    with torch.device("meta"):  # nothing is computed
        return {name: value.shape for name, value in create_network(config).state_dict().items()}


def _fitted(
    name: str, tensor: torch.Tensor, old: Sequence[int], new: Sequence[int]
) -> torch.Tensor:
    fresh = _background(tensor, old)
    if name.endswith("bias"):
        fresh = fresh - _LOWER
    rows = [tensor[[old.index(v)]] if v in old else fresh for v in new]
    return torch.cat(rows)


def _background(rows: torch.Tensor, classes: Sequence[int]) -> torch.Tensor:
    """Give the row of the background (1, ...); the mean of all where there is none."""
    if _BACKGROUND in classes:
        number = list(classes).index(_BACKGROUND)
        return rows[number : number + 1]
    return rows.mean(dim=0, keepdim=True)
