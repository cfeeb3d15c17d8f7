"""Make the picture of docs/suggest.md: a plane, how unsure a model is of it, and what is suggested.

python tools/suggest_picture.py
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from explain_pictures import shrink
from matplotlib.patches import Rectangle

from napari_ziggurat.geometry import Box
from napari_ziggurat.images import image_from_array
from napari_ziggurat.images.samples import draw_plane
from napari_ziggurat.networks import Model, load_model
from napari_ziggurat.networks.uncertainty import UncertainNetwork
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import SuggestConfig, TrainConfig
from napari_ziggurat.runs.pictures import DARK, LIGHT, new_figure
from napari_ziggurat.runs.predict import predict_box
from napari_ziggurat.runs.suggest import suggest_boxes
from napari_ziggurat.runs.train import train

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "suggest.png"
SIDE, SIZE, COUNT = 576, 64, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=PICTURE)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = taught(Path(folder))
        draw(model, Path(folder) / "picture.png")
        shrink(Path(folder) / "picture.png", options.out)


def taught(folder: Path) -> Model:
    """Teach a small network on a small plane."""
    plane = draw_plane((288, 288), seed=10)
    np.save(folder / "image.npy", plane.image)
    np.save(folder / "labels.npy", plane.labels)
    config = TrainConfig(
        image=[folder / "image.npy"], labels=[folder / "labels.npy"], out=folder / "model",
        axes="yx", steps=150, patch=(96, 96), features=8, depth=4, batch=4, learning_rate=4e-3,
    )  # fmt: skip
    finish(train(config))
    return load_model(folder / "model")


def draw(model: Model, path: Path) -> None:
    """Show another plane with what is wrong, and with its entropy; the boxes on both."""
    plane = draw_plane((SIDE, SIDE), seed=0)
    image = image_from_array(plane.image, axes="yx", spacing=(0.5, 0.5), unit="um")
    labels = finish(predict_box(image, model, 0, Box.whole(plane.image.shape)))
    config = SuggestConfig(image="-", model="-", count=COUNT, size=(SIZE, SIZE))
    result = finish(suggest_boxes(image, model, config))
    with torch.inference_mode():
        window = torch.from_numpy(model.spec.intensity.apply(plane.image[None]))[None]
        entropy = UncertainNetwork(model.network)(window)[0, -2].numpy()
    print(result.render())
    figure = new_figure(12.4, 6.4)
    left, right = figure.subplots(1, 2, gridspec_kw={"wspace": 0.03})
    left.imshow(plane.image, cmap="gray")
    wrong = np.ma.masked_equal(labels != plane.labels, 0)
    left.imshow(wrong, cmap="autumn", vmin=0, vmax=3, interpolation="nearest")
    right.imshow(entropy, cmap="inferno", vmin=0, vmax=1)
    for panel, title in ((left, "red: labelled wrongly"), (right, "entropy")):
        panel.set_axis_off()
        panel.set_title(title, color=LIGHT, fontsize=12)
        for each in result.boxes:
            box = Box.parse(each.box)
            (y, x), (high, wide) = box.start, box.shape
            panel.add_patch(Rectangle((x, y), wide, high, fill=False, color="#66ccee", lw=1.8))
            panel.text(x + 5, y + 5, str(each.rank), color="#66ccee", fontsize=12, va="top",
                       fontweight="bold")  # fmt: skip
    figure.savefig(path, dpi=80, facecolor=DARK, bbox_inches="tight")


if __name__ == "__main__":
    main()
