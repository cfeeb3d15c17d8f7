"""Mix: what a round draws its patches from, and the blocks of labels that it is scored on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.networks.network import SegmentationNetwork
from napari_ziggurat.networks.receptive_field import theoretical_field
from napari_ziggurat.progress import Run
from napari_ziggurat.runs.setup.earlier import key_of
from napari_ziggurat.runs.setup.newest import divide_labels
from napari_ziggurat.runs.setup.train_data import TrainData
from napari_ziggurat.runs.setup.train_setup import TrainSetup
from napari_ziggurat.training.apart import Apart, Candidates, keep_apart
from napari_ziggurat.training.fingerprint import each_with
from napari_ziggurat.training.replay import Positions, with_replay
from napari_ziggurat.training.rounds import HeldOut
from napari_ziggurat.training.validation import MOST_PATCHES, Look, spread_patches

__all__ = ["NOT_ENOUGH", "Mix", "mix_round"]

NOT_ENOUGH = "not enough held-out strokes"


@dataclass(frozen=True)
class Mix:
    """What a round trains on and is scored on.

    Attributes
    ----------
    setup : TrainSetup
        With the sampler of the round.
    held : HeldOut or None
        None where nothing is scored.
    blocks : mapping of int to tuple of str
        Boxes that were held out, by the number of the pair.
    words : tuple of str
        What was decided, and where nothing is scored why.
    """

    setup: TrainSetup
    held: HeldOut | None = None
    blocks: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    words: tuple[str, ...] = ()


def mix_round(setup: TrainSetup, network: SegmentationNetwork) -> Run[Mix]:
    """Decide what a round draws from.

    Half of the patches come from the newest labels, half from earlier ones. Blocks of the newest
    are held out where no validation is given; those of earlier rounds stay out.

    Parameters
    ----------
    setup : TrainSetup
        Draws from everything.
    network : SegmentationNetwork
        Tells how far blocks have to be apart.

    Raises
    ------
    InputError
        Nothing is left to train on.
    """
    config, data = setup.config, setup.data
    if config.from_model is None and not config.holds_out:
        return Mix(setup)
    new, old = yield from _divided(data)
    chooses = config.holds_out and not config.val_image and data.earlier.known
    given = _candidates(setup, network, (new, old), chooses=chooses)
    apart = keep_apart(given, config.seed)
    left = Positions.join([apart.unseen, apart.seen])
    if not left:
        raise InputError(
            "All labels lie in blocks that are kept to score on, or close to them; paint elsewhere."
        )
    volumes = apart.silence(setup.sampler.volumes, given)
    sampler = replace(setup.sampler, volumes=volumes)
    if config.replay == "on":
        sampler = with_replay(sampler, apart.unseen, apart.seen)
    else:
        sampler = replace(sampler, index=left.index())
    held = _validation(setup) or _block_patches(setup, apart)
    drawn, kept = _drawn_words(setup, apart), _held_words(setup, given, apart)
    words = (*_changed_words(data), drawn, *kept)
    return Mix(replace(setup, sampler=sampler), held, _blocks(data, apart), words)


def _divided(data: TrainData) -> Run[tuple[Positions, Positions]]:
    """Divide all labels into the newest and those of earlier rounds."""
    new, old = [], []
    for pair in range(len(data.pairs)):
        before = data.earlier.continued.get(pair)
        numbers = data.numbers(pair)
        same = before is not None and before.label_digest == data.label_digest(pair)
        for number in numbers:
            if pair >= data.new or same:
                old.append(Positions.of(data.found[number], number))
                continue
            newest, rest = yield from divide_labels(
                data.volumes[number], data.found[number], number, before
            )
            new.append(newest)
            old.append(rest)
    return Positions.join(new), Positions.join(old)


def _fixed(data: TrainData) -> list[tuple[int, Box]]:
    """Give the blocks that earlier rounds held out, on the level that is trained on."""
    found = []
    for pair, both in enumerate(data.pairs):
        number = data.numbers(pair)[0]
        for text, shape in data.earlier.held_out.get(key_of(both), ()):
            found.append((number, _on_level(Box.parse(text), shape, data.volumes[number].shape)))
    return found


def _on_level(box: Box, old: tuple[int, ...], new: tuple[int, ...]) -> Box:
    """Give a box of a level in voxels of another one of the same image."""
    start = (a * n // m for a, m, n in zip(box.start, old, new, strict=True))
    stop = (-(-b * n // m) for b, m, n in zip(box.stop, old, new, strict=True))
    return Box(tuple(start), tuple(stop))


def _candidates(
    setup: TrainSetup,
    network: SegmentationNetwork,
    labels: tuple[Positions, Positions],
    *,
    chooses: bool,
) -> Candidates:
    volumes, fixed = setup.data.volumes, _fixed(setup.data)
    images = [(key_of((v.image, v.image)), v.level) for v in volumes]
    return Candidates(
        shapes=[volume.shape for volume in volumes],
        images=[images.index(each) for each in images],
        unseen=labels[0],
        seen=labels[1],
        fixed=fixed,
        chooses=chooses,
        cell=tuple(max(1, n // 2) for n in setup.shape.patch),
        margin=_margin(setup, network) if fixed or chooses else (0,) * len(setup.shape.patch),
    )


def _margin(setup: TrainSetup, network: SegmentationNetwork) -> tuple[int, ...]:
    """Voxels per axis to either side that an output voxel sees, which is within a patch.

    Along an axis that the network does not see, neighbours resemble each other all the same: as
    far, in the unit of the spacing, as along the shortest of the others.
    """
    patch, spacing = setup.shape.patch, setup.data.spacing.values
    field_ = theoretical_field(network).voxels
    seen = [min(n // 2, p) for n, p in zip(field_, patch[-len(field_) :], strict=True)]
    length = min(n * s for n, s in zip(seen, spacing[-len(seen) :], strict=True))
    unseen = [math.ceil(length / s) for s in spacing[: len(patch) - len(seen)]]
    return (*unseen, *seen)


def _validation(setup: TrainSetup) -> HeldOut | None:
    """Give patches of the validation images, which are scored image by image."""
    volumes, look = setup.validation, _look(setup)
    if not volumes:
        return None
    places = [(n, box, box) for n, box in spread_patches(volumes, setup.shape.patch)]
    names = [volumes[n].image.name for n, _, _ in places]
    return HeldOut(volumes, each_with(setup.intensity, volumes), places, names, look)


def _block_patches(setup: TrainSetup, apart: Apart) -> HeldOut | None:
    """Give a patch around each block that is held out, at each time point of its image."""
    if not apart.blocks:
        return None
    data, places, names = setup.data, [], []
    for number, block in apart.blocks:
        image = data.volumes[number].image
        for each in [n for n, volume in enumerate(data.volumes) if volume.image is image]:
            patch = _patch_around(setup, data.volumes[each].shape, block)
            places.append((each, patch, block.intersect(patch)))
            names.append(f"{image.name} {block}")
    kept = places[:MOST_PATCHES]
    sampler = setup.sampler
    return HeldOut(sampler.volumes, sampler.intensities, kept, names[:MOST_PATCHES], _look(setup))


def _patch_around(setup: TrainSetup, shape: tuple[int, ...], block: Box) -> Box:
    """Place a patch with a block in its middle, within the image, where patches may begin."""
    hook = (1,) * len(shape) if setup.around is None else setup.around.hook
    start = [
        max(0, min((a + b - p) // 2, n - p)) // step * step
        for a, b, p, n, step in zip(
            block.start, block.stop, setup.shape.patch, shape, hook, strict=True
        )
    ]
    stop = (a + p for a, p in zip(start, setup.shape.patch, strict=True))
    return Box(tuple(start), tuple(stop)).intersect(Box.whole(shape))


def _look(setup: TrainSetup) -> Look:
    return Look(setup.shape.patch, setup.flat, setup.around)


def _blocks(data: TrainData, apart: Apart) -> dict[int, tuple[str, ...]]:
    """Name the blocks that are held out, by the number of the pair."""
    return {
        pair: tuple(str(box) for number, box in apart.blocks if number in data.numbers(pair))
        for pair in range(len(data.pairs))
    }


def _changed_words(data: TrainData) -> list[str]:
    """Name labels that are not as they were when they were trained on."""
    replayed = enumerate((each for _, each in data.earlier.replayed), data.new)
    words = [
        f"'{each.labels}' has changed since and is replayed as it is now"
        for pair, each in replayed
        if each.label_digest != data.label_digest(pair)
    ]
    files = ((n, e) for n, e in data.earlier.continued.items() if e.strokes is None)
    return words + [
        f"'{each.labels}' has changed since: all of it counts as new"
        for pair, each in files
        if each.label_digest != data.label_digest(pair)
    ]


def _drawn_words(setup: TrainSetup, apart: Apart) -> str:
    new, old = (sum(each.counts.values()) for each in (apart.unseen, apart.seen))
    if setup.config.from_model is None:
        return f"{new:.0f} labelled voxels to train on"
    if not new or not old or setup.config.replay == "off":
        which = "new" if new else "earlier"
        return f"all patches around {which} labels, {new + old:.0f} voxels"
    return f"half of the patches around {new:.0f} new labelled voxels, half around {old:.0f} others"


def _held_words(setup: TrainSetup, given: Candidates, apart: Apart) -> list[str]:
    if apart.blocks:
        both = (given.unseen, given.seen, apart.unseen, apart.seen)
        whole, more, left, rest = (sum(each.counts.values()) for each in both)
        margin = " x ".join(map(str, given.margin))
        near = f"; {apart.near} of them near labels that the model learned from" * bool(apart.near)
        return [
            f"{len(apart.blocks)} block(s) of labels are held out to score on{near}; with all that "
            f"is nearer to them than {margin} voxels, {whole + more - left - rest:.0f} labelled "
            "voxels are not trained on"
        ]
    if setup.validation or not setup.config.holds_out:
        return []
    known = "" if setup.data.earlier.known else " that the model is known not to have seen"
    return [f"{NOT_ENOUGH}{known}: this round cannot be compared with the one before"]
