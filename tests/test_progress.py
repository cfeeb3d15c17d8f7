"""Progress: the time that is left, and times in words."""

import pytest

from napari_ziggurat.progress import Clock, Progress, duration


def test_the_time_left_follows_from_what_was_done_since_the_stage_began() -> None:
    clock = Clock()
    assert clock.left(Progress("segment", 40, 100), now=0) is None, "a run that goes on"
    assert clock.left(Progress("segment", 50, 100), now=0.5) is None, "too early to tell"
    assert clock.left(Progress("segment", 50, 100), now=10) == 50
    assert clock.left(Progress("segment", 100, 100), now=60) is None, "nothing is left"
    assert clock.left(Progress("coarser levels", 1, 2), now=61) is None, "another stage"
    assert clock.left(Progress("count"), now=99) is None, "nobody knows how much it is"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (8.4, "8 s"), (59.7, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_times_are_said_in_words(seconds: float, text: str) -> None:
    assert duration(seconds) == text
