"""Genotype of NAS-FPN: which features merge, in which order, how, and on which level."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = [
    "OPERATIONS",
    "PUBLISHED",
    "Cell",
    "Genotype",
    "canonical",
    "fault",
    "generic",
    "mutate",
    "random_genotype",
]

OPERATIONS = ("sum", "gp")


class Cell(NamedTuple):
    """One merging cell; it makes one node.

    Attributes
    ----------
    op : str
        ``"sum"``, or ``"gp"``: second + sigmoid(global mean of second) * first.
    first, second : int
        Nodes that it reads. Node i is the feature of level i, finest first; the nodes of the
        cells follow in their order.
    level : int
        Level of the node that it makes.
    conv : bool
        Activation and convolution follow.
    """

    op: str
    first: int
    second: int
    level: int
    conv: bool = True


Genotype = tuple[Cell, ...]

# Figure 6 of arXiv 1904.07392 for P3 ... P7, here levels 0 ... 4. P5 and P7 join what they merge
# with before the convolution.
PUBLISHED: Genotype = (
    Cell("gp", 3, 1, 1),  # 5
    Cell("sum", 5, 1, 1),  # 6
    Cell("sum", 6, 0, 0),  # 7: output of level 0
    Cell("sum", 7, 6, 1),  # 8: output of level 1
    Cell("gp", 8, 7, 2, conv=False),  # 9
    Cell("sum", 2, 9, 2),  # 10: output of level 2
    Cell("gp", 10, 6, 4, conv=False),  # 11
    Cell("sum", 4, 11, 4),  # 12: output of level 4
    Cell("gp", 12, 10, 3),  # 13: output of level 3
)


def generic(levels: int) -> Genotype:
    """Give the published genotype for 5 levels, else one way down by sums and one up by gp."""
    if levels == 5:
        return PUBLISHED
    cells: list[Cell] = []
    latest = list(range(levels))  # node that holds each level
    for level in reversed(range(levels - 1)):
        cells.append(Cell("sum", latest[level + 1], level, level))
        latest[level] = levels + len(cells) - 1
    for level in range(1, levels):
        cells.append(Cell("gp", latest[level - 1], latest[level], level))
        latest[level] = levels + len(cells) - 1
    return tuple(cells)


def fault(genotype: Sequence[Cell], levels: int) -> str | None:
    """Say in words what is wrong with a genotype, or None."""
    for index, cell in enumerate(genotype):
        known = levels + index
        if cell.op not in OPERATIONS:
            return f"cell {index} merges by '{cell.op}'; there are {' and '.join(OPERATIONS)}"
        for node in (cell.first, cell.second):
            if not 0 <= node < known:
                return (
                    f"cell {index} reads node {node}, which does not exist before it; it may read "
                    f"the levels 0 to {levels - 1} and the cells before it, nodes 0 to {known - 1}"
                )
        if cell.first == cell.second:
            return f"cell {index} merges node {cell.first} with itself; let it read two nodes"
        if not 0 <= cell.level < levels:
            return f"cell {index} is on level {cell.level}; the levels are 0 to {levels - 1}"
    silent = set(range(levels)) - {cell.level for cell in genotype}
    if silent:
        return f"no cell makes an output for level {min(silent)}; add one"
    return None


def mutate(genotype: Sequence[Cell], rng: np.random.Generator, levels: int) -> Genotype:
    """Change one cell in one respect; the result is valid if the genotype is.

    Parameters
    ----------
    genotype : sequence of Cell
        A valid one.
    rng : numpy.random.Generator
        Chooses.
    levels : int
        Levels of the pyramid.
    """
    index = int(rng.integers(len(genotype)))
    choices = _changes(genotype[index], levels + index, levels)
    mutants = [(*genotype[:index], cell, *genotype[index + 1 :]) for cell in choices]
    valid = [mutant for mutant in mutants if fault(mutant, levels) is None]
    return valid[rng.integers(len(valid))]


def random_genotype(levels: int, cells: int, rng: np.random.Generator) -> Genotype:
    """Draw a valid genotype: every cell merges any two nodes there are before it.

    Parameters
    ----------
    levels : int
        Levels of the pyramid; the last cells make one output each, in any order.
    cells : int
        Number of cells, at least one for each level.
    rng : numpy.random.Generator
        Draws.
    """
    if cells < levels:
        raise ValueError(f"{levels} levels need as many cells or more; {cells} were asked for")
    inner = rng.integers(levels, size=cells - levels)
    drawn = []
    for index, level in enumerate((*inner, *rng.permutation(levels))):
        first, second = rng.choice(levels + index, size=2, replace=False)
        drawn.append(Cell(str(rng.choice(OPERATIONS)), int(first), int(second), int(level)))
    return tuple(drawn)


def canonical(genotype: Sequence[Cell]) -> Genotype:
    """Give the same for genotypes that differ only in the order of what they sum."""
    return tuple(
        cell._replace(first=min(cell.first, cell.second), second=max(cell.first, cell.second))
        if cell.op == "sum"
        else cell
        for cell in genotype
    )


def _changes(cell: Cell, nodes: int, levels: int) -> list[Cell]:
    """All cells that differ in one respect, whether they are valid or not."""
    changed = [
        *(cell._replace(op=op) for op in OPERATIONS),
        *(cell._replace(first=node) for node in range(nodes)),
        *(cell._replace(second=node) for node in range(nodes)),
        *(cell._replace(level=level) for level in range(levels)),
    ]
    return [each for each in changed if each != cell]
