"""Networks from a person's words: what is said replaces, what cannot be is refused by name."""

import subprocess
import sys
from typing import Any

import pytest
import yaml

from napari_ziggurat.errors import InputError
from napari_ziggurat.networks import Composition, configure_network
from napari_ziggurat.networks.config import ComposedConfig
from napari_ziggurat.networks.registry import compose, known_presets
from pyramids import FIVE_LEVELS, PLANE

COMPOSED = sorted(
    name
    for name, entry in known_presets().items()
    if isinstance(entry.build(FIVE_LEVELS[2]), ComposedConfig)
)


def parse(text: str) -> Composition:
    return Composition.parse(yaml.safe_load(text) or {}, "my/net.yaml", "net.yaml")


def configured(text: str) -> ComposedConfig:
    config = configure_network(parse(text), PLANE)
    assert isinstance(config, ComposedConfig)
    return config


@pytest.mark.parametrize("name", COMPOSED)
def test_a_preset_that_is_shown_and_read_back_is_the_same_network(name: str) -> None:
    topology = FIVE_LEVELS[2].with_features((16, 32, 64, 128, 256))
    found = configure_network(parse(compose(name).to_yaml()), topology)
    expected = configure_network(name, topology)
    assert found == expected.model_copy(update={"name": "net.yaml"})


def test_what_is_not_said_is_as_in_the_preset() -> None:
    config = configured("preset: bifpn\nhead: fcn\nnorm: instance\n")
    assert (config.neck.kind, config.head.kind, config.norm) == ("bifpn", "fcn", "instance")
    assert configured("norm: batch\n").neck.kind == "unet"


def test_a_part_is_replaced_as_a_whole() -> None:
    assert configured("preset: nas_fpn").neck.model_dump()["repeats"] == 3
    assert configured("preset: nas_fpn\nneck: nas_fpn").neck.model_dump()["repeats"] == 7


def test_context_and_head_can_be_taken_away() -> None:
    config = configured("preset: pspnet\ncontext: null\nneck: unet\nhead: null")
    assert (config.context, config.head) == (None, None)


def test_the_network_is_called_by_its_file_unless_it_has_a_name() -> None:
    assert configured("neck: fpn").name == "net.yaml"
    assert configured("neck: fpn\nname: mine").name == "mine"


def test_choices_win_over_what_was_composed() -> None:
    config = configure_network(parse("upsampling: deconv"), PLANE, upsampling="linear")
    assert config.model_dump()["upsampling"] == "linear"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "says nothing of a network"),
        ("decoder: unet", "there is no key 'decoder'; there are name, preset, encoder"),
        ("neck: fpnn", "there is no neck 'fpnn'; choose for example fpn"),
        ("neck: {channels: 3}", "neck needs a kind; there are bifpn, "),
        ("neck: {kind: fpn, foo: 1}", "neck 'fpn' has no setting 'foo'; it has channels, "),
        ("neck: {kind: fpn, channels: x}", "neck channels cannot be 'x'"),
        ("encoder: null", "encoder cannot be 'None': it should be a kind"),
        ("norm: layer", "norm cannot be 'layer': it should be 'batch', 'instance' or 'group'"),
        ("neck: {kind: nas_fpn, genotype: [[sum, 0, 1]]}", "neck genotype 0 has too few values"),
        ("name: 3", "name cannot be '3'"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence_with_the_file(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert str(caught.value).startswith("my/net.yaml")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_each_wrong_key_gets_a_sentence_of_its_own() -> None:
    with pytest.raises(InputError) as caught:
        parse("neck: fpnn\nnorm: layer\nx: 1")
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("head: {kind: fcn, level: 7}", "'my/net.yaml' does not fit: head 'fcn' reads level 7"),
        ("neck: recursive_fpn\nencoder: hrnet", "encoder 'hrnet' takes none"),
        ("neck: none\nequalize: explicit", "equalizers act where"),
        ("neck: {kind: nas_fpn, genotype: [[sum, 0, 1, 9]]}", "for 3 levels: cell 0 is on level 9"),
        ("preset: monai_dynunet\nnorm: instance", "'my/net.yaml' is MONAI's own"),
        ("preset: unett", "no network named 'unett'"),
    ],
)
def test_parts_that_do_not_fit_each_other_are_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        configure_network(parse(text), PLANE)


def test_what_is_monais_own_has_no_parts_to_show() -> None:
    with pytest.raises(InputError, match="not composed of parts"):
        compose("monai_dynunet")


def test_a_preset_is_shown_without_torch() -> None:
    code = (
        "from napari_ziggurat.cli import app; import sys; "
        "app(['networks', '--show', 'hrnet'], standalone_mode=False); "
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shown: dict[str, Any] = yaml.safe_load(done.stdout)
    assert shown["encoder"]["kind"] == "hrnet"
