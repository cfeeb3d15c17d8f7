"""Session: a model loaded on a device, ready for one image after the other."""

import copy
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from torch import nn

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import Image, Level
from napari_ziggurat.images.statistics import sample_digest, sample_values
from napari_ziggurat.inference.block import CellPredictor, WindowReader
from napari_ziggurat.inference.labels import Decision
from napari_ziggurat.inference.levels import PredictedLevel, finest_level, predicted_levels
from napari_ziggurat.inference.predictor import Predictor, resolve_precision
from napari_ziggurat.inference.surroundings import Surroundings
from napari_ziggurat.networks import Intensity, Model, ModelSpec
from napari_ziggurat.networks.averaging import AveragedNetwork
from napari_ziggurat.networks.device import resolve_device
from napari_ziggurat.networks.network import SegmentationNetwork
from napari_ziggurat.networks.outputs import SelectedOutputs, output_ratios
from napari_ziggurat.networks.pruning import prune_model
from napari_ziggurat.runs.output.journal import Fingerprint
from napari_ziggurat.runs.plan.cost import Probe
from napari_ziggurat.runs.plan.decide import decide, views_of, with_gate
from napari_ziggurat.runs.plan.fit import fit, most_windows
from napari_ziggurat.runs.plan.gate import choose_gate
from napari_ziggurat.runs.plan.options import SegmentOptions
from napari_ziggurat.runs.plan.plan import Engine, SegmentPlan
from napari_ziggurat.runs.plan.probe import Shown, measure
from napari_ziggurat.runs.plan.surround import SurroundPlan
from napari_ziggurat.runs.watch import resident_memory

__all__ = ["Session"]

_WORTH_A_PROBE = 40  # windows for each that is computed at the same time: a fortieth of the time
_SHOWN = 2  # windows of noise


