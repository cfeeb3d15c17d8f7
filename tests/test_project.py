"""The project as a whole: public names, versions that agree, documents that exist."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

import napari_ziggurat

ROOT = Path(__file__).parents[1]


def modules() -> Iterator[str]:
    """Names of all modules but those of the window, which need Qt."""
    found = pkgutil.walk_packages(napari_ziggurat.__path__, "napari_ziggurat.")
    hidden = ("napari_ziggurat.gui", "napari_ziggurat.__main__")
    return (module.name for module in found if not module.name.startswith(hidden))


def test_every_public_name_exists() -> None:
    found = [importlib.import_module(name) for name in modules()]
    missing = {m.__name__: [n for n in public_names(m) if not hasattr(m, n)] for m in found}
    assert {name: names for name, names in missing.items() if names} == {}


def test_every_public_name_of_the_package_can_be_used() -> None:
    assert all(getattr(napari_ziggurat, name) is not None for name in napari_ziggurat.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = napari_ziggurat.no_such_name


def test_the_stub_declares_the_names_that_are_public() -> None:
    stub = Path(napari_ziggurat.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    assigned = [n for n in ast.parse(stub).body if isinstance(n, ast.Assign)]
    assert set(ast.literal_eval(assigned[0].value)) == set(napari_ziggurat.__all__)


def test_the_installed_version_is_that_of_the_package() -> None:
    assert version("napari-ziggurat") == napari_ziggurat.__version__


def test_every_direct_dependency_has_a_tested_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tested = re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text("utf-8"), re.M)
    named = (re.match(r"[\w.-]+", requirement) for requirement in project["dependencies"])
    needed = {plain(match[0]) for match in named if match}
    assert needed - {plain(name) for name in tested} == set()


def test_the_module_runs_as_a_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "napari_ziggurat", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "segment" in done.stdout


def test_pictures_and_pages_that_the_readme_names_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = [path for path in re.findall(r"\]\(([^)]+)\)", readme) if "://" not in path]
    assert [path for path in named if not (ROOT / path).exists()] == []
    assert any(path.endswith(".png") for path in named)


def public_names(module: ModuleType) -> list[str]:
    return list(getattr(module, "__all__", []))


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
