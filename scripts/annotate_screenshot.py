"""Make the picture of the tab for painting that the documentation shows, from the drawn sample.

    xvfb-run -a -s "-screen 0 1600x1000x24" env LIBGL_ALWAYS_SOFTWARE=1 \
        python scripts/annotate_screenshot.py

On a desktop it needs no xvfb-run.
"""

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

_PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "napari-annotate.png"
_BRUSH = 5  # pixels
_STROKES = 3  # of each class


def main() -> None:
    """Read the arguments, make the picture."""
    parser = argparse.ArgumentParser(description="Make the picture of the tab for painting.")
    parser.add_argument("--out", type=Path, default=_PICTURE, help="where the picture goes")
    parser.add_argument("--size", type=int, nargs=2, default=(1400, 900), help="width and height")
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument("--complete", action="store_true", help="with the box that is complete")
    parser.add_argument("--train", type=float, default=0, help="after so many seconds of training")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # Before napari is imported: the settings of the person are neither read nor written.
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "settings.yaml")
        _photograph(options, Path(folder))


def _photograph(options: argparse.Namespace, folder: Path) -> None:
    import napari
    from napari.utils.notifications import notification_manager
    from qtpy.QtTest import QTest

    with notification_manager:  # without it an exception in a slot ends the process
        viewer = napari.Viewer(show=True)
        viewer.theme = options.theme
        viewer.window.resize(*options.size)  # after it is shown: showing restores what was saved
        (panel, truth) = _open(viewer)
        _paint(panel, truth, folder)
        if options.complete:
            panel.annotate.complete.start_button.click()
            panel.annotate.complete.view_button.click()
        if options.train:
            panel.annotate.train.button.click()
            QTest.qWait(round(1000 * options.train))
        QTest.qWait(500)
        # The folder of the picture is nobody's.
        panel.annotate.store.line.blockSignals(True)
        panel.annotate.store.line.setText("~/drawn_volume.annotation.ome.zarr")
        panel.annotate.store.line.setCursorPosition(0)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        viewer.screenshot(str(options.out), canvas_only=False, flash=False)
        viewer.close()


def _open(viewer: Any) -> tuple[Any, Any]:
    from napari_ziggurat.gui.panel import Panel
    from napari_ziggurat.gui.sample_data import volume

    ((image, about, _), (truth, _, _)) = volume()
    viewer.add_image(image, **about)
    panel = Panel(viewer)
    viewer.window.add_dock_widget(panel, name="Ziggurat", area="right")
    viewer.dims.set_current_step(0, int(0.45 * viewer.dims.nsteps[0]))
    viewer.reset_view()
    return panel, truth


def _paint(panel: Any, truth: Any, folder: Path) -> None:
    from napari_ziggurat.images.samples import draw_volume

    tab = panel.annotate
    _wait(lambda: "Looking" not in panel.machine.line.text())
    _wait(tab.store.button.isEnabled)
    tab.store.line.setText(str(folder / "drawn.annotation.ome.zarr"))
    tab.store.button.click()
    _wait(lambda: tab.session is not None)
    session = tab.session
    session.set_classes([c for c in draw_volume().classes if c.value])
    session.layer.brush_size = _BRUSH
    plane = session.viewer.dims.current_step[0]
    for each in session.classes:
        value = 0 if each.value == 255 else each.value
        for y, start, stop in _runs(truth[plane] == value):
            with session.layer.block_history():
                for x in range(start, stop):
                    session.layer.paint((plane, y, x), each.value, refresh=False)
            session.layer.refresh()
    session.choose(1)


def _runs(inside: Any) -> list[tuple[int, int, int]]:
    """Give some long rows of pixels that lie in a class, far from each other: y, start, stop."""
    found = []
    for y in range(_BRUSH, len(inside) - _BRUSH):
        thick = inside[y - 3 : y + 4].all(axis=0).astype(int)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], thick, [0]])))
        found += [(b - a, y, a, b) for a, b in edges.reshape(-1, 2).tolist()]
    chosen: list[tuple[int, int, int]] = []
    for length, y, start, stop in sorted(found, reverse=True):
        far = all(abs(y - other) > 25 for other, _, _ in chosen)
        if length > 2 * _BRUSH and far and len(chosen) < _STROKES:
            chosen.append((y, start + _BRUSH, min(stop - _BRUSH, start + 60)))
    return chosen


def _wait(condition: Any) -> None:
    import time

    from qtpy.QtTest import QTest

    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("The dock did not come so far in a minute.")
        QTest.qWait(50)


if __name__ == "__main__":
    main()
