"""Segmenting: outputs, resuming, refusing, from the image to the files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_ziggurat.runs.segment.carry_out as module
from interrupting import finished_blocks, stop_after
from models import tiny_model
from napari_ziggurat.errors import ExistsError, InputError, WorkFailed
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import Image, image_from_array, open_image, read_record
from napari_ziggurat.networks import Intensity, Model, load_model, save_model
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import SegmentConfig
from napari_ziggurat.runs.plan.options import SegmentOptions
from napari_ziggurat.runs.predict import predict_box
from napari_ziggurat.runs.segment import segment, segment_image

RNG = np.random.default_rng(0)
PLANE = RNG.integers(0, 255, (70, 101), dtype=np.uint8)
VOLUME = RNG.integers(0, 255, (20, 60, 50), dtype=np.uint8)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A tiny 2D model on disk."""
    save_model(tiny_model(), tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def plane(tmp_path: Path) -> Path:
    """A small plane on disk."""
    np.save(tmp_path / "plane.npy", PLANE)
    return tmp_path / "plane.npy"


def _config(image: Path, model: Path, out: Path, **more: object) -> SegmentConfig:
    return SegmentConfig.model_validate({"image": image, "model": model, "out": out} | more)


def _predict(image: Image, model: Model, box: Box) -> np.ndarray:
    return finish(predict_box(image, model, 0, box))


def _labels(path: Path) -> np.ndarray:
    image = open_image(path, axes=None)
    return image.read(0, Box.whole(image.levels[0].shape))[0]


@pytest.mark.parametrize("suffix", [".ome.zarr", ".tif", ".png"])
def test_every_output_format_holds_the_same_labels(
    plane: Path, model: Path, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"out{suffix}"
    finish(segment(_config(plane, model, out)))
    image = image_from_array(PLANE, axes="yx")
    expected = _predict(image, load_model(model), Box.whole(PLANE.shape))
    assert np.array_equal(_labels(out), expected)
    assert set(np.unique(expected)) <= {0, 1, 5}
    assert len(np.unique(expected)) > 1
    record = read_record(out)
    assert record is not None
    assert record["status"] == "complete"
    assert not list(tmp_path.glob(".*running*"))


def test_an_interrupted_run_goes_on_and_ends_with_the_same_bytes(
    model: Path, tmp_path: Path
) -> None:
    save_model(tiny_model("zyx", window=(32, 32, 32), rim=(8, 8, 8)), model)
    options = SegmentOptions(block=(1, 1, 1))  # of one cell each
    image = image_from_array(VOLUME, axes="zyx")
    finish(segment_image(image, load_model(model), options, tmp_path / "calm.ome.zarr"))
    out = tmp_path / "stormy.ome.zarr"
    for blocks in (2, 5):
        stop_after(segment_image(image, load_model(model), options, out), out, blocks)
    record = read_record(out)
    assert record is not None
    assert record["status"] == "running"
    finish(segment_image(image, load_model(model), options, out))
    assert np.array_equal(_labels(out), _labels(tmp_path / "calm.ome.zarr"))


def test_a_finished_run_is_not_done_again(plane: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.tif"
    finish(segment(_config(plane, model, out)))
    before = out.stat().st_mtime_ns
    messages = [p.message for p in segment(_config(plane, model, out))]
    assert out.stat().st_mtime_ns == before
    assert any("complete already" in m for m in messages)


@pytest.mark.parametrize("suffix", [".ome.zarr", ".tif"])
def test_another_run_is_refused_until_overwrite(
    plane: Path, model: Path, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"out{suffix}"
    finish(segment(_config(plane, model, out)))
    with pytest.raises(ExistsError, match="--overwrite"):
        finish(segment(_config(plane, model, out, box="0:20,0:20")))
    finish(segment(_config(plane, model, out, box="0:20,0:20", overwrite=True)))
    assert _labels(out).shape == (20, 20)


def test_overwrite_never_removes_a_folder_that_is_no_store(
    plane: Path, model: Path, tmp_path: Path
) -> None:
    keep = tmp_path / "thesis"
    keep.mkdir()
    (keep / "chapter.txt").write_text("years of work")
    with pytest.raises(InputError, match="not a Zarr store"):
        finish(segment(_config(plane, model, keep, overwrite=True)))
    assert (keep / "chapter.txt").exists()


def test_a_box_gives_the_bits_of_the_whole_and_lies_in_its_place(
    plane: Path, model: Path, tmp_path: Path
) -> None:
    finish(segment(_config(plane, model, tmp_path / "whole.ome.zarr")))
    finish(segment(_config(plane, model, tmp_path / "part.ome.zarr", box="13:57,20:101")))
    whole = _labels(tmp_path / "whole.ome.zarr")
    assert np.array_equal(_labels(tmp_path / "part.ome.zarr"), whole[13:57, 20:101])
    assert open_image(tmp_path / "part.ome.zarr").levels[0].translation == (13.0, 20.0)


def test_probabilities_agree_with_the_labels(plane: Path, model: Path, tmp_path: Path) -> None:
    finish(segment(_config(plane, model, tmp_path / "out.ome.zarr", probabilities=True)))
    image = open_image(tmp_path / "out_probabilities.ome.zarr")
    values = image.read(0, Box.whole(image.levels[0].shape))
    assert image.channels == ("background", "class 1", "class 5")
    np.testing.assert_allclose(values.sum(axis=0), 1, atol=1e-5)
    labels = np.array([0, 1, 5], np.uint8)[values.argmax(axis=0)]
    assert np.array_equal(labels, _labels(tmp_path / "out.ome.zarr"))


def test_one_bad_file_does_not_stop_a_folder(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    np.save(folder / "a.npy", PLANE)
    np.save(folder / "b.npy", VOLUME)  # axes not known
    np.save(folder / "c.npy", PLANE)
    with pytest.raises(WorkFailed, match=r"1 of 3 images failed: b\.npy"):
        finish(segment(_config(folder, model, tmp_path / "out")))
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.tif", "c.tif"]


def test_a_dry_run_writes_nothing(plane: Path, model: Path, tmp_path: Path) -> None:
    result = finish(segment(_config(plane, model, tmp_path / "out.ome.zarr", dry_run=True)))
    assert not (tmp_path / "out.ome.zarr").exists()
    (plan,) = result.plans.values()
    assert plan["windows"] == 35


def test_each_time_point_is_segmented_on_its_own(model: Path, tmp_path: Path) -> None:
    movie = np.stack([PLANE, PLANE[::-1]])
    image = image_from_array(movie, axes="tyx")
    out = tmp_path / "movie.ome.zarr"
    finish(segment_image(image, load_model(model), SegmentOptions(), out))
    result = open_image(out)
    assert str(result.axes) == "tyx"
    for time in (0, 1):
        still = image_from_array(movie[time], axes="yx")
        expected = _predict(still, load_model(model), Box.whole(PLANE.shape))
        found = result.read(0, Box.whole(PLANE.shape), time)[0]
        assert np.array_equal(found, expected)


def test_a_slicewise_model_treats_sections_alone(model: Path, tmp_path: Path) -> None:
    flat = tiny_model()
    changes = {"axes": "zyx", "spacing": (9.0, 1.0, 1.0), "window": (1, 48, 48), "rim": (0, 16, 16)}
    save_model(Model(flat.spec.model_copy(update=changes), flat.network), model)
    out = tmp_path / "volume.ome.zarr"
    finish(
        segment_image(
            image_from_array(VOLUME, axes="zyx"), load_model(model), SegmentOptions(), out
        )
    )
    section = _predict(image_from_array(VOLUME[3], axes="yx"), flat, Box.whole(VOLUME.shape[1:]))
    assert np.array_equal(_labels(out)[3], section)


def test_the_level_nearest_to_the_models_spacing_is_taken(model: Path, tmp_path: Path) -> None:
    save_model(tiny_model(spacing=(2.1, 2.1), unit="um"), model)
    image = image_from_array([PLANE, PLANE[::2, ::2], PLANE[::4, ::4]], axes="yx",
                             spacing=(1000.0, 1000.0), unit="nm")  # fmt: skip
    out = tmp_path / "out.ome.zarr"
    finish(segment_image(image, load_model(model), SegmentOptions(), out))
    assert _labels(out).shape == (35, 51)


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"level": 3}, "level 3"),
        ({"box": "0:10,0:500"}, "inside the image"),
        ({"memory": "1KB"}, "--memory"),
        ({"device": "cuda:77"}, "cuda"),
    ],
)
def test_what_cannot_be_done_is_refused_and_leaves_nothing(
    plane: Path, model: Path, tmp_path: Path, more: dict[str, object], what: str
) -> None:
    with pytest.raises((InputError, RuntimeError), match=what):
        finish(segment(_config(plane, model, tmp_path / "out.ome.zarr", **more)))
    assert not (tmp_path / "out.ome.zarr").exists()


def test_nan_is_counted_and_refused_unless_it_is_said_what_it_means(
    model: Path, tmp_path: Path
) -> None:
    broken = PLANE.astype(np.float32)
    broken[3, 4:7] = np.nan
    np.save(tmp_path / "nan.npy", broken)
    with pytest.raises(InputError, match=r"3 voxels.*--nan-as"):
        finish(segment(_config(tmp_path / "nan.npy", model, tmp_path / "out.tif")))
    finish(segment(_config(tmp_path / "nan.npy", model, tmp_path / "out.tif", nan_as=0)))


def test_a_model_for_other_images_is_refused(plane: Path, model: Path, tmp_path: Path) -> None:
    save_model(tiny_model("zyx"), model)
    with pytest.raises(InputError, match="3D"):
        finish(segment(_config(plane, model, tmp_path / "out.tif")))
    save_model(tiny_model(channels=3), model)
    with pytest.raises(InputError, match=r"3 channel\(s\)"):
        finish(segment(_config(plane, model, tmp_path / "out.tif")))


def test_the_input_is_never_overwritten(plane: Path, model: Path) -> None:
    with pytest.raises(InputError, match="input itself"):
        finish(segment(_config(plane, model, plane, overwrite=True)))


def test_a_model_in_memory_can_be_used_again_and_again() -> None:
    model = tiny_model()
    image, box = image_from_array(PLANE, axes="yx"), Box.whole(PLANE.shape)
    before = {k: v.clone() for k, v in model.network.state_dict().items()}
    assert np.array_equal(_predict(image, model, box), _predict(image, model, box))
    after = model.network.state_dict()
    assert all((before[key] == after[key]).all() for key in before)


def test_a_dry_run_says_on_stdout_what_would_be_done(
    plane: Path, model: Path, tmp_path: Path
) -> None:
    config = _config(plane, model, tmp_path / "out.tif", dry_run=True, batch=8)
    words = finish(segment(config)).render()
    assert "35 windows" in words
    assert "--batch 8 is not used" in words


def test_a_file_that_runs_out_of_memory_does_not_stop_a_folder(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", PLANE)
    (tmp_path / "images").mkdir()
    for name in "ab":
        (tmp_path / f"{name}.npy").rename(tmp_path / "images" / f"{name}.npy")
    begin = module.begin_output

    def fails_once(plan: Any, out: Path, *rest: Any, **more: Any) -> Any:
        if out.name == "a.tif":
            raise MemoryError
        return begin(plan, out, *rest, **more)

    monkeypatch.setattr(module, "begin_output", fails_once)
    with pytest.raises(WorkFailed, match=r"1 of 2 images failed: a\.npy") as failed:
        finish(segment(_config(tmp_path / "images", model, tmp_path / "out")))
    assert "not enough memory" in next(iter(failed.value.result.failed.values()))
    assert (tmp_path / "out" / "b.tif").exists()


def test_only_voxels_that_windows_read_are_looked_through(model: Path) -> None:
    broken = np.zeros((300, 300), np.float32)
    broken[250, 250] = np.nan
    image = image_from_array(broken, axes="yx")
    assert _predict(image, load_model(model), Box((0, 0), (20, 20))).shape == (20, 20)
    with pytest.raises(InputError, match="1 voxels"):  # in the context of the window
        _predict(image, load_model(model), Box((256, 256), (300, 300)))


def test_nan_outside_a_box_does_not_spoil_the_normalisation_by_the_image(
    model: Path, tmp_path: Path
) -> None:
    own = Intensity((0.0,), (255.0,), (100.0,), (50.0,), scope="image")
    broken = np.zeros((300, 300), np.float32)
    broken[250, 250] = np.inf
    image = image_from_array(broken, axes="yx")
    options = SegmentOptions(box="0:20,0:20")
    with pytest.raises(InputError, match="--nan-as"):
        finish(segment_image(image, tiny_model(intensity=own), options, tmp_path / "a.tif"))
    assert list(tmp_path.glob("*a.tif*")) == []


def test_a_box_is_counted_in_windows_until_all_are_done(model: Path) -> None:
    image = image_from_array(PLANE, axes="yx")
    steps = list(predict_box(image, load_model(model), 0, Box((3, 5), (60, 90))))
    assert (steps[-1].done, steps[-1].total) == (len(steps), len(steps))


def test_a_finished_store_keeps_no_file_of_each_block_and_still_knows_its_run(
    plane: Path, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.ome.zarr"
    finish(segment(_config(plane, model, out, block=(1, 1))))
    assert finished_blocks(out) > 30
    assert len(list((out / ".ziggurat" / "blocks").iterdir())) == 1
    again = _config(plane, model, out, block=(1, 1))
    assert any("complete already" in p.message for p in segment(again))
    with pytest.raises(ExistsError, match=r"different box"):
        finish(segment(_config(plane, model, out, block=(1, 1), box="0:16,0:16")))


def test_every_time_point_belongs_to_the_fingerprint(model: Path, tmp_path: Path) -> None:
    movie = np.stack([PLANE, PLANE])
    out = tmp_path / "movie.ome.zarr"
    image = image_from_array(movie, axes="tyx")
    finish(segment_image(image, load_model(model), SegmentOptions(), out))
    other = image_from_array(np.stack([PLANE, PLANE[::-1]]), axes="tyx")
    with pytest.raises(ExistsError, match="different input"):
        finish(segment_image(other, load_model(model), SegmentOptions(), out))
