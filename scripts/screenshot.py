"""Make the picture of the dock that the README shows, from the demo's volume and model.

    xvfb-run -a -s "-screen 0 1600x1000x24" env LIBGL_ALWAYS_SOFTWARE=1 \
        python scripts/screenshot.py

Runs the demo first where its folder is not there (a few minutes). On a desktop it needs no
xvfb-run.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import napari

    from napari_ziggurat.gui.panel import Panel

_PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "napari.png"
_PLANE = 0.45  # of the depth
_SECONDS = 300  # that segmenting the view may take


def main(words: "Sequence[str] | None" = None) -> None:
    """Read the arguments, run the demo where it is needed, make the picture."""
    options = _arguments(words)
    if not (options.demo / "metrics.json").exists():
        command = [sys.executable, "-m", "napari_ziggurat", "demo", "--out", str(options.demo)]
        subprocess.run(command, check=True)
    with tempfile.TemporaryDirectory() as folder:
        # Before napari is imported: the settings of the person are neither read nor written.
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "settings.yaml")
        _photograph(options)


def _arguments(words: "Sequence[str] | None") -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Make the picture of the dock.")
    parser.add_argument(
        "--demo", type=Path, default=Path("ziggurat-demo"), help="the demo's folder"
    )
    parser.add_argument("--out", type=Path, default=_PICTURE, help="where the picture goes")
    parser.add_argument("--size", type=int, nargs=2, default=(1400, 900), help="width and height")
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument(
        "--tab", choices=("Segment", "Models", "Log"), default="Segment", help="which tab is open"
    )
    parser.add_argument("--other", type=Path, help="a second model, listed with --tab Models")
    parser.add_argument(
        "--dock", type=int, nargs=2, help="the dock alone, with this width and height"
    )
    parser.add_argument(
        "--whole", action="store_true", help="segment the whole image, not the view"
    )
    return parser.parse_args(words)


def _photograph(options: argparse.Namespace) -> None:
    import napari
    from napari.utils.notifications import notification_manager

    with notification_manager:  # without it an exception in a slot ends the process
        viewer = napari.Viewer(show=True)
        viewer.theme = options.theme
        viewer.window.resize(*options.size)  # after it is shown: showing restores what was saved
        panel = _open(viewer, options.demo.resolve())
        _show_tab(panel, options)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        if options.dock:
            _alone(panel, options.dock).save(str(options.out))
        else:
            viewer.screenshot(str(options.out), canvas_only=False, flash=False)
        viewer.close()


def _show_tab(panel: "Panel", options: argparse.Namespace) -> None:
    from qtpy.QtTest import QTest

    if options.tab == "Log":
        panel.model.open(Path("no-such-model"))  # something to be read
        panel.model.open(options.demo / "model")
        _wait(panel.view_button.isEnabled)
    if options.tab != "Models":
        _segment(panel, panel.whole_button if options.whole else panel.view_button)
    names = [panel.tabs.tabText(index) for index in range(panel.tabs.count())]
    panel.tabs.setCurrentIndex(names.index(options.tab))
    if options.tab == "Log":
        panel.log.list.setCurrentRow(0)
    if options.tab == "Models":
        _show_models(panel, options)
    panel.model.line.setEditText("ziggurat-demo/model")  # the folder of the picture is nobody's
    _wait(lambda: "Looking" not in panel.machine.line.text())
    QTest.qWait(500)


def _show_models(panel: "Panel", options: argparse.Namespace) -> None:
    """List the demo's model and another one."""
    from napari_ziggurat.gui.models.known import remember_model

    for path in filter(None, (options.other, options.demo.resolve() / "model")):
        remember_model(path)
    panel.models.refresh()
    _wait(lambda: panel.models.list.count() > (options.other is not None))
    panel.models.list.setCurrentRow(0)


def _alone(panel: "Panel", size: "Sequence[int]") -> Any:
    """Take the dock out of its window, and a picture of it."""
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QDockWidget

    dock = panel.parentWidget()
    while not isinstance(dock, QDockWidget):
        dock = dock.parentWidget()
    dock.setFloating(True)
    dock.resize(*size)
    QTest.qWait(300)
    return panel.grab()


def _open(viewer: "napari.Viewer", demo: Path) -> "Panel":
    from napari_ziggurat.gui.panel import Panel
    from napari_ziggurat.gui.reader import read

    for data, options, kind in read(str(demo / "volume.ome.zarr")):
        getattr(viewer, f"add_{kind}")(data, **options)
    panel = Panel(viewer)
    viewer.window.add_dock_widget(panel, name="Ziggurat", area="right")
    panel.tabs.setCurrentIndex(1)
    panel.model.open(demo / "model")
    if panel.model.path is None:
        raise SystemExit(f"'{demo / 'model'}' is no model; give another folder with --demo.")
    viewer.dims.set_current_step(0, int(_PLANE * viewer.dims.nsteps[0]))
    viewer.layers.selection.active = viewer.layers[0]
    _wait(panel.view_button.isEnabled)
    viewer.reset_view()
    return panel


def _segment(panel: "Panel", button: Any) -> None:
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    QTest.qWait(500)
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    _wait(lambda: not panel.runner.busy)
    if (said := panel.activity.sentence.text()).startswith("⚠"):
        raise SystemExit(f"There is no result to photograph. The dock says: {said}")
    QTest.qWait(500)


def _wait(condition: Any) -> None:
    from qtpy.QtTest import QTest

    deadline = time.monotonic() + _SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"The dock did not come so far in {_SECONDS} s.")
        QTest.qWait(50)


if __name__ == "__main__":
    main()
