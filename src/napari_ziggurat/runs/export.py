"""Export: a model as a file that other programs run."""

from dataclasses import asdict, dataclass
from pathlib import Path

from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.networks import load_model
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.config import ExportConfig

__all__ = ["ExportResult", "export"]

_SUFFIX = {"onnx": ".onnx"}


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
    """

    path: str
    format: str
    largest_error: float
    checked_shape: tuple[int, ...]

    def as_dict(self) -> dict[str, object]:
        """Give the result as JSON can hold it."""
        return asdict(self)

    def render(self) -> str:
        """Say where the file lies and how exact it is."""
        return (
            f"{self.path}: input 'image' (normalised), output 'logits'; differs from torch by at "
            f"most {self.largest_error:.0e} at {self.checked_shape}"
        )


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
    out = config.out or config.model.with_suffix(_SUFFIX[config.format])
    _check_place(out, config)
    yield Progress("export", message=f"writing {out} and comparing it with torch")
    from napari_ziggurat.networks.onnx_export import export_onnx

    report = export_onnx(load_model(config.model), out)
    return ExportResult(str(out), config.format, report.largest_error, report.checked_shape)


def _check_place(out: Path, config: ExportConfig) -> None:
    if out.exists() and not config.overwrite:
        raise ExistsError(f"'{out}' exists. Give another --out, or --overwrite to replace it.")
    if not out.absolute().parent.is_dir():
        raise InputError(f"The folder of '{out}' does not exist. Make it, or give another --out.")
