"""Search: repeatable, resumable, honest about chance, and what it finds can be trained."""

import itertools
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conftest import DrawnVolume
from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.networks import load_model
from napari_ziggurat.networks.necks.genotype import fault
from napari_ziggurat.progress import finish
from napari_ziggurat.runs import search as search_module
from napari_ziggurat.runs.config import SearchConfig, TrainConfig
from napari_ziggurat.runs.search import search
from napari_ziggurat.runs.search.result import SearchResult
from napari_ziggurat.runs.train import train

SMALL = {"steps": 2, "patch": (16, 16), "batch": 1, "features": 2, "depth": 2}


@pytest.fixture
def folder(tmp_path: Path, drawn_volume: DrawnVolume) -> Path:
    """A plane, its labels, and another pair to validate on."""
    for name, z in (("image", 8), ("val", 4)):
        np.save(tmp_path / f"{name}.npy", drawn_volume.image[z])
        np.save(tmp_path / f"{name}_labels.npy", drawn_volume.labels[z])
    return tmp_path


def configured(folder: Path, **more: Any) -> SearchConfig:
    values = {
        "image": folder / "image.npy",
        "labels": folder / "image_labels.npy",
        "out": folder / "search",
        "candidates": 3,
    }
    return SearchConfig.model_validate(values | SMALL | more)


def lines(out: Path) -> list[dict[str, Any]]:
    """What the log says, without the time that depends on the machine."""
    found = [json.loads(line) for line in (out / "candidates.jsonl").read_text().splitlines()]
    assert all(line.pop("seconds") > 0 for line in found)
    return found


def test_a_search_logs_all_it_tries_and_what_it_finds_is_trained(folder: Path) -> None:
    result = finish(search(configured(folder)))
    log = lines(folder / "search")
    assert [(line["number"], line["seed"]) for line in log[:5]] == [
        (0, 0), (1, 0), (2, 0), (0, 1), (2, 1) if result.best != result.first else (0, 2)
    ]  # fmt: skip
    assert len({json.dumps(line["genotype"]) for line in log[:3]}) == 3
    assert all(line["steps"] == 2 and 0 <= line["score"] <= 1 for line in log)
    assert result.best[0] == max(line["score"] for line in log[:3])
    first = [line["score"] for line in log if line["number"] == 0]
    assert result.noise == pytest.approx(np.std(first, ddof=1))
    assert len(first) == 3
    words = shlex.split(result.next_command)
    assert words[:2] == ["ziggurat", "train"]
    pairs = dict(itertools.pairwise(words))
    assert pairs["--network"] == result.network
    config = TrainConfig(
        image=(Path(pairs["--image"]),),
        labels=(Path(pairs["--labels"]),),
        network=pairs["--network"],
        depth=int(pairs["--depth"]),
        patch=(16, 16),
        out=folder / "model",
        steps=1,
        batch=1,
        features=4,
    )
    finish(train(config))
    Path(result.network).unlink()  # the model needs it no more
    network = load_model(folder / "model").spec.network.model_dump()
    assert network["name"] == "network.yaml"
    assert network["neck"]["genotype"] == result.genotype
    assert network["neck"]["repeats"] == 3  # candidates have one


def test_a_seeded_search_repeats_bit_for_bit(folder: Path) -> None:
    for name, seed in (("one", 5), ("two", 5), ("other", 6)):
        finish(search(configured(folder, out=folder / name, seed=seed)))
    assert lines(folder / "one") == lines(folder / "two")
    assert lines(folder / "one") != lines(folder / "other")


@pytest.mark.parametrize("torn", ["", '{"number": 1, "geno'])
def test_an_interrupted_search_goes_on_and_tries_the_same(folder: Path, torn: str) -> None:
    finish(search(configured(folder, out=folder / "calm")))
    run = search(configured(folder))
    for progress in run:
        if progress.message.startswith("pyramid 1"):
            break
    run.close()
    assert len(lines(folder / "search")) == 2
    assert (folder / "search" / "network.yaml").exists()
    with (folder / "search" / "candidates.jsonl").open("a") as file:
        file.write(torn)
    messages = [p.message for p in search(configured(folder))]
    assert any("going on after 2 trials" in message for message in messages)
    assert lines(folder / "search") == lines(folder / "calm")


def test_a_search_can_be_made_longer(folder: Path) -> None:
    finish(search(configured(folder, candidates=2)))
    result = finish(search(configured(folder, candidates=3)))
    assert result.candidates == 3
    again = finish(search(configured(folder, candidates=3)))
    assert again == result


def test_another_search_is_refused_unless_it_may_be_replaced(folder: Path) -> None:
    finish(search(configured(folder, candidates=1)))
    before = (folder / "search" / "candidates.jsonl").read_text()
    with pytest.raises(ExistsError, match=r"different seed, steps.*--overwrite"):
        finish(search(configured(folder, steps=3, seed=4)))
    np.save(folder / "image_labels.npy", np.load(folder / "image_labels.npy")[::-1])
    with pytest.raises(ExistsError, match="different content of the labels"):
        finish(search(configured(folder, candidates=1)))
    assert (folder / "search" / "candidates.jsonl").read_text() == before
    finish(search(configured(folder, candidates=1, overwrite=True)))
    assert (folder / "search" / "candidates.jsonl").read_text() != before


