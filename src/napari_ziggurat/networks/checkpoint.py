"""Checkpoint: a folder with ``model.json`` and ``weights.safetensors``; everything to run again.

Loading is strict and never unpickles: a model file from a stranger cannot run code.
"""

import errno
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_ziggurat.classes import LabelClass, Shape
from napari_ziggurat.errors import InputError, MissingError
from napari_ziggurat.geometry import SurroundGrids
from napari_ziggurat.networks.config import AnyNetworkConfig
from napari_ziggurat.networks.intensity import Intensity
from napari_ziggurat.networks.level_weights import LevelWeights
from napari_ziggurat.networks.lineage import Round
from napari_ziggurat.networks.object_settings import ObjectSettings

if TYPE_CHECKING:
    import torch

    from napari_ziggurat.networks.network import SegmentationNetwork

__all__ = [
    "SCHEMA_VERSION",
    "GateLevel",
    "Model",
    "ModelSpec",
    "load_model",
    "read_spec",
    "save_model",
    "save_spec",
]

SCHEMA_VERSION = 1
_SPEC, _WEIGHTS = "model.json", "weights.safetensors"
_RETRAIN = "Train it again, or take the folder that was saved with these weights."


class GateLevel(BaseModel):
    """How far the probabilities of a coarser level tell where there is foreground.

    Attributes
    ----------
    spacing : tuple of float
        Voxel size of the coarser level, in the unit and along the axes of the model.
    radius : int
        Voxels of the coarser level around a place that count for it.
    thresholds : tuple of (recall, threshold)
        The largest coarse probability of foreground that keeps so much of the fine foreground.
    foreground : int
        Fine foreground voxels that the thresholds were learned from.
    kept : float
        Share of the voxels of the coarser level that was kept with 0.999 of the foreground.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    spacing: tuple[float, ...]
    radius: int = Field(ge=0)
    thresholds: tuple[tuple[float, float], ...] = Field(min_length=1)
    foreground: int = Field(ge=1)
    kept: float = Field(ge=0, le=1)


class ModelSpec(BaseModel):
    """What a model knows of itself.

    Attributes
    ----------
    network : NetworkConfig
        The network; its output channels are ``classes``, and then ``shapes``, in order.
    task : str
        ``"semantic"``, ``"foreground"`` (every non-zero label was class 1), or ``"instance"``
        (each non-zero label was an object of class 1).
    classes : tuple of LabelClass
        Value 0 is the background.
    channels : tuple of str
        Names of the image channels, in order.
    axes : str
        Spatial axes of the images it was trained on, ``"zyx"`` or ``"yx"``.
    spacing, unit
        Voxel size it was trained at, per axis of ``axes``; unit None means not stated.
    intensity : Intensity
        Grey-value statistics of the training data.
    window, rim : tuple of int
        Shape of inference windows and the context around their cells, per axis of ``axes``.
    gate : tuple of GateLevel
        Coarser levels that were seen to tell where there is foreground; none unless calibrated.
    training : mapping
        Summary of the training: steps, seconds, loss, scores, settings.
    versions : mapping
        Packages that it was made with.
    level_weights : LevelWeights or None
        How levels are fused, where ``ziggurat calibrate`` fitted it; absent otherwise.
    rounds : tuple of Round
        What it was trained on, from the first ancestor's round to its own; absent from models from
        before rounds were recorded.
    shapes : tuple of str
        What the channels after those of the classes tell of objects, ``"boundary"`` and
        ``"distance"``, each through a sigmoid; absent where there are none.
    objects : ObjectSettings or None
        How its maps become objects, where ``ziggurat calibrate`` fitted it; absent otherwise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = SCHEMA_VERSION
    network: AnyNetworkConfig
    task: Literal["semantic", "foreground", "instance"]
    classes: tuple[LabelClass, ...]
    channels: tuple[str, ...]
    axes: Literal["yx", "zyx"]
    spacing: tuple[float, ...]
    unit: str | None
    intensity: Intensity
    window: tuple[int, ...]
    rim: tuple[int, ...]
    gate: tuple[GateLevel, ...] = ()
    training: Mapping[str, Any] = Field(default_factory=dict)
    versions: Mapping[str, str] = Field(default_factory=dict)
    level_weights: LevelWeights | None = None
    rounds: tuple[Round, ...] = ()
    shapes: tuple[Shape, ...] = ()
    objects: ObjectSettings | None = None

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        topology, channels, axes = self.network.topology, len(self.channels), len(self.axes)
        made = "classes and shapes" if self.shapes else "classes"
        for what, count, whole, wanted in (
            (made, len(self.outputs), "outputs of the network", topology.out_channels),
            ("channels", channels, "inputs of the network", topology.in_channels),
            ("channels of intensity", self.intensity.channels, "channels", channels),
            ("lengths of spacing", len(self.spacing), "axes", axes),
            ("lengths of window", len(self.window), "axes", axes),
            ("lengths of rim", len(self.rim), "axes", axes),
        ):
            if count != wanted:
                raise ValueError(f"there are {count} {what} and {wanted} {whole}")
        _check_level_weights(self.level_weights, axes, len(self.classes))
        if topology.dims > axes:
            raise ValueError(f"a {topology.dims}D network cannot see images with axes {self.axes}")
        return self

    @property
    def outputs(self) -> tuple[str, ...]:
        """Name of each output channel: the classes, and then the shapes."""
        return (*(each.name for each in self.classes), *self.shapes)

    @property
    def dims(self) -> int:
        """Spatial axes of the network: 2 for a slice-wise model, also on volumes."""
        return self.network.topology.dims

    @property
    def stride(self) -> tuple[int, ...]:
        """Total stride of the network per axis of ``axes``; 1 along axes it does not see."""
        missing = len(self.axes) - self.dims
        return (1,) * missing + self.network.stride

    @property
    def surroundings(self) -> SurroundGrids | None:
        """Grids of the surroundings that it sees, per axis of ``axes``; None where it sees none."""
        grids = self.network.surroundings
        return grids and grids.seen_by(len(self.axes))


