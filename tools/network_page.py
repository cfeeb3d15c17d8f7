"""Fill the documentation's list of networks from their registry.

MkDocs calls `on_page_markdown` for each page, as a hook.
"""

from typing import Any

from napari_ziggurat.networks.registry import known_presets

MARK = "<!-- networks -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the mark in a page by a table of all networks."""
    return markdown.replace(MARK, table()) if MARK in markdown else markdown


def table() -> str:
    """List all networks in Markdown."""
    rows = ["| network | what | paper |", "| --- | --- | --- |"]
    rows += [
        f"| `{name}` | {entry.summary} | {entry.paper} |"
        for name, entry in sorted(known_presets().items())
    ]
    return "\n".join(rows)
