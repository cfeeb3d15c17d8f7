"""Decide: level, region, windows, blocks and passes of a segmentation, all that is to be chosen."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box, Lattice, Spacing
from napari_ziggurat.images import Image
from napari_ziggurat.inference.levels import PredictedLevel
from napari_ziggurat.networks.checkpoint import ModelSpec
from napari_ziggurat.networks.views import View, make_views
from napari_ziggurat.runs.plan.gate import GateRule
from napari_ziggurat.runs.plan.level import check_fit, choose_level
from napari_ziggurat.runs.plan.options import SegmentOptions, coarse_changes
from napari_ziggurat.runs.plan.plan import Engine, SegmentPlan, by
from napari_ziggurat.runs.plan.storage import storage_of
from napari_ziggurat.runs.plan.surround import plan_surround

__all__ = ["decide", "views_of", "with_coarse", "with_gate"]

_MUCH_COARSER = 2  # z against x and y; training, too, zooms in the plane only beyond


def decide(
    image: Image,
    spec: ModelSpec,
    options: SegmentOptions,
    engine: Engine,
    levels: tuple[PredictedLevel, ...],
) -> SegmentPlan:
    """Decide everything but how much is done at the same time.

    Parameters
    ----------
    image, spec, options : Image, ModelSpec, SegmentOptions
        What is segmented, with what, and how.
    engine : Engine
        What computes.
    levels : tuple of PredictedLevel
        Levels of the output that the network predicts, finest first.

    Raises
    ------
    InputError
        The model does not fit the image, the box lies outside or does not start on the grid of
        every level, or two levels would be of one size.
    """
    check_fit(image, spec)
    level, notes = _level(image, spec, options)
    region = _region(image, level, options.box)
    _check_grids(region, levels)
    _check_blend(options)
    _check_augment(options, image, spec)
    shape = image.levels[level].shape
    lattice = _lattice(shape, spec, options)
    chunk, shard = storage_of(region.shape, lattice.cell_shape, options.block)
    plan = SegmentPlan(
        image, spec, level, region, lattice, levels, chunk, shard, engine, options.probabilities,
        options.probability_type, options.version,
        (*notes, *_network_notes(spec, options, levels), *_machine_notes(options, engine)),
        surround=plan_surround(image, spec, level, lattice),
    )  # fmt: skip
    if plan.surround is not None:
        plan = plan.with_note(plan.surround.render(lattice.read_box(region)))
    return _fused(plan, options) if options.levels else plan


def with_gate(plan: SegmentPlan, gate: GateRule) -> SegmentPlan:
    """Let a plan compute only where a coarser level shows foreground, and say so."""
    note = (
        f"--gate: level {gate.level} is computed first, and this level where its probability of "
        f"foreground reaches {gate.threshold:.3g}, which keeps {gate.recall:.4g} of the foreground "
        "as the model was calibrated; the figures are those of computing everything."
    )
    return replace(plan, gate=gate).with_note(note)


def with_coarse(plan: SegmentPlan, numbers: Sequence[int], options: SegmentOptions) -> SegmentPlan:
    """Put passes over coarser levels before a plan, as far as its region needs them.

    Parameters
    ----------
    plan : SegmentPlan
        Of the finest level.
    numbers : sequence of int
        Levels of the image, finest first.
    options : SegmentOptions
        Those of the plan.

    Raises
    ------
    InputError
        There is no such level.
    """
    coarse = []
    for number in numbers:
        plan.image.check_level(number)
        box = plan.upsampling(number).support(plan.region)
        changed = replace(options, **coarse_changes(number, box))
        coarse.append(decide(plan.image, plan.spec, changed, plan.engine, plan.levels))
    return replace(plan, coarse=tuple(coarse))


def _fused(plan: SegmentPlan, options: SegmentOptions) -> SegmentPlan:
    """Fuse coarser levels with that of a plan."""
    if plan.spec.shapes:
        raise InputError(
            "--levels fuses what levels say of classes, and this model tells of objects, whose "
            "boundaries are as thick as the voxels of a level; segment one of them with --level."
        )
    plan = with_coarse(plan, options.levels[1:], options)
    sizes = [tuple(1 / step for step in plan.upsampling(n).step) for n in options.levels]
    fitted = plan.spec.level_weights
    weights = _equal(plan) if fitted is None else fitted.of(sizes)
    return replace(plan.with_note(_fusion_note(plan)), weights=weights)


def _equal(plan: SegmentPlan) -> tuple[tuple[float, ...], ...]:
    count = 1 + len(plan.coarse)
    return ((1 / count,) * len(plan.spec.classes),) * count


def _fusion_note(plan: SegmentPlan) -> str:
    fitted = plan.spec.level_weights
    if fitted is None:
        how = "and all count the same ('ziggurat calibrate' fits weights for the model)"
    elif len(fitted.weights) > 1 + len(plan.coarse):
        how = f"with the weights that were fitted for {len(fitted.weights)} levels together"
    else:
        how = "with the weights that were fitted for the model"
    passes = ", ".join(f"level {each.level} ({each.windows} windows)" for each in plan.coarse)
    return (
        f"--levels: {passes} first, then level {plan.level} ({plan.windows} windows), "
        f"{plan.all_windows} windows in all; they are fused {how}."
    )


def _level(image: Image, spec: ModelSpec, options: SegmentOptions) -> tuple[int, tuple[str, ...]]:
    """Take the level that was asked for, or choose one; with what there is to say of the choice."""
    asked = options.levels[0] if options.levels else options.level
    if asked is not None:
        image.check_level(asked)
        return asked, ()
    choice = choose_level(image, spec)
    return choice.level, (choice.why,) if choice.why else ()


def views_of(spec: ModelSpec, options: SegmentOptions) -> tuple[View, ...]:
    """List what each window is changed to before the network sees it, itself first."""
    in_plane = spec.dims == 3 and max(Spacing(spec.spacing).ratio) > _MUCH_COARSER
    return make_views(options.augment, spec.dims, in_plane=in_plane)


def _network_notes(
    spec: ModelSpec, options: SegmentOptions, levels: Sequence[PredictedLevel]
) -> tuple[str, ...]:
    notes = []
    if options.augment:
        times = len(views_of(spec, options))
        notes.append(f"--augment {','.join(options.augment)}: computes each window {times} times.")
    if options.depth is not None:
        notes.append(
            f"--depth {options.depth}: only the network's output of that depth is computed."
        )
    if len(levels) > 1:
        listed = [
            f"level {number} ({by(level.downsampling)} voxels in one) is output {level.output}"
            for number, level in enumerate(levels[1:], 1)
        ]
        notes.append(f"--all-scales: level 0 is the network's best output, {', '.join(listed)}.")
    return tuple(notes)


def _machine_notes(options: SegmentOptions, engine: Engine) -> tuple[str, ...]:
    if options.batch is None or engine.device != "cpu":
        return ()
    return (
        f"--batch {options.batch} is not used: on the CPU each of the --threads computes one "
        "window at a time.",
    )


def _region(image: Image, level: int, text: str | None) -> Box:
    whole = Box.whole(image.levels[level].shape)
    if text is None:
        return whole
    box = Box.parse(text)
    if box.ndim != whole.ndim or not whole.contains(box) or box.size == 0:
        raise InputError(
            f"The box {box} must lie inside the image, which is {whole} at level {level} "
            f"({image.axes.spatial})."
        )
    return box


def _check_grids(region: Box, levels: Sequence[PredictedLevel]) -> None:
    """Refuse a region that begins within a coarse voxel, or has no more than one at two levels."""
    for fine, coarse in pairwise(levels):
        if fine.box(region).size == coarse.box(region).size:
            raise InputError(
                f"{by(region.shape)} voxels are too few for --all-scales: a voxel of output "
                f"{coarse.output} of the network stands for {by(coarse.downsampling)} of them, "
                "so its level would be no smaller than the finer one. Leave --all-scales out."
            )
    grid = tuple(max(sizes) for sizes in zip(*(each.downsampling for each in levels), strict=True))
    start = tuple(a // n * n for a, n in zip(region.start, grid, strict=True))
    if start != region.start:
        raise InputError(
            f"With --all-scales a --box must start at multiples of {grid}, the voxels of the "
            f"coarsest output; it starts at {region.start}. Nearest that fits: "
            f"{Box(start, region.stop)}."
        )


def _lattice(shape: tuple[int, ...], spec: ModelSpec, options: SegmentOptions) -> Lattice:
    for name, given in (("--window", options.window), ("--rim", options.rim)):
        if given is not None and len(given) != len(shape):
            raise InputError(
                f"{name} needs one size per spatial axis of the image, that is {len(shape)}; got "
                f"{','.join(map(str, given))}."
            )
    window, rim = options.window or spec.window, options.rim or spec.rim
    if len(shape) > spec.dims and (window[0], rim[0]) != (1, 0):
        raise InputError(
            f"The model sees planes: --window begins with 1 and --rim with 0; got {window}, {rim}."
        )
    return Lattice(shape, window, rim, spec.stride, options.blend)


def _check_blend(options: SegmentOptions) -> None:
    if options.blend and options.all_scales:
        raise InputError(
            "--blend joins the windows of the finest output only; leave it or --all-scales out."
        )


def _check_augment(options: SegmentOptions, image: Image, spec: ModelSpec) -> None:
    if options.augment and spec.surroundings is not None:
        raise InputError(
            f"--augment {','.join(options.augment)} changes windows, and network "
            f"'{spec.network.name}' sees their surroundings as well, which are computed once as "
            "they are. Leave --augment out."
        )
    if options.augment and options.all_scales:
        raise InputError("--augment is for the finest output only; leave out --all-scales.")
    if "flips" in options.augment and image.affine is not None:
        raise InputError(
            f"--augment flips mirrors windows, and '{image.name}' states which side is left: "
            "training mirrors no such image, either. Say --augment scales, or leave it out."
        )
