"""Pairs: training images and the labels that belong to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_ziggurat.errors import InputError
from napari_ziggurat.images import Image, find_images, open_image, stem
from napari_ziggurat.training.volumes import LabelCode, LabelledVolume, match_level

__all__ = ["Opener", "Pair", "match_files", "open_pairs", "to_volumes"]

Pair = tuple[Image, Image]


@dataclass(frozen=True)
class Opener:
    """Opens images with what a person said where the files are silent."""

    axes: str | None = None
    spacing: tuple[float, ...] | None = None
    unit: str | None = None
    nan_as: float | None = None

    def image(self, path: Path) -> Image:
        """Open an image."""
        return open_image(
            path, axes=self.axes, spacing=self.spacing, unit=self.unit, nan_as=self.nan_as
        )

    def labels(self, path: Path, image: Image) -> Image:
        """Open the labels of an image; where their file is silent they lie on its grid."""
        return open_image(path, like=image)


def match_files(images: Sequence[Path], labels: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Pair files: in order where both are files, by stem where both are folders.

    Raises
    ------
    InputError
        Files of folders do not match; all of them are named.
    """
    pairs: list[tuple[Path, Path]] = []
    for image, truth in zip(images, labels, strict=True):
        ours, theirs = find_images(image), find_images(truth)
        if ours == [image] and theirs == [truth]:
            pairs.append((image, truth))
        else:
            pairs += _by_stem(ours, theirs, image, truth)
    return pairs


def open_pairs(files: Sequence[tuple[Path, Path]], opener: Opener) -> list[Pair]:
    """Open images with their labels; refuse images that differ in axes or channels."""
    pairs = []
    for image_path, label_path in files:
        image = opener.image(image_path)
        pairs.append((image, opener.labels(label_path, image)))
    first = pairs[0][0]
    for image, labels in pairs:
        if (image.dims, len(image.channels)) != (first.dims, len(first.channels)):
            raise InputError(
                f"All training images need the same axes and channels: '{first.name}' is "
                f"{first.dims}D with {len(first.channels)} channel(s), '{image.name}' is "
                f"{image.dims}D with {len(image.channels)}."
            )
        if len(labels.channels) != 1:
            raise InputError(
                f"Labels have one channel; '{labels.name}' has {len(labels.channels)}. "
                "Give a label image with one integer per voxel."
            )
        _refuse_not_finite(image)
    return pairs


def to_volumes(pairs: Sequence[Pair], code: LabelCode, level: int | None) -> list[LabelledVolume]:
    """Make one volume of each time point, at the level where image and labels agree."""
    volumes = []
    for image, labels in pairs:
        matched = match_level(image, labels, level)
        if labels.times not in (1, image.times):
            raise InputError(
                f"Labels need as many time points as the image: '{labels.name}' has "
                f"{labels.times}, '{image.name}' {image.times}."
            )
        times = range(image.times if labels.times == image.times else 1)
        volumes += [LabelledVolume(image, labels, *matched, code, time) for time in times]
    return volumes


def _by_stem(
    images: Sequence[Path], labels: Sequence[Path], image: Path, truth: Path
) -> list[tuple[Path, Path]]:
    ours, theirs = (_by_name(paths) for paths in (images, labels))
    lonely = [p.name for s, p in ours.items() if s not in theirs]
    orphans = [p.name for s, p in theirs.items() if s not in ours]
    if lonely or orphans:
        raise InputError(
            f"Images of '{image}' and labels of '{truth}' are matched by name; without a partner: "
            f"{', '.join(sorted(lonely + orphans))}. Rename or remove them."
        )
    return [(path, theirs[name]) for name, path in ours.items()]


def _by_name(paths: Sequence[Path]) -> dict[str, Path]:
    named = {stem(path): path for path in paths}
    twice = sorted(path.name for path in paths if named[stem(path)] != path)
    if twice:
        others = sorted(named[stem(Path(name))].name for name in twice)
        raise InputError(
            f"Files of a folder are matched by name without suffix, so each may occur once; "
            f"{', '.join(twice)} and {', '.join(others)} do not differ. Rename or remove them."
        )
    return named


def _refuse_not_finite(image: Image) -> None:
    if image.nan_as is None and (count := image.count_not_finite(0)):
        raise InputError(
            f"'{image.name}' has {count} voxels that are NaN or infinite; a network cannot use "
            "them. Say what they stand for, for example --nan-as 0."
        )
