"""A box is cut into equal parts that cover it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_ziggurat.geometry import Box, cut

_AXIS = st.tuples(st.integers(0, 50), st.integers(1, 60), st.integers(1, 40))


@given(st.lists(_AXIS, min_size=1, max_size=3))
def test_parts_cover_each_voxel_once_and_are_equal_to_a_voxel(axes):
    start, length, size = zip(*axes, strict=True)
    box = Box(start, tuple(a + n for a, n in zip(start, length, strict=True)))
    parts = cut(box, size)
    seen = np.zeros(box.shape, int)
    for part in parts:
        seen[part.relative_to(box.start).slices] += 1
    assert (seen == 1).all()
    for axis in range(box.ndim):
        lengths = {part.shape[axis] for part in parts}
        assert max(lengths) - min(lengths) <= 1
        assert max(lengths) <= max(1.5 * size[axis], 1) + 1
