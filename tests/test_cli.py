"""The command line as a contract: commands, what they load, exit codes, JSON."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from napari_ziggurat.cli import app

COMMANDS = [
    "info", "doctor", "networks", "train", "segment", "evaluate", "annotation", "suggest", "demo",
    "objects",
]  # fmt: skip


def ziggurat(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_help_lists_the_commands(arguments):
    result = ziggurat(*arguments)
    assert result.exit_code == 0
    assert [name for name in COMMANDS if f" {name} " not in result.stdout] == []


@pytest.mark.parametrize("arguments", [["annotation"], ["annotation", "--help"]])
def test_help_lists_the_commands_of_annotations(arguments):
    result = ziggurat(*arguments)
    assert result.exit_code == 0
    wanted = ("create", "import", "export", "info", "classes", "complete", "adopt")
    assert [name for name in wanted if f" {name} " not in result.stdout] == []
    assert "Make, import, export" in result.stdout


def test_help_loads_no_heavy_library():
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from napari_ziggurat.cli import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "assert CliRunner().invoke(app, ['train', '--help']).exit_code == 0\n"
        "heavy = {'torch', 'monai', 'napari', 'qtpy', 'zarr', 'scipy', 'matplotlib'}\n"
        "sys.exit(' '.join(sorted(heavy & set(sys.modules))) or 0)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (found.returncode, found.stderr.strip()) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], "No such command 'trian'"),
        (["train", "--colour", "red"], "No such option: --colour"),
        (["train", "--steps"], "'--steps' requires an argument"),
        (["evaluate", "a", "b", "c"], "unexpected extra argument"),
        (["segment"], "IMAGE is needed"),
        (["demo", "--minutes", "soon"], "--minutes cannot be 'soon'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_usage_is_one_sentence_each_and_exit_code_2(arguments, words):
    result = ziggurat(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_the_version_is_told():
    import napari_ziggurat

    result = ziggurat("--version")
    assert (result.exit_code, result.stdout.strip()) == (0, napari_ziggurat.__version__)


def test_the_installed_command_gives_its_exit_code_to_the_shell():
    code = "from napari_ziggurat.cli import main; main()"
    found = subprocess.run(
        [sys.executable, "-c", code, "info", "nowhere.tif"], capture_output=True, text=True
    )
    assert found.returncode == 2
    assert found.stderr.strip().startswith("There is no file nowhere.tif")
    assert found.stdout == ""


def test_networks_are_listed_as_json():
    result = ziggurat("networks", "--json")
    networks = json.loads(result.stdout)
    assert "residual_unet" in [network["name"] for network in networks]
    assert all(network["paper"] and network["parameters"] > 0 for network in networks)


def test_the_doctor_tells_versions_and_devices():
    report = json.loads(ziggurat("doctor", "--json").stdout)
    assert report["versions"]["torch"]
    assert report["cores"] >= 1
    assert bool(report["gpus"]) != bool(report["gpu_advice"])
    assert "GiB" in ziggurat("doctor").stdout
