"""Earlier rounds: what a parent was trained on, opened again as far as it is there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from napari_ziggurat.errors import InputError, ZigguratError
from napari_ziggurat.images import Source, Url, to_source
from napari_ziggurat.images.marks import is_annotation
from napari_ziggurat.images.statistics import sample_digest
from napari_ziggurat.networks import ModelSpec, TrainedOn
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.setup.pairs import Opener, Pair, open_pairs

__all__ = ["Earlier", "key_of", "read_earlier", "whole_name"]

Key = tuple[str, str]
"""Image and labels."""

Held = tuple[str, tuple[int, ...]]
"""A box that was held out, and the shape of the level that it counts voxels of."""


@dataclass(frozen=True)
class Earlier:
    """Earlier labels for a round.

    Attributes
    ----------
    known : bool
        The parent and all its ancestors say what they were trained on.
    replayed : tuple of (Pair, TrainedOn)
        Images that are not among the new ones, to be trained on again.
    continued : mapping of int to TrainedOn
        What is recorded of those among the new images that were trained on before, by their number.
    held_out : mapping of Key to tuple of Held
        What was held out in any round.
    words : tuple of str
        What is gone, changed, or not known.
    """

    known: bool = True
    replayed: tuple[tuple[Pair, TrainedOn], ...] = ()
    continued: Mapping[int, TrainedOn] = field(default_factory=dict)
    held_out: Mapping[Key, tuple[Held, ...]] = field(default_factory=dict)
    words: tuple[str, ...] = ()


def read_earlier(
    spec: ModelSpec, name: str, new: Sequence[Pair], *, replay: bool, refuses: bool = True
) -> Run[Earlier]:
    """Open what a model was trained on.

    Images that are gone, and images whose voxels changed, are left out and named: their labels may
    not fit any more. Labels that changed are taken as they are now.

    Parameters
    ----------
    spec : ModelSpec
        The parent.
    name : str
        What messages call it.
    new : sequence of Pair
        What the round is given; it is not opened twice.
    replay : bool
        Whether anything else is opened.
    refuses : bool
        Whether it is refused where nothing can be read; else it is among the words.

    Raises
    ------
    InputError
        The record names images, and none of them can be read: bringing one back mends that. A
        model without a record cannot be mended, so that is said and no more.
    """
    recorded, held_out = _recorded(spec)
    known = bool(spec.rounds) and all(each.data is not None for each in spec.rounds)
    words = () if known else (_unknown(name, some=bool(recorded)),)
    given = {key_of(pair): number for number, pair in enumerate(new)}
    continued = {given[key]: each for key, each in recorded.items() if key in given}
    others = [each for key, each in recorded.items() if key not in given]
    if not replay:
        off = (*words, "earlier labels are not replayed (--replay off)")
        return Earlier(known, (), continued, held_out, off)
    found, trouble = yield from _opened(others)
    if refuses and others and not found and not continued:
        raise InputError(
            f"Nothing that '{name}' was trained on can be replayed, and without it the model "
            f"forgets: {'; '.join(trouble)}. Bring one of them back, give it as --image, or say "
            "--replay off."
        )
    changed = [f"not replayed: {each}" for each in trouble]
    return Earlier(known, tuple(found), continued, held_out, (*words, *changed))


def whole_name(source: Source) -> str:
    """Name a source so that it is found from any folder."""
    return str(source if isinstance(source, Url) else source.absolute())


def _unknown(name: str, *, some: bool) -> str:
    part = "one of its ancestors" if some else f"'{name}'"
    return (
        f"{part} does not say what it was trained on (it is from before that was recorded), so "
        "that cannot be replayed, and the model may forget it; give it as --image once more"
    )


def _recorded(spec: ModelSpec) -> tuple[dict[Key, TrainedOn], dict[Key, tuple[Held, ...]]]:
    """Give the latest record of each image with its labels, and all that was held out of it."""
    latest: dict[Key, TrainedOn] = {}
    held: dict[Key, tuple[Held, ...]] = {}
    for each in (each for round_ in spec.rounds for each in round_.data or ()):
        key = (each.image, each.labels)
        latest[key] = each
        boxes = ((box, each.shape) for box in each.held_out)
        held[key] = tuple(dict.fromkeys((*held.get(key, ()), *boxes)))
    return latest, held


def key_of(pair: Pair) -> Key:
    """Tell an image with its labels from others."""
    image, labels = (each.source or Path(each.name) for each in pair)
    return whole_name(image), whole_name(labels)


def _opened(
    records: Sequence[TrainedOn],
) -> Run[tuple[list[tuple[Pair, TrainedOn]], list[str]]]:
    found, trouble = [], []
    for done, each in enumerate(records):
        yield Progress("earlier", done, len(records))
        try:
            pair = _open(each)
        except (ZigguratError, OSError) as error:
            trouble.append(_problem(each, error))
            continue
        differs = list(_differences(each, pair))
        trouble += [f"'{each.image}' has changed since ({d})" for d in differs]
        found += [] if differs else [(pair, each)]
    return found, trouble


def _open(each: TrainedOn) -> Pair:
    opener = Opener(each.axes, each.spacing, each.unit, each.nan_as, each.dense)
    (pair,) = open_pairs([(to_source(each.image), to_source(each.labels))], opener)
    return pair


def _problem(each: TrainedOn, error: Exception) -> str:
    gone = [p for p in (each.image, each.labels) if "://" not in p and not Path(p).exists()]
    if gone:
        return f"'{gone[0]}' is gone"
    return f"'{each.labels}' cannot be used ({' '.join(str(error).split()).rstrip('.')})"


def _differences(each: TrainedOn, pair: Pair) -> Iterator[str]:
    image, labels = pair
    if each.level >= len(image.levels):
        yield f"level {each.level} is gone"
    elif (shape := image.levels[each.level].shape) != each.shape:
        yield f"shape {shape}, was {each.shape}"
    elif isinstance(labels.source, Path) and is_annotation(labels.source):
        return  # it has just been compared with the image, or adopted a change
    elif sample_digest(image, each.level) != each.image_digest:
        yield "other voxels"
