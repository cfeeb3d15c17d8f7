"""Settings: what every configuration can do: be checked, explained, read from YAML, written.

A field of a configuration is a setting. Its key in YAML and its option on the command line are the
field's name (``val_image``, ``--val-image``) unless the field says otherwise.
"""

import difflib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from napari_ziggurat.errors import InputError, MissingError

if TYPE_CHECKING:
    from pydantic.config import JsonDict
    from yaml import SafeLoader

__all__ = ["Settings", "read_yaml", "setting"]


def setting(
    help_text: str,
    *,
    option: str = "",
    metavar: str = "",
    panel: str = "",
    positional: bool = False,
    once: bool = False,
) -> FieldInfo:
    """Say how a field is shown, as metadata of its annotation.

    Parameters
    ----------
    help_text : str
        One sentence: the help of the option, the tooltip in a form, the line in the docs.
    option : str
        Name of the option where it differs from the field's name, such as ``"--from"``.
    metavar : str
        How the value is written in the help, such as ``"Z,Y,X"``.
    panel : str
        The group of options it is shown in.
    positional : bool
        Typed without a name on the command line.
    once : bool
        Said for one run only: not written to YAML.
    """
    shown: JsonDict = {
        "option": option,
        "metavar": metavar,
        "panel": panel,
        "positional": positional,
        "once": once,
    }
    # Annotated metadata: Field's own return type is that of a default value.
    return cast("FieldInfo", Field(description=help_text, json_schema_extra=shown))


class Settings(BaseModel):
    """Base of the configurations: frozen, and unknown settings are errors.

    Attributes
    ----------
    alternatives : tuple of tuple of str
        Fields of which a new one replaces the others when two sources are merged.
    last : tuple of str
        Fields that are shown after all others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = ()
    last: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def names(cls) -> list[str]:
        """Names of the fields in the order they are shown in."""
        return sorted(cls.model_fields, key=lambda field: field in cls.last)

    @classmethod
    def option(cls, field: str) -> str:
        """Name of a field on the command line, such as ``"--val-image"``."""
        extra = cls.shown(field)
        if extra.get("positional"):
            return field.upper()
        return str(extra.get("option") or "--" + field.replace("_", "-"))

    @classmethod
    def key(cls, field: str) -> str:
        """Name of a field in YAML, such as ``"val_image"``."""
        return cls.option(field).lstrip("-").replace("-", "_").lower()

    @classmethod
    def shown(cls, field: str) -> Mapping[str, object]:
        """Give what `setting` said about a field."""
        extra = cls.model_fields[field].json_schema_extra
        return extra if isinstance(extra, dict) else {}

    @classmethod
    def create(cls, values: Mapping[str, object]) -> Self:
        """Make a configuration from fields or keys; what is wrong is said in one sentence each.

        Raises
        ------
        InputError
            A setting is unknown, missing or has a wrong value.
        """
        try:
            return cls.model_validate(cls._by_field(values))
        except ValidationError as error:
            raise InputError("\n".join(_sentences(cls, error))) from None

    @classmethod
    def trouble(cls, field: str, value: object) -> str:
        """Say in a sentence what is wrong with the value of one field; nothing where it is right.

        What follows from several fields together is not looked at; `create` refuses that.
        """
        try:
            cls.model_validate({field: value})
        except ValidationError as error:
            for item in error.errors(include_url=False):
                if item["loc"][:1] == (field,):
                    return _sentence(cls, field, item["type"], item["msg"], item["input"])
        return ""

    @classmethod
    def merge(cls, first: Mapping[str, object], second: Mapping[str, object]) -> dict[str, object]:
        """Join two sets of values; the second wins, also over alternatives of what it holds."""
        (old, new) = (cls._by_field(first), cls._by_field(second))
        replaced = {f for group in cls.alternatives if set(group) & set(new) for f in group}
        return {field: v for field, v in old.items() if field not in replaced} | new

    @classmethod
    def from_yaml(cls, path: Path) -> Self:
        """Read a configuration; every option is a key."""
        return cls.create(read_yaml(path))

    def to_yaml(self, path: Path) -> None:
        """Write what is set, so that the same run can be made from it."""
        import yaml

        values = self.model_dump(mode="json", exclude_none=True)
        kept = [f for f in self.names() if f in values and not self.shown(f).get("once")]
        keys = {self.key(field): values[field] for field in kept if values[field] != []}
        path.write_text(yaml.safe_dump(keys, sort_keys=False, allow_unicode=True), encoding="utf-8")

    @classmethod
    def _by_field(cls, values: Mapping[str, object]) -> dict[str, object]:
        fields = {cls.key(field): field for field in cls.model_fields}
        return {fields.get(str(k).replace("-", "_"), str(k)): v for k, v in values.items()}


def read_yaml(path: Path) -> dict[str, object]:
    """Read the mapping in a YAML file.

    Raises
    ------
    MissingError
        There is no such file.
    InputError
        It is not YAML, or not a mapping of settings to values.
    """
    import yaml

    if not path.is_file():
        raise MissingError(f"There is no configuration file {path}.")
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _loader())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise InputError(f"{path} is not a YAML file that can be read{where}.") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError(f"{path} must hold one 'setting: value' per line.")
    return {str(key): value for key, value in values.items()}


@cache
def _loader() -> "type[SafeLoader]":
    """Give a reader for which only true and false are booleans, as in YAML 1.2: off is a word."""
    import yaml

    resolvers = {
        first: [(tag, rule) for tag, rule in rules if first in "tTfF" or "bool" not in tag]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    loader = type("Loader", (yaml.SafeLoader,), {"yaml_implicit_resolvers": resolvers})
    return cast("type[SafeLoader]", loader)


def _sentences(config: type[Settings], error: ValidationError) -> list[str]:
    """One sentence for each field that is wrong."""
    found: dict[str, str] = {}
    for item in error.errors(include_url=False):
        field = str(item["loc"][0]) if item["loc"] else ""
        sentence = _sentence(config, field, item["type"], item["msg"], item["input"])
        found.setdefault(field or sentence, sentence)
    return list(found.values())


def _sentence(config: type[Settings], field: str, kind: str, message: str, value: object) -> str:
    said = message.removeprefix("Value error, ")
    if kind == "extra_forbidden":
        return _unknown(config, field)
    if field == "" or said.startswith(config.option(field)):
        return said
    if kind == "missing":
        return f"{config.option(field)} is needed: {config.model_fields[field].description}"
    if kind == "value_error":
        return f"{config.option(field)}: {said}"
    whole = said if kind == "literal_error" else said.split(",")[0]  # of a list of what may be said
    rule = whole.replace("Input should", "it should")
    return f"{config.option(field)} cannot be '{value}': {rule[0].lower()}{rule[1:]}."


def _unknown(config: type[Settings], name: str) -> str:
    known = [config.key(field) for field in config.names()]
    near = difflib.get_close_matches(name, known, n=1)
    rest = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known)}."
    return f"There is no setting '{name}'; {rest}"
