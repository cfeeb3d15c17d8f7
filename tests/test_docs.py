"""The code in the documentation runs."""

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import napari_ziggurat

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    page
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))
    if "```python" in page.read_text(encoding="utf-8")
)


NEEDS = {"export": "onnxruntime"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    if page.stem in NEEDS:
        pytest.importorskip(NEEDS[page.stem], reason="needs an extra")
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_examples_in_docstrings_give_what_they_show() -> None:
    found = pkgutil.walk_packages(napari_ziggurat.__path__, "napari_ziggurat.")
    hidden = ("napari_ziggurat.gui", "napari_ziggurat.__main__")
    names = [m.name for m in found if not m.name.startswith(hidden)]
    results = {name: doctest.testmod(importlib.import_module(name)).failed for name in names}
    assert [name for name, failed in results.items() if failed] == []
