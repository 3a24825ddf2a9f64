"""Puts the graph together: plain numbers out of the tensors of a computation."""

from collections.abc import Iterator

import torch
from torch import Tensor

from slope.graph.drawn import DrawnGraph
from slope.graph.graph import Edge, Kind, Node, Numbers
from slope.graph.operations import MULTIPLY, Operation
from slope.graph.parts import Axis, Focus, Part, axes_of, is_finite, numbers_of, parts_of_vertex, without
from slope.graph.vertices import Use, Vertex

_OTHERS = "others"
_MOST_NOTES = 5
"""Of numbers that are not finite: one of them makes all that follow so."""


def assemble(vertices: list[Vertex], focus: Focus | None = None) -> DrawnGraph:
    """The graph of a computation whose backward pass has been watched; its result is the last vertex."""
    assembly = _Assembly(vertices, focus)
    nodes, edges = list(assembly.nodes()), list(assembly.edges())
    return DrawnGraph("The graph of a computation", numbers_of(vertices[-1].value), nodes, edges, _notes(nodes, edges))


class _Assembly:
    def __init__(self, vertices: list[Vertex], focus: Focus | None) -> None:
        self._vertices = vertices
        self._focus = focus
        self._axes: dict[Vertex, Axis] = axes_of(vertices, focus) if focus else {}
        self._parts = {vertex: parts_of_vertex(vertex, self._axes.get(vertex), focus) for vertex in vertices}
        parts = [part for vertex in vertices for part in self._parts[vertex]]
        self._ids = {part: f"n{number}" for number, part in enumerate(parts)}
        self._by_rows = [vertex for vertex in vertices if self._axes.get(vertex) == "rows" and vertex.node]

    def nodes(self) -> Iterator[Node]:
        for vertex in self._vertices:
            if self._takes_many_rows(vertex):
                yield self._others()
            for part in self._parts[vertex]:
                yield self._node(part)

    def edges(self) -> Iterator[Edge]:
        for vertex in self._vertices:
            if self._takes_many_rows(vertex):
                yield from self._edges_to_others()
                yield from self._edges_from_others(vertex)
            for part in self._parts[vertex]:
                for use, local, product in _ways_into(part):
                    for operand in self._parts[use.vertex]:
                        source, target = self._ids[operand], self._ids[part]
                        yield Edge(source, target, operand.of(local), operand.of(product))

    def _node(self, part: Part) -> Node:
        vertex, operation = part.vertex, _as_taught(part.vertex)
        return Node(
            id=self._ids[part],
            kind=_kind_of(vertex),
            operation=operation.word,
            symbol=operation.symbol,
            name=self._name(part),
            value=part.of(vertex.value),
            shape=list(vertex.shape or ()),
            index=None if part.index is None else list(part.index),
            tensor=vertex.name if len(self._parts[vertex]) > 1 else None,
            upstream=part.of(vertex.upstream),
            requires_grad=vertex.node is not None,
            grad=None if vertex.leaf is None else part.of(vertex.leaf.grad),
            grad_before=part.of(vertex.grad_before),
        )

    def _name(self, part: Part) -> str | None:
        name, axis, shape = part.vertex.name, self._axes.get(part.vertex), part.vertex.shape
        if part.besides is not None:
            return f"the other {part.vertex.count - len(part.besides)} of {name}"
        if part.index is None or axis == "rows" or name is None or shape is None or shape[-1] == 1:
            return name
        return f"{name}[{part.index[-1]}]"

    def _takes_many_rows(self, vertex: Vertex) -> bool:
        """Whether the ways of all rows come together in it."""
        return vertex not in self._axes and any(self._axes.get(use.vertex) == "rows" for use in vertex.operands)

    def _others(self) -> Node:
        """All rows but the one that is shown, drawn as one."""
        last = self._by_rows[-1]
        count = last.count - 1
        return Node(
            id=_OTHERS,
            kind="others",
            operation=f"the other {count} rows" if count > 1 else "the other row",
            symbol="",
            name=None,
            value=self._of_others(last.value),
            shape=list(last.shape or ()),
            index=None,
            tensor=None,
            upstream=self._of_others(last.upstream),
            requires_grad=True,
        )

    def _edges_to_others(self) -> Iterator[Edge]:
        """What flows back to the parameters through all rows but one: a chain of derivatives, and so no local one."""
        assert self._focus
        for vertex in self._by_rows:
            assert vertex.upstream is not None
            upstream = vertex.upstream.clone()
            upstream[self._focus.row] = 0
            sent = vertex.sends(upstream)
            for use in vertex.operands:
                if use.vertex.node and self._axes.get(use.vertex) != "rows":
                    for operand in self._parts[use.vertex]:
                        yield Edge(self._ids[operand], _OTHERS, None, operand.of(use.share_of(sent)))

    def _edges_from_others(self, vertex: Vertex) -> Iterator[Edge]:
        [part] = self._parts[vertex]
        for use, local, product in _ways_into(part):
            if self._axes.get(use.vertex) == "rows" and use.vertex.node:
                yield Edge(_OTHERS, self._ids[part], self._of_others(local), self._of_others(product))

    def _of_others(self, tensor: Tensor | None) -> Numbers:
        assert self._focus
        return None if tensor is None else numbers_of(without(tensor, (self._focus.row,)))


