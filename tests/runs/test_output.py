"""Where outputs lie: what is refused before anything is touched, what --overwrite may replace."""

from pathlib import Path

import numpy as np
import pytest
import zarr

from interrupting import finished_blocks, stop_after
from models import tiny_model
from napari_ziggurat.errors import ExistsError, InputError, ZigguratError
from napari_ziggurat.geometry import Axes, Box, Spacing
from napari_ziggurat.images import (
    OutputGrid,
    create_output,
    open_image,
    read_attributes,
    read_record,
)
from napari_ziggurat.networks import save_model
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import SegmentConfig
from napari_ziggurat.runs.segment import segment

PLANE = np.random.default_rng(0).integers(0, 255, (70, 101), dtype=np.uint8)


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


def store(path: Path) -> Path:
    """Write an OME-Zarr of the plane, as another program might."""
    grid = OutputGrid(
        Axes("yx"), PLANE.shape, PLANE.dtype, Spacing((1.0, 1.0)), (0.0, 0.0), (64, 64), (64, 64)
    )
    create_output(path, grid, kind="image")[0][...] = PLANE
    return path


def run(image: Path, model: Path, out: Path, **more: object) -> SegmentConfig:
    return SegmentConfig.model_validate({"image": image, "model": model, "out": out} | more)


