"""Entropy and disagreement of the outputs of a network, against formulas by hand."""

import numpy as np
import pytest
import torch

from models import tiny_model
from napari_ziggurat.errors import InputError
from napari_ziggurat.networks.network import SegmentationNetwork
from napari_ziggurat.networks.uncertainty import UncertainNetwork


class _Says(SegmentationNetwork):
    """Gives the same logits everywhere, one vector for each output; coarser ones at half size."""

    def __init__(self, *outputs: tuple[float, ...]) -> None:
        super().__init__(tiny_model().spec.network)
        self.outputs = outputs

    def logits(
        self, x: torch.Tensor, wanted: int, hook: torch.Tensor | None = None
    ) -> list[torch.Tensor]:
        found = []
        for number, values in enumerate(self.outputs):
            shape = [n // 2**number for n in x.shape[2:]]
            found.append(torch.tensor(values).view(1, -1, 1, 1).expand(len(x), -1, *shape))
        return found


def _ask(*outputs: tuple[float, ...]) -> tuple[np.ndarray, float, float]:
    found = UncertainNetwork(_Says(*outputs))(torch.zeros(1, 1, 16, 24))
    assert found.shape == (1, 5, 16, 24)
    *mean, entropy, disagreement = found[0, :, 5, 7].tolist()
    return np.array(mean), entropy, disagreement


def test_a_network_with_a_surround_is_refused():
    hooked = tiny_model(name="hooknet", features=(4, 6, 6)).network
    with pytest.raises(InputError, match="'hooknet' sees the surroundings"):
        UncertainNetwork(hooked)


def test_outputs_that_are_sure_and_agree_are_certain():
    mean, entropy, disagreement = _ask((40.0, 0.0, 0.0), (40.0, 0.0, 0.0))
    assert mean == pytest.approx([1, 0, 0], abs=1e-6)
    assert (entropy, disagreement) == pytest.approx((0, 0), abs=1e-6)


def test_outputs_that_are_unsure_and_agree_do_not_disagree():
    _, entropy, disagreement = _ask((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    assert (entropy, disagreement) == pytest.approx((1, 0), abs=1e-6)


def test_disagreement_is_a_part_of_the_entropy_and_better_outputs_count_more():
    mean, entropy, disagreement = _ask((40.0, 0.0, 0.0), (0.0, 40.0, 0.0))
    shares = np.array([2 / 3, 1 / 3])
    expected = -(shares * np.log(shares)).sum() / np.log(3)
    assert mean == pytest.approx([2 / 3, 1 / 3, 0], abs=1e-6)
    assert (entropy, disagreement) == pytest.approx((expected, expected), abs=1e-6)


def test_outputs_count_as_much_as_they_did_in_training():
    network = _Says((40.0, 0.0, 0.0), (0.0, 40.0, 0.0))
    found = UncertainNetwork(network, (1.0, 3.0))(torch.zeros(1, 1, 16, 16))
    assert found[0, :3, 4, 4].tolist() == pytest.approx([0.25, 0.75, 0], abs=1e-6)


def test_one_output_cannot_disagree():
    _, entropy, disagreement = _ask((1.0, 0.0, 0.0))
    assert entropy > 0.5
    assert disagreement == 0


@pytest.mark.parametrize("name", ["residual_unet", "unetpp", "fpn"])
def test_the_mean_is_that_of_all_outputs_of_a_real_network(name):
    network = tiny_model(name=name, features=(4, 6, 8)).network
    x = torch.randn(1, 1, 32, 48)
    with torch.inference_mode():
        found = UncertainNetwork(network)(x)
        scales = network.scales(x)
    assert len(scales) > 1
    assert found[:, :3].sum(1).numpy() == pytest.approx(1, abs=1e-5)
    assert 0 <= found[:, 3:].min() <= found[:, 3:].max() <= 1 + 1e-6
    assert (found[:, 4] <= found[:, 3] + 1e-6).all()
