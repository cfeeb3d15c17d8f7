"""What flows where in a network: found by running it, not by describing it.

Each module that is shown becomes a node. An arrow leads to it from every node whose output it has
read, found by walking back through the operations that PyTorch records for gradients.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

JOINS = {"AddBackward0": "+", "CatBackward0": "c"}


@dataclass(frozen=True)
class Node:
    """A feature: who computed it, in which of its calls, and its size in space.

    Attributes
    ----------
    module : Module or None
        None for inputs and for operations that join features.
    text : str
        ``"+"`` or ``"c"`` for a sum or a concatenation outside of the modules shown.
    """

    name: str
    call: int
    module: nn.Module | None
    size: tuple[int, ...]
    text: str = ""


@dataclass
class Dataflow:
    """Nodes by key, in the order in which they were computed, and arrows between their keys."""

    nodes: dict[str, Node] = field(default_factory=dict)
    arrows: list[tuple[str, str]] = field(default_factory=list)

    def sources(self, key: str) -> list[str]:
        """Give the nodes that a node reads."""
        return [start for start, end in self.arrows if end == key]

    def readers(self, key: str) -> list[str]:
        """Give the nodes that read a node."""
        return [end for start, end in self.arrows if start == key]

    def without(self, *names: str) -> "Dataflow":
        """Leave out nodes of these names, with their arrows."""
        kept = {key: node for key, node in self.nodes.items() if node.name not in names}
        return Dataflow(kept, [(s, e) for s, e in self.arrows if s in kept and e in kept])

    def merged(self, key: str, into: str) -> "Dataflow":
        """Make one node of two, of which the second reads the first."""
        arrows = [(into if s == key else s, into if e == key else e) for s, e in self.arrows]
        kept = {k: node for k, node in self.nodes.items() if k != key}
        return Dataflow(kept, [(s, e) for s, e in dict.fromkeys(arrows) if s != e])


class Recorder:
    """Collects nodes while a network runs; makes the arrows afterwards.

    Parameters
    ----------
    joins : bool
        Sums and concatenations outside of the modules shown are nodes as well.
    """

    def __init__(self, *, joins: bool) -> None:
        self.flow = Dataflow()
        self._joins = joins
        self._made: dict[Any, str] = {}  # operation whose result is a node -> the node
        self._read: dict[str, list[Any]] = {}  # node -> operations whose results it read

    def add(self, name: str, module: nn.Module | None, result: torch.Tensor, read: Any) -> None:
        """Take in a feature, unless it is one that is known already."""
        if self.knows(result):
            return
        call = sum(node.name == name for node in self.flow.nodes.values())
        key = f"{name}#{call}"
        self.flow.nodes[key] = Node(name, call, module, tuple(result.shape[2:]))
        self._made[result.grad_fn] = key
        self._read[key] = [x.grad_fn for x in tensors(read)]

    def knows(self, result: torch.Tensor) -> bool:
        """Tell whether a feature is a node."""
        return result.grad_fn in self._made

    def finish(self) -> Dataflow:
        """Find the arrows."""
        waiting = list(self._read)
        for key in waiting:  # grows while joins are found
            known = set(self._read)
            sources = [s for operation in self._read[key] for s in self._sources(operation)]
            waiting += [s for s in self._read if s not in known]
            self.flow.arrows += [(source, key) for source in dict.fromkeys(sources)]
        return self.flow

    def _sources(self, operation: Any) -> Iterator[str]:
        """Walk back to the nearest nodes."""
        if operation is None:
            return
        before = [parent for parent, _ in operation.next_functions if parent is not None]
        if operation not in self._made and self._joins and len(before) > 1:
            self._add_join(operation, before)
        if operation in self._made:
            yield self._made[operation]
            return
        for parent in before:
            yield from self._sources(parent)

    def _add_join(self, operation: Any, before: list[Any]) -> None:
        text = JOINS.get(operation.name())
        if text is not None:
            key = f"join#{len(self._read)}"
            size = tuple(operation._input_metadata[0].shape[2:])
            self.flow.nodes[key] = Node("join", 0, None, size, text)
            self._made[operation], self._read[key] = key, before


def tensors(values: Any) -> list[torch.Tensor]:
    """Give all tensors in nested lists and tuples."""
    if isinstance(values, torch.Tensor):
        return [values]
    nested = values if isinstance(values, list | tuple) else ()
    return [x for value in nested for x in tensors(value)]


def dataflow(
    network: nn.Module,
    inputs: Sequence[torch.Tensor],
    shown: Callable[[str, nn.Module], bool],
    *,
    run: Callable[..., Any] | None = None,
    joins: bool = False,
) -> Dataflow:
    """Run a network and tell what flowed where.

    Parameters
    ----------
    network : Module
        Or a part of one.
    inputs : sequence of tensors
        Each becomes a node named ``input``.
    shown : callable
        Name and module -> whether the module's results are nodes.
    run : callable
        What to do with the inputs; None to call the network with them. Its results that are no
        nodes become nodes named ``output``.
    joins : bool
        Sums and concatenations outside of the modules shown are nodes as well.
    """
    recorder = Recorder(joins=joins)
    given = [x.requires_grad_() * 1 for x in inputs]
    for x in given:
        recorder.add("input", None, x, ())

    def hook(name: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda module, read, made: recorder.add(name, module, made, read)

    chosen = {name: module for name, module in network.named_modules() if shown(name, module)}
    handles = [module.register_forward_hook(hook(name)) for name, module in chosen.items()]
    results = (run or network)(*given)
    for handle in handles:
        handle.remove()
    for result in tensors(results):
        if not recorder.knows(result):
            recorder.add("output", None, result * 1, result)
    return recorder.finish()
