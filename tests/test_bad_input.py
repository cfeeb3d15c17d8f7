"""Bad input ends in one clear sentence on stderr and exit code 2, and nothing is lost."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_ziggurat.cli import app

SHAPE = (40, 48)
SMALL = ["--steps", "2", "--patch", "16,16", "--depth", "2", "--features", "4", "--batch", "2"]
TINY_3D = ["--steps", "2", "--patch", "8,16,16", "--depth", "2", "--features", "4", "--batch", "1"]


def ziggurat(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def assert_refused(result, *words: str) -> None:
    """One sentence, in words, as the last line on stderr; nothing on stdout."""
    assert result.exit_code == 2, result.output
    last = result.stderr.strip().splitlines()[-1]
    assert [word for word in words if word not in last] == [], last
    assert last.endswith((".", "?"))
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def grey(shape=SHAPE, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype)


def squares(shape=SHAPE):
    labels = np.zeros(shape, np.uint8)
    labels[..., 4:20, 4:20] = 1
    labels[..., 24:36, 24:40] = 2
    return labels


class Files:
    """Writes images into a folder and gives back their paths."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def tif(self, name: str, array: np.ndarray, **more: object) -> Path:
        path = self.folder / f"{name}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, array, **more)
        return path

    def npy(self, name: str, array: np.ndarray) -> Path:
        path = self.folder / f"{name}.npy"
        np.save(path, array)
        return path

    def text(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    @property
    def image(self) -> Path:
        return self.tif("image", grey())

    @property
    def labels(self) -> Path:
        return self.tif("labels", squares())


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model for 2D images with one channel and two classes, hardly trained."""
    files = Files(tmp_path_factory.mktemp("model"))
    out = files.folder / "model"
    result = ziggurat(
        "train", "--image", files.image, "--labels", files.labels, "--out", out, *SMALL
    )
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture
def model(trained, tmp_path):
    """A copy of the model that a test may break."""
    return Path(shutil.copytree(trained, tmp_path / "model"))


class Case(NamedTuple):
    """Arguments made from files, and words of the sentence."""

    arguments: Callable[[Files], list[object]]
    words: tuple[str, ...]


def train(image, labels, *more, kind="--labels"):
    return ["train", "--image", image, kind, labels, *SMALL, "--out", image.parent / "new", *more]


def empty_folder(files):
    folder = files.folder / "empty"
    folder.mkdir()
    return folder


def unmatched(files):
    for folder, names in (("images", "abc"), ("labels", "abd")):
        for name in names:
            files.tif(f"{folder}/{name}", squares())
    return train(files.folder / "images", files.folder / "labels")


def truncated(files):
    path = files.tif("broken", grey((200, 200)), compression="zlib")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def group_without_multiscales(files):
    files.text("plain.zarr/zarr.json", '{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    return files.folder / "plain.zarr"


def strokes(value):
    labels = np.zeros(SHAPE, np.uint8)
    labels[4:8, 4:20] = value
    return labels


def with_nan():
    image = grey(dtype=np.float32)
    image[0, :3] = np.nan
    image[1, 0] = np.inf
    return image


TRAINING = {
    "a missing image": Case(
        lambda f: train(f.folder / "nowhere.tif", f.labels), ("no file", "nowhere.tif")
    ),
    "missing labels": Case(
        lambda f: train(f.image, f.folder / "nowhere.tif"), ("no file", "nowhere.tif")
    ),
    "a folder without images": Case(
        lambda f: train(empty_folder(f), f.labels), ("empty", "no image")
    ),
    "files without a partner": Case(unmatched, ("c.tif", "d.tif", "name")),
    "labels of another shape": Case(
        lambda f: train(f.image, f.tif("labels", squares()[:, 1:])), ("(40, 47)", "(40, 48)")
    ),
    "labels above 254": Case(
        lambda f: train(f.image, f.tif("labels", squares().astype(np.uint16) * 300)),
        ("600", "--task foreground"),
    ),
    "labels that are no integers": Case(
        lambda f: train(f.image, f.tif("labels", squares() + np.float32(0.5))), ("0.5", "labels")
    ),
    "negative labels": Case(
        lambda f: train(f.image, f.tif("labels", squares().astype(np.int16) - 1)), ("-1",)
    ),
    "labels with channels": Case(
        lambda f: train(f.image, f.tif("labels", np.dstack([squares()] * 3), photometric="rgb")),
        ("3", "channel"),
    ),
    "annotation with one class": Case(
        lambda f: train(f.image, f.tif("strokes", strokes(1)), kind="--annotation"), ("class",)
    ),
    "annotation with background alone": Case(
        lambda f: train(f.image, f.tif("strokes", strokes(255)), kind="--annotation"), ("class",)
    ),
    "an empty annotation": Case(
        lambda f: train(f.image, f.tif("strokes", strokes(0)), kind="--annotation"),
        ("strokes", "empty"),
    ),
    "labels without any class": Case(
        lambda f: train(f.image, f.tif("labels", strokes(0))), ("class",)
    ),
    "NaN and infinite voxels": Case(
        lambda f: train(f.tif("image", with_nan()), f.labels), ("4 voxels", "--nan-as")
    ),
    "a level that does not exist": Case(lambda f: train(f.image, f.labels, "--level", 3), ("3",)),
    "an unknown network": Case(
        lambda f: train(f.image, f.labels, "--network", "vnet"), ("'vnet'", "residual_unet")
    ),
    "an unknown device": Case(
        lambda f: train(f.image, f.labels, "--device", "tpu"), ("'tpu'", "cuda", "cpu")
    ),
    "an output below a file": Case(
        lambda f: train(f.image, f.labels, "--out", f.image / "model"), ("image.tif",)
    ),
    "an output that is a file": Case(
        lambda f: train(f.image, f.labels, "--out", f.image), ("image.tif", "--out")
    ),
    "a starting model that is missing": Case(
        lambda f: train(f.image, f.labels, "--from", f.folder / "nowhere"), ("nowhere",)
    ),
    "a patch of other dimension": Case(
        lambda f: train(f.image, f.labels, "--patch", "8,16,16"), ("patch", "2")
    ),
    "three dimensions of a plane": Case(
        lambda f: train(f.image, f.labels, "--dims", 3), ("3", "2")
    ),
    "both minutes and steps": Case(
        lambda f: train(f.image, f.labels, "--minutes", 1), ("--minutes", "--steps")
    ),
}

OPENING = {
    "a missing file": Case(
        lambda f: ["info", f.folder / "nowhere.tif"], ("no file", "nowhere.tif")
    ),
    "a folder without images": Case(lambda f: ["info", empty_folder(f)], ("no image",)),
    "an unknown format": Case(lambda f: ["info", f.text("a.xyz", "?")], ("a.xyz", "format")),
    "an empty file": Case(lambda f: ["info", f.text("a.tif", "")], ("a.tif", "empty")),
    "a text that is called TIFF": Case(lambda f: ["info", f.text("a.tif", "text")], ("a.tif",)),
    "four dimensions without axes": Case(
        lambda f: ["info", f.npy("a", np.zeros((2, 3, 8, 8)))], ("--axes",)
    ),
    "three dimensions without axes": Case(
        lambda f: ["info", f.npy("a", np.zeros((3, 8, 8)))], ("--axes zyx",)
    ),
    "axes of another length": Case(lambda f: ["info", f.image, "--axes", "zyx"], ("zyx", "2")),
    "spacing of another length": Case(
        lambda f: ["info", f.image, "--spacing", "1,1,1"], ("3", "2")
    ),
    "a Zarr group without multiscales": Case(
        lambda f: ["info", group_without_multiscales(f)], ("multiscales", "plain.zarr")
    ),
    "a pickled array": Case(
        lambda f: ["info", f.npy("a", np.array([{"x": 1}], object))], ("a.npy",)
    ),
}


def segment(files, image, *more):
    return ["segment", image, "--out", files.folder / "out.ome.zarr", *more]


def newer_schema(model):
    spec = json.loads((model / "model.json").read_text())
    (model / "model.json").write_text(json.dumps({**spec, "schema_version": 99}))


def renamed_weights(model):
    from safetensors.torch import load_file, save_file

    state = load_file(model / "weights.safetensors")
    names = sorted(state)
    state["stranger"] = state.pop(names[0])
    save_file(state, model / "weights.safetensors")


def truncated_weights(model):
    path = model / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:100])


def pickled_weights(model):
    (model / "weights.safetensors").write_bytes(pickle.dumps({"a": 1}))


SEGMENTING = {
    "a missing image": Case(lambda f: segment(f, f.folder / "nowhere.tif"), ("nowhere.tif",)),
    "a folder without images": Case(lambda f: segment(f, empty_folder(f)), ("no image",)),
    "more channels": Case(
        lambda f: segment(f, f.tif("rgb", grey((*SHAPE, 3)), photometric="rgb")), ("channel", "3")
    ),
    "NaN voxels": Case(lambda f: segment(f, f.tif("nan", with_nan())), ("4 voxels", "--nan-as")),
    "a level that does not exist": Case(
        lambda f: segment(f, f.image, "--level", 7), ("level", "7")
    ),
    "a box outside": Case(
        lambda f: segment(f, f.image, "--box", "0:16,40:64"), ("0:16,40:64", "0:40,0:48")
    ),
    "an empty box": Case(lambda f: segment(f, f.image, "--box", "4:4,0:8"), ("4:4",)),
    "a box of other dimension": Case(
        lambda f: segment(f, f.image, "--box", "0:1,0:8,0:8"), ("0:1,0:8,0:8",)
    ),
    "an output below a file": Case(
        lambda f: ["segment", f.image, "--out", f.image / "x.ome.zarr"], ("image.tif",)
    ),
    "an output that is the input": Case(
        lambda f: ["segment", f.image, "--out", f.image, "--overwrite"], ("image.tif", "input")
    ),
}


@pytest.mark.parametrize("case", TRAINING.values(), ids=TRAINING.keys())
def test_training_refuses(case, files):
    assert_refused(ziggurat(*case.arguments(files)), *case.words)
    assert not (files.folder / "new" / "model.json").exists()


@pytest.mark.parametrize("case", OPENING.values(), ids=OPENING.keys())
def test_opening_refuses(case, files):
    assert_refused(ziggurat(*case.arguments(files)), *case.words)


@pytest.mark.parametrize("case", SEGMENTING.values(), ids=SEGMENTING.keys())
def test_segmenting_refuses(case, files, trained):
    assert_refused(ziggurat(*case.arguments(files), "--model", trained), *case.words)
    assert not (files.folder / "out.ome.zarr").exists()


@pytest.mark.parametrize("command", ["info", "segment", "train"])
def test_a_truncated_tiff_is_refused(command, files, trained):
    path = truncated(files)
    arguments = {
        "info": ["info", path],
        "segment": segment(files, path, "--model", trained),
        "train": train(path, files.tif("labels", squares((200, 200)))),
    }[command]
    result = ziggurat(*arguments)
    if command == "info" and result.exit_code == 0:
        return  # the header is whole; only reading voxels shows the damage
    assert_refused(result, "broken.tif")


def test_a_volume_for_a_model_of_planes_is_either_segmented_or_refused(files, trained):
    volume = files.npy("volume", grey((4, *SHAPE)))
    result = ziggurat(*segment(files, volume, "--axes", "zyx", "--model", trained))
    if result.exit_code:
        assert_refused(result, "zyx", "yx")


def test_a_plane_for_a_model_of_volumes_is_refused(files, tmp_path):
    image = files.npy("volume", grey((8, *SHAPE)))
    labels = files.npy("truth", squares((8, *SHAPE)))
    model = tmp_path / "model"
    data = ["--image", image, "--labels", labels, "--axes", "zyx", "--dims", "3"]
    assert ziggurat("train", *data, "--out", model, *TINY_3D).exit_code == 0
    assert_refused(ziggurat(*segment(files, files.image, "--model", model)), "zyx", "yx")


def test_a_value_for_nan_goes_on(files, trained):
    image = files.tif("nan", with_nan())
    result = ziggurat(*segment(files, image, "--model", trained, "--nan-as", "0"))
    assert result.exit_code == 0, result.output


def test_an_image_smaller_than_the_patch_is_segmented(files, trained):
    image = files.tif("small", grey((5, 7)))
    out = files.folder / "small_labels.tif"
    result = ziggurat("segment", image, "--model", trained, "--out", out)
    assert result.exit_code == 0, result.output
    assert tifffile.imread(out).shape == (5, 7)


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (newer_schema, ("99", "pip install -U")),
        (renamed_weights, ("missing", "unexpected stranger")),
        (truncated_weights, ("weights.safetensors",)),
        (pickled_weights, ("pickle", "refused")),
        (lambda model: (model / "model.json").unlink(), ("not a model",)),
        (lambda model: (model / "weights.safetensors").unlink(), ("weights", "missing")),
        (lambda model: (model / "model.json").write_text("{"), ("model.json",)),
        (lambda model: (model / "model.json").write_text("{}"), ("model.json",)),
    ],
    ids=[
        *("newer schema", "other keys", "truncated weights", "pickled weights"),
        *("no model.json", "no weights", "no JSON", "no model in JSON"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused(break_it, words, files, model):
    break_it(model)
    assert_refused(ziggurat(*segment(files, files.image, "--model", model)), *words)


def test_a_pickle_as_model_is_refused_and_not_run(files):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(files.folder / "sprung"),))

    path = files.folder / "model.pt"
    path.write_bytes(pickle.dumps(Trap()))
    assert_refused(ziggurat(*segment(files, files.image, "--model", path)), "pickle", "refused")
    assert not (files.folder / "sprung").exists()


@pytest.mark.parametrize("command", ["train", "segment"])
def test_cuda_that_is_not_there_is_refused_with_what_was_found(command, files, trained):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    arguments = {
        "train": train(files.image, files.labels, "--device", "cuda"),
        "segment": segment(files, files.image, "--model", trained, "--device", "cuda"),
    }[command]
    assert_refused(ziggurat(*arguments), "cuda", "found: cpu")


def test_a_model_is_replaced_only_when_told(files, model):
    before = (model / "weights.safetensors").read_bytes()
    again = train(files.image, files.labels, "--out", model, "--seed", 1)
    assert_refused(ziggurat(*again), "--overwrite")
    assert (model / "weights.safetensors").read_bytes() == before
    assert ziggurat(*again, "--overwrite").exit_code == 0
    assert (model / "weights.safetensors").read_bytes() != before


def test_a_refused_run_does_not_touch_the_model_that_it_would_replace(files, model):
    before = (model / "weights.safetensors").read_bytes()
    wrong = files.tif("wrong", strokes(0))
    again = train(files.image, wrong, "--out", model, "--overwrite")
    assert ziggurat(*again).exit_code == 2
    assert (model / "weights.safetensors").read_bytes() == before


def test_output_of_something_else_is_replaced_only_when_told(files, trained):
    out = files.tif("out", grey())
    before = out.read_bytes()
    again = ["segment", files.image, "--model", trained, "--out", out]
    assert_refused(ziggurat(*again), "out.tif", "--overwrite")
    assert out.read_bytes() == before
    assert ziggurat(*again, "--overwrite").exit_code == 0
    assert out.read_bytes() != before


def test_the_same_run_again_is_no_error(files, trained):
    command = segment(files, files.image, "--model", trained)
    assert [ziggurat(*command).exit_code for _ in range(2)] == [0, 0]


def test_another_run_into_the_same_output_is_refused(files, trained):
    assert ziggurat(*segment(files, files.image, "--model", trained)).exit_code == 0
    other = segment(files, files.tif("image", grey()[::-1]), "--model", trained)
    assert_refused(ziggurat(*other), "out.ome.zarr", "--overwrite")


def test_a_damaged_file_does_not_stop_a_folder(files, trained):
    for name in "ac":
        files.tif(f"batch/{name}", grey())
    files.text("batch/b.tif", "damaged")
    out = files.folder / "results"
    command = ["segment", files.folder / "batch", "--model", trained, "--out", out, "--json"]
    result = ziggurat(*command)
    assert result.exit_code == 1
    assert "b.tif" in result.stderr.strip().splitlines()[-1]
    values = json.loads(result.stdout)
    assert (len(values["outputs"]), len(values["failed"])) == (2, 1)
    assert sorted(path.name for path in out.iterdir()) == ["a.tif", "c.tif"]


@pytest.mark.parametrize("name", ["info", "train", "segment", "evaluate", "demo"])
def test_a_configuration_file_with_an_unknown_key_is_refused(name, files):
    path = files.text("run.yaml", "colour: red\n")
    assert_refused(ziggurat(name, "--config", path), "'colour'")
