"""Fill the documentation's tables of networks from their registry.

MkDocs calls `on_page_markdown` for each page, as a hook.
"""

import re
from collections.abc import Sequence
from typing import Any

from napari_ziggurat.networks.registry import known_presets

MARK = re.compile(r"<!-- networks: ([\w ]+) -->")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace each mark in a page by a table of the networks that it names."""
    return MARK.sub(lambda mark: table(mark[1].split()), markdown)


def table(names: Sequence[str]) -> str:
    """List networks in Markdown."""
    presets = known_presets()
    rows = ["| network | what | paper |", "| --- | --- | --- |"]
    rows += [f"| `{name}` | {presets[name].summary} | {presets[name].paper} |" for name in names]
    return "\n".join(rows)
