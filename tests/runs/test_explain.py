"""Explain: layers that lie where they belong, figures that agree with files, a folder or none."""

import json
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models import tiny_model
from napari_ziggurat.errors import ExistsError, InputError, MissingError
from napari_ziggurat.geometry import Axes, Box, Spacing
from napari_ziggurat.images import OutputGrid, create_output, open_image
from napari_ziggurat.networks import Model, ModelSpec, Topology, create_network, save_model
from napari_ziggurat.networks.config import ComposedConfig
from napari_ziggurat.networks.contracts import Encoder
from napari_ziggurat.networks.necks import NoNeckConfig
from napari_ziggurat.networks.parts import EncoderConfig, Style, register_part
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import ExplainConfig
from napari_ziggurat.runs.explain import explain
from napari_ziggurat.runs.explain.region import centre_box
from napari_ziggurat.runs.explain.result import ExplainResult


class Pooling(Encoder):
    """The image, and its means over windows of the stride."""

    def __init__(self, stride: tuple[int, ...]) -> None:
        super().__init__()
        pool = torch.nn.AvgPool2d if len(stride) == 2 else torch.nn.AvgPool3d
        self.pool = pool(stride)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return [x, self.pool(x)]


@register_part
class PoolingConfig(EncoderConfig):
    kind: Literal["pooling for tests"] = "pooling for tests"

    def build(self, topology: Topology, style: Style) -> Encoder:
        return Pooling(topology.strides[1])


def save_pooling(folder: Path, stride: tuple[int, ...]) -> Path:
    """Save a model for volumes whose coarse feature is the mean over windows of a stride."""
    dims = len(stride)
    topology = Topology(
        dims=dims, in_channels=1, out_channels=3, features=(1, 1),
        strides=((1,) * dims, stride), kernels=((3,) * dims,) * 2,
    )  # fmt: skip
    network = ComposedConfig(
        name="pooling", topology=topology, encoder=PoolingConfig(), neck=NoNeckConfig(),
        supervised=1,
    )  # fmt: skip
    values = tiny_model("zyx", spacing=(3.0, 0.5, 0.5), unit="um").spec.model_dump() | {
        "network": network,
        "window": (*(1,) * (3 - dims), *(8 * s for s in stride)),
        "rim": (0,) * 3,
    }
    save_model(Model(ModelSpec.model_validate(values), create_network(network).eval()), folder)
    return folder


def write_volume(path: Path, voxels: NDArray[np.uint16]) -> Path:
    """Write an OME-Zarr that begins somewhere else than at 0."""
    spacing, origin = Spacing((3.0, 0.5, 0.5), "um"), (100.0, 10.0, -20.0)
    grid = OutputGrid(
        Axes("zyx"), voxels.shape, voxels.dtype, spacing, origin, voxels.shape, voxels.shape
    )
    create_output(path, grid, kind="image")[0][...] = voxels
    return path


def brightest(path: Path) -> tuple[float, ...]:
    """Where the centre of the brightest voxel lies."""
    image = open_image(path)
    (level,) = image.levels
    values = image.read(0, Box.whole(level.shape))[0]
    index = np.unravel_index(values.argmax(), values.shape)
    return tuple(
        float(t + i * s)
        for t, i, s in zip(level.translation, index, level.spacing.values, strict=True)
    )


@pytest.fixture
def plane(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "plane.npy", rng.integers(0, 200, (61, 83)).astype(np.uint8))
    return tmp_path / "plane.npy"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save_model(tiny_model(), tmp_path / "model")
    return tmp_path / "model"


def run(model: Path, image: Path, out: Path, **settings: object) -> ExplainResult:
    return finish(explain(ExplainConfig(model=model, image=image, out=out, **settings)))


@pytest.mark.parametrize("box", [None, "1:6,3:17,5:20"])
def test_levels_lie_where_the_voxels_lie_that_they_stand_for(
    tmp_path: Path, box: str | None
) -> None:
    """A painted window of 1 x 2 x 2 voxels has its centre where the coarse voxel has."""
    voxels = np.zeros((7, 20, 20), np.uint16)
    (y, x) = (8, 12) if box is None else (3 + 2 * 3, 5 + 2 * 4)  # on the grid of the region
    voxels[3, y : y + 2, x : x + 2] = 1000
    image = write_volume(tmp_path / "volume.ome.zarr", voxels)
    model = save_pooling(tmp_path / "model", (1, 2, 2))
    run(model, image, tmp_path / "out", box=box)
    layers = tmp_path / "out" / "layers"
    expected = (100 + 3 * 3.0, 10 + (y + 0.5) * 0.5, -20 + (x + 0.5) * 0.5)
    assert brightest(layers / "encoder_1_mean.ome.zarr") == pytest.approx(expected)
    corner = (expected[0], expected[1] - 0.25, expected[2] - 0.25)
    assert brightest(layers / "encoder_0_mean.ome.zarr") == pytest.approx(corner)
    assert brightest(layers / "image.ome.zarr") == pytest.approx(corner)
    assert open_image(layers / "encoder_1_mean.ome.zarr").levels[0].spacing == Spacing(
        (3.0, 1.0, 1.0), "um"
    )


