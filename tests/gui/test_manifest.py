"""The manifest: what napari reads before it imports anything of ours."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import napari_ziggurat

npe2 = pytest.importorskip("npe2", reason="npe2 is not installed")
pytest.importorskip("napari", reason="napari is not installed")
pytestmark = pytest.mark.gui

MANIFEST = Path(napari_ziggurat.__file__).with_name("napari.yaml")


@pytest.fixture(scope="module")
def manifest() -> Any:
    return npe2.PluginManifest.from_file(MANIFEST)


def test_npe2_validates_the_manifest() -> None:
    command = [sys.executable, "-m", "npe2", "validate", str(MANIFEST)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_command_leads_to_something_that_exists(manifest: Any) -> None:
    for command in manifest.contributions.commands:
        (module, name) = command.python_name.split(":")
        assert callable(getattr(import_module(module), name))


def test_every_contribution_has_a_command(manifest: Any) -> None:
    known = {command.id for command in manifest.contributions.commands}
    offered = manifest.contributions
    used = [*offered.widgets, *offered.readers, *offered.sample_data]
    used += [entry for entries in offered.menus.values() for entry in entries]
    assert {each.command for each in used} == known


@pytest.mark.parametrize(
    ("path", "fits"),
    [
        ("/data/brain.ome.zarr", True),
        ("/data/head.nii.gz", True),
        ("/data/cells.ome.tif", True),
        ("/data/cells.png", False),
    ],
)
def test_the_reader_is_asked_for_the_files_it_reads(manifest: Any, path: str, fits: bool) -> None:
    manager = npe2.PluginManager()
    manager.register(manifest)
    found = [reader.command for reader in manager.iter_compatible_readers([path])]
    assert found == ["napari-ziggurat.read"] * fits


def test_importing_the_dock_loads_no_torch() -> None:
    code = "import sys, napari_ziggurat.gui.panel; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
