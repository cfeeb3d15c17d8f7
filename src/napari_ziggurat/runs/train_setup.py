"""Setup: what is decided before the first training step, with the reasons in words."""

from collections.abc import Sequence
from dataclasses import dataclass

import psutil
import torch

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Spacing
from napari_ziggurat.images.class_names import named_classes
from napari_ziggurat.networks import Intensity, Model, ModelSpec, NetworkConfig, configure_network
from napari_ziggurat.networks.device import bfloat16_pays
from napari_ziggurat.runs.config import TrainConfig
from napari_ziggurat.runs.pairs import Opener, Pair, match_files, open_pairs, to_volumes
from napari_ziggurat.training.augment import Symmetry
from napari_ziggurat.training.fingerprint import fingerprint
from napari_ziggurat.training.labels import find_code
from napari_ziggurat.training.loop import Recipe
from napari_ziggurat.training.planner import Design, Machine, Wishes, design
from napari_ziggurat.training.sampling import LabelIndex, Sampler
from napari_ziggurat.training.volumes import (
    LabelCode,
    LabelledVolume,
    hold_what_fits,
    label_positions,
)

__all__ = ["TrainSetup", "opener_of", "prepare"]

# Part of the patches that is centred on a class drawn with equal chances; more where a class has
# less than one percent of the labelled voxels and chance would hardly meet it.
_BALANCED, _BALANCED_RARE, _RARE = 0.5, 0.75, 0.01


@dataclass(frozen=True)
class TrainSetup:
    """Everything that was decided before the first step."""

    config: TrainConfig
    code: LabelCode
    volumes: Sequence[LabelledVolume]
    sampler: Sampler
    shape: Design
    intensity: Intensity
    network: NetworkConfig
    reasons: tuple[str, ...]

    @property
    def flat(self) -> bool:
        """The network sees planes of volumes."""
        return self.shape.dims < len(self.shape.patch)

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        """Classes with the names that the label images state."""
        return named_classes(self.volumes[0].labels, self.code.values)

    @property
    def spacing(self) -> Spacing:
        """Median spacing of the training images."""
        return _common_spacing(self.volumes)

    @property
    def symmetry(self) -> Symmetry:
        """What augmentation may do."""
        return Symmetry(self.shape.dims, _may_mirror(self.volumes), self.shape.in_plane)

    @property
    def recipe(self) -> Recipe:
        """How to train."""
        rate = self.config.learning_rate
        more = {} if rate is None else {"learning_rate": rate}
        return Recipe(batch=self.shape.batch, flat=self.flat, seed=self.config.seed, **more)


def prepare(config: TrainConfig, device: torch.device, parent: Model | None) -> TrainSetup:
    """Open images and labels, look through them, and decide everything.

    Raises
    ------
    InputError
        The data cannot be learned from, or do not fit the parent model.
    """
    pairs = open_pairs(match_files(config.image, config.truth), opener_of(config))
    code = find_code(
        [labels for _, labels in pairs],
        dense=not config.sparse,
        foreground=config.task == "foreground",
    )
    budget = config.memory_bytes or psutil.virtual_memory().available // 2
    volumes = hold_what_fits(to_volumes(pairs, code, config.level), budget // 2)
    found = [label_positions(volume) for volume in volumes]
    index = LabelIndex.from_volumes(found)
    intensity, each, why = fingerprint(volumes, index)
    wishes = Wishes(config.dims, config.patch, config.batch, config.depth, config.features)
    machine = Machine(device.type != "cpu", _device_memory(device, budget))
    spacing = _common_spacing(volumes)
    shape = design([v.shape for v in volumes], spacing, machine, wishes)
    channels = len(volumes[0].image.channels)
    network = configure_network(config.network, shape.topology(channels, len(code.values)))
    if parent is not None:
        _refuse_other(parent.spec, code, channels, volumes)
        network, intensity = parent.spec.network, parent.spec.intensity
        each = each if intensity.scope == "image" else [intensity] * len(volumes)
    reasons = (
        *_data_words(pairs, volumes, code, spacing),
        *shape.reasons,
        why,
        f"{device}, {'bfloat16' if bfloat16_pays(device) else 'float32'}",
    )
    rare = min(index.shares.values()) < _RARE
    sampler = Sampler(volumes, each, index, shape.patch, _BALANCED_RARE if rare else _BALANCED)
    return TrainSetup(config, code, volumes, sampler, shape, intensity, network, reasons)


def opener_of(config: TrainConfig) -> Opener:
    """Give what a person said where the files are silent."""
    return Opener(config.axes, config.spacing, config.unit, config.nan_as)


def _refuse_other(
    spec: ModelSpec, code: LabelCode, channels: int, volumes: Sequence[LabelledVolume]
) -> None:
    """Refuse to go on from a model that was made for other data."""
    theirs = tuple(c.value for c in spec.classes)
    axes = volumes[0].image.axes.spatial
    for what, old, new in (
        ("classes", theirs, code.values),
        ("channels", len(spec.channels), channels),
        ("axes", spec.axes, axes),
    ):
        if old != new:
            raise InputError(
                f"--from needs a model with the same {what}: it has {old}, the data {new}. "
                "Train a fresh network by leaving --from out."
            )


def _may_mirror(volumes: Sequence[LabelledVolume]) -> bool:
    """Anatomy with a stated orientation must not be mirrored: left is not right."""
    return all(volume.image.affine is None for volume in volumes)


def _common_spacing(volumes: Sequence[LabelledVolume]) -> Spacing:
    """Median spacing of the training images."""
    all_of_them = [v.image.levels[v.level].spacing for v in volumes]
    middle = len(volumes) // 2
    values = tuple(sorted(axis)[middle] for axis in zip(*(s.values for s in all_of_them),
                                                        strict=True))  # fmt: skip
    return Spacing(values, all_of_them[0].unit)


def _device_memory(device: torch.device, budget: int) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return budget


def _data_words(
    pairs: Sequence[Pair], volumes: Sequence[LabelledVolume], code: LabelCode, spacing: Spacing
) -> tuple[str, ...]:
    stated = (
        f"spacing {spacing}"
        if spacing.unit
        else "spacing not stated: voxels are taken as cubes (say --spacing and --unit)"
        if len(spacing.values) == 3
        else "spacing not stated"
    )
    kind = "every voxel" if code.dense else "strokes"
    return (
        f"{len(pairs)} image(s), {len(volumes)} volume(s) at level {volumes[0].level}, {stated}",
        f"classes {', '.join(map(str, code.values))} (0 is background), from {kind}",
    )
