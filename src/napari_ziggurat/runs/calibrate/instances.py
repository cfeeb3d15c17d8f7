"""Calibration of a model for instances: maps of its images, and the settings that fit them."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.evaluation.object_counts import ObjectCounts
from napari_ziggurat.images import Image, open_image
from napari_ziggurat.networks import Model, ObjectSettings, save_spec
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.calibrate.objects import Scene, fit_objects
from napari_ziggurat.runs.config import CalibrateConfig
from napari_ziggurat.runs.objects.voxels import ClassVoxels
from napari_ziggurat.runs.output.place import probabilities_path
from napari_ziggurat.runs.plan.options import SegmentOptions
from napari_ziggurat.runs.segment import segment_image
from napari_ziggurat.runs.setup.pairs import Opener, Pair, match_files, open_pairs

__all__ = ["ObjectsCalibration", "calibrate_objects"]


@dataclass(frozen=True)
class ObjectsCalibration:
    """What was fitted and written into the model.

    Attributes
    ----------
    model : str
        Its folder.
    settings : ObjectSettings
        How its maps become objects from now on.
    best, usual : ObjectCounts
        How the objects agree with the labels, with these settings and with the usual ones.
    """

    model: str
    settings: ObjectSettings
    best: ObjectCounts
    usual: ObjectCounts

    def as_dict(self) -> dict[str, object]:
        """Give everything as JSON can hold it."""
        return {
            "model": self.model,
            "objects": self.settings.model_dump(),
            "fitted": _scores(self.best),
            "usual": _scores(self.usual),
        }

    def render(self) -> str:
        """Give a table of the scores, and the settings."""
        rows = [f"{'':<10}{'AP50':>8}{'F1':>8}{'AP':>8}{'objects':>10}{'true':>8}"]
        rows += [_row(name, each) for name, each in (("usual", self.usual), ("fitted", self.best))]
        said = ", ".join(f"{name} {value:g}" for name, value in self.settings.model_dump().items())
        return "\n".join(
            [
                *rows,
                f"{said}. It is scored on the labels that it was fitted to.",
                f"-> {self.model}",
            ]
        )


def calibrate_objects(config: CalibrateConfig, model: Model) -> Run[ObjectsCalibration]:
    """Fit how the maps of a model become objects, and write it into the model.

    Raises
    ------
    InputError
        The labels do not number objects, or levels were asked for.
    ExistsError
        The model has such settings, and they may not be replaced.
    """
    _check(config, model)
    opener = Opener(config.axes, config.spacing, config.unit, config.nan_as)
    pairs = open_pairs(match_files(config.image, config.truth), opener)
    folder = config.model / ".calibration"
    scenes = []
    for number, pair in enumerate(pairs):
        yield Progress("images", number, len(pairs))
        scenes.append((yield from _scene(pair, config, model, folder / f"{number}.ome.zarr")))
    fit = yield from fit_objects(scenes)
    save_spec(model.spec.model_copy(update={"objects": fit.settings}), config.model)
    shutil.rmtree(folder, ignore_errors=True)
    return ObjectsCalibration(str(config.model), fit.settings, fit.best, fit.usual)


def _check(config: CalibrateConfig, model: Model) -> None:
    if config.sparse:
        raise InputError(
            "The settings of objects are fitted to whole objects. Give --labels with a number for "
            "each object instead of --annotation."
        )
    if model.spec.objects is not None and not config.overwrite:
        raise ExistsError(
            f"'{config.model}' has settings of objects already. Give --overwrite to replace them."
        )


def _scene(pair: Pair, config: CalibrateConfig, model: Model, out: Path) -> Run[Scene]:
    """Segment an image; what an interrupted calibration did of it is kept."""
    image, truth = pair
    options = SegmentOptions(
        probabilities=True,
        device=config.device,
        batch=config.batch,
        memory=config.memory_bytes,
        threads=config.threads,
    )
    yield from segment_image(image, model, options, out)
    voxels = ClassVoxels.of(open_image(probabilities_path(out)), foreground=True)
    return Scene(voxels, truth, _level(truth, voxels.source))


def _level(truth: Image, found: Image) -> int:
    shape = found.levels[0].shape
    levels = [i for i, level in enumerate(truth.levels) if level.shape == shape]
    if not levels or truth.times not in (1, found.times):
        raise InputError(
            f"'{truth.name}' has no level with the shape {shape} and {found.times} time point(s), "
            "in which the model sees its image. Give labels that were drawn on the image."
        )
    return levels[0]


def _scores(counts: ObjectCounts) -> dict[str, object]:
    return {
        "ap50": counts.ap[0],
        "f1": counts.f1,
        "mean_ap": counts.mean_ap,
        "objects": counts.truth,
        "predicted_objects": counts.prediction,
    }


def _row(name: str, counts: ObjectCounts) -> str:
    scores = [each or 0.0 for each in (counts.ap[0], counts.f1, counts.mean_ap)]
    numbers = "".join(f"{score:>8.3f}" for score in scores)
    return f"{name:<10}{numbers}{counts.prediction:>10}{counts.truth:>8}"