def test_a_network_over_planes_looks_at_the_section_in_the_middle(tmp_path: Path) -> None:
    voxels = np.zeros((9, 16, 16), np.uint16)
    voxels[4, 4:8, 8:12] = 1000
    voxels[5] = 2000  # must not be seen
    image = write_volume(tmp_path / "volume.ome.zarr", voxels)
    model = save_pooling(tmp_path / "model", (4, 4))
    run(model, image, tmp_path / "out", box="2:7,0:16,0:16")
    coarse = tmp_path / "out" / "layers" / "encoder_1_mean.ome.zarr"
    assert brightest(coarse) == pytest.approx((100 + 4 * 3.0, 10 + 5.5 * 0.5, -20 + 9.5 * 0.5))
    assert open_image(coarse).levels[0].shape == (1, 4, 4)


def test_everything_that_is_named_is_there_and_opens(
    tmp_path: Path, model: Path, plane: Path
) -> None:
    result = run(model, plane, tmp_path / "out")
    stored = json.loads((tmp_path / "out" / "explain.json").read_text("utf-8"))
    assert stored == json.loads(json.dumps(result.as_dict()))
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "explain.json", "layers", "features.png", "branches.png", "receptive_field.png",
    }  # fmt: skip
    named = [stored["region"], *(name for layer in stored["layers"] for name in layer["files"])]
    assert {name.split("/")[1] for name in named} == {
        p.name for p in (tmp_path / "out" / "layers").iterdir()
    }
    for layer in stored["layers"]:
        image = open_image(tmp_path / "out" / layer["files"][0])
        assert list(image.levels[0].shape) == layer["shape"]
        assert list(image.levels[0].translation) == layer["translation"]
        assert list(image.levels[0].spacing.values) == layer["spacing"]
    for picture in stored["pictures"]:
        assert (tmp_path / "out" / picture).read_bytes()[:4] == b"\x89PNG"
    assert stored["box"] == "6:54,16:64"  # one window of 48, begun on the stride
    assert "encoder" in result.render()
    assert f"{result.costs[-1].parameters:,}" in result.render()


def test_components_are_shown_from_0_to_1_with_a_name_and_a_colour_each(
    tmp_path: Path, model: Path, plane: Path
) -> None:
    run(model, plane, tmp_path / "out")
    image = open_image(tmp_path / "out" / "layers" / "encoder_1_components.ome.zarr")
    values = image.read(0, Box.whole(image.levels[0].shape))
    assert values.shape == (3, 24, 24)
    assert (values.min(), values.max()) == (0, 1)
    assert image.channels[0] == "encoder 1 component 1"


@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (51, 37)])
def test_images_of_any_size_and_many_channels(tmp_path: Path, shape: tuple[int, int]) -> None:
    save_model(tiny_model(channels=2), tmp_path / "model")
    voxels = np.random.default_rng(0).integers(0, 60_000, (2, *shape)).astype(np.uint16)
    np.save(tmp_path / "image.npy", voxels)
    run(tmp_path / "model", tmp_path / "image.npy", tmp_path / "out", axes="cyx")
    image = open_image(tmp_path / "out" / "layers" / "image.ome.zarr")
    assert image.axes.names == "cyx"
    box = Box.whole(image.levels[0].shape)
    assert np.isin(image.read(0, box), voxels).all()


def test_attention_is_a_layer_and_in_the_record(tmp_path: Path, plane: Path) -> None:
    save_model(tiny_model(name="attention_unet", features=(2, 2, 2)), tmp_path / "model")
    result = run(tmp_path / "model", plane, tmp_path / "out")
    (gate,) = result.attention
    assert (gate["gate"], gate["stride"]) == ("neck.gates.1", [2, 2])
    assert gate["files"] == ["layers/attention_0_mean.ome.zarr"]
    assert result.as_dict()["branches"]["equalizers"] is False
    assert "--equalize" in result.render() or "little to even out" in result.render()


def test_networks_of_other_makers_show_their_logits(tmp_path: Path, plane: Path) -> None:
    save_model(tiny_model(name="monai_dynunet", features=(2, 2, 2)), tmp_path / "model")
    result = run(tmp_path / "model", plane, tmp_path / "out")
    assert [layer["part"] for layer in result.layers] == ["logits"]
    assert result.fusions == []
    assert "none are joined" in result.render()


