"""Pairs: training images and the labels that belong to them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_ziggurat.errors import InputError
from napari_ziggurat.images import Image, Source, Url, open_image, read_record
from napari_ziggurat.images.annotation import check_one_channel
from napari_ziggurat.images.annotation_store import AnnotationStore
from napari_ziggurat.images.finite import refuse_not_finite
from napari_ziggurat.images.marks import is_annotation
from napari_ziggurat.progress import Progress
from napari_ziggurat.runs.setup.match import match_files
from napari_ziggurat.training.volumes import LabelCode, LabelledVolume, match_level

__all__ = ["Opener", "Pair", "check_voxels", "match_files", "open_pairs", "to_volumes"]

Pair = tuple[Image, Image]


@dataclass(frozen=True)
class Opener:
    """Opens images with what a person said where the files are silent.

    Where labels are ``dense``, every voxel is labelled, and annotations are refused.
    """

    axes: str | None = None
    spacing: tuple[float, ...] | None = None
    unit: str | None = None
    nan_as: float | None = None
    dense: bool = True

    def image(self, path: Source) -> Image:
        """Open an image."""
        return open_image(
            path, axes=self.axes, spacing=self.spacing, unit=self.unit, nan_as=self.nan_as
        )

    def labels(self, path: Source, image: Image) -> Image:
        """Open the labels of an image; where their file is silent they lie on its grid."""
        if isinstance(path, Path) and is_annotation(path):
            self._check_annotation(path, image)
        return open_image(path, like=image)

    def _check_annotation(self, path: Path, image: Image) -> None:
        """Finish what a crash interrupted; refuse an image that has changed since it was drawn."""
        if self.dense:
            raise InputError(
                f"'{path}' is an annotation, in which most voxels are not labelled; as labels of "
                "every voxel they would all be background. Say --annotation instead of --labels."
            )
        AnnotationStore.open(path, image=image)


def open_pairs(
    files: Sequence[tuple[Source, Source]], opener: Opener, like: Image | None = None
) -> list[Pair]:
    """Open images with their labels; refuse images that differ in axes or channels.

    Parameters
    ----------
    files : sequence of (Path or Url, Path or Url)
        Each image and its labels.
    opener : Opener
        Opens them.
    like : Image, optional
        Whose axes and channels the images need; by default the first of them.
    """
    pairs = []
    for image_path, label_path in files:
        _refuse_unfinished(label_path)
        image = opener.image(image_path)
        pairs.append((image, opener.labels(label_path, image)))
    first = like or pairs[0][0]
    for image, labels in pairs:
        if (image.dims, len(image.channels)) != (first.dims, len(first.channels)):
            raise InputError(
                f"All images of a training need the same axes and channels: '{first.name}' is "
                f"{first.dims}D with {len(first.channels)} channel(s), '{image.name}' is "
                f"{image.dims}D with {len(image.channels)}."
            )
        check_one_channel(labels)
    return pairs


def to_volumes(pairs: Sequence[Pair], code: LabelCode, level: int | None) -> list[LabelledVolume]:
    """Make one volume of each time point, at the level where image and labels agree."""
    volumes = []
    for image, labels in pairs:
        matched = match_level(image, labels, _level_of(labels, level))
        if labels.times not in (1, image.times):
            raise InputError(
                f"Labels need as many time points as the image: '{labels.name}' has "
                f"{labels.times}, '{image.name}' {image.times}."
            )
        volumes += [LabelledVolume(image, labels, *matched, code, t) for t in range(labels.times)]
    return volumes


def _level_of(labels: Image, level: int | None) -> int | None:
    """Give the level that an annotation was drawn on; other labels tell it by their shape."""
    if not isinstance(labels.source, Path) or not is_annotation(labels.source):
        return level
    drawn = AnnotationStore.open(labels.source).drawn_on.level
    if level not in (None, drawn):
        raise InputError(
            f"'{labels.source}' was drawn on level {drawn}; training from it at level {level} "
            f"needs labels of that level. Leave --level out, or say --level {drawn}."
        )
    return drawn


def check_voxels(volumes: Sequence[LabelledVolume]) -> Iterator[Progress]:
    """Refuse NaN and infinite voxels at the levels and times that are used."""
    for volume in volumes:
        image, times = volume.image, volume.labels.times
        if volume.time == 0:  # the others are looked through with it
            yield from refuse_not_finite(image, volume.level, time=None if times > 1 else 0)


def _refuse_unfinished(labels: Source) -> None:
    record = read_record(labels) if isinstance(labels, Url) or labels.exists() else None
    if record and record.get("status") == "running":
        raise InputError(
            f"{labels} is not finished; run the same 'ziggurat segment', or the export that wrote "
            "it, again first."
        )