def _ways_into(part: Part) -> Iterator[tuple[Use, Tensor | None, Tensor | None]]:
    """For every operand of an operation the local derivative of this part, and what flows back from it."""
    vertex = part.vertex
    if not vertex.operands:  # and a leaf's node, if it were asked, would add to its `.grad`
        return
    if vertex.node is None or vertex.upstream is None:
        yield from ((use, None, None) for use in vertex.operands)
    elif part.index is not None:
        one = torch.zeros_like(vertex.upstream)
        one[part.index] = 1
        local, product = vertex.sends(one), vertex.sends(one * vertex.upstream)
        yield from ((use, use.share_of(local), use.share_of(product)) for use in vertex.operands)
    else:
        sent = vertex.sends(torch.ones_like(vertex.upstream))
        for use in vertex.operands:
            is_local = vertex.count == 1 or (vertex.operation.elementwise and use.vertex.shape == vertex.shape)
            yield use, use.share_of(sent) if is_local else None, use.product


def _kind_of(vertex: Vertex) -> Kind:
    if vertex.leaf is not None:
        return "leaf"
    return "operation" if vertex.operands or vertex.node else "constant"


def _as_taught(vertex: Vertex) -> Operation:
    """A dot product of rows of one number is a product."""
    counts = [use.vertex.count for use in vertex.operands]
    return MULTIPLY if vertex.operation.word == "dot product" and min(counts, default=0) == 1 else vertex.operation


def _notes(nodes: list[Node], edges: list[Edge]) -> list[str]:
    """What a reader would stumble over."""
    notes: list[str] = []
    for node in nodes:
        called = node.name or node.operation
        if not is_finite(node.value):
            notes.append(f"The value of {called} is not finite: {node.value}")
        elif not is_finite(node.upstream):
            notes.append(f"The gradient that arrives at {called} is not finite: {node.upstream}")
    if not notes and not all(is_finite(edge.local) and is_finite(edge.product) for edge in edges):
        notes.append("A derivative is not finite")
    if (others := len(notes) - _MOST_NOTES) > 0:
        notes[_MOST_NOTES:] = [f"Nor are {others} other values or gradients finite"]
    return notes + [_accumulated(node) for node in nodes if node.grad_before is not None]


def _accumulated(node: Node) -> str:
    return (
        f"{node.name or 'A parameter'} had a gradient left in its .grad before this pass: "
        "autograd adds to it, and nobody had set it to zero"
    )