class Session:
    """A model on a device with its threads; a context manager that ends them.

    Parameters
    ----------
    model : Model
        Left as it is; the session works on a copy of its network.
    options : SegmentOptions
        Device, precision, threads and what to segment.
    asks : callable, optional
        Makes of the network what is computed, where that is not its labels.

    Attributes
    ----------
    digest : str
        SHA-256 of the model's parameters and of what is done with them.
    """

    def __init__(
        self,
        model: Model,
        options: SegmentOptions,
        asks: Callable[[SegmentationNetwork], nn.Module] | None = None,
    ) -> None:
        model = model if options.depth is None else prune_model(model, options.depth)
        self.spec = model.spec
        self.options = options
        self.digest = _digest(model)
        self.levels = _levels(model, options)
        device = resolve_device(options.device)
        self.precision = resolve_precision(options.precision, device)
        network = copy.deepcopy(model.network)
        self.predictor = Predictor(
            _averaged(_selected(network, self.levels), model.spec, options)
            if asks is None
            else asks(network),
            device,
            precision=self.precision,
            batch=options.batch,
            threads=options.threads,
            exact=options.exact,
            surround=getattr(network, "surround", None),
        )
        self._probes: dict[Shown, Probe] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.predictor.close()

    def with_changes(self, **changes: Any) -> "Session":
        """Give the same model on the same device with other options of what to segment.

        It lives as long as this one does.
        """
        other = copy.copy(self)
        other.options = replace(self.options, **changes)
        return other

    def plan(self, image: Image, *, processes: int = 1, probe: bool = False) -> SegmentPlan:
        """Decide level, windows and blocks for an image, and what is computed at the same time.

        Parameters
        ----------
        image : Image
            What is segmented.
        processes : int
            How many compute beside each other.
        probe : bool
            Measure time and memory also where the whole run takes hardly longer.

        Raises
        ------
        InputError
            The model does not fit the image, or the run does not fit the machine.
        """
        plan = self._decide(image, processes, None)
        rounds = plan.windows / (plan.engine.at_once * processes)
        if probe or self.options.memory or rounds >= _WORTH_A_PROBE:
            plan = self._decide(image, processes, self._probe(plan))
        plan = fit(plan, self.options)
        self.predictor.limit(plan.engine.at_once)
        return plan

    def outline(self, image: Image) -> SegmentPlan:
        """Decide as `plan` does what is computed, without a look at what it costs."""
        return self._decide(image, 1, None)

    def cells(self, plan: SegmentPlan) -> CellPredictor:
        """Give what computes the cells of a plan."""
        decision = Decision(
            tuple(c.value for c in plan.spec.classes),
            labels=not (plan.lattice.blend or plan.weights),
            probabilities=plan.probabilities or plan.lattice.blend or bool(plan.weights),
            shapes=len(plan.spec.shapes),
        )
        return CellPredictor(plan.lattice, plan.levels, decision, self.predictor)

    def reader(
        self,
        read: Callable[[Box], NDArray[Any]],
        intensity: Intensity,
        surroundings: Surroundings | None = None,
        time: int = 0,
    ) -> WindowReader:
        """Give what makes windows of voxels (C, (Z), Y, X) as stored.

        Parameters
        ----------
        read : callable
            Box of the image -> voxels.
        intensity : Intensity
            Normalises them.
        surroundings : Surroundings or None
            Those of the image, as `surroundings` gives them.
        time : int
            Time point, whose surroundings are seen.
        """
        hook = None if surroundings is None else surroundings.hook
        around = hook and partial(hook, time=time, normalise=intensity.apply)
        return WindowReader(read, intensity.apply, self._flat, around)

    def surroundings(self, plan: SegmentPlan) -> Surroundings | None:
        """Give what makes and keeps the features of the surroundings; None where none are seen."""
        if plan.surround is None:
            return None
        coarser = plan.surround.coarser
        level = plan.level if coarser.stored is None else coarser.stored

        def read(box: Box, time: int) -> NDArray[Any]:
            voxels = coarser.read(box, time)
            plan.image.check_present(level)  # chunks of a store that is gone would be gaps
            return voxels

        compute = self.predictor.surroundings
        return Surroundings(plan.surround.lattice, read, compute, flat=self._flat)

    @property
    def _flat(self) -> bool:
        """The network sees planes of volumes."""
        return self.spec.dims < len(self.spec.axes)

    def _decide(self, image: Image, processes: int, probe: Probe | None) -> SegmentPlan:
        predictor = self.predictor
        predictor.limit(predictor.threads)  # an earlier image may have lowered it
        engine = Engine(
            str(predictor.device), self.precision, predictor.at_once, predictor.waiting,
            predictor.free_memory(), resident_memory(), processes, probe,
        )  # fmt: skip
        plan = decide(image, self.spec, self.options, engine, self.levels)
        gate = choose_gate(image, self.spec, plan.level, self.options)
        return plan if gate is None else with_gate(plan, gate)

    def _probe(self, plan: SegmentPlan) -> Probe:
        shown = _shown(plan)
        if shown not in self._probes:
            most = min(_SHOWN, plan.engine.at_once)
            beside = max(1, most_windows(plan, self.options, most))
            self._probes[shown] = measure(self.predictor, shown, beside)
        return self._probes[shown]

    def intensity(self, image: Image, level: int, time: int) -> Intensity:
        """Give the normalisation for a time point: the model's, or of the image itself.

        Raises
        ------
        InputError
            The model needs the grey values of the whole image, and some are NaN or infinite.
        """
        if self.spec.intensity.scope == "dataset":
            return self.spec.intensity
        values = sample_values(image, level, time)
        if not np.isfinite(values).all():
            raise InputError(
                f"'{image.name}' has voxels that are NaN or infinite, and this model needs the "
                "grey values of the whole image. Say what they stand for, for example --nan-as 0."
            )
        return Intensity.from_values(values, scope="image")

    def fingerprint(self, plan: SegmentPlan) -> Fingerprint:
        """Give everything that decides the result."""
        image, lattice = plan.image, plan.lattice
        used = [plan.level, *(each.level for each in plan.coarse)]
        # What only some runs have is left out of the others: those began before there was such.
        special: dict[str, object] = {"levels": _fusion(plan)} if plan.weights else {}
        special |= {"surroundings": _seen_around(plan.surround)} if plan.surround else {}
        special |= {"augment": list(self.options.augment)} if self.options.augment else {}
        return Fingerprint(
            {
                "model": self.digest,
                "input": {
                    "axes": str(image.axes),
                    "shape": list(image.levels[plan.level].shape),
                    "dtype": str(image.dtype),
                    "place": [_place(image.levels[each]) for each in used],
                    "content": sample_digest(image, plan.level),
                },
                "level": plan.level,
                "box": str(plan.region),
                "windows": [list(lattice.window), list(lattice.rim), list(lattice.stride)],
                "precision": plan.engine.precision,
                "device": self.predictor.device.type,
                "batch": None if plan.engine.device == "cpu" else self.predictor.full_batch,
                "probabilities": plan.probability_type if plan.probabilities else False,
                "blend": plan.lattice.blend,
                "gate": None if plan.gate is None else asdict(plan.gate),
                "block": list(plan.shard),
                "all scales": self.options.all_scales,
                "depth": self.options.depth,
                "OME-Zarr version": plan.version,
                "NaN replaced by": image.nan_as,
                **special,
            }
        )


