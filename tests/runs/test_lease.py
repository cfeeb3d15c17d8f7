"""A lease belongs to one process, until that one gives no sign of life any more."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from napari_ziggurat.runs.workers.lease import Leases


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


def test_of_two_who_find_a_dead_lease_one_gets_it(tmp_path: Path) -> None:
    old = time.time() - 60
    for round_ in range(30):
        with (
            Leases(tmp_path / "a", expires=5) as first,
            Leases(tmp_path / "a", expires=5) as second,
        ):
            lease = tmp_path / "a" / str(round_)
            lease.touch()
            os.utime(lease, (old, old))
            start = Barrier(2)

            def take(leases: Leases, what: str = str(round_), start: Barrier = start) -> bool:
                start.wait()
                return leases.take(what)

            with ThreadPoolExecutor(2) as pool:
                got = list(pool.map(take, (first, second)))
            assert sum(got) <= 1
            assert sum(got) or first.take(str(round_)) or second.take(str(round_))


def test_a_lease_that_somebody_took_over_in_between_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Leases(tmp_path / "a") as mine, Leases(tmp_path / "a") as other:
        assert mine.take("7")
        looks = iter([True])  # the other saw it dead just before it was taken over
        is_dead = Leases._is_dead
        monkeypatch.setattr(
            Leases, "_is_dead", lambda self, path: next(looks, None) or is_dead(self, path)
        )
        assert not other.take("7")
        assert (tmp_path / "a" / "7").exists()