@dataclass(frozen=True)
class Model:
    """A network with its parameters and what it knows of itself."""

    spec: ModelSpec
    network: "SegmentationNetwork"


def _check_level_weights(found: LevelWeights | None, axes: int, classes: int) -> None:
    if found is None:
        return
    if len(found.downsampling) != len(found.weights):
        raise ValueError("there are as many level_weights.downsampling as level_weights.weights")
    if any(len(each) != axes for each in found.downsampling):
        raise ValueError(f"level_weights.downsampling has {axes} values for each level")
    if any(len(each) != classes or min(each) < 0 for each in found.weights):
        raise ValueError(f"level_weights.weights has {classes} values of at least 0 for each level")


def save_model(model: Model, folder: Path) -> None:
    """Write a model; files appear under their names only when both are whole and on the disk.

    Raises
    ------
    OSError
        The disk is full, or the system refuses: a model that was there is as it was.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v.detach().cpu().contiguous() for k, v in model.network.state_dict().items()}
    weights = folder / f".{_WEIGHTS}.part"
    with _removed_on_error(weights):
        try:
            save_file(state, weights)
            _flush(weights)
        except SafetensorError as error:  # it tells no number
            raise OSError(_code(error), str(error), str(folder / _WEIGHTS)) from None
        _write_spec(model.spec, folder, weights)


def save_spec(spec: ModelSpec, folder: Path) -> None:
    """Write what a model knows of itself, beside its weights, in one step."""
    _write_spec(spec, folder)


def _write_spec(spec: ModelSpec, folder: Path, weights: Path | None = None) -> None:
    """Write a description; once it is whole, it and the weights that belong to it get names."""
    # What there is not is left out: programs from before there was such a thing read it, too.
    optional = ("level_weights", "rounds", "shapes", "objects")
    absent = {name for name in optional if not getattr(spec, name)}
    part = folder / f".{_SPEC}.part"
    with _removed_on_error(part):
        part.write_text(spec.model_dump_json(indent=2, exclude=absent), encoding="utf-8")
        _flush(part)
        if weights is not None:
            weights.replace(folder / _WEIGHTS)
        part.replace(folder / _SPEC)


@contextmanager
def _removed_on_error(part: Path) -> Iterator[None]:
    """Remove a file that did not become whole: it takes room where there is none."""
    try:
        yield
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _flush(path: Path) -> None:
    """Wait until a file is on the disk, so that no name is given to what a power cut can lose."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _code(error: Exception) -> int:
    """Give the number of the error that a library put into words; a full disk unless it is said."""
    found = re.search(r"os error (\d+)", str(error))
    return int(found[1]) if found else errno.ENOSPC


