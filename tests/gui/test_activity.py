"""What the dock says of the time that is left."""

import pytest

from napari_ziggurat.progress import Progress

pytest.importorskip("qtpy.QtWidgets", reason="no Qt is installed", exc_type=Exception)
pytestmark = pytest.mark.gui


def test_the_time_left_follows_from_what_was_done_since_the_stage_began() -> None:
    from napari_ziggurat.gui.activity import Clock

    clock = Clock()
    assert clock.left(Progress("segment", 40, 100), now=0) is None, "a run that goes on"
    assert clock.left(Progress("segment", 50, 100), now=1) is None, "too early to tell"
    assert clock.left(Progress("segment", 50, 100), now=10) == 50
    assert clock.left(Progress("segment", 100, 100), now=60) is None, "nothing is left"
    assert clock.left(Progress("coarser levels", 1, 2), now=61) is None, "another stage"
    assert clock.left(Progress("count"), now=99) is None, "nobody knows how much it is"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (75, "75 s"), (200, "3 min"), (3900, "1 h 05 min"), (86_400, "24 h 00 min")],
)
def test_times_are_written_as_people_say_them(seconds: float, text: str) -> None:
    from napari_ziggurat.gui.activity import duration

    assert duration(seconds) == text
