"""Measure in a real window what must feel immediate: opening, painting, training, looking.

    python benchmarks/interactive.py [--quick] [--json]

Needs napari and PyQt6; without a display it starts itself again under xvfb-run, with software
OpenGL. The large image is an OME-Zarr of 3.2 * 10^12 voxels of which no chunk is stored. Strokes
are made with events of the mouse; a move counts until it is drawn. A timer of 10 ms tells for how
long the window did not listen. `--quick` takes fewer strokes, slices and seconds.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from interactive_window import Heartbeat, Window

LARGE, CHUNK, LEVELS = (2000, 40000, 40000), (1, 512, 512), 8
SMALL = (16, 512, 512)
BRUSH = 10  # voxels
ZOOM = 1.0  # pixels of the screen per voxel that is painted on
MOVES = 12  # of the mouse in a stroke
PLANE = 0.45  # of the depth of the drawn volume
LINES = 3  # strokes of each class


@dataclass(frozen=True)
class Row:
    """What was measured, and what it should be at most."""

    what: str
    unit: str
    target: float
    found: float

    @property
    def kept(self) -> bool:
        return self.found <= self.target


def main() -> None:
    options = parse()
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        under_xvfb()
    with tempfile.TemporaryDirectory() as name:
        # Before napari is imported: the settings of the person are neither read nor written.
        os.environ["NAPARI_CONFIG"] = str(Path(name) / "settings.yaml")
        rows = []
        for row in measure(Path(name), quick=options.quick):
            rows.append(row)
            sys.stderr.write(f"{row.what}: {row.found:.3g} {row.unit}\n")
    print(as_json(rows) if options.json else as_table(rows))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer strokes, slices and seconds")
    parser.add_argument("--json", action="store_true", help="print one object of JSON")
    return parser.parse_args()


def under_xvfb() -> None:
    """Begin again on a virtual display."""
    if shutil.which("xvfb-run") is None:
        raise SystemExit("There is no display; install Xvfb, which brings xvfb-run.")
    screen = ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24"]
    os.environ |= {"LIBGL_ALWAYS_SOFTWARE": "1", "QT_QPA_PLATFORM": "xcb"}
    os.execvp(screen[0], [*screen, sys.executable, *sys.argv])


def measure(folder: Path, *, quick: bool) -> Iterator[Row]:
    from napari.utils.notifications import notification_manager

    large = folder / "large.ome.zarr"
    make_large(large)
    with notification_manager:  # without it an exception in a slot ends the process
        window = Window()
        assert "torch" not in sys.modules
        (panel, seconds) = open_dock(window)
        yield Row("open the dock", "s", 0.5, seconds)
        window.wait(lambda: "Looking" not in panel.machine.line.text())
        yield from train(window, panel, folder, quick=quick)
        window.viewer.close()
        window = Window()  # software OpenGL does not like layers to be taken away
        (panel, _) = open_dock(window)
        yield from look_at_large(window, panel, large, folder, quick=quick)
        window.viewer.close()


def make_large(path: Path) -> None:
    """Write an image of many levels of which no chunk is stored."""
    from napari_ziggurat.geometry import Axes, Spacing
    from napari_ziggurat.images import OutputGrid, create_output

    factors = tuple((1, 2**i, 2**i) for i in range(1, LEVELS))
    shard = (CHUNK[0], 4 * CHUNK[1], 4 * CHUNK[2])
    spacing = (Spacing((0.5,) * 3, "um"), (0.0,) * 3)
    grid = OutputGrid(
        Axes("zyx"), LARGE, np.dtype(np.uint8), *spacing, CHUNK, shard, downsamplings=factors
    )
    create_output(path, grid, kind="image")


def open_dock(window: Window) -> tuple[Any, float]:
    """Open the dock in a napari that is open; torch is not loaded then, and loads meanwhile."""
    began = time.perf_counter()
    from napari_ziggurat.gui.panel import Panel

    panel = Panel(window.viewer)
    window.viewer.window.add_dock_widget(panel, name="Ziggurat", area="right")
    window.draw()
    return panel, time.perf_counter() - began


def look_at_large(
    window: Window, panel: Any, path: Path, folder: Path, *, quick: bool
) -> Iterator[Row]:
    """Open it, paint on it, and go through its slices."""
    strokes = 3 if quick else 10
    viewer = window.viewer
    began = time.perf_counter()
    window.show_layers(path)
    yield Row("add an image of 3.2 * 10^12 voxels", "s", 1.0, time.perf_counter() - began)
    viewer.dims.set_current_step(0, LARGE[0] // 2)
    layer = annotate(window, panel, folder / "large.annotation.ome.zarr")
    small = small_labels(viewer, layer)
    (usual, _) = paint(window, small, strokes)
    (there, release) = paint(window, layer, strokes)
    yield Row("stroke on it, as long as on a small array", "times", 1.3, there / usual)
    yield Row("end of a stroke on it, until it is saved", "s", 0.3, release)
    window.viewer.reset_view()
    yield Row("memory after slice changes", "MiB more", 30, growth(window, 200 if quick else 1000))


def small_labels(viewer: Any, layer: Any) -> Any:
    """Add a small array where the annotation is looked at, in voxels of the same size."""
    middle = [(n - m) // 2 for n, m in zip(layer.data.shape, SMALL, strict=True)]
    place = {"scale": layer.scale, "units": layer.units, "translate": layer.data_to_world(middle)}
    return viewer.add_labels(np.zeros(SMALL, np.uint8), name="small", **place)


def annotate(window: Window, panel: Any, place: Path) -> Any:
    store = panel.annotate.store
    window.wait(store.button.isEnabled)
    store.line.setText(str(place))
    store.button.click()
    window.wait(lambda: panel.annotate.session is not None)
    return panel.annotate.session.layer


def paint(window: Window, layer: Any, strokes: int) -> tuple[float, float]:
    """Draw strokes; gives the median seconds of a move and of a release."""
    viewer = window.viewer
    viewer.layers.selection.active = layer
    (layer.mode, layer.brush_size, layer.selected_label) = ("paint", BRUSH, 1)
    viewer.scene.camera.zoom = ZOOM / float(layer.scale[-1])
    window.settle()
    (moves, releases) = ([], [])
    for number in range(strokes + 1):
        height = 0.3 + 0.4 * number / strokes
        (taken, release) = window.stroke([(0.4, height), (0.6, height)], MOVES)
        if number:  # the first one warms up
            moves += taken
            releases.append(release)
    return statistics.median(moves), statistics.median(releases)


def growth(window: Window, count: int) -> float:
    """Go through slices; gives the MiB that the process holds more than after the first tenth."""
    import psutil

    (process, viewer, before) = (psutil.Process(), window.viewer, 0)
    for number in range(count):
        viewer.dims.set_current_step(0, number % LARGE[0])
        window.draw()
        if number == count // 10:
            before = process.memory_info().rss
    return (process.memory_info().rss - before) / 2**20


def train(window: Window, panel: Any, folder: Path, *, quick: bool) -> Iterator[Row]:
    """Train on a drawn volume with a few strokes, and look at what is learned."""
    from napari_ziggurat.gui.sample_data import volume

    ((image, about, _), (truth, _, _)) = volume()
    viewer = window.viewer
    viewer.add_image(image, **about)
    viewer.dims.set_current_step(0, int(PLANE * len(image)))
    viewer.reset_view()
    annotate(window, panel, folder / "drawn.annotation.ome.zarr")
    paint_truth(panel.annotate.session, truth)
    window.settle()
    name = f"{about['name']}, preview"
    panel.annotate.train.button.click()
    yield Row("first preview after Train", "s", 10, window.wait(lambda: name in viewer.layers))
    later = [after_pan(window, viewer.layers[name], way) for way in (1, -1) * (2 if quick else 5)]
    yield Row("preview after a pan, median", "s", 1.0, statistics.median(later))
    beats = Heartbeat()
    window.settle(10 if quick else 40)
    gaps = np.array(beats.stop()) * 1000
    yield Row("gaps of the window while training, 95 %", "ms", 50, float(np.percentile(gaps, 95)))
    yield Row("gaps of the window while training, longest", "ms", 300, float(gaps.max()))
    panel.annotate.train.button.click()


def paint_truth(session: Any, truth: Any) -> None:
    """Paint some rows of each class."""
    from napari_ziggurat.images.samples import draw_volume

    session.set_classes([c for c in draw_volume().classes if c.value])
    (layer, plane) = (session.layer, session.viewer.dims.current_step[0])
    layer.brush_size = 5
    for each in session.classes:
        value = 0 if each.value == 255 else each.value
        rows = np.flatnonzero((truth[plane] == value).sum(axis=1) > 20)
        for y in rows[np.linspace(0, len(rows) - 1, LINES).astype(int)]:
            with layer.block_history():
                for x in np.flatnonzero(truth[plane, y] == value)[:60]:
                    layer.paint((plane, int(y), int(x)), each.value, refresh=False)
            layer.refresh()


def after_pan(window: Window, preview: Any, way: int) -> float:
    """Move the view; gives the seconds until the preview is another one."""
    drawn: list[float] = []
    camera = window.viewer.scene.camera
    camera.zoom = 3 * window.canvas.height() / 512
    window.settle(1)

    def note(event: Any = None) -> None:
        drawn.append(time.monotonic())

    preview.events.translate.connect(note)
    (z, y, x) = camera.center
    began = time.monotonic()
    camera.center = (z, y, x + way * 8)
    try:
        window.wait(lambda: bool(drawn), seconds=120)
    finally:
        preview.events.translate.disconnect(note)
    return drawn[0] - began


def as_table(rows: list[Row]) -> str:
    lines = ["| what | target | measured | kept |", "| --- | ---: | ---: | --- |"]
    for row in rows:
        cells = (row.what, f"{row.target:g} {row.unit}", f"{row.found:.3g}")
        lines.append(f"| {' | '.join(cells)} | {'yes' if row.kept else 'no'} |")
    return "\n".join(lines)


def as_json(rows: list[Row]) -> str:
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    facts = {"cores": os.cpu_count(), "load": load, "system": platform.platform()}
    listed = [{**asdict(row), "kept": row.kept} for row in rows]
    return json.dumps({**facts, "rows": listed}, indent=1)


if __name__ == "__main__":
    main()
