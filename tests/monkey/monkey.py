"""Monkey: the things that it does, and how often each of them."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from monkey.ledger import Ledger
from monkey.window import Window

__all__ = ["Monkey"]

Trick = Callable[["Monkey"], object]
_TRICKS: list[tuple[Trick, int]] = []
_MOST_LAYERS = 9
_BRUSHES = ("paint", "erase")


def trick(often: int) -> Callable[[Trick], Trick]:
    """Note that the monkey knows something."""

    def noted(known: Trick) -> Trick:
        _TRICKS.append((known, often))
        return known

    return noted


class Monkey:
    """Does one thing after the other, drawn from a seed, and notes what it did."""

    def __init__(self, window: Window, ledger: Ledger, model: Path, seed: int) -> None:
        self.window, self.ledger, self.model = window, ledger, model
        self.random = random.Random(seed)
        self.done: list[str] = []
        self.wrong: list[str] = []  # strokes that were not painted

    def act(self) -> None:
        """Do something."""
        (known, often) = zip(*_TRICKS, strict=True)
        (chosen,) = self.random.choices(known, often)
        self.done.append(chosen.__name__)
        said = chosen(self)
        if said is not None and said is not True:
            self.done[-1] += f" {said}"
        self.window.pump()

    def points(self, count: int, reach: float = 0.3) -> list[tuple[float, float]]:
        """Give points on the canvas that lie near each other."""
        (x, y) = (self.random.uniform(0.1, 0.9), self.random.uniform(0.1, 0.9))
        near = [(x + self.random.uniform(-reach, reach), y + self.random.uniform(-reach, reach))
                for _ in range(count - 1)]  # fmt: skip
        return [(min(max(a, 0.02), 0.98), min(max(b, 0.02), 0.98)) for a, b in [(x, y), *near]]

    def session(self) -> Any:
        """Give the annotation that the dock shows; None where there is none."""
        return None if self.window.panel is None else self.window.tab.session

    def images(self) -> list[Any]:
        from napari.layers import Image

        return [layer for layer in self.window.viewer.layers if isinstance(layer, Image)]

    def choose(self, things: Any) -> Any:
        """Draw one of some things; None where there are none."""
        things = list(things)
        return self.random.choice(things) if things else None

    def check(self, session: Any, been: list[Any], value: int) -> None:
        """See that what the mouse went over was painted."""
        for voxel in (self.window.voxel(session.layer, each) for each in been):
            if voxel is not None and (there := int(session.data[voxel])) != value:
                self.wrong.append(f"{voxel} is {there} after a stroke with {value}")


@trick(24)
def stroke(monkey: Monkey) -> object:
    (session, window) = (monkey.session(), monkey.window)
    if session is not None and monkey.random.random() < 0.8:
        session.choose(session.value or 1)
    mode = "" if session is None else str(session.layer.mode)
    active = session is not None and window.viewer.layers.selection.active is session.layer
    value = 0 if session is None else session.value
    been = window.stroke(monkey.points(monkey.random.randint(2, 4)))
    paints = active and mode in _BRUSHES
    if session is not None and paints and not session.layer.preserve_labels:
        monkey.check(session, been, value)
    return f"with {value} in mode {mode or 'none'}"


@trick(16)
def get_ready(monkey: Monkey) -> object:
    """Do what one does to paint: go back to the plane, open what is closed, take the brush."""
    window = monkey.window
    window.reopen()
    window.open_tab(0)
    window.viewer.dims.ndisplay = 2
    window.viewer.dims.order = tuple(range(window.viewer.dims.ndim))
    window.viewer.reset_view()
    if monkey.session() is None and window.click(window.tab.store.button):
        window.wait(lambda: window.tab._opening is None)
    if (session := monkey.session()) is None:
        return "in vain"
    session.layer.visible = True
    session.choose(session.classes[-1].value)
    return session.store.path.name


@trick(6)
def press_and_hold(monkey: Monkey) -> object:
    if monkey.session() is not None:
        monkey.session().choose(1)
    monkey.window.stroke(monkey.points(3), release=False)


@trick(4)
def let_go(monkey: Monkey) -> object:
    monkey.window.let_go()


@trick(8)
def press_undo(monkey: Monkey) -> object:
    monkey.window.press("Ctrl+Z")


@trick(5)
def press_redo(monkey: Monkey) -> object:
    monkey.window.press("Ctrl+Shift+Z")


@trick(5)
def click_undo_or_redo(monkey: Monkey) -> object:
    if monkey.window.panel is not None:
        box = monkey.window.tab.classes
        monkey.window.click(monkey.choose([box.undo_button, box.redo_button]))


@trick(8)
def press_class(monkey: Monkey) -> object:
    key = f"Alt+{monkey.random.randint(0, 3)}"
    monkey.window.press(key)
    return key


@trick(3)
def press_key_of_napari(monkey: Monkey) -> object:
    key = monkey.choose(["E", "P", "Z", "L", "M", "B", "X"])
    monkey.window.press(key)
    return key


@trick(2)
def fill(monkey: Monkey) -> object:
    if monkey.session() is not None:
        monkey.session().choose(monkey.choose([1, 2, 255]))
        monkey.window.press("F")
        monkey.window.stroke(monkey.points(1))
        monkey.session().layer.mode = "paint"


@trick(3)
def change_the_brush(monkey: Monkey) -> object:
    if monkey.session() is not None:
        layer = monkey.session().layer
        layer.brush_size = monkey.random.choice([1, 3, 10, 25])
        layer.preserve_labels = monkey.random.random() < 0.1
        layer.n_edit_dimensions = monkey.random.choice([2, 2, layer.ndim])


@trick(4)
def add_class(monkey: Monkey) -> object:
    if monkey.window.panel is not None:
        monkey.window.click(monkey.window.tab.classes.add_button)


@trick(4)
def change_class(monkey: Monkey) -> object:
    if monkey.session() is not None:
        table = monkey.window.tab.classes.table
        row = monkey.random.randrange(table.rowCount())
        if monkey.random.random() < 0.5:
            table.recolored.emit(table._values[row], f"#{monkey.random.randrange(16**6):06x}")
        elif (item := table.item(row, 1)) is not None:
            item.setText(monkey.choose(["nucleus", "wall", "", "class 1", f"c {row}"]))


@trick(3)
def remove_class(monkey: Monkey) -> object:
    session = monkey.session()
    if session is None:
        return None
    box = monkey.window.tab.classes
    monkey.window.click(box.remove_button)
    asked = box._asked
    if asked is None or monkey.random.random() < 0.4:
        monkey.window.click(box.no_button)
        return "not"
    if monkey.window.click(box.yes_button) and not box.trouble.text():
        monkey.ledger.erase(session.store, asked.value)
    return asked.value


@trick(4)
def complete_a_box(monkey: Monkey) -> object:
    if monkey.window.panel is None:
        return None
    (box, window) = (monkey.window.tab.complete, monkey.window)
    window.click(box.start_button)
    if monkey.random.random() < 0.5:
        window.click(box.view_button)
    elif window.click(box.draw_button):
        window.stroke(monkey.points(2))
    box.planes.setValue(monkey.random.choice([1, 1, 3]))
    if monkey.random.random() < 0.7:
        return window.click(box.confirm_button)
    return "not"


@trick(10)
def annotate(monkey: Monkey) -> object:
    window = monkey.window
    if window.panel is None:
        return None
    window.open_tab(0)
    levels = window.tab.store.levels
    if monkey.random.random() < 0.2 and levels.count():
        levels.setCurrentIndex(monkey.random.randrange(levels.count()))
    clicked = window.click(window.tab.store.button)
    if clicked and monkey.random.random() < 0.7:
        window.wait(lambda: window.tab._opening is None)
    return clicked


@trick(9)
def train_or_stop(monkey: Monkey) -> object:
    window = monkey.window
    if window.panel is None or monkey.random.random() < 0.5:
        window.press("Shift+T")
    else:
        window.click(window.tab.train.button)
    if window.panel is not None:
        return window.tab.train.button.text()
    return None


@trick(5)
def change_the_preview(monkey: Monkey) -> object:
    if monkey.window.panel is not None:
        box = monkey.window.tab.train
        if monkey.random.random() < 0.6:
            monkey.window.click(box.preview_box)
        else:
            box.opacity.setValue(monkey.random.randint(0, 100))


@trick(2)
def save_the_model(monkey: Monkey) -> object:
    if monkey.window.panel is not None:
        monkey.window.click(monkey.window.tab.train.parent_box)
        monkey.window.click(monkey.window.tab.train.save_button)


@trick(2)
def look_for_spots(monkey: Monkey) -> object:
    monkey.window.press("Shift+N")


@trick(12)
def move_the_view(monkey: Monkey) -> object:
    (viewer, draw) = (monkey.window.viewer, monkey.random)
    how = draw.choice(["zoom", "slice", "slice", "pan", "reset"])
    if how == "zoom":
        monkey.window.roll(draw.choice([-3, -1, 1, 3]))
    elif how == "slice":
        monkey.window.roll(draw.choice([-2, -1, 1, 2]), control=True)
    elif how == "pan":
        camera = viewer.scene.camera
        (z, y, x) = camera.center
        far = 100 / camera.zoom
        camera.center = (z, y + draw.uniform(-far, far), x + draw.uniform(-far, far))
    else:
        viewer.reset_view()
    return how


@trick(3)
def turn_the_display(monkey: Monkey) -> object:
    viewer = monkey.window.viewer
    how = monkey.choose(["2D", "2D", "3D", "roll"])
    if how == "roll":
        viewer.dims.roll()
    else:
        viewer.dims.ndisplay = int(how[0])
    return how


@trick(6)
def add_layer(monkey: Monkey) -> object:
    (viewer, draw, voxels) = (monkey.window.viewer, monkey.random, np.random.default_rng(0))
    if len(viewer.layers) >= _MOST_LAYERS:
        return None
    kind = draw.choice(["plane", "volume", "rgb", "channels", "labels", "points", "file"])
    name = f"{kind} {next(monkey.window.names)}"
    place = {"scale": (2, 0.5, 0.5), "units": ("um",) * 3}
    if kind == "plane":
        viewer.add_image(voxels.integers(0, 255, (90, 110), np.uint8), name=name)
    elif kind == "volume":
        viewer.add_image(voxels.integers(0, 255, (8, 70, 80), np.uint8), name=name, **place)
    elif kind == "rgb":
        viewer.add_image(voxels.integers(0, 255, (60, 70, 3), np.uint8), name=name, rgb=True)
    elif kind == "channels":
        axes = {"axis_labels": ("c", "y", "x")}
        viewer.add_image(voxels.integers(0, 255, (2, 60, 70), np.uint8), name=name, **axes)
    elif kind == "labels":
        viewer.add_labels(np.zeros((70, 80), np.uint8), name=name)
    elif kind == "points":
        viewer.add_points(np.zeros((1, 2)), name=name)
    else:
        open_file(monkey, monkey.window.folder / "cells.ome.zarr")
    return kind


def open_file(monkey: Monkey, path: Path) -> None:
    from napari_ziggurat.gui.reader import read

    for data, options, kind in read(str(path)):
        getattr(monkey.window.viewer, f"add_{kind}")(data, **options)


@trick(6)
def remove_layer(monkey: Monkey) -> object:
    viewer = monkey.window.viewer
    layer = monkey.choose(viewer.layers)
    if layer is None or (layer in monkey.images() and monkey.random.random() < 0.6):
        return None
    viewer.layers.remove(layer)
    return layer.name


@trick(6)
def change_layer(monkey: Monkey) -> object:
    (viewer, draw) = (monkey.window.viewer, monkey.random)
    layer = monkey.choose(viewer.layers)
    if layer is None:
        return None
    how = draw.choice(["name", "visible", "active", "move", "opacity", "translate", "duplicate"])
    if how == "name":
        layer.name = draw.choice(["one", "two", "<b>three</b>", f"n {next(monkey.window.names)}"])
    elif how == "visible":
        layer.visible = not layer.visible
    elif how == "active":
        viewer.layers.selection.active = layer
    elif how == "move":
        viewer.layers.move(viewer.layers.index(layer), draw.randrange(len(viewer.layers)))
    elif how == "opacity":
        layer.opacity = draw.random()
    elif how == "translate" and layer in monkey.images():
        layer.translate = np.array(layer.translate) + draw.choice([0, 0.5])
    elif how == "duplicate" and len(viewer.layers) < _MOST_LAYERS:
        viewer.layers.selection.active = layer
        viewer.layers.append(type(layer).create(*layer.as_layer_data_tuple()))
    return f"{how} of {layer.name}"


@trick(1)
def replace_the_voxels(monkey: Monkey) -> object:
    image = monkey.choose(each for each in monkey.images() if not each.multiscale)
    if image is not None:
        image.data = np.array(image.data)[..., ::-1] if not image.rgb else np.array(image.data)
        return image.name
    return None


@trick(8)
def choose_image(monkey: Monkey) -> object:
    if monkey.window.panel is not None:
        chooser = monkey.window.panel.image
        if chooser.layers.count():
            chooser.layers.setCurrentIndex(monkey.random.randrange(chooser.layers.count()))
        if chooser.answers and monkey.random.random() < 0.8:
            monkey.window.click(monkey.choose(chooser.answers))
        return chooser.layers.currentText()
    return None


@trick(3)
def choose_model(monkey: Monkey) -> object:
    if monkey.window.panel is not None:
        name = monkey.choose([monkey.model, monkey.model, monkey.model / "none"])
        monkey.window.panel.model.open(name)
        return name.name
    return None


@trick(4)
def segment_or_cancel(monkey: Monkey) -> object:
    (window, panel) = (monkey.window, monkey.window.panel)
    if panel is None:
        return None
    if panel.model.path is None:
        panel.model.open(monkey.model)
    window.open_tab(1)
    panel.output.replace.setChecked(monkey.random.random() < 0.5)
    button = monkey.choose([panel.view_button, panel.whole_button, panel.activity.cancel_button])
    return f"{button.text()} {window.click(button)}"


@trick(6)
def switch_tabs(monkey: Monkey) -> object:
    if monkey.window.panel is not None:
        monkey.window.open_tab(monkey.random.choice([0, 0, 1, 2, 3]))


@trick(2)
def close_or_open_the_dock(monkey: Monkey) -> object:
    if monkey.window.panel is None:
        monkey.window.reopen()
        return "open"
    monkey.window.close_dock()
    return "close"


@trick(2)
def open_the_dock(monkey: Monkey) -> object:
    monkey.window.reopen()


@trick(1)
def change_the_window(monkey: Monkey) -> object:
    (window, draw) = (monkey.window.viewer.window, monkey.random)
    if draw.random() < 0.5:
        window.resize(draw.choice([900, 1000, 1200]), draw.choice([650, 700, 800]))
    else:
        monkey.window.viewer.theme = draw.choice(["dark", "light"])


@trick(8)
def wait(monkey: Monkey) -> object:
    seconds = monkey.random.choice([0.05, 0.2, 0.5])
    monkey.window.pump(seconds)
    return seconds
