"""The code in the documentation runs."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import napari_ziggurat

ROOT = Path(__file__).parents[1]
PAGES = sorted(p for p in (ROOT / "docs").glob("*.md") if "```python" in p.read_text("utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_python_of_a_page_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    exec(compile("\n".join(blocks), page.name, "exec"), {})


def test_the_examples_in_docstrings_give_what_they_show() -> None:
    found = pkgutil.walk_packages(napari_ziggurat.__path__, "napari_ziggurat.")
    hidden = ("napari_ziggurat.gui", "napari_ziggurat.__main__")
    names = [m.name for m in found if not m.name.startswith(hidden)]
    results = {name: doctest.testmod(importlib.import_module(name)).failed for name in names}
    assert [name for name, failed in results.items() if failed] == []