def snapshot(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_refused(config: SegmentConfig, folder: Path, words: str) -> None:
    """Nothing on the disk has changed."""
    before = snapshot(folder)
    with pytest.raises(ZigguratError, match=words):
        finish(segment(config))
    assert snapshot(folder) == before


@pytest.mark.parametrize(
    ("name", "words"),
    [("thesis.docx", "no format that is written"), ("thesis", "not a Zarr store")],
)
def test_a_file_that_is_no_output_survives_overwrite(
    name: str, words: str, plane: Path, model: Path, tmp_path: Path
) -> None:
    (tmp_path / name).write_text("years of work")
    assert_refused(run(plane, model, tmp_path / name, overwrite=True), tmp_path, words)


def test_a_png_survives_when_the_result_would_be_a_volume(model: Path, tmp_path: Path) -> None:
    save_model(tiny_model("zyx"), model)
    np.save(tmp_path / "volume.npy", np.zeros((20, 30, 30), np.uint8))
    (tmp_path / "old.png").write_bytes(b"old")
    config = run(tmp_path / "volume.npy", model, tmp_path / "old.png", axes="zyx", overwrite=True)
    assert_refused(config, tmp_path, "PNG holds one plane")


def test_a_file_is_replaced_only_when_the_new_one_is_finished(
    plane: Path, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "old.tif"
    out.write_bytes(b"old")
    interrupted = segment(run(plane, model, out, overwrite=True))
    while next(interrupted).stage != "segment":
        pass
    interrupted.close()
    assert out.read_bytes() == b"old"
    finish(segment(run(plane, model, out, overwrite=True)))
    assert open_image(out).levels[0].shape == PLANE.shape


def test_a_nifti_with_too_long_an_axis_is_refused_before_the_run(
    model: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "long.npy", np.zeros((4, 32768), np.uint8))
    config = run(tmp_path / "long.npy", model, tmp_path / "out.nii")
    assert_refused(config, tmp_path, "32767")


@pytest.mark.parametrize(
    ("image", "out", "words"),
    [
        ("d.zarr/0", "d.zarr", "holds the input"),
        ("d.zarr", "d.zarr/0", "inside the image"),
        ("d.zarr", "d.zarr/labels", "inside the image"),
        ("d.zarr/0", "d.zarr/1", "inside the image"),
        ("d.zarr", "d.zarr/labels/a/b", "inside the image"),
        ("d.zarr", "d.zarr", "input itself"),
        ("plane.npy", "d.zarr/labels", "inside the image"),
    ],
)
def test_an_output_never_lies_across_an_image(
    image: str, out: str, words: str, plane: Path, model: Path, tmp_path: Path
) -> None:
    store(tmp_path / "d.zarr")
    store(tmp_path / "d.zarr" / "labels" / "cells")
    config = run(tmp_path / image, model, tmp_path / out, axes="yx", overwrite=True)
    assert_refused(config, tmp_path, words)


def test_labels_inside_their_image_are_written_and_replaced(model: Path, tmp_path: Path) -> None:
    image = store(tmp_path / "d.zarr")
    out = image / "labels" / "cells"
    finish(segment(run(image, model, out)))
    finish(segment(run(image, model, out, box="0:20,0:20", overwrite=True)))
    assert open_image(out).levels[0].shape == (20, 20)


def test_a_store_that_holds_other_images_survives_overwrite(
    plane: Path, model: Path, tmp_path: Path
) -> None:
    store(store(tmp_path / "brain.zarr") / "labels" / "cells")
    config = run(plane, model, tmp_path / "brain.zarr", overwrite=True)
    assert_refused(config, tmp_path, "more than one image.*labels")
    zarr.create_group(str(tmp_path / "plate.zarr"))
    store(tmp_path / "plate.zarr" / "0")
    config = run(plane, model, tmp_path / "plate.zarr", overwrite=True)
    assert_refused(config, tmp_path, "no OME-Zarr image")


def test_one_image_alone_is_replaced_when_told(plane: Path, model: Path, tmp_path: Path) -> None:
    out = store(tmp_path / "old.ome.zarr")
    assert_refused(run(plane, model, out), tmp_path, "--overwrite")
    finish(segment(run(plane, model, out, overwrite=True)))
    record = read_record(out)
    assert record is not None
    assert record["status"] == "complete"


def test_probabilities_are_touched_only_by_a_run_that_writes_them(
    plane: Path, model: Path, tmp_path: Path
) -> None:
    image = store(tmp_path / "cells_probabilities.ome.zarr")
    finish(segment(run(image, model, tmp_path / "cells.tif", overwrite=True)))
    assert np.array_equal(open_image(image).read(0, Box.whole(PLANE.shape))[0], PLANE)
    for source, words in ((image, "input itself"), (plane, "no run wrote it")):
        config = run(
            source, model, tmp_path / "cells.tif", overwrite=True, probabilities=True, axes="yx"
        )
        assert_refused(config, tmp_path, words)


def test_probabilities_in_the_way_are_named_as_such(
    plane: Path, model: Path, tmp_path: Path
) -> None:
    store(tmp_path / "cells_probabilities.ome.zarr")
    config = run(plane, model, tmp_path / "cells.ome.zarr", probabilities=True)
    with pytest.raises(ExistsError, match=r"cells_probabilities.*--overwrite"):
        finish(segment(config))
    assert not (tmp_path / "cells.ome.zarr").exists()


@pytest.mark.parametrize("name", ["out.ome.zarr", "out.tif"])
def test_a_run_that_was_killed_before_its_journal_begins_anew(
    name: str, plane: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = run(plane, model, tmp_path / name, probabilities=True)
    with monkeypatch.context() as patch:
        patch.setattr("napari_ziggurat.runs.output.journal.Journal.begin", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            finish(segment(config))
    finish(segment(config))
    assert read_attributes(tmp_path / "out_probabilities.ome.zarr")["ziggurat"]["status"] == (
        "complete"
    )


def test_an_interrupted_run_goes_on_also_when_it_overwrites(
    plane: Path, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.ome.zarr"
    finish(segment(run(plane, model, out, box="0:20,0:20")))
    config = run(plane, model, out, block=(1, 1), overwrite=True)  # a block is a cell
    stop_after(segment(config), out, 4)
    blocks = finished_blocks(out)
    first = next(step for step in segment(config) if step.stage == "segment")
    assert finished_blocks(out) == blocks
    assert first.done > 0
    finish(segment(config))
    assert open_image(out).levels[0].shape == PLANE.shape


def test_a_finished_run_is_done_again_when_it_overwrites(
    plane: Path, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.ome.zarr"
    finish(segment(run(plane, model, out)))
    steps = list(segment(run(plane, model, out, overwrite=True)))
    assert not any("complete already" in step.message for step in steps)


def test_the_disk_of_the_output_is_looked_at(
    plane: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Path] = []

    def usage(path: Path) -> object:
        looked.append(Path(path))
        return type("Usage", (), {"free": 0})

    monkeypatch.setattr("shutil.disk_usage", usage)
    with pytest.raises(InputError, match=r"has 0\.0 MB free"):
        finish(segment(run(plane, model, tmp_path / "new" / "deep" / "out.tif")))
    assert looked == [tmp_path]
