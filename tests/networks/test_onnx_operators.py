"""Operators that do not survive the way to ONNX are used by no network.

Adaptive pooling to more than one bin and area resizing are exported for the size of the example;
nearest resizing rounds positions in another way where sizes are no multiples.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from napari_ziggurat.networks import Topology, configure_network, create_network, list_networks
from pyramids import ANISOTROPIC, FIVE_LEVELS, PLANE

ISOTROPIC = {"monai_basic_unet", "monai_basic_unetpp", "monai_swin_unetr"}
ANY = ("adaptive_avg_pool", "adaptive_max_pool", "affine_grid")


class Refused(TorchDispatchMode):
    """Collects operators that ONNX computes differently; pooling to one bin arrives as a mean."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name, out = func.name(), func(*args, **(kwargs or {}))
        uneven = "upsample_nearest" in name and _uneven(args[0].shape[2:], out.shape[2:])
        if uneven or any(each in name for each in ANY):
            self.found.add(name)
        return out


def _uneven(small: Sequence[int], large: Sequence[int]) -> bool:
    return any(b % a for a, b in zip(small, large, strict=True))


def refused(network: Callable[[torch.Tensor], object], x: torch.Tensor) -> set[str]:
    with torch.no_grad(), Refused() as operators:
        network(x)
    return operators.found


@pytest.mark.parametrize("name", [info.name for info in list_networks()])
@pytest.mark.parametrize(("topology", "size"), [(PLANE, (13, 10)), (ANISOTROPIC, (3, 13, 10))])
def test_networks_are_built_from_operators_that_export(
    name: str, topology: Topology, size: tuple[int, ...]
) -> None:
    if name == "monai_swin_unetr":
        pytest.importorskip("einops")
    if name in ISOTROPIC:
        topology = FIVE_LEVELS[topology.dims]
    config = configure_network(name, topology)
    if config.surroundings is not None:
        pytest.skip("refused in words: other programs do not know where the surroundings lie")
    network = create_network(config).eval()
    assert refused(network, torch.randn(1, topology.in_channels, *size)) == set()


@pytest.mark.parametrize(
    "operator",
    [
        nn.AdaptiveAvgPool2d(2),
        nn.AdaptiveMaxPool2d(1),
        lambda x: functional.interpolate(x, size=(2, 2), mode="area"),
        lambda x: functional.interpolate(x, size=(12, 13), mode="nearest"),
        lambda x: functional.affine_grid(torch.zeros(1, 2, 3), x.shape),
    ],
    ids=["mean", "max", "area", "nearest", "affine"],
)
def test_those_that_do_not_are_found(operator: Callable[[torch.Tensor], object]) -> None:
    assert refused(operator, torch.randn(1, 1, 6, 6))


def test_means_and_multiples_are_no_such_operators() -> None:
    x = torch.randn(1, 1, 6, 6)
    assert not refused(nn.AdaptiveAvgPool2d(1), x)
    assert not refused(lambda x: functional.interpolate(x, size=(12, 18), mode="nearest"), x)
