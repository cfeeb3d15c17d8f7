"""Fill the documentation's page of the command line from the commands themselves.

MkDocs calls `on_page_markdown` for each page, as a hook.
"""

from collections.abc import Iterator
from typing import Any

import typer

from napari_ziggurat.cli import app

MARK = "<!-- commands -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the mark in a page by the reference of all commands."""
    return markdown.replace(MARK, reference()) if MARK in markdown else markdown


def reference() -> str:
    """Describe all commands in Markdown."""
    group: Any = typer.main.get_command(app)
    return "\n".join(line for c in _commands(group, "ziggurat") for line in _command(*c))


def _commands(group: Any, name: str) -> Iterator[tuple[Any, str]]:
    """List commands with their full names, also those of groups."""
    for command in group.commands.values():
        full = f"{name} {command.name}"
        if hasattr(command, "commands"):
            yield from _commands(command, full)
        else:
            yield command, full


def _command(command: Any, name: str) -> Iterator[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    usage = [name, *(p.metavar for p in arguments), "[OPTIONS]"]
    yield from ("", f"## {name}", "", command.help, "")
    yield from ("```", " ".join(usage), "```")
    yield from _table("Arguments", [(_code(p.metavar), p.help) for p in arguments])
    for panel in dict.fromkeys(p.rich_help_panel for p in options):
        members = [p for p in options if p.rich_help_panel == panel]
        yield from _table(panel or "Options", [(_name(p), p.help) for p in members])


def _name(option: Any) -> str:
    value = "" if option.is_flag else f" {option.metavar or option.type.name.upper()}"
    return _code(", ".join(option.opts) + value)


def _code(text: str) -> str:
    return f"<code>{text}</code>"  # in backticks, Markdown would show how _cell quotes


def _table(title: str, rows: list[tuple[str, str]]) -> Iterator[str]:
    if rows:
        yield from ("", f"**{title}**", "", "| | |", "| --- | --- |")
    yield from (f"| {_cell(name)} | {_cell(text)} |" for name, text in rows)


def _cell(text: str) -> str:
    return text.replace("|", "&#124;")