def _fusion(plan: SegmentPlan) -> dict[str, object]:
    """Give what decides a fusion: the levels, what is in the coarser ones, and the weights."""
    return {
        "coarser": {str(each.level): sample_digest(each.image, each.level) for each in plan.coarse},
        "weights": [list(row) for row in plan.weights],
    }


def _seen_around(surround: SurroundPlan) -> dict[str, object]:
    """Give what decides the surroundings: where they come from, and what is in that level."""
    stored, image = surround.coarser.stored, surround.coarser.image
    content = None if stored is None else sample_digest(image, stored)
    place = None if stored is None else _place(image.levels[stored])
    return {**surround.decides, "content": content, "place": place}


def _shown(plan: SegmentPlan) -> Shown:
    """Give the shapes of what the network is shown before the run."""
    channels, dims = len(plan.spec.channels), plan.spec.dims
    window = (channels, *plan.lattice.window_shape[-dims:])
    if plan.surround is None:
        return Shown(window)
    lattice = plan.surround.lattice
    hook = lattice.grids.hooks(Box.whole(plan.lattice.window_shape)).shape[-dims:]
    around = (channels, *lattice.window_shape[-dims:])
    return Shown(window, (plan.surround.channels, *hook), around)


def _place(level: Level) -> list[object]:
    """Give what decides the pyramid and where levels lie on each other."""
    return [list(level.spacing.values), level.spacing.unit, list(level.translation)]


def _levels(model: Model, options: SegmentOptions) -> tuple[PredictedLevel, ...]:
    axes = len(model.spec.axes)
    if not options.all_scales:
        return (finest_level(axes),)
    return predicted_levels(output_ratios(model.network), axes, model.spec.network.name)


def _selected(network: SegmentationNetwork, levels: Sequence[PredictedLevel]) -> nn.Module:
    """Give a network with one output for each level."""
    if len(levels) == 1:
        return network
    return SelectedOutputs(network, [level.output for level in levels])


def _averaged(network: nn.Module, spec: ModelSpec, options: SegmentOptions) -> nn.Module:
    """Give a network that sees each window as often as it was asked to."""
    views = views_of(spec, options)
    return network if len(views) == 1 else AveragedNetwork(network, views, len(spec.shapes))


def _digest(model: Model) -> str:
    """SHA-256 of the parameters and of what is done with them."""
    digest = hashlib.sha256()
    decides = {"network", "classes", "intensity", "window", "rim", "spacing", "unit"}
    digest.update(json.dumps(model.spec.model_dump(include=decides), sort_keys=True).encode())
    for name, value in sorted(model.network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
