"""ONNX: a network as a file that other programs run, checked against torch before it is written."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_ziggurat.errors import InputError, MissingError
from napari_ziggurat.networks.calibration import fold_equalizers, uncalibrated
from napari_ziggurat.networks.checkpoint import Model
from napari_ziggurat.networks.config import MonaiConfig, NetworkConfig
from napari_ziggurat.networks.monai_designs import MonaiDesign
from napari_ziggurat.networks.norms import fold_batch_norm, kept_norms

__all__ = [
    "INPUT",
    "OUTPUT",
    "ExportReport",
    "export_onnx",
    "refuse_surroundings",
    "relative_error",
    "require_onnx",
]

INPUT, OUTPUT = "image", "logits"
"""Names of the exported input and output."""

_OPSET = 20  # the first with 3D grid_sample
_LARGEST_ERROR = 1e-4
_TRACED = {2: 9, 3: 5}  # strides along an axis of the example

# Tracing these takes minutes, and what comes out holds for the size of the example alone.
_FIXED_IN_SIZE: Mapping[MonaiDesign, str] = {
    "SwinUNETR": (
        "MONAI's window attention (window_partition and compute_mask) branches on the size of the "
        "image, and ONNX keeps the branches of one size. Network 'swin_unet' can be written"
    )
}


@dataclass(frozen=True)
class ExportReport:
    """What was written, and how far it is from torch.

    Attributes
    ----------
    path : Path
    checked_shape : tuple of int
        Input (N, C, (Z), Y, X) of another size than the traced one.
    largest_error : float
        Largest difference of the logits there, relative to their largest magnitude.
    folded : tuple of str
        Fusions whose equalizers went into the weights.
    kept : tuple of str
        Why norms were not folded, one sentence for each kind that is left.
    shapes : tuple of tuple of int
        Smallest, usual and largest input; empty where any is taken.
    """

    path: Path
    checked_shape: tuple[int, ...]
    largest_error: float
    folded: tuple[str, ...]
    kept: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...] = ()


def export_onnx(model: Model, path: Path) -> ExportReport:
    """Write a model as ONNX with dynamic batch and sizes; input is normalised, output are logits.

    Batch norm is folded, equalizers as far as that is exact. The file appears only when what it
    computes equals what torch computes, at a size that was not traced.

    Raises
    ------
    MissingError
        The packages for ONNX are not installed.
    InputError
        An equalizer was never calibrated, an operator has no counterpart in ONNX or fails there,
        or the results differ; the message names it.
    """
    refuse_surroundings(model.spec.network)
    require_onnx()
    _refuse_fixed(model.spec.network)
    network, folded = _prepared(model)
    topology = model.spec.network.topology
    # Windows of attention: with one per axis, their number would be taken for a constant.
    steps = _TRACED[topology.dims], 2
    traced, other = (_example(topology.in_channels, network.stride, n) for n in steps)
    program = _trace(network, traced, model.spec.network.name)
    partial = path.with_name(f".{path.name}.part")
    try:
        program.save(str(partial))
        error = _difference(network, partial, other)
        if error > _LARGEST_ERROR:
            raise InputError(
                f"ONNX computes something else than torch: logits differ by {error:.1e} at "
                f"{tuple(other.shape)}, more than {_LARGEST_ERROR:.0e}. Nothing was written; use "
                f"the model with ziggurat, or another network than '{model.spec.network.name}'."
            )
        _describe(partial, model)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    kept = tuple(kept_norms(network))
    return ExportReport(path, tuple(other.shape), error, tuple(folded), kept)


def require_onnx() -> None:
    """Raise MissingError where the packages for ONNX are not installed."""
    packages = ("onnx", "onnxscript", "onnxruntime")
    if missing := [name for name in packages if find_spec(name) is None]:
        raise MissingError(
            f"ONNX needs {', '.join(missing)}. Install: pip install 'napari-ziggurat[onnx]'."
        )


def relative_error(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """Largest difference, relative to the largest magnitude or 1; infinite where none can be told.

    That is where shapes differ, or where there is no number.
    """
    if found.shape != wanted.shape or not np.isfinite(found - wanted).all():
        return float("inf")
    return float(np.abs(found - wanted).max() / max(1.0, np.abs(wanted).max()))


def refuse_surroundings(config: NetworkConfig) -> None:
    """Raise InputError for a network that other programs would have to show the surroundings to."""
    if config.surroundings is not None:
        raise InputError(
            f"Network '{config.name}' cannot be exported: it sees the surroundings of a window as "
            "well, on a grid that other programs do not know. Segment with 'ziggurat segment', or "
            "train a network without a surround, such as 'unet'."
        )


def _refuse_fixed(config: NetworkConfig) -> None:
    if isinstance(config, MonaiConfig) and (reason := _FIXED_IN_SIZE.get(config.design)):
        raise InputError(f"Network '{config.name}' cannot be written as ONNX: {reason}.")


def _prepared(model: Model) -> tuple[Any, list[str]]:
    network = model.network.cpu().float().eval()
    if names := uncalibrated(network):
        raise InputError(
            f"{len(names)} equalizers of this model were never calibrated ({names[0]}, ...), so "
            "they do nothing yet. Train it, or train it again with --equalize off."
        )
    fold_batch_norm(network)
    return network, fold_equalizers(network)


def _example(channels: int, stride: Sequence[int], steps: int) -> torch.Tensor:
    """Noise, so many and some strides long, but no multiple of the stride."""
    size = [s * steps + 3 + 2 * axis for axis, s in enumerate(stride)]
    generator = torch.Generator().manual_seed(steps)
    return torch.randn(2, channels, *size, generator=generator)


def _trace(network: nn.Module, x: torch.Tensor, name: str) -> Any:
    axes = [0, *range(2, x.ndim)]
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it warns of packages that are of no use here
    try:
        return torch.onnx.export(
            network,
            (x,),
            dynamo=True,
            opset_version=_OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=(dict.fromkeys(axes, torch.export.Dim.AUTO),),
            verbose=False,
        )
    except Exception as error:  # the exporter raises what it likes; the person needs the operator
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise InputError(f"Network '{name}' cannot be written as ONNX: {reason}.") from error
    finally:
        logger.setLevel(level)


def _difference(network: Any, path: Path, x: torch.Tensor) -> float:
    with torch.no_grad():
        wanted = network(x).numpy()
    try:
        found = _compute(path, x.numpy())
    except Exception as error:  # onnxruntime has types of its own, and names the operator
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"Network '{network.config.name}' cannot be run as ONNX: {reason}. Nothing was written."
        ) from error
    return relative_error(found, wanted)


def _compute(path: Path, x: NDArray[np.float32]) -> NDArray[np.float32]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised; it need not print them as well
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    logits: NDArray[np.float32] = session.run(None, {INPUT: x})[0]
    return logits


def _describe(path: Path, model: Model) -> None:
    """Put what the model knows of itself into the file."""
    import onnx

    file = onnx.load(str(path))
    spec = model.spec.model_dump(mode="json")
    onnx.helper.set_model_props(file, {"ziggurat": json.dumps(spec)})
    onnx.save(file, str(path))
