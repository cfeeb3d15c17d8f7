"""Whatever is done in the window, in any order and at any time: nothing breaks, no stroke is lost.

The monkey has a process of its own, so that its last words are heard when that process dies.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("napari", reason="napari is not installed")
pytest.importorskip("pytestqt", reason="pytest-qt is not installed")
pytestmark = pytest.mark.gui

TESTS = Path(__file__).parents[1]
# Software OpenGL dies now and then when napari takes away a labels layer, with no dock at all too.
(OPENGL, TRIES) = ("in glDrawArrays", 3)
SECONDS = 1000  # more than it ever needs, also on a machine that others use


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "actions"), [(1, 120)])
def test_a_monkey_breaks_nothing_and_loses_no_stroke(
    display: None, seed: int, actions: int
) -> None:
    for again in range(TRIES):
        played = play(seed + 1000 * again, actions)
        if played.returncode in (0, 1) or OPENGL not in played.stdout:
            break
    assert played.returncode == 0, f"{played.args} ended with {played.returncode}:\n{played.stdout}"
    assert f"{actions} actions" in played.stdout
    assert ", 0 voxels are painted" not in played.stdout


def play(seed: int, actions: int) -> Any:
    path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
    words = [sys.executable, "-m", "monkey", "--seed", str(seed), "--actions", str(actions)]
    return subprocess.run(
        words, env={**os.environ, "PYTHONPATH": path}, timeout=SECONDS, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
