"""Other classes: what was known stays, in every classifier, and what is new starts below it."""

import pytest
import torch

from models import tiny_model
from napari_ziggurat.networks import create_network
from napari_ziggurat.networks.network import SegmentationNetwork
from napari_ziggurat.networks.widen import with_classes, with_outputs

OLD = (0, 1, 5)


def widened(name: str, new: tuple[int, ...], **more: object) -> list[SegmentationNetwork]:
    """Give a network before and after it got other classes."""
    model = tiny_model(name=name, **more)
    config = with_outputs(model.spec.network, len(new))
    network = create_network(config)
    state = with_classes(model.network.state_dict(), model.spec.network, OLD, new)
    network.load_state_dict(state, strict=True)
    return [model.network, network]


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("residual_unet", {"features": (4, 6, 8)}),
        ("fpn", {"features": (4, 6, 8)}),
        ("monai_dynunet", {"features": (4, 6, 8)}),
        ("monai_segresnet", {"features": (8, 16, 32)}),
    ],
)
def test_old_classes_say_what_they_said_and_a_new_one_less_than_background(
    name: str, more: dict[str, object]
) -> None:
    old, new = widened(name, (0, 1, 3, 5), **more)
    x = torch.randn(2, 1, 32, 32)
    for network in (old, new):
        network.train()
    pairs = list(zip(old(x), new(x), strict=True))
    assert len(pairs) > 1
    for before, after in pairs:
        assert torch.allclose(before, after[:, [0, 1, 3]], atol=1e-5)
        assert torch.allclose(before[:, 0] - 1, after[:, 2], atol=1e-5)


def test_a_class_that_is_dropped_takes_its_row_along() -> None:
    old, new = (network.eval() for network in widened("residual_unet", (0, 5)))
    x = torch.randn(1, 1, 32, 32)
    with torch.no_grad():
        assert torch.allclose(old(x)[:, [0, 2]], new(x), atol=1e-5)


def test_a_class_may_take_the_place_of_another() -> None:
    old, new = (network.eval() for network in widened("residual_unet", (0, 2, 5)))
    x = torch.randn(1, 1, 32, 32)
    with torch.no_grad():
        before, after = old(x), new(x)
    assert torch.allclose(before[:, [0, 2]], after[:, [0, 2]], atol=1e-5)
    assert torch.allclose(before[:, 0] - 1, after[:, 1], atol=1e-5)


def test_the_same_classes_change_nothing() -> None:
    model = tiny_model()
    state = model.network.state_dict()
    assert with_classes(state, model.spec.network, OLD, OLD) == dict(state)
