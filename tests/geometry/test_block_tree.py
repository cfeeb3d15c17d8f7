"""A pyramid's blocks come after those that they are made from, each once."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ziggurat.geometry import BlockGrid, BlockTree, Box, Node


@st.composite
def trees(draw: st.DrawFn) -> BlockTree:
    """Blocks as outputs have them: each level halves some axes; blocks shrink to small levels."""
    axes = draw(st.integers(2, 3))
    shape = [draw(st.integers(1, 24)) for _ in range(axes)]
    block = [draw(st.integers(3, 9)) for _ in range(axes)]
    grids, fan = [], []
    for _ in range(draw(st.integers(1, 4))):
        fitted = tuple(min(b, n) for b, n in zip(block, shape, strict=True))
        grids.append(BlockGrid(Box.whole(shape), fitted))
        factors = tuple(draw(st.sampled_from([1, 2])) for _ in range(axes))
        fan.append(factors)
        shape = [-(-n // f) for n, f in zip(shape, factors, strict=True)]
    return BlockTree(tuple(grids), tuple(fan[:-1]))


@settings(max_examples=40)
@given(trees())
def test_each_node_comes_once_and_after_all_below_it(tree: BlockTree) -> None:
    seen: set[int] = set()
    for node in tree:
        assert all(tree.number(child) in seen for child in tree.below(node))
        seen.add(tree.number(node))
    assert seen == set(range(len(tree)))


@settings(max_examples=40)
@given(trees())
def test_numbers_lead_back_to_their_nodes(tree: BlockTree) -> None:
    assert [tree.node(number) for number in sorted(map(tree.number, tree))] == sorted(
        tree, key=tree.number
    )


@settings(max_examples=40)
@given(trees())
def test_above_and_below_agree(tree: BlockTree) -> None:
    for node in tree:
        above = tree.above(node)
        assert (above is None) == (node.level == len(tree.grids) - 1)
        assert above is None or node in set(tree.below(above))


@settings(max_examples=40)
@given(trees())
def test_the_nodes_below_hold_every_voxel_that_a_block_is_made_from(tree: BlockTree) -> None:
    for node in (each for each in tree if each.level):
        fine, coarse = (tree.grids[lev].region.shape for lev in (node.level - 1, node.level))
        factors = [-(-n // m) for n, m in zip(fine, coarse, strict=True)]
        needed = Box(
            tuple(a * f for a, f in zip(node.block.write_box.start, factors, strict=True)),
            tuple(b * f for b, f in zip(node.block.write_box.stop, factors, strict=True)),
        ).intersect(Box.whole(fine))
        held = np.zeros(fine, bool)
        for child in tree.below(node):
            held[child.block.write_box.slices] = True
        assert held[needed.slices].all()


def test_the_order_needs_no_list_of_a_large_pyramid() -> None:
    fine = BlockGrid(Box.whole((10**6, 10**6, 10**6)), (256,) * 3)
    coarse = BlockGrid(Box.whole((500_000,) * 3), (256,) * 3)
    tree = BlockTree((fine, coarse), ((2, 2, 2),))
    first = [node for node, _ in zip(tree, range(9), strict=False)]
    assert [node.level for node in first] == [0] * 8 + [1]
    last = tree.node(len(tree) - 1)
    assert last == Node(1, coarse.block(tuple(n - 1 for n in coarse.counts)))
