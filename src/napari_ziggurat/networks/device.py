"""Device: where networks run, and why not elsewhere."""

import torch
from torch import nn

from napari_ziggurat.errors import DeviceError

__all__ = ["bfloat16_pays", "bfloat16_trains", "channels_last", "lay_out", "resolve_device"]

_LAYOUTS = {2: torch.channels_last, 3: torch.channels_last_3d}


def resolve_device(name: str) -> torch.device:
    """Find the device that a person named.

    Parameters
    ----------
    name : str
        ``"auto"`` (a GPU where there is one), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.

    Raises
    ------
    DeviceError
        It is unknown, or not there; the message says what was found.
    """
    if name == "auto":
        return torch.device(_best())
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DeviceError(
            f"Device '{name}' is unknown; use auto, cpu, cuda, cuda:1 (a number) or mps."
        ) from None
    if device.type not in _available():
        raise DeviceError(
            f"Device '{name}' was asked for but cannot be used; found: {', '.join(_available())}. "
            "'ziggurat doctor' tells why. Use --device auto or --device cpu."
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"Device '{name}' was asked for; there are {torch.cuda.device_count()} CUDA devices, "
            "counted from cuda:0."
        )
    return device


def bfloat16_pays(device: torch.device) -> bool:
    """Tell whether the device computes bfloat16 in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())


def bfloat16_trains(device: torch.device, dims: int) -> bool:
    """Tell whether networks over planes (2) or volumes (3) are trained in bfloat16.

    Where it pays, but for volumes on processors with AMX: there the backward pass of oneDNN's 3D
    convolutions (3.12, of PyTorch 2.13) writes beyond its memory, and hangs or ends the process.
    Inference has no backward pass.
    """
    broken = device.type == "cpu" and dims == 3 and torch.cpu._is_amx_tile_supported()
    return bfloat16_pays(device) and not broken


def channels_last(x: torch.Tensor) -> torch.Tensor:
    """Store a batch (N, C, (Z), Y, X) with the channels innermost, which convolutions prefer."""
    return x.contiguous(memory_format=_LAYOUTS[x.ndim - 2])


def lay_out(network: nn.Module) -> None:
    """Store the convolutions of a network with the channels innermost, in place."""
    spatial = max((p.ndim for p in network.parameters()), default=0) - 2
    if spatial in _LAYOUTS:
        network.to(memory_format=_LAYOUTS[spatial])  # type: ignore[call-overload]


def _available() -> list[str]:
    found = ["cpu"]
    if torch.cuda.is_available():
        found.insert(0, "cuda")
    if torch.backends.mps.is_available():
        found.insert(0, "mps")
    return found


def _best() -> str:
    return _available()[0]
