"""What PyTorch says of itself: its build and the devices that it can use."""

from dataclasses import dataclass

import torch

__all__ = ["DeviceFacts", "TorchFacts", "torch_facts"]


@dataclass(frozen=True)
class DeviceFacts:
    """A device by the name that ``--device`` takes; memory in bytes where it is known."""

    name: str
    description: str
    memory: int | None = None


@dataclass(frozen=True)
class TorchFacts:
    """Build and GPUs of this PyTorch; ``cuda`` is None for a build without CUDA."""

    version: str
    cuda: str | None
    gpus: tuple[DeviceFacts, ...]
    threads: int


def torch_facts() -> TorchFacts:
    """Ask PyTorch."""
    return TorchFacts(
        version=str(torch.__version__),
        cuda=torch.version.cuda,
        gpus=(*_cuda_gpus(), *_apple_gpus()),
        threads=torch.get_num_threads(),
    )


def _cuda_gpus() -> list[DeviceFacts]:
    if not torch.cuda.is_available():
        return []
    numbers = range(torch.cuda.device_count())
    found = [(number, torch.cuda.get_device_properties(number)) for number in numbers]
    return [DeviceFacts(f"cuda:{n}", gpu.name, gpu.total_memory) for n, gpu in found]


def _apple_gpus() -> list[DeviceFacts]:
    return [DeviceFacts("mps", "Apple GPU")] if torch.backends.mps.is_available() else []