def test_radii_have_the_spacing_of_the_model(tmp_path: Path, model: Path, plane: Path) -> None:
    save_model(tiny_model(spacing=(2.0, 0.5), unit="um"), tmp_path / "scaled")
    field = run(tmp_path / "scaled", plane, tmp_path / "out").as_dict()["receptive_field"]
    voxels, physical = field["voxels"], field["physical"]
    assert physical["unit"] == "um"
    assert physical["radius_95"] == [voxels["radius_95"][0] * 2, voxels["radius_95"][1] * 0.5]
    assert field["larger_than_looked_at"] == [False, False]
    assert all(a < b for a, b in zip(voxels["theoretical"], voxels["looked_at"], strict=True))


def test_what_is_there_is_refused_and_replaced_only_where_an_explanation_made_it(
    tmp_path: Path, model: Path, plane: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()  # an empty folder is free
    run(model, plane, out)
    with pytest.raises(ExistsError, match="--overwrite"):
        run(model, plane, out)
    before = (out / "explain.json").stat().st_ino
    run(model, plane, out, overwrite=True)
    assert (out / "explain.json").stat().st_ino != before
    (out / "mine.txt").touch()
    with pytest.raises(ExistsError, match=r"mine\.txt"):
        run(model, plane, out, overwrite=True)
    assert (out / "mine.txt").exists()
    with pytest.raises(ExistsError, match="no explanation made"):
        run(model, plane, model, overwrite=True)
    with pytest.raises(ExistsError, match="is a file"):
        run(model, plane, plane, overwrite=True)


def test_a_run_that_ends_early_leaves_what_was_there(
    tmp_path: Path, model: Path, plane: Path
) -> None:
    out = tmp_path / "out"
    run(model, plane, out)
    before = (out / "explain.json").read_bytes()
    going = explain(ExplainConfig(model=model, image=plane, out=out, overwrite=True, box="0:8,0:8"))
    while next(going).stage != "receptive field":
        pass
    assert (tmp_path / ".out.part").exists()
    going.close()
    assert not (tmp_path / ".out.part").exists()
    assert (out / "explain.json").read_bytes() == before
    (tmp_path / ".out.part" / "layers").mkdir(parents=True)  # a run that was killed
    run(model, plane, out, overwrite=True, box="0:8,0:8")
    assert not (tmp_path / ".out.part").exists()
    assert (out / "explain.json").read_bytes() != before


def test_voxels_that_are_no_numbers_are_refused_where_they_are_looked_at(
    tmp_path: Path, model: Path
) -> None:
    voxels = np.full((40, 40), 5, np.float32)
    voxels[3, 3] = np.nan
    np.save(tmp_path / "image.npy", voxels)
    out = tmp_path / "out"
    with pytest.raises(InputError, match="--nan-as"):
        run(model, tmp_path / "image.npy", out)
    assert not out.exists()
    run(model, tmp_path / "image.npy", out, nan_as=0)
    run(model, tmp_path / "image.npy", out, box="8:40,8:40", overwrite=True)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"box": "0:8,0:900"}, InputError, "inside the image"),
        ({"level": 3}, InputError, "no level 3"),
        ({"image": Path("none.npy")}, MissingError, r"none\.npy"),
        ({"model": Path("none")}, MissingError, "not a model"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(
    tmp_path: Path, model: Path, plane: Path, settings: dict, error: type, words: str
) -> None:
    given = {"model": model, "image": plane, "out": tmp_path / "out"} | settings
    with pytest.raises(error, match=words):
        finish(explain(ExplainConfig(**given)))
    assert not any("out" in p.name for p in tmp_path.iterdir())


def test_an_image_is_no_place_for_an_explanation(tmp_path: Path, model: Path) -> None:
    image = write_volume(tmp_path / "volume.ome.zarr", np.zeros((1, 8, 8), np.uint16))
    with pytest.raises(InputError, match="inside the image"):
        run(model, image, image / "explained")


def test_the_box_in_the_middle_is_a_window_on_the_stride() -> None:
    assert centre_box((100, 300), (48, 64), (8, 8)) == Box((24, 112), (72, 176))
    assert centre_box((20, 300), (48, 64), (8, 8)) == Box((0, 112), (20, 176))
    assert centre_box((50, 900, 900), (1, 256, 256), (1, 8, 8)).start[0] == 24
    large = centre_box((500, 500, 500), (256, 256, 256), (8, 8, 8))
    assert large.size <= 2**20
    assert all(n % 8 == 0 for n in (*large.start, *large.shape))
