"""Ask whether suggested boxes hold more errors than random ones, and whether labelling them helps.

A network is taught on a small drawn plane and looks at a larger one of another seed. What is wrong
there is counted in the boxes that `ziggurat suggest` names and in all of them. Then as many boxes
are labelled, suggested ones or random ones, the network is taught on with both planes, and scored
on a third plane.

With --scores it counts instead what is wrong in the boxes of the highest score, for several scores.

    python benchmarks/suggest.py [--scores] [SEEDS] [NETWORK ...]
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from napari_ziggurat.evaluation.metrics import Confusion
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import image_from_array
from napari_ziggurat.images.samples import Drawn, draw_plane
from napari_ziggurat.networks import load_model
from napari_ziggurat.networks.uncertainty import UncertainNetwork
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import SuggestConfig, TrainConfig
from napari_ziggurat.runs.predict import predict_box
from napari_ziggurat.runs.suggest import suggest
from napari_ziggurat.runs.train import train

SIDE, SIZE, COUNT, STEPS = 768, 48, 10, 150
BACKGROUND = 255


def main() -> None:
    given = [each for each in sys.argv[1:] if each != "--scores"]
    seeds = int(given[0]) if given else 3
    runs = [(n, s) for n in given[1:] or ["residual_unet", "unetpp", "fpn"] for s in range(seeds)]
    if "--scores" in sys.argv:
        compare_scores(runs)
    else:
        compare_boxes(runs)


def compare_boxes(runs: Sequence[tuple[str, int]]) -> None:
    print("| network | seed | wrong, all | in suggested | in the worst | Dice before "
          "| suggested labelled | random labelled |")  # fmt: skip
    print("| --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for network, seed in runs:
        wrong, dice = measure(network, seed)
        cells = [f"{value:.1%}" for value in wrong] + [f"{value:.3f}" for value in dice]
        print(f"| {network} | {seed} | {' | '.join(cells)} |", flush=True)


def compare_scores(runs: Sequence[tuple[str, int]]) -> None:
    found = [scores(network, seed) for network, seed in runs]
    for name in found[0]:
        print(f"{name}: {np.mean([each[name] for each in found]):.2f} times as many wrong")


def scores(network: str, seed: int) -> dict[str, float]:
    """Say for each score how many more voxels than on average are wrong where it is highest."""
    with tempfile.TemporaryDirectory() as folder:
        first, plane = draw_plane((288, 288), seed + 100), draw_plane((SIDE, SIDE), seed + 200)
        save(Path(folder) / "first", first, annotation(first, [Box.whole((288, 288))]))
        model = taught(Path(folder) / "model", [Path(folder) / "first"], network=network)
        wrong = labels_of(model, plane) != plane.labels
        network_, intensity = load_model(model).network, load_model(model).spec.intensity
    with torch.inference_mode():
        x = torch.from_numpy(intensity.apply(plane.image[None]))[None]
        best = network_(x).softmax(dim=1)[0]
        entropy, disagreement = UncertainNetwork(network_)(x)[0, -2:].numpy()
    own = (torch.special.entr(best).sum(0) / np.log(len(best))).numpy()
    maps = {"entropy of the best output": own, "entropy of the mean": entropy,
            "disagreement": disagreement, "both": (entropy + disagreement) / 2}  # fmt: skip
    found = {f"{name}, mean": highest(each, wrong, 1.0) for name, each in maps.items()}
    return found | {f"{n}, top tenth": highest(each, wrong, 0.1) for n, each in maps.items()}


def highest(values: NDArray[np.float32], wrong: NDArray[np.bool_], part: float) -> float:
    boxes = squares()
    means = []
    for box in boxes:
        inside = np.sort(values[box.slices].ravel())
        means.append(inside[-int(len(inside) * part) :].mean())
    shares = np.array([wrong[box.slices].mean() for box in boxes])
    return float(shares[np.argsort(means)[-COUNT:]].mean() / wrong.mean())


def squares() -> list[Box]:
    return [Box((y, x), (y + SIZE, x + SIZE))
            for y in range(0, SIDE, SIZE) for x in range(0, SIDE, SIZE)]  # fmt: skip


def measure(network: str, seed: int) -> tuple[list[float], list[float]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first, plane, test = (
            draw_plane((n, n), seed + k) for n, k in ((288, 100), (SIDE, 200), (SIDE, 300))
        )
        save(folder / "first", first, annotation(first, [Box.whole((288, 288))]))
        model = taught(folder / "model", [folder / "first"], network=network)
        wrong = labels_of(model, plane) != plane.labels
        save(folder / "plane", plane, annotation(plane, []))
        found = finish(
            suggest(
                SuggestConfig(
                    image=folder / "plane.npy", model=model, axes="yx", size=(SIZE, SIZE),
                    count=COUNT, device="cpu",
                )
            )
        )  # fmt: skip
        boxes = [Box.parse(each.box) for each in found.boxes]
        every = squares()
        shares = np.sort([wrong[box.slices].mean() for box in every])
        held = float(np.mean([wrong[box.slices].mean() for box in boxes]))
        drawn = np.random.default_rng(seed).choice(len(every), len(boxes), replace=False)
        dice = [score(model, test)]
        for chosen in (boxes, [every[n] for n in drawn]):
            name = f"more{len(dice)}"
            save(folder / name, plane, annotation(plane, chosen))
            both = [folder / "first", folder / name]
            dice.append(score(taught(folder / f"model{len(dice)}", both, from_model=model), test))
        return [float(wrong.mean()), held, float(shares[-COUNT:].mean())], dice


def annotation(drawn: Drawn, boxes: Sequence[Box]) -> NDArray[np.uint8]:
    found = np.zeros_like(drawn.labels)
    for box in boxes:
        there = drawn.labels[box.slices]
        found[box.slices] = np.where(there == 0, BACKGROUND, there)
    return found


def save(path: Path, drawn: Drawn, painted: NDArray[np.uint8]) -> None:
    np.save(path.with_suffix(".npy"), drawn.image)
    np.save(path.with_name(f"{path.name}_annotation.npy"), painted)


def taught(out: Path, planes: Sequence[Path], **more: object) -> Path:
    fresh = {"features": 8, "depth": 4} if "network" in more else {}
    config = TrainConfig(
        image=[path.with_suffix(".npy") for path in planes],
        annotation=[path.with_name(f"{path.name}_annotation.npy") for path in planes],
        out=out, axes="yx", steps=STEPS, patch=(96, 96), batch=4, learning_rate=4e-3,
        class_shares="painted", device="cpu", **fresh | more,
    )  # fmt: skip
    finish(train(config))
    return out


def labels_of(model: Path, drawn: Drawn) -> NDArray[np.uint8]:
    image = image_from_array(drawn.image, axes="yx")
    return finish(
        predict_box(image, load_model(model), 0, Box.whole(drawn.image.shape), device="cpu")
    )


def score(model: Path, drawn: Drawn) -> float:
    found = Confusion.count(drawn.labels, labels_of(model, drawn)).mean_dice
    return found or 0.0


if __name__ == "__main__":
    main()
