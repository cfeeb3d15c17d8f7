"""Make the picture of docs/instances.md: what is learned of drawn objects that touch.

python tools/instances_picture.py
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from explain_pictures import shrink
from numpy.typing import NDArray

from napari_ziggurat.images import open_output
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import SegmentConfig, TrainConfig
from napari_ziggurat.runs.explain.figure import DARK, LIGHT, new_figure
from napari_ziggurat.runs.segment import segment
from napari_ziggurat.runs.train import train

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "instances.png"
SIDE = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=PICTURE)
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed, part in enumerate(("learned", "new")):
            ids = draw_cells(seed)
            np.save(folder / f"{part}_ids.npy", ids)
            np.save(folder / f"{part}.npy", draw_image(ids, seed))
        config = TrainConfig(
            image=folder / "learned.npy", labels=folder / "learned_ids.npy", out=folder / "model",
            task="instance", axes="yx", steps=options.steps, patch=(96, 96), batch=4, features=8,
            depth=4, spacing=(0.5, 0.5), unit="um",
        )  # fmt: skip
        print(finish(train(config)).render())
        chosen = SegmentConfig(
            image=folder / "new.npy", model=folder / "model", out=folder / "new.ome.zarr",
            probabilities=True, axes="yx", spacing=(0.5, 0.5), unit="um",
        )  # fmt: skip
        finish(segment(chosen))
        found = open_output(folder / "new_probabilities.ome.zarr")[0][:]
        draw(np.load(folder / "new.npy"), found, folder / "picture.png")
        shrink(folder / "picture.png", options.out)


def draw_cells(seed: int) -> NDArray[np.uint16]:
    """Draw cells that touch: the voxels that are nearest to each of many points, and not far."""
    rng, places = np.random.default_rng(seed), np.indices((SIDE, SIDE))
    centres = rng.uniform(0, SIDE, (110, 2))
    away = np.stack([np.hypot(*(places - c[:, None, None])) for c in centres])
    ids = away.argmin(0) + 1
    return np.where(away.min(0) < 12, ids, 0).astype(np.uint16)


def draw_image(ids: NDArray[np.uint16], seed: int) -> NDArray[np.uint8]:
    """Give each cell a brightness of its own, a little less at its rim, and noise."""
    rng = np.random.default_rng(seed)
    grey = np.concatenate([[35], rng.uniform(110, 190, int(ids.max()))])[ids]
    edges = np.zeros(ids.shape, bool)
    for axis in (0, 1):
        edges |= ids != np.roll(ids, 1, axis)
    grey = np.where(edges & (ids > 0), 0.8 * grey, grey)
    return np.clip(grey + rng.normal(0, 14, ids.shape), 0, 255).astype(np.uint8)


def draw(image: NDArray[np.uint8], found: NDArray[np.float32], path: Path) -> None:
    """Show the image and the three maps of what is in it."""
    figure = new_figure(13.0, 3.6)
    titles = ("image", "object", "boundary", "distance")
    panels = zip(figure.subplots(1, 4, gridspec_kw={"wspace": 0.03}), titles, strict=True)
    for (panel, title), values in zip(panels, (image, *found[1:]), strict=True):
        panel.imshow(values, cmap="gray", vmin=0, vmax=255 if title == "image" else 1)
        panel.set_title(title, color=LIGHT, fontsize=12)
        panel.set_xticks([])
        panel.set_yticks([])
    figure.savefig(path, dpi=100, facecolor=DARK, bbox_inches="tight")


if __name__ == "__main__":
    main()
