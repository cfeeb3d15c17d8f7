"""How a network is laid out and computed is no part of the result."""

import numpy as np
import pytest
import torch
from torch import nn

from models import tiny_model
from napari_ziggurat.inference.predictor import Predictor

CPU = torch.device("cpu")


@pytest.mark.parametrize(("axes", "shape"), [("yx", (2, 1, 33, 46)), ("zyx", (1, 1, 7, 21, 30))])
def test_folded_channels_last_and_bfloat16_give_the_same_probabilities(
    axes: str, shape: tuple[int, ...]
) -> None:
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    with torch.no_grad():
        wanted = tiny_model(axes).network(torch.from_numpy(x)).softmax(1).numpy()
    with Predictor(tiny_model(axes).network, CPU) as full:
        (found,) = full.compute(x)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    with Predictor(tiny_model(axes).network, CPU, precision="bfloat16") as half:
        (found,) = half.compute(x)
    rounding = 2.0**-8  # of bfloat16, at each of a few layers
    assert 0 < np.abs(found - wanted).max() < 8 * rounding
    assert found.dtype == np.float32


def test_convolutions_are_stored_with_the_channels_innermost() -> None:
    network = tiny_model().network
    with Predictor(network, CPU):
        convs = [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.in_channels > 1]
        assert convs
        assert all(m.weight.is_contiguous(memory_format=torch.channels_last) for m in convs)
