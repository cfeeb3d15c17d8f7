"""Options: the arguments of a command, made from its configuration, and back."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import typer
from typer.models import OptionInfo, ParameterInfo

from napari_ziggurat.cli.guard import guard
from napari_ziggurat.cli.terminal import Terminal
from napari_ziggurat.runs.settings import Settings, read_yaml
from napari_ziggurat.runs.values import ImageSource

__all__ = ["configured", "plain"]

Config = TypeVar("Config", bound=Settings)
Command = Callable[..., None]

_LAST = "Configuration and output"
_JSON = "Print the result as JSON on stdout, and nothing else there."
_DEBUG = "Show tracebacks and the log."
_CONFIG = "YAML file with any of these options as keys; what is typed here wins."
_SAVE_CONFIG = "Write all options of this run to a YAML file."


def plain(body: Callable[[Terminal], None]) -> Command:
    """Make a command of a function that needs no configuration."""

    def command(**values: Any) -> None:
        with guard(debug=values["debug"]):
            body(Terminal(as_json=values["json"]))

    return _signed(command, body, _shared_flags())


def configured(
    config_class: type[Config],
) -> Callable[[Callable[[Config, Terminal], None]], Command]:
    """Make a command of a function of a configuration; each setting becomes an option.

    What is typed goes to the configuration as text and is checked there, so that the command line,
    YAML and Python share one set of rules and messages.
    """

    def decorate(body: Callable[[Config, Terminal], None]) -> Command:
        def command(**values: Any) -> None:
            with guard(debug=values["debug"]):
                body(_read(config_class, values), Terminal(as_json=values["json"]))

        return _signed(command, body, [*_settings(config_class), *_shared()])

    return decorate


def _read(config_class: type[Config], values: Mapping[str, Any]) -> Config:
    """Join the configuration file and what was typed; what was typed wins."""
    stored = read_yaml(Path(values["config"])) if values["config"] else {}
    typed = {name: values[name] for name in config_class.model_fields}
    given = {name: value for name, value in typed.items() if value not in (None, [])}
    config = config_class.create(config_class.merge(stored, given))
    if values["save_config"]:
        config.to_yaml(Path(values["save_config"]))
    return config


def _signed(
    command: Command, body: Callable[..., None], parameters: list[inspect.Parameter]
) -> Command:
    """Give a command the name and help of its body, and the signature that typer reads."""
    command.__name__ = body.__name__
    command.__doc__ = body.__doc__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command


def _settings(config_class: type[Settings]) -> list[inspect.Parameter]:
    return [_setting(config_class, field) for field in config_class.names()]


def _setting(config_class: type[Settings], field: str) -> inspect.Parameter:
    shown = config_class.shown(field)
    (name, annotation) = (config_class.option(field), config_class.model_fields[field].annotation)
    text = _help(config_class, field)
    if shown.get("positional"):
        return _parameter(field, str, typer.Argument(None, help=text, metavar=name))
    if annotation is bool:
        return _parameter(field, bool, _option(name, text, shown))
    many = annotation == tuple[ImageSource, ...]  # said again for each further file
    option = _option(name, text, shown, str(shown.get("metavar") or _metavar(annotation)))
    return _parameter(field, list[str] if many else str, option)


def _option(
    name: str, text: str, shown: Mapping[str, object], metavar: str | None = None
) -> OptionInfo:
    panel = str(shown.get("panel") or "") or None
    option: OptionInfo = typer.Option(
        None, name, help=text, metavar=metavar, rich_help_panel=panel, show_default=False
    )
    return option


def _parameter(name: str, kind: Any, info: ParameterInfo) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=info, annotation=kind | None
    )


def _help(config_class: type[Settings], field: str) -> str:
    info = config_class.model_fields[field]
    default = info.get_default()
    if info.is_required() or default in (None, (), False):
        return str(info.description)
    return f"{info.description} Default: {default}."


def _metavar(annotation: object) -> str:
    """Name a type as a person would: ``PATH``, ``[2|3]``."""
    for part in (annotation, *get_args(annotation)):
        inner = get_args(part)[0] if get_origin(part) is Annotated else part
        if get_origin(inner) is Literal:
            return f"[{'|'.join(str(choice) for choice in get_args(inner))}]"
    paths = (Path, ImageSource)
    return "PATH" if {annotation, *get_args(annotation)} & set(paths) else "TEXT"


def _flag(name: str, text: str) -> inspect.Parameter:
    option = typer.Option(f"--{name}", help=text, rich_help_panel=_LAST)
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, option]
    )


def _shared() -> list[inspect.Parameter]:
    """Options of every command that has a configuration."""
    panel = {"panel": _LAST}
    return [
        _parameter("config", str, _option("--config", _CONFIG, panel, "FILE")),
        _parameter("save_config", str, _option("--save-config", _SAVE_CONFIG, panel, "FILE")),
        *_shared_flags(),
    ]


def _shared_flags() -> list[inspect.Parameter]:
    """Options of every command."""
    return [_flag("json", _JSON), _flag("debug", _DEBUG)]
