"""Explain: what a network makes of an image inside, as layers, pictures and figures."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_ziggurat.errors import InputError
from napari_ziggurat.images import open_image
from napari_ziggurat.networks import Model, load_model
from napari_ziggurat.networks.analysis import (
    attention_maps,
    costs,
    feature_pyramid,
    fusion_scales,
)
from napari_ziggurat.networks.receptive_field import (
    DRAWS,
    ReceptiveField,
    centre_gradients,
    measure_field,
    size_to_look_at,
    theoretical_field,
)
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.config import ExplainConfig
from napari_ziggurat.runs.explain.charts import save_branches, save_field
from napari_ziggurat.runs.explain.figure import save_features
from napari_ziggurat.runs.explain.folder import (
    BRANCHES,
    FEATURES,
    FIELD,
    LAYERS,
    RECORD,
    check_folder,
    growing,
)
from napari_ziggurat.runs.explain.layers import Layer, summarise, write_image, write_layer
from napari_ziggurat.runs.explain.region import Region, choose_region
from napari_ziggurat.runs.explain.result import ExplainResult

if TYPE_CHECKING:
    import torch

__all__ = ["explain"]


def explain(config: ExplainConfig) -> Run[ExplainResult]:
    """Watch a network at work on one region of an image, and write down what was seen.

    Returns
    -------
    ExplainResult
        As the generator's value.

    Raises
    ------
    ZigguratError
        Something does not fit, or the place is taken; nothing is left half made.
    """
    check_folder(config.out, overwrite=config.overwrite)
    model = load_model(config.model)
    _refuse_surroundings(model)
    image = open_image(
        config.image, axes=config.axes, spacing=config.spacing, unit=config.unit,
        nan_as=config.nan_as,
    )  # fmt: skip
    region = yield from choose_region(image, model, config)
    for note in (_said(region), *region.notes):
        yield Progress("features", message=note)
    with growing(config.out) as folder:
        return (yield from _explain(model, region, config, folder))


def _refuse_surroundings(model: Model) -> None:
    if model.spec.surroundings is not None:
        raise InputError(
            f"'ziggurat explain' shows what a network makes of one image, and network "
            f"'{model.spec.network.name}' sees its surroundings as well. Explain a model that was "
            "trained without a surround, such as 'unet'."
        )


def _said(region: Region) -> str:
    return f"{region.image.name}: level {region.level}, voxels {region.box}, on {region.device}"


def _explain(
    model: Model, region: Region, config: ExplainConfig, folder: Path
) -> Run[ExplainResult]:
    """Compute everything and write it into a folder."""
    network, x = model.network.to(region.device), _input(region)
    (folder / LAYERS).mkdir()
    write_image(region, folder / LAYERS)
    features = [f for f in feature_pyramid(network, x) if f.part != "classifiers"]
    layers = yield from _summarised("features", features, region)
    gates = attention_maps(network, x)
    numbered = [replace(gate, part="attention", level=i) for i, gate in enumerate(gates)]
    attention = yield from _summarised("attention", numbered, region)
    del features
    yield Progress("branches", 0, 1)
    fusions = fusion_scales(network, x)
    field = yield from _field(model, region)
    result = ExplainResult(
        out=str(config.out),
        looked_at=_looked_at(model, region, config),
        layers=[_written(layer, region, folder) for layer in layers],
        attention=[
            {"gate": gate.part, **_written(layer, region, folder)}
            for gate, layer in zip(gates, attention, strict=True)
        ],
        fusions=fusions,
        field=field,
        unit=model.spec.unit,
        costs=costs(network, region.window.shape[1:]),
    )
    save_features([*layers, *attention], region, folder / FEATURES)
    save_branches(fusions, folder / BRANCHES)
    save_field(field, model.spec.unit, folder / FIELD)
    content = json.dumps(result.as_dict(), indent=2, ensure_ascii=False) + "\n"
    (folder / RECORD).write_text(content, encoding="utf-8")
    return result


def _input(region: Region) -> "torch.Tensor":
    import torch

    return torch.from_numpy(region.window[None]).to(region.device)


def _summarised(stage: str, features: Sequence[Any], region: Region) -> Run[list[Layer]]:
    layers = []
    for done, feature in enumerate(features):
        yield Progress(stage, done, len(features))
        layers.append(summarise(feature, region))
    yield Progress(stage, len(features), len(features))
    return layers


def _written(layer: Layer, region: Region, folder: Path) -> dict[str, Any]:
    """Write a layer and give its entry in the record."""
    files = write_layer(layer, region, folder / LAYERS)
    return {**layer.as_dict(region), "files": [f"{LAYERS}/{name}" for name in files]}


def _field(model: Model, region: Region) -> Run[ReceptiveField]:
    """Measure the receptive field in voxels of the model's spacing."""
    network = model.network
    yield Progress("receptive field", 0, DRAWS)
    theoretical = theoretical_field(network)
    size = size_to_look_at(network, theoretical)
    gradients = []
    for gradient in centre_gradients(network, size):
        gradients.append(gradient)
        yield Progress("receptive field", len(gradients), DRAWS)
    return measure_field(gradients, theoretical, model.spec.spacing[-len(size) :])


def _looked_at(model: Model, region: Region, config: ExplainConfig) -> dict[str, Any]:
    return {
        "model": str(config.model),
        "network": model.spec.network.name,
        "image": str(config.image),
        "level": region.level,
        "box": str(region.box),
        "device": region.device,
        "region": f"{LAYERS}/image.ome.zarr",
        "pictures": [FEATURES, BRANCHES, FIELD],
        "notes": list(region.notes),
    }