def read_spec(folder: Path) -> ModelSpec:
    """Read what a model knows of itself, without its weights and without torch.

    Raises
    ------
    MissingError
        There is no such folder, or no ``model.json`` in it.
    InputError
        It is a pickle, of a newer schema, or does not fit the schema.
    """
    folder = Path(folder)
    _refuse_pickle(folder)
    path = folder / _SPEC
    if not path.is_file():
        raise MissingError(
            f"'{folder}' is not a model: a model is a folder that holds {_SPEC} and {_WEIGHTS}."
        )
    return _parse_spec(path)


def load_model(folder: Path) -> Model:
    """Load a model in evaluation mode on the CPU.

    Raises
    ------
    MissingError, InputError
        As `read_spec`; also when weights are missing or do not fit, naming every key.
    """
    from napari_ziggurat.networks.registry import create_network

    folder = Path(folder)
    spec = read_spec(folder)
    network = create_network(spec.network)
    state = _read_weights(folder / _WEIGHTS)
    _check_weights(network.state_dict(), state, folder)
    network.load_state_dict(state, strict=True)
    return Model(spec, network.eval())


def _parse_spec(path: Path) -> ModelSpec:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content.get("schema_version") if isinstance(content, dict) else None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"'{path}' is not readable as JSON ({error}). {_RETRAIN}") from None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise InputError(
            f"'{path}' has schema version {version}; this version of napari-ziggurat reads up to "
            f"{SCHEMA_VERSION}. Update it with: pip install -U napari-ziggurat."
        )
    try:
        return ModelSpec.model_validate(content)
    except ValidationError as error:
        what = "; ".join(_problem(e["loc"], e["msg"]) for e in error.errors())
        raise InputError(f"'{path}' does not describe a model ({what}). {_RETRAIN}") from None


def _problem(where: tuple[int | str, ...], message: str) -> str:
    said = message.removeprefix("Value error, ")
    return f"{'.'.join(map(str, where))}: {said}" if where else said


def _refuse_pickle(path: Path) -> None:
    if not path.is_file():
        return
    with path.open("rb") as file:
        head = file.read(9)
    if head[8:] == b"{":  # safetensors: eight bytes of length, which may begin like a pickle
        return
    if head[:1] == b"\x80" or head[:4] == b"PK\x03\x04":
        raise InputError(
            f"'{path}' is a pickle (a file saved by torch.save, for example). Loading one can run "
            "any code it holds, so it is refused. Give a model folder made by 'ziggurat train'."
        )


def _read_weights(path: Path) -> "dict[str, torch.Tensor]":
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise MissingError(f"The weights '{path}' are missing. {_RETRAIN}")
    _refuse_pickle(path)
    try:
        return load_file(path)
    except SafetensorError as error:
        raise InputError(
            f"'{path}' is not a whole safetensors file ({error}). {_RETRAIN}"
        ) from None


def _check_weights(
    wanted: "Mapping[str, torch.Tensor]", given: "Mapping[str, torch.Tensor]", folder: Path
) -> None:
    """Refuse weights that do not fit, and name every key that differs."""
    wrong = [f"missing {key}" for key in wanted if key not in given]
    wrong += [f"unexpected {key}" for key in given if key not in wanted]
    wrong += [
        f"{key} has shape {tuple(given[key].shape)} where the network has {tuple(value.shape)}"
        for key, value in wanted.items()
        if key in given and given[key].shape != value.shape
    ]
    if wrong:
        raise InputError(
            f"The weights in '{folder}' do not fit its network: {'; '.join(wrong)}. {_RETRAIN}"
        )
