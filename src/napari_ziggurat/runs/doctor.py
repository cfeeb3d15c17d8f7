"""Doctor: what is installed, what there is to compute with, why no GPU and how to mend it."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import psutil

from napari_ziggurat.inference.cores import available_cores
from napari_ziggurat.networks.torch_facts import DeviceFacts, torch_facts

__all__ = ["Driver", "Report", "examine", "why_no_gpu"]

_PACKAGES = ("napari-ziggurat", "torch", "monai", "numpy", "zarr", "yaozarrs", "napari")
_QT_BINDINGS = ("PyQt6", "PySide6", "PyQt5")
_NOT_THERE = "not installed"
_GIB = 2**30


@dataclass(frozen=True)
class Driver:
    """What ``nvidia-smi`` says: its versions, or the problem that it reports."""

    version: str
    cuda: str
    problem: str = ""


@dataclass(frozen=True)
class Report:
    """State of the machine; amounts in bytes.

    Attributes
    ----------
    gpu_advice : str
        Why there is no GPU and how to mend it; empty where there is one.
    """

    versions: dict[str, str]
    gpus: tuple[DeviceFacts, ...]
    gpu_advice: str
    cores: int
    memory: int
    memory_free: int
    disk: str
    disk_free: int

    def as_dict(self) -> dict[str, object]:
        """Give everything as JSON can hold it."""
        return asdict(self)

    def render(self) -> str:
        """Give everything as text."""
        return "\n".join(_lines(self))


def examine() -> Report:
    """Look at the machine and at what is installed."""
    facts = torch_facts()
    memory = psutil.virtual_memory()
    here = Path.cwd()
    return Report(
        versions=_versions(),
        gpus=facts.gpus,
        gpu_advice="" if facts.gpus else _advice(facts.cuda),
        cores=available_cores(),
        memory=memory.total,
        memory_free=memory.available,
        disk=str(here),
        disk_free=shutil.disk_usage(here).free,
    )


def why_no_gpu(cuda_build: str | None, driver: Driver | None, visible: str | None) -> str:
    """Say why PyTorch cannot use a GPU, and what to do.

    Parameters
    ----------
    cuda_build : str or None
        CUDA version that PyTorch was built for.
    driver : Driver or None
        The NVIDIA driver, where there is one.
    visible : str or None
        ``CUDA_VISIBLE_DEVICES``.
    """
    if driver is None:
        return _no_driver(cuda_build)
    if cuda_build is None:
        return (
            f"There is an NVIDIA driver ({driver.version}), but this PyTorch was built without "
            "CUDA. Install a CUDA build of the same version: https://pytorch.org/get-started."
        )
    if driver.problem:
        return (
            f"The NVIDIA driver does not answer: {driver.problem}. "
            "After an update of the driver, restart the machine."
        )
    if _number(driver.cuda) < _number(cuda_build):
        return (
            f"The NVIDIA driver {driver.version} is too old: it supports CUDA {driver.cuda}, this "
            f"PyTorch needs {cuda_build}. Update the driver, or install a PyTorch built for "
            f"CUDA {driver.cuda}."
        )
    if visible is not None and not re.match(r"\d|GPU", visible):
        return f"CUDA_VISIBLE_DEVICES='{visible}' hides every GPU. Unset it."
    return (
        f"PyTorch was built for CUDA {cuda_build} and there is a driver ({driver.version}), yet no "
        "GPU can be used. Look at the output of 'nvidia-smi'."
    )


def _no_driver(cuda_build: str | None) -> str:
    if platform.system() == "Darwin":
        return "PyTorch sees no Apple GPU; it needs macOS 12.3 and Apple silicon or an AMD GPU."
    if cuda_build is None:
        return (
            "This PyTorch was built without CUDA, and there is no NVIDIA driver. With an NVIDIA "
            "GPU, install its driver and a CUDA build of PyTorch; without one, the CPU is used."
        )
    return (
        f"This PyTorch was built for CUDA {cuda_build}, but there is no NVIDIA driver. With an "
        "NVIDIA GPU, install its driver (in a container, start it with the GPU); without one, the "
        "CPU is used."
    )


def _number(version: str) -> tuple[int, ...]:
    """Major version alone: within one, older drivers run newer builds."""
    return tuple(int(part) for part in version.split(".")[:1] if part.isdecimal())


def _advice(cuda_build: str | None) -> str:
    return why_no_gpu(cuda_build, _find_driver(), os.environ.get("CUDA_VISIBLE_DEVICES"))


def _find_driver() -> Driver | None:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    try:
        found = subprocess.run([tool], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return Driver("?", "?", "nvidia-smi did not answer")
    return _read_driver(found.stdout)


def _read_driver(text: str) -> Driver:
    """Read the head of what ``nvidia-smi`` prints."""
    version = re.search(r"Driver Version:\s*([\d.]+)", text)
    cuda = re.search(r"CUDA Version:\s*([\d.]+)", text)
    if version is None or cuda is None:
        return Driver("?", "?", (text.strip().splitlines() or ["no output"])[0])
    return Driver(version[1], cuda[1])


def _versions() -> dict[str, str]:
    found = {name: _version(name) for name in _PACKAGES}
    bindings = [f"{name} {_version(name)}" for name in _QT_BINDINGS if _version(name) != _NOT_THERE]
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        **found,
        "Qt binding": ", ".join(bindings) or _NOT_THERE,
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return _NOT_THERE


def _lines(report: Report) -> Iterator[str]:
    for name, version in report.versions.items():
        yield f"{name:<16} {version}"
    yield f"{'cores':<16} {report.cores}"
    yield f"{'memory':<16} {_amount(report.memory_free)} free of {_amount(report.memory)}"
    yield f"{'disk':<16} {_amount(report.disk_free)} free at {report.disk}"
    for gpu in report.gpus:
        memory = f", {_amount(gpu.memory)}" if gpu.memory else ""
        yield f"{gpu.name:<16} {gpu.description}{memory}"
    if report.gpu_advice:
        yield f"{'GPU':<16} none. {report.gpu_advice}"


def _amount(size: int) -> str:
    return f"{size / _GIB:.1f} GiB"
