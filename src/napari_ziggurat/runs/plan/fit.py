"""Fit: as much at the same time as the memory allows, or a refusal that says what would fit."""

import math

import psutil

from napari_ziggurat.errors import InputError
from napari_ziggurat.runs.plan.cost import Cost, gigabytes
from napari_ziggurat.runs.plan.options import SegmentOptions
from napari_ziggurat.runs.plan.plan import SegmentPlan

__all__ = ["fit", "most_windows"]


def fit(plan: SegmentPlan, options: SegmentOptions) -> SegmentPlan:
    """Compute fewer windows at the same time where the memory asks for it, and say so.

    Raises
    ------
    InputError
        The memory does not suffice, or not for the threads that were asked for.
    """
    engine = plan.engine
    if engine.device == "cpu" and options.threads is None:
        at_once = most_windows(plan, options, engine.at_once)
        if at_once == engine.at_once:
            return plan
        if at_once:
            return plan.with_windows(at_once).with_note(_few_words(at_once))
    _check(plan.cost, options.memory)
    return plan


def most_windows(plan: SegmentPlan, options: SegmentOptions, most: int) -> int:
    """Tell how many windows at a time, up to ``most``, the machine's memory suffices for."""
    limit = options.memory or _free_memory(plan.engine.base)
    counts = range(most, 0, -1)
    return next((n for n in counts if plan.with_windows(n).cost.memory <= limit), 0)


def _few_words(at_once: int) -> str:
    windows = "one window is" if at_once == 1 else f"{at_once} windows are"
    return f"Memory for fewer windows than there are cores: {windows} computed at a time."


def _check(cost: Cost, allowed: int | None) -> None:
    """Refuse a run that needs more memory than there is, on the device or on the machine."""
    engine = cost.plan.engine
    if engine.free is not None and cost.network > engine.free:
        raise InputError(
            f"The network needs about {gigabytes(cost.network)} on {engine.device} with "
            f"{engine.at_once} windows at a time; {gigabytes(engine.free)} are free there. Give "
            f"a smaller --batch, end other programs that use it, or give --device cpu."
        )
    limit = _free_memory(engine.base) if allowed is None else allowed
    if cost.memory > limit:
        raise InputError(
            f"The run needs about {gigabytes(cost.memory)} with {engine.at_once} windows at a "
            f"time{_in_processes(engine.processes)} and {gigabytes(limit)} may be used. "
            f"{_way_out(cost, limit)}"
        )


def _free_memory(base: int) -> int:
    """Bytes that a run may use: what is free, and what its process holds already."""
    return int(psutil.virtual_memory().available) + base


def _in_processes(count: int) -> str:
    return f" in each of {count} processes" if count > 1 else ""


def _way_out(cost: Cost, limit: int) -> str:
    """Name the settings with which the run would fit."""
    plan = cost.plan
    fewest = plan.with_fewest()
    ways = ["--threads 1" if plan.engine.device == "cpu" else "--batch 1"]
    ways += ["--workers 1"] if plan.engine.processes > 1 else []
    if fewest.cost.memory <= limit:
        return f"Give {' and '.join(ways)}: that needs {gigabytes(fewest.cost.memory)}."
    smaller = fewest.with_smallest_block()
    if smaller.cost.memory <= limit:
        block = ",".join(map(str, smaller.shard))
        return (
            f"Give {' and '.join([*ways, f'--block {block}'])}: that needs "
            f"{gigabytes(smaller.cost.memory)}."
        )
    return (
        f"Give --memory {math.ceil(smaller.cost.memory / 1e8) / 10:.1f}GB with "
        f"{' and '.join(ways)}, where the machine has it, or a smaller --window."
    )
