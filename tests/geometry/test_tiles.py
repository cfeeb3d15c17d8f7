"""Tiles are groups of cells that do not depend on where a region begins."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_ziggurat.geometry import Box, Tiles


@given(st.data())
def test_cells_of_a_tile_share_its_largest_value_wherever_the_region_begins(
    data: st.DataObject,
) -> None:
    size = data.draw(st.integers(1, 4))
    start = tuple(data.draw(st.integers(0, 6)) for _ in range(2))
    stop = tuple(a + data.draw(st.integers(1, 6)) for a in start)
    tiles = Tiles(Box(start, stop), size)
    values = np.random.default_rng(0).random((2, *tiles.cells.shape)).astype(np.float32)
    largest = tiles.largest(values)
    assert largest.shape[1:] == tiles.counts
    spread = tiles.spread(largest)
    for place in np.ndindex(*tiles.cells.shape):
        cell = tuple(i + a for i, a in zip(place, start, strict=True))
        mates = [
            other
            for other in np.ndindex(*tiles.cells.shape)
            if all((o + a) // size == c // size for o, a, c in zip(other, start, cell, strict=True))
        ]
        assert spread[(0, *place)] == max(values[(0, *mate)] for mate in mates)
        assert largest[0].flat[tiles.number(cell)] == spread[(0, *place)]
