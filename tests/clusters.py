"""A Dask cluster of two real processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

__all__ = ["cluster"]


@contextmanager
def cluster() -> Iterator[Any]:
    """Give a client of a cluster of two workers; the test is skipped where Dask is missing."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as workers,
        distributed.Client(workers) as client,
    ):
        yield client
