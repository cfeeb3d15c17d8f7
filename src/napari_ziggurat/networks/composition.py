"""Composition: a network in a person's words, parts by their kind; the pyramid comes later."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from napari_ziggurat.errors import InputError
from napari_ziggurat.networks.config import ComposedConfig, Context, Encoder, Head, Neck
from napari_ziggurat.networks.parts import Equalize, Norm, Upsampling
from napari_ziggurat.networks.surround import SurroundConfig
from napari_ziggurat.networks.topology import Strict

__all__ = ["DEFAULT_PRESET", "Composition", "explain_errors"]

DEFAULT_PRESET = "residual_unet"


class Composition(Strict):
    """A preset and what takes the place of its parts.

    Attributes
    ----------
    name : str
        What the network is called in its model.
    preset : str
        Gives what is not said here; a part that is said replaces its part as a whole.
    encoder, context, neck, head : PartConfig
        Written as a ``kind``, or as a mapping of a ``kind`` and its settings.
    norm, upsampling, equalize, equalize_sums, surround
        As in `ComposedConfig`.
    """

    name: str
    preset: str = DEFAULT_PRESET
    encoder: Encoder = ComposedConfig.model_fields["encoder"].default
    context: Context | None = None
    neck: Neck = ComposedConfig.model_fields["neck"].default
    head: Head | None = None
    norm: Norm = "batch"
    upsampling: Upsampling = "linear"
    equalize: Equalize = "off"
    equalize_sums: bool = False
    surround: SurroundConfig | None = None
    _source: str = ""

    @classmethod
    def parse(cls, values: Mapping[str, object], source: str, name: str) -> "Composition":
        """Check what was written.

        Parameters
        ----------
        values : mapping
            Keys and values.
        source : str
            The file they are from, for messages.
        name : str
            What the network is called unless they say so.

        Raises
        ------
        InputError
            A key, a kind or a setting is unknown or wrong; a sentence for each.
        """
        if not values:
            raise InputError(f"{source} says nothing of a network; give a preset or parts.")
        try:
            composition = cls.model_validate({"name": name, **values})
        except ValidationError as error:
            said = explain_errors(error, cls)
            raise InputError("\n".join(f"{source}: {each}." for each in said)) from None
        composition._source = source
        return composition

    @property
    def called(self) -> str:
        """What messages call it: the file where it is from one."""
        return self._source or self.name

    @property
    def changes(self) -> dict[str, Any]:
        """What is said, the preset and the name apart."""
        said = self.model_fields_set - {"name", "preset"}
        return {field: getattr(self, field) for field in type(self).model_fields if field in said}

    def as_dict(self) -> dict[str, Any]:
        """Give what is said, all but the name; `parse` takes it back."""
        return self.model_dump(mode="json", include={"preset", *self.model_fields_set} - {"name"})

    def to_yaml(self) -> str:
        """Write `as_dict` as a file for ``--network``, which gets its name from the file."""
        import yaml

        text = yaml.safe_dump(self.as_dict(), sort_keys=False, default_flow_style=None, width=1000)
        return str(text)


def explain_errors(error: ValidationError, model: type[Strict]) -> list[str]:
    """Say in words, once each, what is wrong with the values of a model."""
    said = [_explain(item["loc"], item["type"], item["msg"], item["input"], model)
            for item in error.errors(include_url=False)]  # fmt: skip
    return list(dict.fromkeys(said))


def _explain(
    place: tuple[int | str, ...], kind: str, message: str, value: object, model: type[Strict]
) -> str:
    where = " ".join(map(str, place))
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    if kind == "extra_forbidden":
        return f"there is no key '{where}'; there are {', '.join(model.model_fields)}"
    if kind in ("missing", "missing_argument"):  # older pydantic has another word for it
        return f"{' '.join(map(str, place[:-1]))} has too few values"
    if kind == "model_type":
        return f"{where} cannot be '{value}': it should be a kind, or a kind with its settings"
    rule = message.replace("Input should", "it should")
    return f"{where} cannot be '{value}': {rule[0].lower()}{rule[1:]}"
