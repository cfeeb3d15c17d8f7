"""Drawings of networks: what they show is what the networks do."""

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest
import torch

from napari_ziggurat.networks import configure_network, create_network
from napari_ziggurat.networks.necks.genotype import PUBLISHED
from napari_ziggurat.networks.registry import known_presets
from pyramids import pyramid

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "images" / "networks"
PAGE = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with freshly made drawings."""
    folder = tmp_path_factory.mktemp("drawn")
    script = ROOT / "tools" / "network_drawings.py"
    subprocess.run([sys.executable, str(script), str(folder)], check=True)
    return folder


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Give the module that finds what flows where."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    import network_dataflow

    return network_dataflow


def test_the_script_makes_the_pictures_that_the_page_shows(drawn: Path) -> None:
    made = {path.name for path in drawn.iterdir()}
    assert made == {path.name for path in PICTURES.iterdir()}
    assert made == set(re.findall(r"\(images/networks/([^)]+)\)", PAGE))


def test_pictures_are_small_and_hold_their_words_as_text(drawn: Path) -> None:
    for path in (*drawn.iterdir(), *PICTURES.iterdir()):
        assert path.stat().st_size < 100_000
        words = ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")
        assert any(text.text for text in words), path


def test_every_network_stands_in_one_table_of_the_page() -> None:
    tables = re.findall(r"<!-- networks: ([\w ]+) -->", PAGE)
    listed = [name for names in tables for name in names.split()]
    ours = [n for n, e in known_presets().items() if e.build.__module__.startswith("napari_zi")]
    assert sorted(listed) == sorted(ours)


def test_arrows_of_unetpp_lead_from_all_to_the_left_and_from_the_one_below(
    tool: ModuleType,
) -> None:
    network = create_network(configure_network("unetpp", pyramid(2))).eval()
    nodes = re.compile(r"encoder\.stages\.(\d)\.0|neck\.fuses\.(\d)_(\d)")
    flow = tool.dataflow(
        network, [torch.randn(1, 1, 16, 16)], lambda name, _: bool(nodes.fullmatch(name))
    )
    place = {}  # level and column
    for key, node in flow.nodes.items():
        if match := nodes.fullmatch(node.name):
            place[key] = (int(match[1]), 0) if match[1] else (int(match[2]), int(match[3]))
    read = {place[key]: {place[s] for s in flow.sources(key) if s in place} for key in place}
    for (level, column), found in read.items():
        if column:
            left = {(level, before) for before in range(column)}
            assert found == left | {(level + 1, column - 1)}


def test_arrows_of_nas_fpn_are_those_of_its_genotype(tool: ModuleType) -> None:
    topology = pyramid(2, levels=5)
    network = create_network(configure_network("nas_fpn", topology)).eval()
    shown = re.compile(r"stacks\.0\.cells\.\d")
    given = [torch.randn(1, c, 32 >> n, 32 >> n) for n, c in enumerate(topology.features)]
    flow = tool.dataflow(
        network.neck,
        given,
        lambda name, _: bool(shown.fullmatch(name)),
        run=lambda *x: network.neck(list(x)),
    )
    keys = [f"input#{n}" for n in range(5)] + [f"stacks.0.cells.{n}#0" for n in range(9)]
    for index, cell in enumerate(PUBLISHED):
        expected = {keys[cell.first], keys[cell.second]}
        assert expected <= set(flow.sources(keys[5 + index]))
