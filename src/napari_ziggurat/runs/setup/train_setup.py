"""Setup: what is decided before the first training step, with the reasons in words."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import psutil
import torch

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import SurroundGrids
from napari_ziggurat.networks import (
    Composition,
    Intensity,
    Model,
    ModelSpec,
    NetworkConfig,
    configure_network,
)
from napari_ziggurat.networks.device import bfloat16_trains
from napari_ziggurat.networks.registry import sees_surroundings
from napari_ziggurat.networks.widen import with_outputs
from napari_ziggurat.progress import Run
from napari_ziggurat.runs.config import TrainConfig
from napari_ziggurat.runs.config.class_shares import PAINTED, told_shares
from napari_ziggurat.runs.config.network_file import read_network
from napari_ziggurat.runs.setup.train_data import TrainData, read_training, read_validation
from napari_ziggurat.training.augment import Symmetry
from napari_ziggurat.training.fingerprint import each_with, fingerprint
from napari_ziggurat.training.in_memory import kept_bytes
from napari_ziggurat.training.loop import Recipe
from napari_ziggurat.training.planner import Design, Machine, Wishes, design, fit_windows
from napari_ziggurat.training.sampling import LabelIndex, Sampler
from napari_ziggurat.training.teacher import Unlabelled
from napari_ziggurat.training.volumes import LabelledVolume
from napari_ziggurat.training.zoom import Zoom

__all__ = ["TrainSetup", "decide", "prepare"]

# Part of the patches that is centred on a class drawn with equal chances; more where a class has
# less than one percent of the labelled voxels and chance would hardly meet it.
_BALANCED, _BALANCED_RARE, _RARE = 0.5, 0.75, 0.01

Shapes = tuple[tuple[int, ...], int]
"""Patch and batch."""


@dataclass(frozen=True)
class TrainSetup:
    """Everything that was decided before the first step.

    Attributes
    ----------
    config : TrainConfig
    data : TrainData
    validation : sequence of LabelledVolume
        Empty where there are no validation images.
    sampler : Sampler
    shape : Design
    intensity : Intensity
        As it is stored with the model.
    network : NetworkConfig
    images_digest : str
        SHA-256 of the statistics of the training images.
    machine : Machine
        What the training may use.
    reasons : tuple of str
        Every decision in words.
    """

    config: TrainConfig
    data: TrainData
    validation: Sequence[LabelledVolume]
    sampler: Sampler
    shape: Design
    intensity: Intensity
    network: NetworkConfig
    images_digest: str
    machine: Machine
    reasons: tuple[str, ...]

    @property
    def flat(self) -> bool:
        """The network sees planes of volumes."""
        return self.shape.dims < len(self.shape.patch)

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        """Classes with their names."""
        return self.data.classes

    @property
    def symmetry(self) -> Symmetry:
        """What augmentation may do."""
        shape = self.shape
        square = shape.patch[-1] == shape.patch[-2]
        grids = self.network.surroundings
        factor = () if grids is None else grids.factor
        square = square and factor[-1:] == factor[-2:-1]
        mirror = _may_mirror(self.data.volumes)
        return Symmetry(shape.dims, mirror, shape.in_plane, square, factor)

    @property
    def around(self) -> SurroundGrids | None:
        """Grids of the surroundings that the network sees, along the axes of the images."""
        return _around(self.network, self.shape)

    @property
    def corrects_shares(self) -> bool:
        """Whether the shares of the classes are corrected: strokes do not tell them."""
        return self.config.sparse and self.config.class_shares != PAINTED

    @property
    def told_shares(self) -> tuple[float | None, ...]:
        """Share of each class, as far as a person said it; empty where nothing was said."""
        return told_shares(self.config.class_shares, self.classes)

    @property
    def recipe(self) -> Recipe:
        """How to train."""
        config = self.config
        more = {} if config.learning_rate is None else {"learning_rate": config.learning_rate}
        return Recipe(
            self.shape.batch,
            self.flat,
            seed=config.seed,
            depths=config.deep_supervision or (),
            focal=config.focal,
            zoom=self._zoom,
            unlabelled=self._unlabelled,
            alike=config.alike,
            **more,
        )

    @property
    def _zoom(self) -> Zoom | None:
        scales = self.config.scales
        in_plane = self.flat or self.shape.in_plane
        axes = 2 if in_plane else len(self.shape.patch)
        return None if scales is None else Zoom(scales[0], scales[1], axes)

    @property
    def _unlabelled(self) -> Unlabelled | None:
        config = self.config
        if not config.unlabelled:
            return None
        told = self.told_shares
        return Unlabelled(config.unlabelled, config.confidence, self.corrects_shares, told)


def prepare(
    config: TrainConfig, device: torch.device, parent: Model | None, kept: Shapes | None
) -> Run[TrainSetup]:
    """Open images and labels, look through them, and decide everything.

    Parameters
    ----------
    config : TrainConfig
        What a person decided.
    device : torch.device
        Where the training runs.
    parent : Model or None
        The model that the training goes on from.
    kept : (tuple of int, int) or None
        Patch and batch of an unfinished training that goes on.

    Raises
    ------
    InputError
        The data cannot be learned from, or do not fit the parent model.
    """
    read_network(config.network)  # refused before the images are read
    memory = config.memory_bytes or psutil.virtual_memory().available
    spec = None if parent is None else parent.spec
    data = yield from read_training(config, memory // (2 if config.memory_bytes else 4), spec)
    validation = yield from read_validation(config, data)
    return decide(config, device, parent, kept, (data, validation))


def decide(
    config: TrainConfig,
    device: torch.device,
    parent: Model | None,
    kept: Shapes | None,
    found: tuple[TrainData, Sequence[LabelledVolume]],
) -> TrainSetup:
    """Decide everything for data that were looked through.

    Parameters and errors are those of `prepare`; ``found`` are the data and the validation images.
    """
    named = read_network(config.network)
    memory = config.memory_bytes or psutil.virtual_memory().available
    data, validation = found
    if parent is not None:
        _refuse_ignored(parent.spec, config, named)
    machine = _machine(device, memory - kept_bytes(data.volumes))
    shape = design(
        [v.shape for v in data.volumes],
        data.spacing,
        machine,
        _wishes(config, kept),
        None if parent is None else parent.spec.network.topology,
        2 if _sees_surroundings(named, parent) else 1,
    )
    intensity, each, why = fingerprint(data.volumes, data.index)
    digest = hashlib.sha256(repr((intensity, each)).encode()).hexdigest()
    if parent is not None:
        intensity, why = (
            parent.spec.intensity,
            "intensity: as in the model that training goes on from",
        )
        each = each_with(intensity, data.volumes)
    network = (
        _network(config, named, shape, data)
        if parent is None
        else with_outputs(parent.spec.network, len(data.classes) + len(config.shapes))
    )
    shape = _fit(shape, network, machine, config.depth)
    around = _around(network, shape)
    _refuse_scales(config, around)
    # A class that is not there is refused now, not after the training.
    told_shares(config.class_shares, data.classes)
    data = replace(data, volumes=_as_seen(data.volumes, shape, around))
    validation = _as_seen(validation, shape, around)
    sampler = Sampler(
        data.volumes, each, data.index, shape.patch, _balanced(data.index), around=around
    )
    half = bfloat16_trains(device, network.topology.dims)
    words = f"{device}, {'bfloat16' if half else 'float32'}"
    reasons = (*data.notes, *shape.reasons, *_around_words(data.volumes[0], around), why, words)
    return TrainSetup(
        config, data, validation, sampler, shape, intensity, network, digest, machine, reasons
    )


def _sees_surroundings(named: str | Composition, parent: Model | None) -> bool:
    if parent is not None:
        return parent.spec.network.surroundings is not None
    return sees_surroundings(named)


def _around(network: NetworkConfig, shape: Design) -> SurroundGrids | None:
    """Give the grids of the surroundings that a network sees, along the axes of the images."""
    grids = network.surroundings
    return grids and grids.seen_by(len(shape.patch))


def _as_seen(
    volumes: Sequence[LabelledVolume], shape: Design, around: SurroundGrids | None
) -> list[LabelledVolume]:
    """Let surroundings be read, where they are seen, and shapes of objects as the network can."""
    if around is not None:
        volumes = [each.surrounded(around.factor) for each in volumes]
    return [each.shaped(by_plane=shape.dims < len(shape.patch)) for each in volumes]


def _around_words(volume: LabelledVolume, grids: SurroundGrids | None) -> tuple[str, ...]:
    if grids is None or volume.around is None:
        return ()
    level = volume.around.stored
    where = f"level {level} of the image" if level is not None else "means of what is trained on"
    factor = " x ".join(map(str, grids.factor))
    return (f"surroundings of each patch, {factor} voxels in one: {where}",)


def _machine(device: torch.device, memory: int) -> Machine:
    if device.type == "cuda":
        memory = int(torch.cuda.mem_get_info(device)[0])
    return Machine(device.type != "cpu", memory)


def _wishes(config: TrainConfig, kept: Shapes | None) -> Wishes:
    patch, batch = kept or (config.patch, config.batch)
    return Wishes(config.dims, patch, batch, config.depth, config.features)


def _network(
    config: TrainConfig, named: str | Composition, shape: Design, data: TrainData
) -> NetworkConfig:
    channels = len(data.volumes[0].image.channels)
    topology = shape.topology(channels, len(data.code.values) + len(config.shapes))
    network = configure_network(named, topology, **_choices(config))
    if config.deep_supervision is None:
        return network
    return network.model_copy(update={"supervised": len(config.deep_supervision)})


def _fit(shape: Design, network: NetworkConfig, machine: Machine, depth: int | None) -> Design:
    """Fit a design to a network that has levels or features of its own."""
    topology = network.topology
    if depth not in (None, topology.levels):
        raise InputError(
            f"Network '{network.name}' has {topology.levels} levels whatever the images are; "
            f"--depth {depth} asks for others. Leave out --depth, or take another network."
        )
    _refuse_single_voxel(shape, network)
    fitted = fit_windows(shape, network.stride, machine)
    if (topology.features, topology.strides) == (shape.features, shape.strides):
        return fitted
    own = (
        f"network '{network.name}' has a pyramid of its own: {topology.levels} levels with "
        f"{', '.join(map(str, topology.features))} features"
    )
    return replace(fitted, reasons=(*fitted.reasons, own))


def _refuse_single_voxel(shape: Design, network: NetworkConfig) -> None:
    """Refuse patches that are one voxel of the coarsest grid: a norm compares voxels."""
    patch, stride = shape.patch[-shape.dims :], network.stride
    if any(n > m for n, m in zip(patch, stride, strict=True)):
        return
    unseen = (1,) * (len(shape.patch) - shape.dims)
    smallest = (*unseen, *(2 * m for m in stride))
    raise InputError(
        f"A patch of {' x '.join(map(str, patch))} is a single voxel of the coarsest grid of "
        f"network '{network.name}', which steps down to 1/{' x '.join(map(str, stride))}, and "
        f"norms have nothing to compare there. Give --patch {','.join(map(str, smallest))} or more."
    )


def _choices(config: TrainConfig) -> dict[str, str]:
    asked = {"upsampling": config.upsampling, "equalize": config.equalize}
    return {name: value for name, value in asked.items() if value is not None}


def _balanced(index: LabelIndex) -> float:
    return _BALANCED_RARE if min(index.shares.values()) < _RARE else _BALANCED


def _refuse_ignored(spec: ModelSpec, config: TrainConfig, named: str | Composition) -> None:
    """Refuse settings that ask for another network than the one that training goes on from."""
    topology = spec.network.topology
    name = config.network if "network" in config.model_fields_set else None
    if isinstance(named, Composition):
        _refuse_other_parts(spec, configure_network(named, topology, **_choices(config)), config)
        name = None  # a file may be called otherwise now
    for option, asked, there in (
        ("--network", name, spec.network.name),
        ("--dims", config.dims, topology.dims),
        ("--depth", config.depth, len(topology.features)),
        ("--features", config.features, topology.features[0]),
        ("--upsampling", config.upsampling, getattr(spec.network, "upsampling", None)),
        ("--equalize", config.equalize, getattr(spec.network, "equalize", None)),
    ):
        if asked not in (None, there):
            raise InputError(
                f"--from goes on with the network of the model, which has {option} {there}; "
                f"{option} {asked} needs a fresh one. Leave out {option} or --from."
            )


def _refuse_other_parts(spec: ModelSpec, asked: NetworkConfig, config: TrainConfig) -> None:
    """Refuse a file that describes other parts than the model has."""
    free = {"name", "topology", "supervised"}
    ours, theirs = (each.model_dump(exclude=free) for each in (spec.network, asked))
    if differs := sorted(k for k in {*ours, *theirs} if ours.get(k) != theirs.get(k)):
        raise InputError(
            f"--from goes on with the network of the model, '{spec.network.name}', and "
            f"'{config.network}' describes another one (different {', '.join(differs)}). Leave out "
            "--network or --from."
        )


def _refuse_scales(config: TrainConfig, around: SurroundGrids | None) -> None:
    """Refuse random scales where the surroundings of a patch are seen at a scale of their own."""
    if around is not None and config.scales is not None:
        raise InputError(
            f"Network '{config.network}' sees the surroundings of a patch on a grid of their own, "
            "and --scales changes the grid of the patch. Leave out --scales, or take a network "
            "without surroundings."
        )


def _may_mirror(volumes: Sequence[LabelledVolume]) -> bool:
    """Anatomy with a stated orientation must not be mirrored: left is not right."""
    return all(volume.image.affine is None for volume in volumes)
