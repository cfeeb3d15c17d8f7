"""What is in an annotation: a description for people and for programs."""

from collections import Counter
from pathlib import Path
from typing import Any

from napari_ziggurat.classes import EXPLICIT_BACKGROUND, default_classes
from napari_ziggurat.geometry import Spacing
from napari_ziggurat.images.annotation_store import AnnotationStore

__all__ = ["describe_annotation", "render_annotation"]


def describe_annotation(path: Path) -> dict[str, Any]:
    """Describe an annotation as JSON; the chunks that exist are read once.

    Returns
    -------
    dict
        ``path``, ``image``, ``source``, ``level``, ``axes``, ``shape``, ``spacing``, ``unit``,
        ``translation``, ``created``, ``classes`` (``value``, ``name``, ``color``, ``voxels``),
        ``background`` (voxels), and ``history``: ``strokes`` by kind, ``people`` (strokes of
        each), ``first``, ``last``, ``contradicted`` (voxels that got another label) and
        ``unreadable`` (damaged lines).
    """
    store = AnnotationStore.open(path)
    drawn = store.drawn_on
    return {
        "path": str(path),
        "image": drawn.image,
        "source": drawn.source,
        "level": drawn.level,
        "axes": store.axes.names,
        "shape": list(store.shape),
        "spacing": list(drawn.spacing),
        "unit": drawn.unit,
        "translation": list(drawn.translation),
        "created": drawn.created,
        **_voxels(store),
        "history": _history(store),
    }


def _voxels(store: AnnotationStore) -> dict[str, Any]:
    counts = store.counts()
    background = counts.pop(EXPLICIT_BACKGROUND, 0)
    named = {each.value: each for each in store.classes}
    values = sorted({*counts, *named})
    classes = [named.get(usual.value, usual) for usual in default_classes(values)]
    listed = [
        {"value": c.value, "name": c.name, "color": c.color, "voxels": counts.get(c.value, 0)}
        for c in classes
    ]
    return {"classes": listed, "background": background}


def _history(store: AnnotationStore) -> dict[str, Any]:
    kinds: Counter[str] = Counter()
    people: Counter[str] = Counter()
    (first, last, contradicted) = (None, None, 0)
    for record in store.history():
        kinds[record.kind] += 1
        people[record.who] += 1
        contradicted += record.contradicted
        (first, last) = (first or record.when, record.when)
    return {
        "strokes": dict(kinds),
        "people": dict(people),
        "first": first,
        "last": last,
        "contradicted": contradicted,
        "unreadable": store.unreadable_history(),
    }


def render_annotation(found: dict[str, Any]) -> str:
    """Lay out what `describe_annotation` gives as lines of text."""
    history = found["history"]
    shape = " x ".join(map(str, found["shape"]))
    strokes = ", ".join(f"{n} {kind}" for kind, n in history["strokes"].items()) or "none yet"
    people = ", ".join(f"{who} ({n})" for who, n in history["people"].items()) or "nobody"
    rows = [
        ("annotation", found["path"]),
        ("image", f"{found['source'] or found['image']}, level {found['level']}"),
        ("shape", f"{shape} ({found['axes']})"),
        ("spacing", str(Spacing(tuple(found["spacing"]), found["unit"]))),
        *((f"class {c['value']}", f"{c['voxels']} voxels, {c['name']}, {c['color']}")
          for c in found["classes"]),
        ("background", f"{found['background']} voxels"),
        ("history", strokes),
        ("by", people),
    ]  # fmt: skip
    if history["first"]:
        rows.append(("when", f"{history['first']} to {history['last']}"))
    if history["contradicted"]:
        rows.append(("changed", f"{history['contradicted']} voxels from one label to another"))
    lines = [f"{name:<11} {value}" for name, value in rows]
    if history["unreadable"]:
        lines.append(
            f"{history['unreadable']} line(s) of the history are damaged; the voxels are not."
        )
    return "\n".join(lines)
