"""TensorRT: what is asked of it, with a stand-in of its Python API that computes by onnxruntime.

The real package needs an NVIDIA GPU; it has not been run here.
"""

import ctypes
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from enum import Enum, IntEnum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from models import tiny_model
from napari_ziggurat.errors import DeviceError, InputError, MissingError
from napari_ziggurat.networks import tensorrt_export as module
from napari_ziggurat.networks.onnx_export import ExportReport, export_onnx
from napari_ziggurat.networks.tensorrt_export import Profile, export_tensorrt

onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")


class Severity(Enum):
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class Flag(IntEnum):
    STRONGLY_TYPED = 1


class Logger:
    Severity = Severity


class StandIn:
    """As much of TensorRT as is used; its engines are ONNX files.

    Attributes
    ----------
    readable, builds : bool
        It can parse; it can build.
    bias : float
        Added to what its engines compute.
    """

    ILogger = Logger
    NetworkDefinitionCreationFlag = Flag
    __spec__ = "not None: it is installed"

    def __init__(self) -> None:
        self.readable = self.builds = True
        self.bias = 0.0
        self.flags = 0
        self.profile: tuple[Any, ...] = ()
        self.stream: int | None = None

    def Builder(self, logger: Any) -> Any:
        return SimpleNamespace(
            create_network=self._network,
            create_builder_config=lambda: SimpleNamespace(add_optimization_profile=self._profiled),
            create_optimization_profile=lambda: _Shapes(),
            build_serialized_network=lambda network, config: self._built(network, logger),
        )

    def OnnxParser(self, network: Any, logger: Any) -> Any:
        def parse(path: str) -> bool:
            network.content = Path(path).read_bytes()
            return self.readable

        return SimpleNamespace(
            parse_from_file=parse, get_error=lambda index: "node 3, operator: Resize"
        )

    def Runtime(self, logger: Any) -> Any:
        return SimpleNamespace(
            deserialize_cuda_engine=lambda plan: SimpleNamespace(
                create_execution_context=lambda: _Context(plan, self)
            )
        )

    def _network(self, flags: int) -> Any:
        self.flags = flags
        return SimpleNamespace(content=b"")

    def _profiled(self, shapes: "_Shapes") -> None:
        self.profile = shapes.given

    def _built(self, network: Any, logger: Any) -> bytes | None:
        if self.builds:
            return bytes(network.content)
        logger.log(Severity.INFO, "trying")
        logger.log(Severity.ERROR, "no kernel for 5D Resize")
        return None


class _Shapes:
    def set_shape(self, *given: Any) -> None:
        self.given = given


class _Context:
    def __init__(self, plan: bytes, tensorrt: StandIn) -> None:
        self.session, self.tensorrt = onnxruntime.InferenceSession(plan), tensorrt
        self.addresses: dict[str, int] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (self.shape[0], 3, *self.shape[2:])

    def set_tensor_address(self, name: str, address: int) -> None:
        self.addresses[name] = address

    def execute_async_v3(self, stream: int) -> bool:
        self.tensorrt.stream = stream
        x = _at(self.addresses["image"], self.shape)
        out = _at(self.addresses["logits"], self.get_tensor_shape("logits"))
        out[:] = self.session.run(None, {"image": x})[0] + self.tensorrt.bias
        return True


def _at(address: int, shape: tuple[int, ...]) -> Any:
    count = math.prod(shape)
    return np.ctypeslib.as_array((ctypes.c_float * count).from_address(address)).reshape(shape)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> ExportReport:
    """The model as ONNX, written once."""
    return export_onnx(tiny_model(), tmp_path_factory.mktemp("onnx") / "model.onnx")


@pytest.fixture
def tensorrt(monkeypatch: pytest.MonkeyPatch, written: ExportReport) -> StandIn:
    stand_in = StandIn()
    monkeypatch.setitem(sys.modules, "tensorrt", stand_in)  # type: ignore[misc]
    monkeypatch.setattr(module, "_DEVICE", "cpu")
    monkeypatch.setattr(module, "export_onnx", _copying(written))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: SimpleNamespace(cuda_stream=7))
    return stand_in


def _copying(written: ExportReport) -> Callable[[Any, Path], ExportReport]:
    def export(_: Any, path: Path) -> ExportReport:
        path.write_bytes(written.path.read_bytes())
        return replace(written, path=path)

    return export


def test_the_engine_has_one_profile_and_computes_what_torch_computes(
    tensorrt: StandIn, tmp_path: Path
) -> None:
    report = export_tensorrt(tiny_model(), tmp_path / "model.engine")
    assert tensorrt.flags == 1 << Flag.STRONGLY_TYPED
    assert tensorrt.profile == ("image", (1, 1, 2, 2), (1, 1, 48, 48), (4, 1, 48, 48))
    assert report.shapes == tensorrt.profile[1:]
    assert report.checked_shape == (2, 1, 25, 25)
    assert tensorrt.stream == 7
    assert report.largest_error < 1e-4
    assert [path.name for path in tmp_path.iterdir()] == ["model.engine"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"readable": False}, "cannot read this network: node 3, operator: Resize"),
        ({"builds": False}, "cannot build this network: no kernel for 5D Resize"),
        ({"bias": 0.01}, "computes something else than torch"),
        ({"bias": math.nan}, "computes something else than torch"),
    ],
)
def test_what_does_not_work_is_told_and_nothing_is_written(
    change: dict[str, Any], what: str, tensorrt: StandIn, tmp_path: Path
) -> None:
    vars(tensorrt).update(change)
    with pytest.raises(InputError, match=what):
        export_tensorrt(tiny_model(), tmp_path / "model.engine")
    assert not list(tmp_path.iterdir())


def test_without_tensorrt_the_way_to_it_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)  # type: ignore[arg-type]
    with pytest.raises(MissingError, match="pip install tensorrt"):
        export_tensorrt(tiny_model(), tmp_path / "model.engine")


def test_without_a_gpu_there_is_no_engine(
    tensorrt: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="finds no CUDA device"):
        export_tensorrt(tiny_model(), tmp_path / "model.engine")


def test_a_plane_of_a_volume_has_the_sizes_of_the_plane() -> None:
    spec = tiny_model().spec.model_copy(update={"axes": "zyx", "window": (1, 64, 32)})
    assert Profile.of(spec).usual == (1, 1, 64, 32)
