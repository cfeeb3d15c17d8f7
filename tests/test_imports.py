"""What importing the package and asking for help may load: no torch, no napari."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "monai", "napari", "qtpy", "scipy", "zarr", "matplotlib"}


@pytest.mark.parametrize(
    "code",
    [
        "import napari_ziggurat",
        "import napari_ziggurat; dir(napari_ziggurat)",
        "from napari_ziggurat import LabelClass, Progress, ZigguratError",
        "from napari_ziggurat.cli import app; app(['--help'], standalone_mode=False)",
        "from napari_ziggurat.cli import app; app(['train', '--help'], standalone_mode=False)",
        "from napari_ziggurat.cli import app\n"
        "app(['annotation', 'import', '--help'], standalone_mode=False)",
    ],
)
def test_nothing_heavy_is_loaded(code: str) -> None:
    assert loaded_by(code) & HEAVY == set()


def test_a_model_is_described_without_torch() -> None:
    assert "torch" not in loaded_by("from napari_ziggurat.networks import read_spec")


def test_images_are_opened_without_torch() -> None:
    assert loaded_by("from napari_ziggurat import open_image") & {"torch", "monai"} == set()


def test_a_worker_process_begins_without_what_starts_threads() -> None:
    """Or it is too late for it to keep freed memory."""
    assert loaded_by("from napari_ziggurat.runs.workers.serve import serve") & HEAVY == set()


def loaded_by(code: str) -> set[str]:
    """Top-level packages that a fresh interpreter has loaded after running some code."""
    report = "; import sys; sys.stderr.write(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code + report], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stderr.split()}
