"""A lease belongs to one process, until that one gives no sign of life any more."""

import os
import time
from pathlib import Path

from napari_ziggurat.runs.lease import Leases


def test_one_of_two_gets_a_lease_until_it_is_given_back(tmp_path: Path) -> None:
    with Leases(tmp_path / "a") as mine, Leases(tmp_path / "a") as other:
        assert mine.take("7")
        assert not other.take("7")
        other.give_back("7")  # not its own
        assert not other.take("7")
        mine.give_back("7")
        assert other.take("7")


def test_the_lease_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    with Leases(tmp_path / "a", expires=5) as leases:
        (tmp_path / "a" / "7").touch()
        assert not leases.take("7")
        old = time.time() - 60
        os.utime(tmp_path / "a" / "7", (old, old))
        assert leases.take("7")


def test_a_living_process_keeps_its_lease_however_long_it_takes(tmp_path: Path) -> None:
    with (
        Leases(tmp_path / "a", heartbeat=0.05, expires=0.5) as mine,
        Leases(tmp_path / "a", expires=0.5) as other,
    ):
        assert mine.take("7")
        until = time.monotonic() + 1.2
        while time.monotonic() < until:
            assert not other.take("7")
            time.sleep(0.05)


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    with Leases(tmp_path / "a", expires=0) as leases:
        leases.take("7")
        leases.take("7")
    assert not (tmp_path / "a").exists()
