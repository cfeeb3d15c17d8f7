"""Export: a model as a file that other programs run."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.networks import Model, load_model, read_spec
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.config import ExportConfig

if TYPE_CHECKING:
    from napari_ziggurat.networks.onnx_export import ExportReport

__all__ = ["ExportResult", "export"]

_SUFFIX = {"onnx": ".onnx", "tensorrt": ".engine"}


@dataclass(frozen=True)
class ExportResult:
    """What was written.

    Attributes
    ----------
    path : str
    format : str
    largest_error : float
        Largest relative difference to torch, at a size that was not traced.
    checked_shape : tuple of int
        That size (N, C, (Z), Y, X).
    kept_norms : tuple of str
        Why norms were not folded into convolutions, one sentence for each kind that is left.
    shapes : tuple of tuple of int
        Smallest, usual and largest input of a TensorRT engine; empty for ONNX, which takes any.
    of_objects : tuple of str
        What the last channels of the output tell of objects, each through a sigmoid.
    """

    path: str
    format: str
    largest_error: float
    checked_shape: tuple[int, ...]
    kept_norms: tuple[str, ...] = ()
    shapes: tuple[tuple[int, ...], ...] = ()
    of_objects: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Give the result as JSON can hold it."""
        return asdict(self)

    def render(self) -> str:
        """Say where the file lies, how exact it is, and what it takes."""
        lines = [
            f"{self.path}: input 'image' (normalised), output 'logits'; differs from torch by at "
            f"most {self.largest_error:.0e} at {_sizes(self.checked_shape)}",
            *self.kept_norms,
        ]
        if self.of_objects:
            lines.append(
                f"the last {len(self.of_objects)} channels of 'logits' are "
                f"{', '.join(self.of_objects)}, each through a sigmoid; those before are classes"
            )
        if self.shapes:
            smallest, usual, largest = map(_sizes, self.shapes)
            lines.append(f"takes {smallest} to {largest}, fastest at {usual}")
        return "\n".join(lines)


def export(config: ExportConfig) -> Run[ExportResult]:
    """Write a model in a format that other programs run, and check it against torch.

    Returns
    -------
    ExportResult
        As the generator's value.

    Raises
    ------
    ZigguratError
        The format cannot hold the network, or its packages are missing; nothing is written.
    """
    spec = read_spec(config.model)  # before anything slow
    out = config.out or _beside(config.model, _SUFFIX[config.format])
    _check_place(out, config)
    yield Progress("export", message=f"writing {out} and comparing it with torch")
    report = _write(load_model(config.model), out, config.format)
    return ExportResult(
        path=str(out),
        format=config.format,
        largest_error=report.largest_error,
        checked_shape=report.checked_shape,
        kept_norms=report.kept,
        shapes=report.shapes,
        of_objects=spec.shapes,
    )


def _write(model: Model, out: Path, form: str) -> "ExportReport":
    if form == "tensorrt":
        from napari_ziggurat.networks.tensorrt_export import export_tensorrt

        return export_tensorrt(model, out)
    from napari_ziggurat.networks.onnx_export import export_onnx

    return export_onnx(model, out)


def _beside(model: Path, suffix: str) -> Path:
    folder = model if model.name not in ("", "..") else model.resolve()
    return folder.with_name(f"{folder.name}{suffix}")


def _check_place(out: Path, config: ExportConfig) -> None:
    if out.is_dir():
        raise InputError(f"'{out}' is a folder. Give --out the name of a file.")
    if out.exists() and not config.overwrite:
        raise ExistsError(f"'{out}' exists. Give another --out, or --overwrite to replace it.")
    if not out.absolute().parent.is_dir():
        raise InputError(f"The folder of '{out}' does not exist. Make it, or give another --out.")


def _sizes(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
