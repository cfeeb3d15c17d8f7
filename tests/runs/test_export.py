"""Export: from a model folder to a file, refused in words where that cannot be."""

import sys
from pathlib import Path

import pytest

from models import tiny_model
from napari_ziggurat.errors import ExistsError, InputError, MissingError
from napari_ziggurat.networks import save_model
from napari_ziggurat.progress import finish
from napari_ziggurat.runs import export as export_run
from napari_ziggurat.runs.config import ExportConfig
from napari_ziggurat.runs.export import ExportResult, export


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save_model(tiny_model(), tmp_path / "model")
    return tmp_path / "model"


def test_the_file_lies_beside_the_model_and_is_not_replaced_unless_asked(model: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")
    result = finish(export(ExportConfig(model=model)))
    assert Path(result.path) == model.with_suffix(".onnx")
    assert Path(result.path).stat().st_size > 1000
    assert result.largest_error < 1e-4
    with pytest.raises(ExistsError, match="--overwrite"):
        finish(export(ExportConfig(model=model)))


def test_a_folder_that_does_not_exist_is_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        finish(export(ExportConfig(model=model, out=tmp_path / "none" / "model.onnx")))


def test_a_folder_in_the_place_of_the_file_is_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        finish(export(ExportConfig(model=model, out=tmp_path, overwrite=True)))


def test_without_tensorrt_the_other_format_is_named(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)  # type: ignore[arg-type]
    with pytest.raises(MissingError, match=r"pip install tensorrt.*--format onnx"):
        finish(export(ExportConfig(model=model, format="tensorrt")))
    assert [path.name for path in model.parent.iterdir()] == ["model"]


@pytest.mark.parametrize(
    ("model", "place"), [("a/v1.2", "a/v1.2.onnx"), ("a/v1.2/", "a/v1.2.onnx"), (".", "here.onnx")]
)
def test_the_place_beside_the_model_keeps_its_whole_name(
    model: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    found = export_run._beside(Path(model), ".onnx")
    assert found == (Path(place) if model != "." else tmp_path / place)


def test_the_result_says_what_was_kept_and_what_an_engine_takes() -> None:
    shapes = ((1, 1, 2, 2), (1, 1, 48, 48), (4, 1, 48, 48))
    kept = ("layer norm is kept: why",)
    result = ExportResult("m.engine", "tensorrt", 1e-5, (2, 1, 25, 25), kept, shapes)
    assert result.render().splitlines()[1:] == [
        "layer norm is kept: why",
        "takes 1 x 1 x 2 x 2 to 4 x 1 x 48 x 48, fastest at 1 x 1 x 48 x 48",
    ]
