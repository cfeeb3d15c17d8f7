"""Let the monkey play, and report: exit code 1 where anything went wrong."""

import argparse
import faulthandler
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monkey.ledger import Ledger

_LAST = 30  # actions that are told
_GIVE_UP = 900  # seconds


def main() -> int:
    parser = argparse.ArgumentParser(prog="monkey")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--actions", type=int, default=120)
    options = parser.parse_args()
    faulthandler.enable()
    faulthandler.dump_traceback_later(_GIVE_UP, exit=True)
    with tempfile.TemporaryDirectory(prefix="monkey", ignore_cleanup_errors=True) as folder:
        os.environ["HOME"] = folder  # annotations of what is in memory go there
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "settings.yaml")
        return play(Path(folder), options.seed, options.actions)


def play(folder: Path, seed: int, actions: int) -> int:
    from qtpy.QtWidgets import QApplication

    from monkey.ledger import Ledger
    from monkey.monkey import Monkey, open_file
    from monkey.troubles import Troubles
    from monkey.window import Window

    (troubles, ledger) = (Troubles(), Ledger())
    model = prepare(folder)
    window = Window(folder)
    troubles.listen()
    ledger.listen()
    monkey = Monkey(window, ledger, model, seed)
    open_file(monkey, folder / "cells.ome.zarr")
    began = time.monotonic()
    for _ in range(actions):
        with troubles.heard():
            monkey.act()
        sys.stderr.write(f"{time.monotonic() - began:7.2f} {monkey.done[-1]}\n")
        if troubles.found or monkey.wrong:
            break
    told = f"seed {seed}, {len(monkey.done)} actions in {time.monotonic() - began:.0f} s"
    with troubles.heard():
        window.viewer.close()  # whatever goes on, perhaps with the mouse button down
        window.pump(0.3)
        if (application := QApplication.instance()) is not None:
            application.aboutToQuit.emit()
        monkey.wrong += ledger.differences()
    return report(told, ledger, [*troubles.found, *monkey.wrong], monkey.done)


def report(told: str, ledger: "Ledger", wrong: list[str], done: list[str]) -> int:
    """Say how it went; gives the exit code."""
    painted = f"{ledger.assignments} assignments, {ledger.count} voxels are painted"
    lines = [f"{told}, {painted}, {len(wrong)} troubles"]
    if wrong:
        lines += ["Troubles:", *wrong, "Last actions:", *done[-_LAST:]]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    return 1 if wrong else 0


def prepare(folder: Path) -> Path:
    """Write an image of three levels and a tiny model; gives the model."""
    import numpy as np

    from models import tiny_model
    from napari_ziggurat.classes import LabelClass
    from napari_ziggurat.geometry import Axes, Spacing
    from napari_ziggurat.images import OutputGrid, create_output, fill_coarser
    from napari_ziggurat.networks import save_model

    (path, shape, chunk) = (folder / "cells.ome.zarr", (12, 192, 256), (4, 64, 64))
    place = (Spacing((2.0, 0.5, 0.5), "um"), (7.0, 3.0, 1.0))
    grid = OutputGrid(Axes("zyx"), shape, np.dtype(np.uint8), *place, chunk, chunk)
    create_output(path, grid, kind="image")[0][...] = np.random.default_rng(0).integers(
        0, 255, shape, np.uint8
    )
    for _ in fill_coarser(path, "image"):
        pass
    colors = ("#000000", "#66ccee", "#ee6677")
    classes = tuple(LabelClass(i, f"kind {i}", color) for i, color in enumerate(colors))
    spacing = {"spacing": (2.0, 0.5, 0.5), "unit": "um"}
    save_model(tiny_model("zyx", 1, classes=classes, **spacing), folder / "model")
    return folder / "model"


if __name__ == "__main__":
    sys.exit(main())
