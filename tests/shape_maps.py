"""Maps with shape channels, as a model for instances gives them, drawn instead of predicted."""

from pathlib import Path

import numpy as np
from scipy import ndimage

from napari_ziggurat.geometry import Axes, Spacing
from napari_ziggurat.images import OutputGrid, create_output


def drawn_balls(shape: tuple[int, ...], count: int, radius: float, seed: int = 0) -> np.ndarray:
    """Balls that touch but hardly overlap: ids, int64; where they do, each gets what is nearer."""
    rng, ids, best = np.random.default_rng(seed), np.zeros(shape, np.int64), np.ones(shape)
    centres: list[np.ndarray] = []
    places = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    for _ in range(count * 50):
        centre = rng.uniform(0, shape)
        if all(np.linalg.norm(centre - other) > 1.6 * radius for other in centres):
            centres.append(centre)
            far = np.linalg.norm(places - centre, axis=-1) / radius
            nearer = far < best
            ids[nearer], best[nearer] = len(centres), far[nearer]
        if len(centres) == count:
            break
    return ids


def shapes_of(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boundary and normalised distance of objects, as a perfect network tells them."""
    distance, near = np.zeros(ids.shape), np.zeros(ids.shape)
    for each in np.unique(ids[ids > 0]):
        inside = ndimage.distance_transform_edt(np.pad(ids == each, 1))
        inside = inside[tuple(slice(1, -1) for _ in ids.shape)]
        distance += inside / inside.max()
        near += (inside > 0) & (inside <= 1)
    return np.clip(near, 0, 1), distance


def write_map(
    path: Path,
    ids: np.ndarray,
    *,
    shapes: tuple[str, ...] = ("boundary", "distance"),
    dtype: type = np.uint8,
    spacing: tuple[float, ...] | None = None,
    **record: object,
) -> Path:
    """Write what ``segment --probabilities`` writes with a model that tells shapes."""
    boundary, distance = shapes_of(ids)
    known = {"boundary": boundary, "distance": distance}
    foreground = np.where(ids > 0, 0.9, 0.05)
    channels = np.stack([1 - foreground, foreground, *(known[name] for name in shapes)])
    if dtype is np.uint8:
        channels = np.rint(channels * 255)
    axes, size = "c" + "zyx"[-ids.ndim :], spacing or (1.0,) * ids.ndim
    grid = OutputGrid(
        Axes(axes), channels.shape, np.dtype(dtype), Spacing(size, "um"), (0.0,) * ids.ndim,
        (1, *ids.shape), channels.shape,
    )  # fmt: skip
    classes = [
        {"value": v, "name": n, "color": "#ffffff"} for v, n in ((0, "background"), (1, "object"))
    ]
    told = {"content": "probabilities", "classes": classes, "shapes": list(shapes), **record}
    names = ["background", "object", *shapes]
    made = create_output(path, grid, kind="image", channels=names, attributes={"ziggurat": told})
    made[0][:] = channels.astype(dtype)
    return path
