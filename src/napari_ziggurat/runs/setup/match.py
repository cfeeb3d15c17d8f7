"""Match: which labels belong to which image, by order or by name."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from napari_ziggurat.errors import InputError
from napari_ziggurat.images import Source, find_images, stem
from napari_ziggurat.images.files import is_zarr
from napari_ziggurat.images.marks import is_annotation

__all__ = ["match_files"]


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
