"""The command line in the dock is the one that the command line understands."""

import io
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from napari_ziggurat.cli import app
from napari_ziggurat.cli.terminal import ProgressLine
from napari_ziggurat.gui.command import as_typed, segment_words, understand
from napari_ziggurat.progress import Progress
from napari_ziggurat.runs.config import SegmentConfig


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[SegmentConfig]:
    """Give the configurations that the command line starts runs with."""
    import napari_ziggurat.runs.segment as module

    configs: list[SegmentConfig] = []

    class Nothing:
        def as_dict(self) -> dict[str, object]:
            return {}

        def render(self) -> str:
            return ""

    def segment(config: SegmentConfig) -> Iterator[Progress]:
        configs.append(config)
        yield Progress("segment", 1, 1)
        return Nothing()

    monkeypatch.setattr(module, "segment", segment)
    return configs


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"overwrite": True},
        {"axes": "zyx", "spacing": (2.0, 0.5, 0.5), "unit": "um"},
        {"level": 1, "device": "cpu", "version": "0.4"},
    ],
)
def test_the_words_start_the_run_that_the_dock_would_start(
    started: list[SegmentConfig], more: dict[str, Any]
) -> None:
    config = SegmentConfig(
        image=Path("/data/my brain.ome.zarr"),
        model=Path("/models/cells"),
        out=Path("/o.ome.zarr"),
        **more,
    )
    words = segment_words(config)
    assert words[:4] == [sys.executable, "-m", "napari_ziggurat", "segment"]
    app(shlex.split(as_typed(words, windows=False))[3:], standalone_mode=False)
    assert started == [config]


def test_what_is_left_as_it_is_is_not_written() -> None:
    config = SegmentConfig(image=Path("a.tif"), model=Path("m"), out=Path("o.tif"))
    assert segment_words(config)[4:] == ["a.tif", "--model", "m", "--out", "o.tif"]


@pytest.mark.parametrize(
    ("word", "typed"),
    [
        (r"C:\models\cells", r"C:\models\cells"),
        (r"C:\my models\cells", r'"C:\my models\cells"'),
        (r"C:\R&D\cells", r'"C:\R&D\cells"'),
        ("2.0,0.5,0.5", "2.0,0.5,0.5"),
    ],
)
def test_words_are_quoted_as_windows_wants_it(word: str, typed: str) -> None:
    assert as_typed(["x", word], windows=True) == f"x {typed}"


def test_the_progress_that_the_command_line_writes_is_understood() -> None:
    stream = io.StringIO()
    line = ProgressLine(stream)
    for step in (Progress("segment", 0, 40), Progress("coarser labels", 40, 40)):
        line.show(step)
    found = [understand(text) for text in stream.getvalue().splitlines()]
    assert found == [Progress("segment", 0, 40), Progress("coarser labels", 40, 40)]


@pytest.mark.parametrize("line", ["brain: level 1 of 3", "segment", "Images need 3/4 names."])
def test_other_lines_are_no_progress(line: str) -> None:
    assert understand(line) is None
