"""Drawings of networks: boxes and arrows, set out by level or from left to right."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Outline
from network_dataflow import Dataflow, Node

Place = tuple[float, float]

# Colours that can be read on light and on dark pages.
ROLES = {
    "encoder": "#4a7fb5", "neck": "#d9822b", "context": "#3f9c6b", "head": "#9a6bb3",
    "attention gate": "#cf4f5b", "scale equalizer": "#b3931a", "surroundings": "#2b95a3",
    "join": "#7f8c8d",
}  # fmt: skip
GREY, FINER, COARSER, TEXT = "#808080", "#d9822b", "#4a7fb5", "#7a7a7a"
SIGNS = {"+": "added", "c": "concatenated", "×": "gated", "g": "gated by a mean, added"}
FONT = {"color": TEXT, "size": 9, "va": "center_baseline"}
LINE = {"arrowstyle": "-|>,head_length=3,head_width=1.6", "linewidth": 1.1, "zorder": 1}

WIDTH = 8.4  # inches of a picture
STEP_X, STEP_Y, ROW = 0.7, 0.66, 0.46
LEFT, BOTTOM, TITLE, LEGEND = 0.6, 0.26, 0.4, 0.34


@dataclass(frozen=True)
class Mark:
    """A box; the place is its centre."""

    place: Place
    size: Place
    role: str
    text: str


@dataclass(frozen=True)
class Arrow:
    """From box to box: straight, bent by a part of its length, or along corners."""

    start: str
    end: str
    colour: str
    bend: float = 0.0
    corners: tuple[Place, ...] = ()


@dataclass
class Panel:
    """One drawing of a picture, in inches, its lower left corner at the origin."""

    title: str
    marks: dict[str, Mark] = field(default_factory=dict)
    arrows: list[Arrow] = field(default_factory=list)
    labels: list[tuple[Place, str, str]] = field(default_factory=list)
    curves: list[tuple[Sequence[float], Sequence[float], str]] = field(default_factory=list)

    def size(self) -> Place:
        """Give width and height, the title included."""
        boxes = [(m.place[0] + m.size[0] / 2, m.place[1] + m.size[1] / 2)
                 for m in self.marks.values()]  # fmt: skip
        corners = [corner for arrow in self.arrows for corner in arrow.corners]
        lines = [place for x, y, _ in self.curves for place in zip(x, y, strict=True)]
        right, top = (max(axis) for axis in zip(*boxes, *corners, *lines, strict=True))
        return max(right, 0.085 * len(self.title)) + 0.16, top + TITLE


# ---- Rows are levels, the finest on top


def pyramid(
    title: str,
    flow: Dataflow,
    column: Mapping[str, float],
    role: Mapping[str, str],
    sign: Callable[[Node], str],
) -> Panel:
    """Set out nodes by their level and column."""
    finest = max(node.size[0] for node in flow.nodes.values())
    level = {key: (finest // node.size[0]).bit_length() - 1 for key, node in flow.nodes.items()}
    last = max(level.values())
    step = min(STEP_X, (WIDTH - LEFT - 0.4) / max(1, *column.values()))
    panel = Panel(title)
    for key, node in flow.nodes.items():
        side = 0.44 * 0.85 ** level[key]  # smaller where there are fewer voxels
        place = (LEFT + 0.1 + step * column[key], BOTTOM + STEP_Y * (last - level[key]))
        panel.marks[key] = Mark(place, (side, side), role[key], sign(node))
    for start, end in flow.arrows:
        down = level[end] - level[start]
        panel.arrows.append(Arrow(start, end, GREY if not down else COARSER if down > 0 else FINER))
    panel.arrows = around_boxes(panel)
    for row in range(last + 1):
        panel.labels.append(
            ((0.2, BOTTOM + STEP_Y * (last - row)), f"1/{2**row}" if row else "1", TEXT)
        )
    return panel


def around_boxes(panel: Panel) -> list[Arrow]:
    """Lead arrows that would run through other boxes above them or past them."""
    arrows: list[Arrow] = []
    for arrow in sorted(panel.arrows, key=lambda a: span(panel, a)):
        start, end = panel.marks[arrow.start], panel.marks[arrow.end]
        if not meets_box(panel, arrow):
            arrows.append(arrow)
        elif start.place[1] == end.place[1]:
            under = [a for a in arrows if a.corners and crosses(panel, a, arrow)]
            corners = above(start, end, 0.08 + 0.06 * len(under), 0.03 * len(under))
            arrows.append(replace(arrow, corners=corners))
        else:
            bent = [replace(arrow, bend=bend) for bend in (0.3, -0.3, 0.4, -0.4)]
            arrows.append(next((each for each in bent if not meets_box(panel, each)), bent[0]))
    return arrows


def crosses(panel: Panel, one: Arrow, other: Arrow) -> bool:
    """Tell whether two arrows within a row lie above the same place."""
    ends = [panel.marks[key].place for each in (one, other) for key in (each.start, each.end)]
    rows = {y for _, y in ends}
    (a, b), (c, d) = sorted(x for x, _ in ends[:2]), sorted(x for x, _ in ends[2:])
    return len(rows) == 1 and a < d and c < b


def span(panel: Panel, arrow: Arrow) -> float:
    return abs(panel.marks[arrow.end].place[0] - panel.marks[arrow.start].place[0])


def meets_box(panel: Panel, arrow: Arrow) -> bool:
    """Tell whether an arrow without corners touches a box between its ends."""
    start, end = (panel.marks[key].place for key in (arrow.start, arrow.end))
    others = [m for key, m in panel.marks.items() if key not in (arrow.start, arrow.end)]
    middle = [(a + b) / 2 for a, b in zip(start, end, strict=True)]
    control = (middle[0] + arrow.bend * (end[1] - start[1]),  # as Matplotlib's arc3 has it
               middle[1] - arrow.bend * (end[0] - start[0]))  # fmt: skip
    line = [
        tuple(
            (1 - t) ** 2 * a + 2 * t * (1 - t) * c + t**2 * b
            for a, c, b in zip(start, control, end, strict=True)
        )
        for t in (part / 40 for part in range(1, 40))
    ]
    return any(
        all(abs(p - c) < s / 2 + 0.02 for p, c, s in zip(place, m.place, m.size, strict=True))
        for m in others
        for place in line
    )


def above(start: Mark, end: Mark, lift: float, aside: float = 0.0) -> tuple[Place, ...]:
    """Go up, along and down again, from top to top."""
    tops = [mark.place[1] + mark.size[1] / 2 for mark in (start, end)]
    x = (start.place[0] + start.size[0] / 4 - aside, end.place[0] - end.size[0] / 4 + aside)
    y = max(tops) + lift
    return ((x[0], tops[0]), (x[0], y), (x[1], y), (x[1], tops[1]))


# ---- A chain of operations from left to right


def chain(
    title: str, flow: Dataflow, role: Callable[[Node], str], words: Callable[[Node], str]
) -> Panel:
    """Set out operations by their distance from the output, branches one above the other."""
    panel = Panel(title)
    columns, rows = columns_of(flow), rows_of(flow)
    texts = {key: words(node) for key, node in flow.nodes.items()}
    widths = {key: 0.26 + 0.068 * max(0, len(text) - 1) for key, text in texts.items()}
    x, lowest = centres(columns, widths), min(rows.values())
    for key, node in flow.nodes.items():
        place = (x[columns[key]], BOTTOM + ROW * (rows[key] - lowest))
        panel.marks[key] = Mark(place, (widths[key], 0.3), role(node), texts[key])
    for start, end in flow.arrows:
        ends = (panel.marks[start], panel.marks[end])
        level = abs(ends[0].place[1] - ends[1].place[1]) < 0.01
        if level and meets_box(panel, Arrow(start, end, GREY)):
            corners = above(*ends, 0.05 + 0.03 * (columns[end] - columns[start]))
        else:
            corners = way(*ends, joins=len(flow.sources(end)) > 1)
        panel.arrows.append(Arrow(start, end, GREY, corners=corners))
    return panel


def way(start: Mark, end: Mark, *, joins: bool) -> tuple[Place, ...]:
    """Go from side to side; change the row right after the start, or right before a join."""
    begin = (start.place[0] + start.size[0] / 2, start.place[1])
    stop = (end.place[0] - end.size[0] / 2, end.place[1])
    if abs(begin[1] - stop[1]) < 0.01:
        return (begin, stop)
    x = stop[0] - 0.13 if joins else begin[0] + 0.11
    return (begin, (x, begin[1]), (x, stop[1]), stop)


def columns_of(flow: Dataflow) -> dict[str, int]:
    """Set nodes right before the first that reads them, inputs first."""
    back: dict[str, int] = {}
    for key in reversed(sort(flow)):
        back[key] = 1 + max((back[k] for k in flow.readers(key)), default=-1)
    last = max(back.values())
    return {key: 0 if flow.nodes[key].name == "input" else last - n for key, n in back.items()}


def sort(flow: Dataflow) -> list[str]:
    """Give the nodes in an order in which each comes after all that it reads."""
    found: list[str] = []
    while len(found) < len(flow.nodes):
        ready = (k for k in flow.nodes if k not in found and set(flow.sources(k)) <= set(found))
        found.append(next(ready))
    return found


def rows_of(flow: Dataflow) -> dict[str, float]:
    """Give every branch a row, and what joins branches the mean of theirs."""
    rows: dict[str, float] = {}
    for key in sort(flow):
        before = flow.sources(key)
        if len(before) == 1:
            branches = [k for k in flow.readers(before[0]) if len(flow.sources(k)) == 1]
            rows[key] = rows[before[0]] + (len(branches) - 1) / 2 - branches.index(key)
        elif before:
            rows[key] = sum(rows[k] for k in before) / len(before)
        else:
            rows[key] = -1.0 * len(rows)  # inputs, which come first
    return rows


def centres(columns: Mapping[str, int], widths: Mapping[str, float]) -> list[float]:
    """Give the centre of each column, as wide as its widest box."""
    widest = [max(widths[key] for key, at in columns.items() if at == column)
              for column in range(max(columns.values()) + 1)]  # fmt: skip
    edges = itertools.accumulate((width + 0.25 for width in widest), initial=0.1)
    return [edge + width / 2 for edge, width in zip(edges, widest, strict=False)]


# ---- Pictures


def draw(path: Path, panels: Sequence[Panel]) -> None:
    """Set panels side by side, in as many rows as they need, with a legend below."""
    rows = wrapped(panels, WIDTH)
    for part in range(100, 30, -1):  # rows of about one width
        narrower = wrapped(panels, WIDTH * part / 100)
        rows = narrower if len(narrower) == len(rows) else rows
    heights = [max(panel.size()[1] for panel in row) for row in rows]
    total = sum(heights) + LEGEND
    figure = Figure((WIDTH, total))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, total))
    axes.axis("off")
    tops = itertools.accumulate(heights, lambda top, height: top - height, initial=total)
    for row, top in zip(rows, tops, strict=False):
        draw_row(axes, row, top)
    draw_legend(axes, panels)
    with mpl.rc_context({"svg.hashsalt": path.stem, "svg.fonttype": "none"}):
        figure.savefig(path, transparent=True, metadata={"Date": None})


def wrapped(panels: Sequence[Panel], width: float) -> list[list[Panel]]:
    """Fill rows of a width."""
    rows: list[list[Panel]] = [[]]
    for panel in panels:
        if rows[-1] and sum(each.size()[0] for each in (*rows[-1], panel)) > width:
            rows.append([])
        rows[-1].append(panel)
    return rows


def draw_row(axes: Axes, row: Sequence[Panel], top: float) -> None:
    gap = (WIDTH - sum(panel.size()[0] for panel in row)) / len(row)
    left = 0.0
    for panel in row:
        width, height = panel.size()
        draw_panel(axes, panel, (left, top - height))
        left += width + gap


def draw_panel(axes: Axes, panel: Panel, origin: Place) -> None:
    title = shifted((0.08, panel.size()[1] - 0.16), origin)
    axes.text(*title, panel.title, **{**FONT, "size": 10.5, "weight": "bold"})
    boxes = {key: draw_mark(axes, mark, origin) for key, mark in panel.marks.items()}
    for place, text, colour in panel.labels:
        axes.text(*shifted(place, origin), text, ha="center", **{**FONT, "color": colour})
    for x, y, colour in panel.curves:
        axes.plot([v + origin[0] for v in x], [v + origin[1] for v in y], color=colour, lw=1.4)
    for arrow in panel.arrows:
        axes.add_patch(arrow_patch(panel, arrow, origin, boxes))


def draw_mark(axes: Axes, mark: Mark, origin: Place) -> FancyBboxPatch:
    x, y = shifted(mark.place, origin)
    box = rounded((x, y), mark.size, ROLES[mark.role])
    axes.add_patch(box)
    size = 11 if len(mark.text) == 1 else 9
    axes.text(x, y, mark.text, **{**FONT, "color": "white", "size": size, "ha": "center"}, zorder=3)
    return box


def arrow_patch(
    panel: Panel, arrow: Arrow, origin: Place, boxes: Mapping[str, FancyBboxPatch]
) -> FancyArrowPatch:
    if arrow.corners:
        outline = rounded_line([shifted(corner, origin) for corner in arrow.corners])
        return FancyArrowPatch(path=outline, color=arrow.colour, fill=False, **LINE)
    ends = [shifted(panel.marks[key].place, origin) for key in (arrow.start, arrow.end)]
    return FancyArrowPatch(
        *ends, patchA=boxes[arrow.start], patchB=boxes[arrow.end], shrinkA=1, shrinkB=1,
        connectionstyle=f"arc3,rad={arrow.bend}", color=arrow.colour, **LINE,
    )  # fmt: skip


def rounded_line(corners: Sequence[Place], radius: float = 0.06) -> Outline:
    """Join places by lines whose corners are rounded."""
    points, codes = [corners[0]], [Outline.MOVETO]
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        points += [towards(corner, before, radius), corner, towards(corner, after, radius)]
        codes += [Outline.LINETO, Outline.CURVE3, Outline.CURVE3]
    return Outline([*points, corners[-1]], [*codes, Outline.LINETO])


def towards(place: Place, other: Place, distance: float) -> Place:
    length = max(abs(other[0] - place[0]), abs(other[1] - place[1]), 1e-9)
    part = min(distance / length, 0.5)
    return (place[0] + part * (other[0] - place[0]), place[1] + part * (other[1] - place[1]))


def shifted(place: Place, origin: Place) -> Place:
    return place[0] + origin[0], place[1] + origin[1]


def rounded(place: Place, size: Place, colour: str) -> FancyBboxPatch:
    corner = (place[0] - size[0] / 2, place[1] - size[1] / 2)
    style = f"round,pad=0,rounding_size={min(0.06, size[1] / 5)}"
    return FancyBboxPatch(corner, *size, boxstyle=style, fc=colour, ec="none", zorder=2)


def draw_legend(axes: Axes, panels: Sequence[Panel]) -> None:
    """Explain the colours, signs and arrows that occur."""
    marks = [mark for panel in panels for mark in panel.marks.values()]
    colours = {arrow.colour for panel in panels for arrow in panel.arrows}
    x = 0.16
    for role in (r for r in ROLES if r != "join" and any(mark.role == r for mark in marks)):
        axes.add_patch(rounded((x, 0.14), (0.14, 0.14), ROLES[role]))
        x = legend_text(axes, x, role)
    for colour, text in ((COARSER, "to coarser"), (FINER, "to finer")):
        if colour in colours:
            arrow: dict[str, Any] = {"color": colour, **LINE}
            axes.add_patch(FancyArrowPatch((x - 0.1, 0.14), (x + 0.12, 0.14), **arrow))
            x = legend_text(axes, x, text)
    for sign, text in SIGNS.items():
        if any(mark.text == sign for mark in marks):
            axes.text(x, 0.14, sign, ha="center", **{**FONT, "size": 11})
            x = legend_text(axes, x, text)


def legend_text(axes: Axes, x: float, text: str) -> float:
    axes.text(x + 0.16, 0.14, text, **FONT)
    return x + 0.44 + 0.064 * len(text)
