"""Every network as ONNX: it computes what torch computes at sizes that were not traced.

An export takes seconds, so these run in the tox environment `onnx`.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from models import tiny_model
from napari_ziggurat.classes import default_classes
from napari_ziggurat.errors import InputError
from napari_ziggurat.networks import (
    Model,
    NetworkConfig,
    Topology,
    configure_network,
    create_network,
    list_networks,
)
from napari_ziggurat.networks.calibration import calibrate
from napari_ziggurat.networks.norms import reestimate_statistics
from napari_ziggurat.networks.onnx_export import ExportReport, export_onnx
from pyramids import ANISOTROPIC, FIVE_LEVELS, PLANE

pytestmark = pytest.mark.onnx
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")

REFUSED = {  # test_onnx.py, test_surround.py
    "monai_swin_unetr", "hooknet", "hook_residual_unet", "hook_attention_unet", "hook_unetpp",
}  # fmt: skip
ISOTROPIC = {"monai_basic_unet", "monai_basic_unetpp"}
PLANES = sorted({info.name for info in list_networks()} - REFUSED)
# One of each encoder, context, neck and head that has an operator of its own.
VOLUMES = [
    "attention_unet", "bifpn", "convnext_unet", "deeplabv3p", "fpn_aligned", "hrnet",
    "monai_dynunet", "nas_fpn", "panet", "panoptic_fpn", "pspnet", "recursive_fpn",
    "residual_unet", "swin_unet", "unet3p_guided", "unetpp", "upernet",
]  # fmt: skip
# Of sizes that are traced nowhere; along one axis less than a stride.
SHAPES = {2: (1, 1, 3, 30), 3: (1, 2, 1, 9, 22)}

# Networks whose concatenations or sums are equalized, and whether some are followed by a 1x1.
EQUALIZED = {
    "unet": False, "unetpp": False, "unet3p": False, "upernet": False, "fcn": True,
    "unet_aspp": True, "panoptic_fpn": False, "bifpn": False,
}  # fmt: skip


@pytest.mark.parametrize("name", PLANES)
def test_a_network_of_planes(name: str, tmp_path: Path) -> None:
    topology = FIVE_LEVELS[2] if name in ISOTROPIC else PLANE
    _exported(_model(configure_network(name, topology)), tmp_path / "model.onnx")


@pytest.mark.parametrize("name", VOLUMES)
def test_a_network_of_volumes_with_coarse_planes(name: str, tmp_path: Path) -> None:
    _exported(_model(configure_network(name, ANISOTROPIC)), tmp_path / "model.onnx")


@pytest.mark.parametrize(("name", "folds"), EQUALIZED.items())
def test_a_network_with_equalizers(name: str, folds: bool, tmp_path: Path) -> None:
    plain = configure_network(name, PLANE)
    choices = {"equalize": "explicit", "equalize_sums": True}
    config = type(plain).model_validate(plain.model_dump() | choices)
    report = _exported(_model(config), tmp_path / "model.onnx")
    assert bool(report.folded) == folds


class Pooled(nn.Module):
    """What a part from another package may do: exported for the size of the example."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + functional.interpolate(functional.adaptive_avg_pool2d(x, 3), x.shape[2:])


class Bessel(nn.Module):
    """Has no counterpart in ONNX."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.bessel_j0(x)


class Noisy(nn.Module):
    """Gives something else each time."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.randn_like(x)


@pytest.mark.parametrize(
    ("part", "what"),
    [
        (Bessel(), "Network 'unet' cannot be written as ONNX: .*bessel_j0"),
        (Pooled(), "Network 'unet' cannot be run as ONNX: .*GatherND"),
        (Noisy(), "computes something else than torch"),
    ],
)
def test_an_operator_that_onnx_does_not_have_or_has_differently_is_refused(
    part: nn.Module, what: str, tmp_path: Path
) -> None:
    model = _model(configure_network("unet", PLANE))
    model.network.context = part
    with pytest.raises(InputError, match=what):
        export_onnx(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def _model(config: NetworkConfig) -> Model:
    """Make a model that was not trained, but whose norms and equalizers have seen images."""
    torch.manual_seed(0)
    topology, network = config.topology, create_network(config)
    images = _images(topology)
    calibrate(network, images)
    reestimate_statistics(network, images)
    axes, classes = "zyx"[-topology.dims :], default_classes(range(topology.out_channels))
    model = tiny_model(axes, topology.in_channels, network=config, classes=classes)
    network.shift.copy_(torch.arange(topology.out_channels))
    return replace(model, network=network.eval())


def _images(topology: Topology) -> list[torch.Tensor]:
    size = [4 * stride for stride in topology.total_stride]
    return [torch.randn(2, topology.in_channels, *size) + 1 for _ in range(2)]


def _exported(model: Model, path: Path) -> ExportReport:
    """Export, and compare with what the network computed before it was prepared for that."""
    x = torch.randn(SHAPES[model.spec.dims], generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = model.network(x).numpy()
    report = export_onnx(model, path)
    np.testing.assert_allclose(_run(path, x.numpy()), wanted, atol=1e-4, rtol=1e-4)
    return report


def _run(path: Path, x: NDArray[np.float32]) -> Any:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": x})[0]