def test_files_of_something_else_are_not_replaced(folder: Path) -> None:
    (folder / "network.yaml").write_text("neck: fpn\n")
    with pytest.raises(ExistsError, match=r"network\.yaml' is of no search"):
        finish(search(configured(folder, out=folder)))


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("unet", "has neck 'unet'.*--network nas_fpn"),
        ("monai_dynunet", "not composed of parts"),
        ("file", "has neck 'fpn'"),
    ],
)
def test_a_network_without_such_a_neck_is_refused(folder: Path, network: str, words: str) -> None:
    (folder / "net.yaml").write_text("neck: fpn\n")
    name = str(folder / "net.yaml") if network == "file" else network
    with pytest.raises(InputError, match=words):
        finish(search(configured(folder, network=name)))
    assert not (folder / "search").exists()


def test_parts_of_a_file_are_searched_and_kept(folder: Path) -> None:
    (folder / "net.yaml").write_text("encoder: plain\nneck: {kind: nas_fpn, repeats: 2}\n")
    more = {"network": str(folder / "net.yaml"), "random_start": True, "candidates": 1}
    finish(search(configured(folder, **more)))
    found = (folder / "search" / "network.yaml").read_text()
    assert "encoder: {kind: plain" in found
    assert "repeats: 2" in found
    start = lines(folder / "search")[0]["genotype"]
    assert start != [["sum", 1, 0, 0, True], ["gp", 2, 1, 1, True]]
    assert len(start) == 2


def test_validation_images_are_what_is_scored(folder: Path, monkeypatch: Any) -> None:
    seen = []

    def score(_network: object, volumes: Any, *_more: object, **_named: object) -> dict[int, float]:
        seen.extend(volume.image.name for volume in volumes)
        return {1: 0.25, 2: 0.75}

    monkeypatch.setattr(search_module, "validate", score)
    more = {"val_image": folder / "val.npy", "val_labels": folder / "val_labels.npy"}
    result = finish(search(configured(folder, candidates=1, **more)))
    assert set(seen) == {"val"}
    assert result.first[0] == 0.5
    np.save(folder / "val_labels.npy", np.zeros((64, 64), np.uint8))
    with pytest.raises(InputError, match="background only"):
        finish(search(configured(folder, candidates=1, out=folder / "other", **more)))


def test_candidates_begin_with_the_same_weights(folder: Path, monkeypatch: Any) -> None:
    begun = []

    def keep(trainee: Any, *_more: object) -> Any:
        begun.append({k: v.clone() for k, v in trainee.network.encoder.state_dict().items()})
        return fit(trainee, *_more)

    fit = search_module.fit
    monkeypatch.setattr(search_module, "fit", keep)
    finish(search(configured(folder, candidates=2)))
    assert all(torch.equal(value, begun[1][key]) for key, value in begun[0].items())
    assert any(not torch.equal(value, begun[2][key]) for key, value in begun[0].items())


@pytest.mark.parametrize(
    ("pace", "candidates", "trials"),
    [(1.0, 55, 57), (6.0, 10, 10), (100.0, 1, 1)],
    ids=["long", "short", "one"],
)
def test_time_is_kept_back_for_repeats_where_there_is_much(
    folder: Path, monkeypatch: Any, pace: float, candidates: int, trials: int
) -> None:
    """Trials that take so many seconds, each scored lower than the one before."""

    def quick(_bench: object, climb: Any, candidate: Any) -> Any:
        yield from ()
        return climb.add(candidate, 1, pace, 1 / (1 + len(climb.trials)))

    monkeypatch.setattr(search_module, "_try", quick)
    more = {"candidates": None, "minutes": 1, "depth": 3}
    result = finish(search(configured(folder, **more)))
    assert result.candidates == candidates
    assert len(lines(folder / "search")) == trials
    assert fault(result.genotype, 3) is None


def outcome(first: tuple[float, ...], best: tuple[float, ...], **more: Any) -> str:
    values = {"network": "n.yaml", "candidates": 5, "steps": 9, "seconds": 1.0, "genotype": ()}
    same = {"best_is_first": best is first, "next_command": "ziggurat train"}
    return SearchResult(first=first, best=best, **values | same | more).render()


def test_what_may_be_chance_is_called_so() -> None:
    first = (0.80, 0.82, 0.78)
    assert "gains +0.010 and -0.010: less than the spread" in outcome(first, (0.9, 0.83, 0.77))
    assert "gains +0.080 and +0.120: more than the spread" in outcome(first, (0.9, 0.9, 0.9))
    assert "gains -0.020: less" in outcome(first, (0.9, 0.8))
    assert "none was better" in outcome(first, first)
    assert "was not measured" in outcome((0.8,), (0.9,))
    assert "Only the first was tried" in outcome((0.8,), (0.8,), candidates=1)
