"""Pairs: training images and the labels that belong to them."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from napari_ziggurat.errors import InputError
from napari_ziggurat.images import Image, Source, Url, find_images, open_image, read_record, stem
from napari_ziggurat.images.annotation import check_one_channel
from napari_ziggurat.images.annotation_store import AnnotationStore
from napari_ziggurat.images.files import is_zarr
from napari_ziggurat.images.finite import refuse_not_finite
from napari_ziggurat.images.marks import is_annotation
from napari_ziggurat.progress import Progress
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


def match_files(images: Sequence[Source], labels: Sequence[Source]) -> list[tuple[Source, Source]]:
    """Pair files: in order where both are files, by stem where both are folders.

    Raises
    ------
    InputError
        Files of folders do not match; all of them are named.
    """
    pairs: list[tuple[Source, Source]] = []
    for image, truth in zip(images, labels, strict=True):
        ours, theirs = find_images(image), _find_labels(truth, image)
        if ours == [image] and theirs == [truth]:
            pairs.append((image, truth))
        else:
            pairs += _by_stem(ours, theirs, image, truth)
    return pairs


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


def _find_labels(path: Source, image: Source) -> list[Source]:
    """List label images at a path, and annotations; of the folder of the images those alone."""
    if not isinstance(path, Path) or not path.is_dir() or is_zarr(path):
        return find_images(path)
    found: list[Source] = [*sorted(each for each in path.iterdir() if is_annotation(each))]
    if not found:
        return find_images(path)
    if path == image:
        return found
    with suppress(InputError):  # there are no others
        return [*find_images(path), *found]
    return found


def _refuse_unfinished(labels: Source) -> None:
    record = read_record(labels) if isinstance(labels, Url) or labels.exists() else None
    if record and record.get("status") == "running":
        raise InputError(
            f"{labels} is not finished; run the same 'ziggurat segment', or the export that wrote "
            "it, again first."
        )


def _by_stem(
    images: Sequence[Source], labels: Sequence[Source], image: Source, truth: Source
) -> list[tuple[Source, Source]]:
    ours, theirs = (_by_name(paths) for paths in (images, labels))
    lonely = [p.name for s, p in ours.items() if s not in theirs]
    orphans = [p.name for s, p in theirs.items() if s not in ours]
    if lonely or orphans:
        raise InputError(
            f"Images of '{image}' and labels of '{truth}' are matched by name; without a partner: "
            f"{', '.join(sorted(lonely + orphans))}. Rename or remove them."
        )
    return [(path, theirs[name]) for name, path in ours.items()]


def _by_name(paths: Sequence[Source]) -> dict[str, Source]:
    named = {_own_name(path): path for path in paths}
    twice = sorted(path.name for path in paths if named[_own_name(path)] != path)
    if twice:
        others = sorted(named[_own_name(path)].name for path in paths if path.name in twice)
        raise InputError(
            f"Files of a folder are matched by name without suffix, so each may occur once; "
            f"{', '.join(twice)} and {', '.join(others)} do not differ. Rename or remove them."
        )
    return named


def _own_name(path: Source) -> str:
    """Name of an image, also of its annotation: ``"a"`` for ``a.annotation.ome.zarr``."""
    name = stem(path)
    return name.removesuffix(".annotation") if is_annotation(Path(str(path))) else name
