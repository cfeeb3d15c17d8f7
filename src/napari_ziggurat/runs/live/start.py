"""Start: what a live training needs before its first step, decided as `train` decides it."""

from dataclasses import replace

import psutil
import torch

from napari_ziggurat.classes import default_classes
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import Image
from napari_ziggurat.images.block_cache import BlockCache
from napari_ziggurat.images.class_names import named_classes
from napari_ziggurat.networks import Model, create_network
from napari_ziggurat.networks.device import resolve_device
from napari_ziggurat.networks.network import SegmentationNetwork
from napari_ziggurat.networks.widen import with_classes, with_outputs
from napari_ziggurat.runs.config import TrainConfig
from napari_ziggurat.runs.live.labels import LiveLabels
from napari_ziggurat.runs.live.strokes import Strokes
from napari_ziggurat.runs.setup.earlier import Earlier
from napari_ziggurat.runs.setup.step_probe import with_batch_that_fits
from napari_ziggurat.runs.setup.train_data import TrainData
from napari_ziggurat.runs.setup.train_setup import TrainSetup, decide
from napari_ziggurat.training.in_memory import MOST_CACHED
from napari_ziggurat.training.live_volume import LiveVolume
from napari_ziggurat.training.volumes import LabelCode

__all__ = ["set_up", "widened"]

_SECTIONS = (
    "a live training on the CPU asks for a network over sections, whose steps are quick; dims=3 "
    "takes one over volumes"
)


def set_up(
    image: Image,
    labels: LiveLabels,
    strokes: Strokes,
    config: TrainConfig,
    parent: Model | None,
) -> tuple[TrainSetup, SegmentationNetwork]:
    """Decide everything from the strokes that are there, and make the network.

    With a parent the network goes on from its weights; classes that it lacks are added.
    """
    foreground = config.task == "foreground"
    found = set(strokes.values(foreground=foreground))
    known = set() if parent is None else {c.value for c in parent.spec.classes}
    code = LabelCode(tuple(sorted(found | known)), dense=False, foreground=foreground)
    parent = None if parent is None else widened(parent, code)
    device = resolve_device(config.device)
    sections = parent is None and _by_sections(image, config, device)
    if sections:
        config = config.model_copy(update={"dims": 2})
    classes = named_classes(labels.image, code.values)
    data = TrainData(
        code=code,
        volumes=_volumes(image, labels, code, config),
        index=strokes.index(code),
        spacing=image.levels[labels.level].spacing,
        digest="",
        notes=(_note(image, labels, code), *((_SECTIONS,) if sections else ())),
        classes=classes if parent is None else parent.spec.classes,
        pairs=((image, labels.image),),
        found=(),
        new=1,
        earlier=Earlier(),
        strokes=(None,),
    )
    setup = with_batch_that_fits(decide(config, device, parent, None, (data, ())), device)
    torch.manual_seed(config.seed)
    network = create_network(setup.network)
    if parent is not None:
        network.load_state_dict(parent.network.state_dict(), strict=True)
        network.shift.zero_()
    return setup, network


def _by_sections(image: Image, config: TrainConfig, device: torch.device) -> bool:
    """Tell whether a volume is learned section by section: who paints waits for every step."""
    said = config.dims is not None or config.patch is not None
    return len(image.axes.spatial) == 3 and device.type == "cpu" and not said


def widened(model: Model, code: LabelCode) -> Model:
    """Give a model the classes of a code; those that it has keep their weights."""
    old = tuple(c.value for c in model.spec.classes)
    if old == code.values:
        return model
    state = with_classes(model.network.state_dict(), model.spec.network, old, code.values)
    config = with_outputs(model.spec.network, len(code.values))
    network = create_network(config)
    network.load_state_dict(state, strict=True)
    classes = {c.value: c for c in model.spec.classes}
    named = tuple(classes.get(c.value, c) for c in default_classes(code.values))
    spec = model.spec.model_copy(update={"network": config, "classes": named})
    return Model(spec, network)


def _volumes(
    image: Image, labels: LiveLabels, code: LabelCode, config: TrainConfig
) -> list[LiveVolume]:
    """Make one volume of each time point; images are in memory as far as a quarter of it lasts."""
    memory = config.memory_bytes or psutil.virtual_memory().available
    rest = budget = memory // (2 if config.memory_bytes else 4)
    volumes: list[LiveVolume] = []
    for time in range(labels.image.times):
        volume = LiveVolume(image, labels.image, labels.level, 0, code, time)
        budget -= volume.bytes
        if budget >= 0:
            rest = budget
            volume = replace(volume, pixels=volume.read_image(Box.whole(volume.shape)))
        volumes.append(volume)
    cache = BlockCache(max(0, min(rest, MOST_CACHED)))
    return [v if v.pixels is not None else replace(v, cache=cache) for v in volumes]


def _note(image: Image, labels: LiveLabels, code: LabelCode) -> str:
    classes = ", ".join(map(str, code.values))
    return f"'{image.name}' at level {labels.level}; classes {classes}, from strokes"
