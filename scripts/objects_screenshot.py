"""Make the picture of objects in the dock that the documentation shows, from the drawn sample.

    xvfb-run -a -s "-screen 0 1600x1000x24" env LIBGL_ALWAYS_SOFTWARE=1 \
        python scripts/objects_screenshot.py

On a desktop it needs no xvfb-run.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

_PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "napari-objects.png"


def main() -> None:
    """Read the arguments, make the picture."""
    parser = argparse.ArgumentParser(description="Make the picture of objects in the dock.")
    parser.add_argument("--out", type=Path, default=_PICTURE, help="where the picture goes")
    parser.add_argument("--size", type=int, nargs=2, default=(1400, 900), help="width and height")
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
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
        panel = _open(viewer, _objects(folder))
        table = panel.objects.table
        table.filter.setText("class=1")
        largest = list(table.model.rows.columns).index("voxels")
        table.view.sortByColumn(largest, _descending())
        table.view.selectRow(3)
        QTest.qWait(300)
        bar = panel.scroller.verticalScrollBar()
        bar.setValue(bar.maximum())
        QTest.qWait(500)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        viewer.screenshot(str(options.out), canvas_only=False, flash=False)
        viewer.close()


def _objects(folder: Path) -> Path:
    """Make objects of what is drawn."""
    from napari_ziggurat.geometry import Axes
    from napari_ziggurat.images import OutputGrid, create_output
    from napari_ziggurat.images.samples import draw_volume
    from napari_ziggurat.progress import finish
    from napari_ziggurat.runs.config import ObjectsConfig
    from napari_ziggurat.runs.objects import objects

    drawn = draw_volume()
    (labels, out) = (folder / "drawn.ome.zarr", folder / "drawn_objects.ome.zarr")
    (shape, dtype) = (drawn.labels.shape, drawn.labels.dtype)
    chunk = tuple(min(64, n) for n in shape)
    grid = OutputGrid(Axes("zyx"), shape, dtype, drawn.spacing, (0.0,) * 3, chunk, chunk)
    create_output(labels, grid, kind="labels", classes=drawn.classes)[0][...] = drawn.labels
    finish(objects(ObjectsConfig.create({"labels": labels, "out": out, "min_size": 50})))
    return out


def _open(viewer: Any, path: Path) -> Any:
    from napari_ziggurat.gui.panel import Panel
    from napari_ziggurat.gui.reader import read
    from napari_ziggurat.gui.sample_data import volume

    ((image, about, _), _) = volume()
    viewer.add_image(image, **about)
    for data, options, kind in read(str(path)):
        getattr(viewer, f"add_{kind}")(data, **options)
    panel = Panel(viewer)
    viewer.window.add_dock_widget(panel, name="Ziggurat", area="right")
    panel.tabs.setCurrentIndex(1)
    viewer.reset_view()
    _wait(panel.objects.table.isVisible)
    _wait(lambda: "Looking" not in panel.machine.line.text())
    return panel


def _descending() -> Any:
    from qtpy.QtCore import Qt

    return Qt.SortOrder.DescendingOrder


def _wait(condition: Any) -> None:
    from qtpy.QtTest import QTest

    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("The dock did not come so far in a minute.")
        QTest.qWait(50)


if __name__ == "__main__":
    main()
