"""Terminal: progress on stderr, results on stdout, and what JSON may hold."""

import io
import json
from dataclasses import dataclass

import pytest

from napari_ziggurat.cli.terminal import ProgressLine, Terminal, describe
from napari_ziggurat.errors import WorkFailed
from napari_ziggurat.progress import WATCHED, Progress


@dataclass(frozen=True)
class Outcome:
    values: dict[str, object]

    def as_dict(self):
        return self.values

    def render(self):
        return f"{len(self.values)} values"


class Screen(io.StringIO):
    def isatty(self):
        return True


def work(outcome, steps=3):
    for done in range(steps):
        yield Progress("segment", done, steps)
    yield Progress("pyramid", message="writing coarser levels")
    return outcome


def test_progress_goes_to_stderr_and_the_result_to_stdout(capsys):
    outcome = Outcome({"mean": 0.5})
    assert Terminal(as_json=False).follow(work(outcome)) is outcome
    (out, err) = capsys.readouterr()
    assert out == "1 values\n"
    assert "segment" in err
    assert "writing coarser levels" in err


def test_json_is_one_object_in_which_nan_is_null(capsys):
    outcome = Outcome({"mean": float("nan"), "files": ({"dice": float("inf")},), "name": "µ"})
    Terminal(as_json=True).follow(work(outcome))
    (out, _) = capsys.readouterr()
    assert json.loads(out) == {"mean": None, "files": [{"dice": None}], "name": "µ"}


def test_what_was_made_is_shown_when_some_work_failed(capsys):
    def fails():
        yield Progress("images")
        error = WorkFailed("1 of 2 images failed: b.tif.")
        error.result = Outcome({"failed": {"b.tif": "damaged"}})
        raise error

    with pytest.raises(WorkFailed):
        Terminal(as_json=True).follow(fails())
    assert json.loads(capsys.readouterr().out) == {"failed": {"b.tif": "damaged"}}


def test_a_run_is_closed_when_it_is_interrupted():
    closed = []

    def endless():
        try:
            while True:
                yield Progress("train")
                raise KeyboardInterrupt
        finally:
            closed.append(True)

    with pytest.raises(KeyboardInterrupt):
        Terminal(as_json=False).follow(endless())
    assert closed == [True]


def test_a_log_gets_a_line_per_stage_and_not_one_per_step():
    stream = io.StringIO()
    line = ProgressLine(stream)
    for done in range(1000):
        line.show(Progress("train", done, 1001))
    line.show(Progress("segment", 0, 4))
    line.close()
    lines = stream.getvalue().splitlines()
    assert [each.split()[0] for each in lines] == ["train", "segment"]


def test_the_end_of_a_stage_is_always_shown():
    stream = io.StringIO()
    line = ProgressLine(stream)
    for done in range(4):
        line.show(Progress("train", done, 3))
    assert "100 %" in stream.getvalue()


def test_a_terminal_shows_one_line_that_messages_do_not_disturb(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen()
    line = ProgressLine(screen)
    line.show(Progress("train", 1, 10, metrics={"loss": 0.25}))
    line.show(Progress("train", 1, 10, message="no improvement"))
    line.close()
    drawn = screen.getvalue()
    assert drawn.count("\n") == 2  # after the message and at the end
    assert drawn.index("no improvement\n") < drawn.rindex("train")
    assert "loss 0.25" in drawn


def test_a_program_that_watches_gets_more_lines(monkeypatch):
    monkeypatch.setattr("napari_ziggurat.cli.terminal._DRAW_EVERY", 0)
    monkeypatch.setenv(WATCHED, "1")
    stream = io.StringIO()
    line = ProgressLine(stream)
    for done in range(10):
        line.show(Progress("train", done, 11))
    assert len(stream.getvalue().splitlines()) == 10


def test_the_time_left_is_in_the_line():
    assert "20 s left" in describe(Progress("segment", 50, 100), left=20)
    assert "left" not in describe(Progress("segment", 50, 100))
