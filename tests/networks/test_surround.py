"""Networks that see the surroundings of a window: the same place, on every grid."""

import json
from pathlib import Path

import pytest
import torch

from models import tiny_model
from napari_ziggurat.errors import InputError
from napari_ziggurat.networks import (
    Topology,
    configure_network,
    create_network,
    load_model,
    save_model,
)
from napari_ziggurat.networks.analysis import costs
from napari_ziggurat.networks.averaging import AveragedNetwork
from napari_ziggurat.networks.calibration import calibrate, uncalibrated
from napari_ziggurat.networks.composition import Composition
from napari_ziggurat.networks.network import ComposedNetwork
from napari_ziggurat.networks.onnx_export import export_onnx
from napari_ziggurat.networks.pruning import prune
from napari_ziggurat.networks.receptive_field import theoretical_field
from napari_ziggurat.networks.registry import sees_surroundings
from napari_ziggurat.networks.tensorrt_export import export_tensorrt
from napari_ziggurat.networks.views import make_views
from pyramids import ANISOTROPIC, FIVE_LEVELS, PLANE, pyramid, seen

HOOKED = ["hooknet", "hook_residual_unet", "hook_attention_unet", "hook_unetpp"]


def build(name: str, topology: Topology, **changes: object) -> ComposedNetwork:
    torch.manual_seed(0)
    config = configure_network(name, topology)
    network = create_network(type(config).model_validate(config.model_dump() | changes))
    assert isinstance(network, ComposedNetwork)
    return network.eval()


