"""Export: from a model folder to a file, refused in words where that cannot be."""

from pathlib import Path

import pytest

from models import tiny_model
from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.networks import save_model
from napari_ziggurat.progress import finish
from napari_ziggurat.runs.config import ExportConfig
from napari_ziggurat.runs.export import export


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
