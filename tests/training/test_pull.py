"""The pull of a parent: its encoder is not forgotten, and all else learns as ever."""

import pytest
import torch

from models import tiny_model
from napari_ziggurat.networks import list_networks
from napari_ziggurat.networks.encoder_parameters import encoder_parameters
from napari_ziggurat.training.pull import Pull, parameter_groups


def test_the_gradient_of_the_pull_is_its_strength_times_the_distance() -> None:
    network = tiny_model().network
    pull = Pull.of(network, rate=0.1, strength=0.25)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 2
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    pull.add_to_gradients(network)
    encoder = encoder_parameters(network)
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None
        wanted = 0.5 if name in encoder else 0.0
        assert torch.allclose(parameter.grad, torch.full_like(parameter, wanted), atol=1e-6)


def test_without_anything_to_learn_the_encoder_goes_back_to_where_it_began() -> None:
    network = tiny_model().network
    pull = Pull.of(network, rate=1.0, strength=0.5)
    start = {name: value.clone() for name, value in pull.start.items()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 1
    optimiser = torch.optim.SGD(parameter_groups(network, 0.0, pull), lr=1.0)
    for _ in range(30):
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)
        pull.add_to_gradients(network)
        optimiser.step()
    now = encoder_parameters(network)
    assert all(torch.allclose(now[name], start[name], atol=1e-5) for name in start)


def test_the_encoder_has_its_own_rate_and_no_weight_decay() -> None:
    network = tiny_model().network
    rest, encoder = parameter_groups(network, 0.01, Pull.of(network, 0.1, 0.1))
    assert (rest["scale"], rest["weight_decay"]) == (1.0, 0.01)
    assert (encoder["scale"], encoder["weight_decay"]) == (0.1, 0.0)
    ours = encoder_parameters(network).values()
    assert {id(p) for p in encoder["params"]} == {id(p) for p in ours}
    (alone,) = parameter_groups(network, 0.01, None)
    assert len(alone["params"]) == len(list(network.parameters()))


@pytest.mark.parametrize("name", [n.name for n in list_networks() if n.name.startswith("monai_")])
def test_the_way_down_of_a_network_of_monai_is_its_encoder(name: str) -> None:
    if name == "monai_swin_unetr":
        pytest.importorskip("einops")
    features = {"monai_swin_unetr": (12, 12, 24, 48, 96, 192)}.get(name, (8, 8, 16, 32, 64))
    network = tiny_model(name=name, features=features).network
    encoder = encoder_parameters(network)
    everything = dict(network.named_parameters())
    assert 0 < len(encoder) < len(everything)
    classes = network.config.topology.out_channels
    last = [name for name, p in everything.items() if p.shape[0] == classes and p.ndim == 4]
    assert last
    assert not set(last) & set(encoder)
