"""Make the picture of docs/evaluate.md: scores by size and the worst objects of a drawn plane.

python tools/evaluate_picture.py
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from explain_pictures import shrink
from suggest_picture import SIDE, taught

from napari_ziggurat.geometry import Box
from napari_ziggurat.images import image_from_array
from napari_ziggurat.images.samples import draw_plane
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import EvaluateConfig
from napari_ziggurat.runs.evaluate import evaluate
from napari_ziggurat.runs.predict import predict_box

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "evaluate.png"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=PICTURE)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder))
        shrink(Path(folder) / "picture.png", options.out)


def draw(folder: Path) -> None:
    """Segment a plane with a small network, and score the connected pieces of each class."""
    plane = draw_plane((SIDE, SIDE), seed=0)
    image = image_from_array(plane.image, axes="yx", spacing=(0.5, 0.5), unit="um")
    labels = finish(predict_box(image, taught(folder), 0, Box.whole(plane.image.shape)))
    for name, array in (("found", labels), ("truth", plane.labels), ("plane", plane.image)):
        np.save(folder / f"{name}.npy", array)
    config = EvaluateConfig(
        prediction=folder / "found.npy", labels=folder / "truth.npy", objects="components",
        spacing=(0.5, 0.5), unit="um", figure=folder / "picture.png", image=folder / "plane.npy",
    )  # fmt: skip
    print(finish(evaluate(config)).render())


if __name__ == "__main__":
    main()
