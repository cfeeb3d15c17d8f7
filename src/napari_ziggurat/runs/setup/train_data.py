"""Training data: images and labels of a training, looked through before anything is decided."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Spacing
from napari_ziggurat.images import Image
from napari_ziggurat.images.annotation import found_values
from napari_ziggurat.images.class_names import named_classes, object_classes
from napari_ziggurat.images.units import convert_length
from napari_ziggurat.networks import ModelSpec
from napari_ziggurat.progress import Run
from napari_ziggurat.runs.config import TrainConfig
from napari_ziggurat.runs.setup.classes import decide_classes, stated_classes, values_in
from napari_ziggurat.runs.setup.earlier import Earlier, read_earlier
from napari_ziggurat.runs.setup.newest import last_stroke
from napari_ziggurat.runs.setup.pairs import (
    Opener,
    Pair,
    check_voxels,
    match_files,
    open_pairs,
    to_volumes,
)
from napari_ziggurat.training.in_memory import cache_the_rest, hold_what_fits
from napari_ziggurat.training.labels import find_code
from napari_ziggurat.training.sampling import LabelIndex
from napari_ziggurat.training.volumes import (
    FoundLabels,
    LabelCode,
    LabelledVolume,
    label_positions,
)

__all__ = ["TrainData", "read_training", "read_validation"]


@dataclass(frozen=True)
class TrainData:
    """What is trained on.

    Attributes
    ----------
    code : LabelCode
    volumes : sequence of LabelledVolume
        In memory, as far as they fit.
    index : LabelIndex
        Where the labels are.
    spacing : Spacing
        Median over the volumes.
    digest : str
        SHA-256 of the labels as they are trained on.
    notes : tuple of str
        What there is to know of the data, in words.
    classes : tuple of LabelClass
        With the names that the label images state, or those of the parent model.
    pairs : sequence of Pair
        Images with their labels: the new ones, then those of earlier rounds.
    found : sequence of FoundLabels
        What was found in each volume.
    new : int
        Pairs that are new in this training.
    earlier : Earlier
        What is known of earlier rounds, where it goes on from a model.
    strokes : sequence of int or None
        Last stroke of each new annotation before it was read; None for other labels.
    """

    code: LabelCode
    volumes: Sequence[LabelledVolume]
    index: LabelIndex
    spacing: Spacing
    digest: str
    notes: tuple[str, ...]
    classes: tuple[LabelClass, ...]
    pairs: Sequence[Pair]
    found: Sequence[FoundLabels]
    new: int
    earlier: Earlier
    strokes: Sequence[int | None]

    def numbers(self, pair: int) -> list[int]:
        """Give the numbers of the volumes of a pair: its time points."""
        image = self.pairs[pair][0]
        return [n for n, volume in enumerate(self.volumes) if volume.image is image]

    def label_digest(self, pair: int) -> str:
        """SHA-256 of the labels of a pair, all time points together."""
        whole = "".join(self.found[n].digest for n in self.numbers(pair))
        return hashlib.sha256(whole.encode()).hexdigest()


def read_training(
    config: TrainConfig, memory: int, parent: ModelSpec | None = None
) -> Run[TrainData]:
    """Open images and labels and look through them.

    Parameters
    ----------
    config : TrainConfig
        Says which they are.
    memory : int
        Bytes that they may take in memory.
    parent : ModelSpec, optional
        The model that the training goes on from; what it was trained on is opened as well.

    Raises
    ------
    InputError
        The data cannot be learned from, or do not fit the parent.
    """
    opener = _opener(config, dense=not config.sparse)
    pairs = open_pairs(match_files(config.image, config.truth), opener)
    strokes = [last_stroke(labels) for _, labels in pairs]  # what is painted now comes next time
    if parent is None:
        code, classes, earlier = _fresh_code(config, pairs)
    else:
        refuse_other(parent, pairs[0][0])
        refuse_other_task(parent, config)
        code, classes, earlier = yield from _code_after(parent, config, pairs)
    opened = to_volumes(pairs, code, config.level)
    spacing = _common_spacing(opened)
    for pair, each in earlier.replayed:
        opened += to_volumes([pair], replace(code, dense=each.dense), each.level)
    yield from check_voxels(opened)
    volumes = hold_what_fits(opened, memory)
    found = []
    for volume in volumes:
        found.append((yield from label_positions(volume)))
    volumes = cache_the_rest(volumes, memory)  # what is looked through once needs no cache
    index = LabelIndex.from_volumes(found)
    notes = (
        _images_note(pairs, volumes[: _count(pairs, volumes)], spacing),
        *_earlier_notes(earlier),
        _objects_note(code) if code.objects else _classes_note(code),
        *_times_notes(pairs),
        *_lost_notes(index, volumes[0]),
    )
    digest = hashlib.sha256("".join(each.digest for each in found).encode()).hexdigest()
    everything = [*pairs, *(pair for pair, _ in earlier.replayed)]
    return TrainData(
        code, volumes, index, spacing, digest, notes, classes, everything, found, len(pairs),
        earlier, strokes,
    )  # fmt: skip


_Decided = tuple[LabelCode, tuple[LabelClass, ...], Earlier]


def _fresh_code(config: TrainConfig, pairs: Sequence[Pair]) -> _Decided:
    labels = [labels for _, labels in pairs]
    code = find_code(
        labels, dense=not config.sparse, foreground=config.foreground, objects=bool(config.shapes)
    )
    if config.shapes:
        return code, object_classes(labels), Earlier()
    return code, named_classes(labels[0], code.values), Earlier()


def _code_after(parent: ModelSpec, config: TrainConfig, pairs: Sequence[Pair]) -> Run[_Decided]:
    """Decide the classes of a training that goes on from a model, and what it replays."""
    name, dense, foreground = str(config.from_model), not config.sparse, config.foreground
    earlier = yield from read_earlier(parent, name, pairs, replay=config.replay == "on")
    found: set[int] = set()
    for _, labels in pairs:
        found |= values_in(labels, dense=dense, foreground=foreground)
    if not found:
        raise InputError(f"No voxel of '{pairs[0][1].name}' is labelled; paint something first.")
    for (_, labels), each in earlier.replayed:
        found |= values_in(labels, dense=each.dense, foreground=foreground)
    known = [c.value for c in parent.classes]
    stated = stated_classes([labels for _, labels in pairs], sorted(found | set(known)))
    classes = decide_classes(parent.classes, stated, found, config.classes)
    values, objects = tuple(c.value for c in classes), bool(config.shapes)
    return LabelCode(values, dense, foreground, objects), classes, earlier


def refuse_other(spec: ModelSpec, image: Image) -> None:
    """Refuse to go on from a model that was made for other images."""
    for what, old, new in (
        ("channels", len(spec.channels), len(image.channels)),
        ("axes", spec.axes, image.axes.spatial),
    ):
        if old != new:
            raise InputError(
                f"--from needs a model with the same {what}: it has {old}, the data {new}. "
                "Train a fresh network by leaving --from out."
            )


def refuse_other_task(spec: ModelSpec, config: TrainConfig) -> None:
    """Refuse to go on from a model that learned shapes of objects without them, or without."""
    if tuple(spec.shapes) != config.shapes:
        raise InputError(
            f"--from goes on with what the model learned, which is --task {spec.task}, and this is "
            f"--task {config.task}: their outputs are not the same. Say --task {spec.task}, or "
            "train a fresh network by leaving --from out."
        )


def _earlier_notes(earlier: Earlier) -> list[str]:
    count = len(earlier.replayed)
    notes = [f"{count} image(s) of earlier rounds are replayed"] if count else []
    return [*notes, *earlier.words]


def read_validation(config: TrainConfig, data: TrainData) -> Run[list[LabelledVolume]]:
    """Open the validation images and look through them, before the time of training is spent.

    Raises
    ------
    InputError
        They do not fit the training data.
    """
    if not config.val_image:
        return []
    files = match_files(config.val_image, config.val_labels)
    pairs = open_pairs(files, _opener(config, dense=True), data.volumes[0].image)
    code = replace(data.code, dense=True)
    for _, labels in pairs:
        _refuse_unknown(found_values(labels), code, labels.name)
    volumes = to_volumes(pairs, code, config.level)
    yield from check_voxels(volumes)
    return volumes


def _opener(config: TrainConfig, *, dense: bool) -> Opener:
    """Give what a person said where the files are silent."""
    return Opener(config.axes, config.spacing, config.unit, config.nan_as, dense)


def _refuse_unknown(found: Sequence[int], code: LabelCode, name: str) -> None:
    unknown = sorted(set(found) - set(code.values) - {0})
    if unknown and not code.foreground:
        raise InputError(
            f"Validation labels hold classes of the training ({_listed(code.values)}) and 0; "
            f"'{name}' holds {_listed(unknown[:5])}. Add the class to the training data, or take "
            "it out of the labels."
        )


def _common_spacing(volumes: Sequence[LabelledVolume]) -> Spacing:
    """Median spacing of the training images, in the unit of the first."""
    unit = volumes[0].image.levels[volumes[0].level].spacing.unit
    rows = [_spacing_in(unit, volume, volumes[0]) for volume in volumes]
    return Spacing(tuple(sorted(axis)[len(rows) // 2] for axis in zip(*rows, strict=True)), unit)


def _spacing_in(
    unit: str | None, volume: LabelledVolume, first: LabelledVolume
) -> tuple[float, ...]:
    spacing = volume.image.levels[volume.level].spacing
    factor = convert_length(1.0, spacing.unit, unit)
    if factor is None:
        raise InputError(
            "Training images need voxel sizes in units that can be compared; "
            f"'{first.image.name}' has {first.image.levels[first.level].spacing}, "
            f"'{volume.image.name}' {spacing}. Say --spacing and --unit for all of them, or train "
            "on those with one unit."
        )
    return tuple(value * factor for value in spacing.values)


def _images_note(pairs: Sequence[Pair], volumes: Sequence[LabelledVolume], spacing: Spacing) -> str:
    stated = (
        f"spacing {spacing}"
        if spacing.unit
        else "spacing not stated: voxels are taken as cubes (say --spacing and --unit)"
        if len(spacing.values) == 3
        else "spacing not stated"
    )
    counts = f"{len(pairs)} image(s), {len(volumes)} volume(s)"
    return f"{counts} at level {volumes[0].level}, {stated}"


def _count(pairs: Sequence[Pair], volumes: Sequence[LabelledVolume]) -> int:
    """Count the volumes of images; theirs come first."""
    return sum(any(v.image is image for image, _ in pairs) for v in volumes)


def _classes_note(code: LabelCode) -> str:
    kind = "every voxel" if code.dense else "strokes"
    background = "0 is background" if code.has_background else "without a background"
    return f"classes {_listed(code.values)} ({background}), from {kind}"


def _objects_note(code: LabelCode) -> str:
    kind = "labels of every voxel" if code.dense else "strokes"
    known = "their boundary and distance" if code.dense else "their boundary, as far as it is told"
    return f"objects, each with a number of its own, from {kind}; {known} are learned as well"


def _times_notes(pairs: Sequence[Pair]) -> list[str]:
    return [
        f"'{image.name}' has {image.times} time points and its labels one: it is trained on the "
        "first"
        for image, labels in pairs
        if labels.times < image.times
    ]


def _lost_notes(index: LabelIndex, volume: LabelledVolume) -> list[str]:
    """Tell of classes without a voxel at the level that is trained on; refuse too few others."""
    values = volume.code.values
    lost = [value for channel, value in enumerate(values, 1) if channel not in index.positions]
    if len(values) - len(lost) < 2:
        raise InputError(
            f"Training needs voxels of at least two classes; at level {volume.level} the labels "
            f"hold none of class {_listed(lost)}: they are too thin to be seen there. Take a finer "
            "--level, or paint with a thicker brush."
        )
    return [f"class {v} has no voxel at level {volume.level} and is not learned" for v in lost]


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))
