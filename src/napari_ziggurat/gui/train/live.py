"""Live: a training that belongs to one annotation; made, run and asked in threads."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.errors import InputError, ZigguratError
from napari_ziggurat.geometry import Box
from napari_ziggurat.gui.tasks import Piece
from napari_ziggurat.progress import Progress

if TYPE_CHECKING:
    from napari_ziggurat.images import Image
    from napari_ziggurat.images.annotation_store import AnnotationStore
    from napari_ziggurat.runs.config import TrainConfig
    from napari_ziggurat.runs.live import LiveTraining
    from napari_ziggurat.runs.retrain.table import Comparison

__all__ = ["Live", "RoundResult", "Shown"]

_MOST = 2**20  # voxels of a preview; a larger view is shown in its middle


@dataclass(frozen=True)
class Shown:
    """What a training makes of a box.

    Attributes
    ----------
    piece : Piece
        Labels.
    step : int
        Steps that were made before.
    classes : tuple of LabelClass
        What the values mean.
    unsure : ((Z), Y, X) float32 array or None
        How unsure it is of each voxel, 0 to 1; None where that was not asked for.
    """

    piece: Piece
    step: int
    classes: tuple[LabelClass, ...]
    unsure: NDArray[Any] | None = None


@dataclass(frozen=True)
class RoundResult:
    """What a round changed; no comparison where too little is held out.

    The parent of a first round may have learned from what is held out now.
    """

    comparison: "Comparison | None"
    parent_may_know: bool


class Live:
    """A training that can be stopped, gone on with and asked while it runs.

    Parameters
    ----------
    image : Image
    store : AnnotationStore
        Open for writing elsewhere; its strokes are taken up as they are saved.
    config : TrainConfig
        Settings.
    parent : Path, optional
        Model to go on from.
    """

    def __init__(
        self,
        image: "Image",
        store: "AnnotationStore",
        config: "TrainConfig",
        parent: Path | None = None,
    ) -> None:
        self._image, self._store, self._parent = image, store, parent
        self._config = config
        self._training: LiveTraining | None = None
        self._closed = False
        self._stopped = False  # while it is being loaded
        self._began = 0  # the step that the round began with

    @property
    def points(self) -> Sequence[Any]:
        """The curves as they are now."""
        return () if self._training is None else self._training.points

    @property
    def learned(self) -> bool:
        """Whether steps were made in this round."""
        return self._training is not None and self._training.step > self._began

    def run(self) -> Generator[Progress, None, object]:
        """Train until `stop`; torch is loaded here, in a thread, and not while the window waits."""
        self._stopped = False
        yield Progress("load")
        from napari_ziggurat.networks import load_model
        from napari_ziggurat.runs.live import LiveTraining

        if self._training is None and not self._closed:
            parent = None if self._parent is None else load_model(self._parent)
            self._training = LiveTraining(self._image, self._store, self._config, parent=parent)
        if self._training is None or self._closed or self._stopped:
            return None
        self._began = self._training.step
        return (yield from self._training.run())

    def compare(self) -> Generator[Progress, None, RoundResult]:
        """Score what the round began with, and what it made."""
        if self._training is None:
            return RoundResult(None, parent_may_know=False)
        comparison = yield from self._training.compare()
        return RoundResult(comparison, self._parent is not None and not self._began)

    def go_back(self) -> Generator[Progress, None, int]:
        """Take the round back; the generator gives back the steps that are left."""
        yield Progress("go back")
        return 0 if self._training is None else self._training.go_back()

    def keep(self) -> None:
        """Give up the way back."""
        if self._training is not None:
            self._training.keep()

    def preview(
        self, box: Box, time: int, *, unsure: bool = False
    ) -> Generator[Progress, None, Shown | None]:
        """Segment a box of level 0 with what is learned now; None before the first step."""
        from napari_ziggurat.runs.plan.level import box_at_level
        from napari_ziggurat.runs.predict import predict_box, predict_unsure

        yield Progress("preview")
        now = None if self._training is None else self._training.snapshot()
        if now is None:
            return None
        level = self._store.drawn_on.level
        where = _middle(box_at_level(self._image, level, box))
        of = (self._image, now.model, level, where)
        if unsure:
            labels, entropy = yield from predict_unsure(*of, time=time)
        else:
            (labels, entropy) = ((yield from predict_box(*of, time=time)), None)
        return Shown(Piece(labels, level, where, time), now.step, now.model.spec.classes, entropy)

    def save(
        self, out: Path, seen: tuple[Box, int] | None = None
    ) -> Generator[Progress, None, Path]:
        """Write the model as it is now, with a picture of a box; gives back its folder."""
        if self._training is None:
            raise InputError("Nothing is learned yet; press Train first.")
        yield from self._training.save(out)
        if seen is not None:
            yield from self._draw(out, *seen)
        return out

    def _draw(self, out: Path, box: Box, time: int) -> Generator[Progress, None, None]:
        """Put a picture beside a model; where that fails the model is no worse."""
        from napari_ziggurat.gui.models.picture import write_picture

        try:
            if (shown := (yield from self.preview(box, time))) is not None:
                write_picture(out, self._image, shown.piece, shown.classes)
        except (ZigguratError, OSError) as error:
            yield Progress("picture", message=f"The model is saved, but has no picture: {error}")

    def stop(self) -> None:
        """Let `run` end after its step."""
        self._stopped = True
        if self._training is not None:
            self._training.stop()

    def close(self) -> None:
        """Give everything back."""
        self._closed = True
        if self._training is not None:
            self._training.close()


def _middle(box: Box) -> Box:
    """Cut the last two axes to what a preview shows at once."""
    side = int(_MOST**0.5)
    (start, stop) = (list(box.start), list(box.stop))
    for axis in (box.ndim - 2, box.ndim - 1):
        spare = max(0, box.shape[axis] - side)
        start[axis] += spare // 2
        stop[axis] = min(stop[axis], start[axis] + side) if spare else stop[axis]
    return Box(tuple(start), tuple(stop))
