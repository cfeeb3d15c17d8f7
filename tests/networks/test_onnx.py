"""ONNX: what is written computes what torch computes, at sizes that were not traced."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models import tiny_model
from napari_ziggurat.errors import InputError
from napari_ziggurat.networks import Model, configure_network, create_network
from napari_ziggurat.networks import onnx_export as module
from napari_ziggurat.networks.config import ComposedConfig
from napari_ziggurat.networks.onnx_export import export_onnx, relative_error
from pyramids import FIVE_LEVELS

onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")


@pytest.mark.parametrize(("axes", "shape"), [("yx", (3, 1, 7, 50)), ("zyx", (1, 1, 5, 21, 8))])
def test_the_file_computes_what_torch_computes(
    axes: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    model, path = tiny_model(axes), tmp_path / "model.onnx"
    model.network.shift.copy_(torch.tensor([0.0, 1.0, -2.0]))
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = model.network(x).numpy()
    report = export_onnx(model, path)
    assert report.largest_error < 1e-4
    session = onnxruntime.InferenceSession(str(path))
    np.testing.assert_allclose(session.run(None, {"image": x.numpy()})[0], wanted, atol=1e-4)
    stated = json.loads(session.get_modelmeta().custom_metadata_map["ziggurat"])
    assert stated["network"]["name"] == "residual_unet"
    assert [each["value"] for each in stated["classes"]] == [0, 1, 5]


def _equalized() -> Model:
    model = tiny_model()
    values = model.spec.network.model_dump() | {"equalize": "explicit"}
    config = ComposedConfig.model_validate(values)
    spec = model.spec.model_copy(update={"network": config})
    return replace(model, spec=spec, network=create_network(config).eval())


def test_an_equalizer_that_was_never_calibrated_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="equalizers of this model were never calibrated"):
        export_onnx(_equalized(), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_when_the_results_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LARGEST_ERROR", -1.0)
    with pytest.raises(InputError, match="Nothing was written"):
        export_onnx(tiny_model(), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_a_network_whose_operators_hold_for_one_size_is_refused_before_it_is_traced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: pytest.fail("traced"))
    model = tiny_model()
    config = configure_network("monai_swin_unetr", FIVE_LEVELS[2])
    model = replace(model, spec=model.spec.model_copy(update={"network": config}))
    with pytest.raises(InputError, match=r"'monai_swin_unetr' cannot.*compute_mask.*'swin_unet'"):
        export_onnx(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("found", [np.array([1.0, np.nan]), np.array([1.0])])
def test_what_cannot_be_compared_is_infinitely_far(found: NDArray[np.float64]) -> None:
    assert relative_error(found, np.array([1.0, 2.0])) == float("inf")


def test_the_error_is_relative_to_the_largest_value() -> None:
    assert relative_error(np.array([0.0, 21.0]), np.array([1.0, -20.0])) == pytest.approx(41 / 20)
