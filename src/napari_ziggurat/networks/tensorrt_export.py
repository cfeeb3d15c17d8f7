"""TensorRT: a network as an engine for one kind of GPU, made from ONNX and checked against torch.

Written after the Python API of TensorRT 10 and 11.
"""

import logging
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_ziggurat.errors import DeviceError, InputError, MissingError
from napari_ziggurat.networks.checkpoint import Model, ModelSpec
from napari_ziggurat.networks.onnx_export import (
    INPUT,
    OUTPUT,
    ExportReport,
    export_onnx,
    refuse_surroundings,
    relative_error,
    require_onnx,
)

__all__ = ["Profile", "export_tensorrt"]

_LARGEST_ERROR = 1e-3  # products are rounded to 10 bits: TensorRT allows TF32 unless told otherwise
_BATCH = 4
_DEVICE = "cuda"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Profile:
    """Shapes (N, C, (Z), Y, X) that an engine takes, and the one that it is fastest at."""

    smallest: tuple[int, ...]
    usual: tuple[int, ...]
    largest: tuple[int, ...]

    @classmethod
    def of(cls, spec: ModelSpec) -> "Profile":
        """From one stride to the window of the model, one image or a few."""
        channels, window = spec.network.topology.in_channels, spec.window[-spec.dims :]
        stride = spec.network.stride
        smallest = tuple(min(pair) for pair in zip(stride, window, strict=True))
        return cls((1, channels, *smallest), (1, channels, *window), (_BATCH, channels, *window))

    @property
    def between(self) -> tuple[int, ...]:
        """A shape that is none of the three, as far as they leave room."""
        sizes = zip(self.smallest[2:], self.usual[2:], strict=True)
        return (2, self.usual[1], *((a + b) // 2 for a, b in sizes))


def export_tensorrt(model: Model, path: Path) -> ExportReport:
    """Write a model as a TensorRT engine for the GPU of this machine.

    Input and output are those of `export_onnx`, in float32. The file appears only when what the
    engine computes equals what torch computes in float32.

    Raises
    ------
    MissingError
        TensorRT or the packages for ONNX are not installed.
    DeviceError
        There is no CUDA device.
    InputError
        The model cannot be written as ONNX, TensorRT cannot build it, or the results differ.
    """
    refuse_surroundings(model.spec.network)
    _require_tensorrt()
    require_onnx()
    tensorrt: Any = import_module("tensorrt")
    logger, profile = _logger(tensorrt), Profile.of(model.spec)
    with TemporaryDirectory() as folder:
        onnx = export_onnx(model, Path(folder) / "model.onnx")
        engine = _Engine(tensorrt, logger, _build(tensorrt, logger, onnx.path, profile))
    error = _difference(engine, model, profile.between)
    if error > _LARGEST_ERROR:
        raise InputError(
            f"TensorRT computes something else than torch: logits differ by {error:.1e} at "
            f"{profile.between}, more than {_LARGEST_ERROR:.0e}. Nothing was written; take "
            "--format onnx, or another network."
        )
    _write(engine.plan, path)
    shapes = (profile.smallest, profile.usual, profile.largest)
    return replace(
        onnx, path=path, checked_shape=profile.between, largest_error=error, shapes=shapes
    )


def _require_tensorrt() -> None:
    if find_spec("tensorrt") is None:
        raise MissingError(
            "TensorRT is not installed. It needs an NVIDIA GPU on Linux or Windows: "
            "pip install tensorrt. --format onnx works without it."
        )
    if not torch.cuda.is_available():
        raise DeviceError(
            "TensorRT makes an engine for the GPU that it runs on, and PyTorch finds no CUDA "
            "device; 'ziggurat doctor' tells why. --format onnx needs none."
        )


class _Engine:
    """A built engine, loaded.

    Parameters
    ----------
    tensorrt : module
    logger : ILogger
    plan : bytes
        The engine as it is written to a file.
    """

    def __init__(self, tensorrt: Any, logger: Any, plan: bytes) -> None:
        self.plan = plan
        self._runtime = tensorrt.Runtime(logger)  # must outlive what it loads
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise InputError(f"TensorRT cannot load what it built: {logger.last}.")
        self._context = self._engine.create_execution_context()

    def __call__(self, x: torch.Tensor) -> NDArray[np.float32]:
        """Compute logits."""
        x = x.to(_DEVICE).contiguous()
        self._context.set_input_shape(INPUT, tuple(x.shape))
        logits = torch.empty(tuple(self._context.get_tensor_shape(OUTPUT)), device=_DEVICE)
        self._context.set_tensor_address(INPUT, x.data_ptr())
        self._context.set_tensor_address(OUTPUT, logits.data_ptr())
        if not self._context.execute_async_v3(torch.cuda.current_stream().cuda_stream):
            raise InputError(f"TensorRT built an engine that fails at {tuple(x.shape)}.")
        torch.cuda.synchronize()
        found: NDArray[np.float32] = logits.cpu().numpy()
        return found


def _build(tensorrt: Any, logger: Any, onnx: Path, profile: Profile) -> bytes:
    """Parse ONNX and build an engine, with the types that the file has."""
    builder = tensorrt.Builder(logger)
    # TensorRT 11 knows only networks of this kind and ignores the flag.
    typed = 1 << int(tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(typed)
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(onnx)):
        raise InputError(f"TensorRT cannot read this network: {parser.get_error(0)}.")
    config, shapes = builder.create_builder_config(), builder.create_optimization_profile()
    shapes.set_shape(INPUT, profile.smallest, profile.usual, profile.largest)
    config.add_optimization_profile(shapes)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise InputError(f"TensorRT cannot build this network: {logger.last}.")
    return bytes(plan)


def _logger(tensorrt: Any) -> Any:
    """Make a logger of TensorRT's kind that writes to the log; its own would print on stdout."""

    class Logger(tensorrt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            tensorrt.ILogger.__init__(self)
            self.last = "it does not say why"

        def log(self, severity: Any, message: str) -> None:
            level = tensorrt.ILogger.Severity
            if severity in (level.ERROR, level.INTERNAL_ERROR):
                self.last = message
            _LOG.info("TensorRT: %s", message)

    return Logger()


def _difference(engine: _Engine, model: Model, shape: tuple[int, ...]) -> float:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = model.network(x).numpy()  # on the CPU: torch's own GPU kernels round as well
    return relative_error(engine(x), wanted)


def _write(plan: bytes, path: Path) -> None:
    partial = path.with_name(f".{path.name}.part")
    try:
        partial.write_bytes(plan)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
