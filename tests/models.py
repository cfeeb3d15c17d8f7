"""Tiny models for tests: made, not trained."""

import torch

from napari_ziggurat.classes import default_classes
from napari_ziggurat.networks import (
    Intensity,
    Model,
    ModelSpec,
    Topology,
    configure_network,
    create_network,
)
from napari_ziggurat.networks.norms import reestimate_statistics
from pyramids import seen


def tiny_model(
    axes: str = "yx",
    channels: int = 1,
    *,
    name: str = "residual_unet",
    features: tuple[int, ...] = (4, 6),
    step: tuple[int, ...] = (),
    outputs: int = 3,
    **changes: object,
) -> Model:
    """A network with random parameters and classes 0, 1 and 5 for images with these axes.

    Where there are other than 3 ``outputs``, ``changes`` say what they are.

    Its stride from level to level is 2 per axis, but for the first where ``step`` says another;
    with two levels its receptive field is smaller than its rim of 16.
    """
    torch.manual_seed(0)
    dims = len(axes)
    topology = Topology(
        dims=2 if dims == 2 else 3,
        in_channels=channels,
        out_channels=outputs,
        features=features,
        strides=((1,) * dims, step or (2,) * dims, *((2,) * dims,) * (len(features) - 2)),
        kernels=((3,) * dims,) * len(features),
    )
    config = configure_network(name, topology)
    network = create_network(config)
    patches = [torch.randn(2, channels, *(16,) * dims) for _ in range(4)]
    reestimate_statistics(network, [seen(network, patch) for patch in patches])
    values = {
        "network": config,
        "task": "semantic",
        "classes": default_classes((0, 1, 5)),
        "channels": tuple(f"channel {i}" for i in range(channels)),
        "axes": axes,
        "spacing": (1.0,) * dims,
        "unit": None,
        "intensity": Intensity((0.0,) * channels, (255.0,) * channels, (100.0,) * channels,
                               (50.0,) * channels),
        "window": (48,) * dims,
        "rim": (16,) * dims,
    }  # fmt: skip
    return Model(ModelSpec.model_validate(values | changes), network.eval())