@pytest.mark.parametrize("name", HOOKED)
@pytest.mark.parametrize(
    ("topology", "size"),
    [(PLANE, (32, 40)), (ANISOTROPIC, (4, 32, 16)), (FIVE_LEVELS[2], (48, 32))],
)
@torch.no_grad()
def test_both_halves_together_are_the_network(
    name: str, topology: Topology, size: tuple[int, ...]
) -> None:
    network = build(name, topology)
    image, coarse = seen(network, torch.randn(1, topology.in_channels, *size))
    hook = network.surround(coarse)
    grids = network.config.surroundings
    ratio = tuple(n // m for n, m in zip(coarse.shape[2:], hook.shape[2:], strict=True))
    assert ratio == grids.ratio
    assert hook.shape[1] == network.config.hook_channels
    spare = [(n - s // h) // 2 for n, s, h in zip(hook.shape[2:], size, grids.hook, strict=True)]
    for axis, cut in enumerate(spare, start=2):
        hook = hook.narrow(axis, cut, hook.shape[axis] - 2 * cut)
    assert torch.equal(network(image, hook=hook), network(image, coarse))
    assert torch.equal(network.scales(image, hook=hook)[0], network.scales(image, coarse)[0])
    changed = network(image, hook=hook + 100)
    assert not torch.equal(changed, network(image, coarse))


@torch.no_grad()
def test_the_feature_at_a_window_is_of_the_same_place() -> None:
    network = build("hooknet", FIVE_LEVELS[2])
    grids = network.config.surroundings
    (step,), (ratio,) = {*grids.hook}, {*grids.ratio}
    plane = torch.randn(1, 1, 128, 128)
    moved = plane.roll((ratio * 4, 0), (2, 3))  # four windows' strides down
    here, there = network.surround(plane), network.surround(moved)
    inner = slice(12, 20)
    torch.testing.assert_close(there[:, :, 16:24, inner], here[:, :, 12:20, inner])
    assert ratio * grids.factor[0] == step
    mark = torch.zeros(1, 1, 128, 128)
    mark[..., 64, 64] = 1
    change = (network.surround(plane + mark) - here).abs().sum(dim=1)[0]
    place = torch.stack(torch.meshgrid(*[torch.arange(n) + 0.5 for n in change.shape],
                                       indexing="ij"))  # fmt: skip
    centre = (place * change).flatten(1).sum(dim=1) / change.sum()
    assert (centre * ratio - 64).abs().max() < ratio  # the mark, to a voxel of the hook


def test_the_branch_is_as_deep_and_wide_as_the_network() -> None:
    network = build("hooknet", FIVE_LEVELS[2])
    rows = {row.part: row for row in costs(network, (64, 64))}
    assert rows["surround"].parameters > rows["encoder"].parameters
    assert rows["surround"].multiply_adds > 0.8 * rows["encoder"].multiply_adds
    assert rows["all"].multiply_adds > rows["surround"].multiply_adds


@pytest.mark.parametrize(
    ("network", "what"),
    [
        ({"preset": "fpn", "surround": {"level": 1}}, "fpn"),
        ({"preset": "recursive_fpn", "surround": {"level": 1}}, "recursive_fpn"),
        ({"preset": "upernet", "surround": {}}, "none"),
        ({"preset": "hrnet", "surround": {}}, "none"),
    ],
)
def test_any_composed_network_can_have_it(network: dict[str, object], what: str) -> None:
    composed = Composition.parse(network, "my.yaml", "my")
    assert sees_surroundings(composed)
    found = create_network(configure_network(composed, FIVE_LEVELS[2]))
    assert found.config.neck.kind == what
    logits = found.train()(*seen(found, torch.randn(2, 1, 64, 64)))
    assert logits[0].shape == (2, 3, 64, 64)
    without = Composition.parse({"preset": "hooknet", "surround": None}, "my.yaml", "my")
    assert not sees_surroundings(without)
    assert configure_network(without, PLANE).surround is None


def test_norms_and_equalizers_of_both_branches_are_measured() -> None:
    network = build("hooknet", PLANE, equalize="explicit")
    model_norm = next(m for m in network.surround.modules() if isinstance(m, torch.nn.BatchNorm2d))
    batches = [seen(network, torch.randn(2, 1, 32, 32)) for _ in range(2)]
    calibrate(network, batches)
    assert uncalibrated(network) == []
    before = model_norm.running_mean.clone()
    from napari_ziggurat.networks.norms import reestimate_statistics

    reestimate_statistics(network, batches)
    assert not torch.equal(model_norm.running_mean, before)


@pytest.mark.parametrize("norm", ["batch", "instance", "group"])
def test_a_patch_of_one_coarse_voxel_teaches_and_is_predicted(norm: str) -> None:
    network = build("hooknet", PLANE, norm=norm)
    inputs = seen(network, torch.randn(1, 1, 3, 4))
    assert network(*inputs).shape == (1, 3, 3, 4)
    sum(each.square().sum() for each in network.train()(*inputs)).backward()


def test_a_model_is_saved_and_loaded(tmp_path: Path) -> None:
    model = tiny_model(name="hooknet", features=(4, 6, 8))
    save_model(model, tmp_path)
    again = load_model(tmp_path)
    assert again.spec == model.spec
    inputs = seen(model.network, torch.randn(1, 1, 32, 32))
    with torch.no_grad():
        assert torch.equal(again.network(*inputs), model.network(*inputs))


def test_models_without_surroundings_are_written_as_before(tmp_path: Path) -> None:
    model = tiny_model()
    save_model(model, tmp_path)
    written = json.loads((tmp_path / "model.json").read_text())
    assert "surround" not in written["network"]
    assert "surround" not in model.spec.model_dump(include={"network"})["network"]
    assert load_model(tmp_path).spec.network.surround is None


@pytest.mark.parametrize(
    ("said", "what"),
    [
        (3, "surround cannot be '3': it is a mapping with a level, such as {level: 2}"),
        ({"level": 0}, "surround level cannot be '0': it should be greater than or equal to 1"),
        ({"size": 2}, "surround has no setting 'size'; it has level"),
        ({"level": 3}, "surround level 3 is none of the coarser levels of this pyramid, which are "
                       "1 to 2"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_in_words(said: object, what: str) -> None:
    with pytest.raises(InputError, match=what):
        configure_network(Composition.parse({"surround": said}, "my.yaml", "my"), PLANE)


def test_a_pyramid_without_coarser_levels_is_refused() -> None:
    with pytest.raises(InputError, match="this pyramid has one level; ask for more levels"):
        configure_network("hooknet", pyramid(2, levels=1))
    flat = PLANE.model_copy(update={"strides": ((1, 1), (1, 1), (2, 2))})
    config = Composition.parse({"surround": {"level": 1}}, "my.yaml", "my")
    with pytest.raises(InputError, match="its surroundings would be no wider"):
        configure_network(config, flat)


def test_who_shows_a_window_alone_is_told_so(tmp_path: Path) -> None:
    model, x = tiny_model(name="hook_unetpp", features=(4, 6, 8)), torch.randn(1, 1, 32, 32)
    alone = "'hook_unetpp' sees the surroundings of a window as well"
    for use in (
        model.network,
        AveragedNetwork(model.network, make_views(("flips",), 2, in_plane=False)),
    ):
        with pytest.raises(InputError, match=alone):
            use(x)
    with pytest.raises(InputError, match=alone):
        theoretical_field(model.network)
    with pytest.raises(InputError, match="'hook_unetpp' cannot be pruned: the surroundings join"):
        prune(model.network, 1)
    for export in (export_onnx, export_tensorrt):
        with pytest.raises(InputError, match="'hook_unetpp' cannot be exported"):
            export(model, tmp_path / "file")
    with pytest.raises(InputError, match="'residual_unet' sees no surroundings, and was given"):
        tiny_model().network(x, x)
    with pytest.raises(InputError, match="must have the centre of the image"):
        model.network(x, torch.randn(1, 1, 28, 28 + 1))
