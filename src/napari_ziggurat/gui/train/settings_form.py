"""Settings form: what can be said about a live training, before it begins."""

from typing import TYPE_CHECKING

from napari_ziggurat.errors import InputError
from napari_ziggurat.gui.forms.form import ConfigForm
from napari_ziggurat.runs.config import TrainConfig
from napari_ziggurat.runs.config.retraining import RetrainSettings

if TYPE_CHECKING:
    from napari_ziggurat.images import Image
    from napari_ziggurat.images.annotation_store import AnnotationStore

__all__ = ["SettingsForm"]

# What the dock says itself, or what a training that goes on until it is stopped has no use for.
_ELSEWHERE = ("image", "labels", "annotation", "out", "overwrite", "level")
_NOT_LIVE = ("axes", "spacing", "unit", "val_image", "val_labels", "minutes", "steps")
_FROM = ("recalibrate", *RetrainSettings.model_fields)
_SCOPE = "Of the training that the button begins; a training keeps those that it began with."
_BEGUN = "The training that is shown has begun with these."
_AUTOMATIC = {
    "dims": "by the device",
    "patch": "by spacing and memory",
    "depth": "by the patch",
    "features": "by the memory",
    "upsampling": "the network's",
    "equalize": "the network's",
    "deep_supervision": "1,0.5,0.25",
    "learning_rate": "by the optimiser",
    "scales": "one scale",
    "nan_as": "refuse such images",
    "batch": "what fits",
    "memory": "what is free",
}


class SettingsForm(ConfigForm):
    """The settings of ``ziggurat train`` that a live training takes."""

    def __init__(self) -> None:
        left_out = {*_ELSEWHERE, *_NOT_LIVE, *_FROM}
        fields = [field for field in TrainConfig.names() if field not in left_out]
        super().__init__(TrainConfig, fields, "Advanced", _SCOPE)
        self.show_automatic(_AUTOMATIC)

    def settings(self, image: "Image", store: "AnnotationStore") -> TrainConfig:
        """Give the settings of a training.

        Raises
        ------
        InputError
            Something that was said is wrong; it is also said beside its field.
        """
        from napari_ziggurat.runs.live.config import live_config

        if not self.right:
            self.button.setChecked(True)
            raise InputError(f"A setting under {self.title} is wrong; it is said below it.")
        return live_config(image, store, **self.values)

    def show_begun(self, *, begun: bool) -> None:
        """Let settings be changed only where a training may still take them."""
        self.form.setEnabled(not begun)
        self.scope.setText(_BEGUN if begun else _SCOPE)
