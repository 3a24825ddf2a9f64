"""From a result back to the leaves, along autograd's own nodes."""

from collections.abc import Hashable, Iterable

import torch
from torch import Tensor
from torch.autograd.graph import Node, get_gradient_edge

from slope.graph.forward import Forward
from slope.graph.operations import CONSTANT, PARAMETER, of_call, of_node
from slope.graph.vertices import Use, Vertex

End = Node | Tensor
"""What an operand leads to: a node of autograd's, or a tensor that it does not follow."""

_SAVED = (("_saved_self",), ("_saved_other", "_saved_vec", "_saved_mat2", "_saved_target"))
"""Where autograd keeps the first and the second operand of an operation, if it needs them."""


class Walk:
    """Finds the vertices, each after its operands, however deep the graph is."""

    def __init__(self, forward: Forward, names: Iterable[tuple[str, Tensor]]) -> None:
        """A tensor with several names goes by the first."""
        self._forward = forward
        self._names = {_key(_end(tensor)): (name, tensor) for name, tensor in reversed([*names])}
        self._operands: dict[Hashable, list[tuple[int, End]]] = {}
        self._vertices: dict[Hashable, Vertex] = {}

    def from_(self, result: Tensor) -> list[Vertex]:
        """Everything the result was made of; it is the last. Raises RuntimeError where autograd has let go of it."""
        unfinished = [_end(result)]
        while unfinished:
            end = unfinished[-1]
            missing = [each for _, each in self._operands_of(end) if _key(each) not in self._vertices]
            if missing:
                unfinished += reversed(missing)
            else:
                unfinished.pop()
                self._finish(end)
        vertices = list(self._vertices.values())
        vertices[-1].value = result.detach()
        self._recall_values(vertices)
        return vertices

    def _finish(self, end: End) -> None:
        """Make the vertex of an end whose operands have theirs; once, though many may lead to it."""
        if _key(end) in self._vertices:
            return
        vertex = self._vertex(end)
        vertex.operands = [Use(self._vertices[_key(each)], (slot,)) for slot, each in self._operands_of(end)]
        self._vertices[_key(end)] = vertex

    def _vertex(self, end: End) -> Vertex:
        name, tensor = self._names.get(_key(end), (None, None))
        if isinstance(end, Tensor):
            call = self._forward.of_tensor(end)
            return Vertex(of_call(call.name, call.operands) if call else CONSTANT, name, end)
        leaf = _leaf(end)
        if leaf is not None:
            before = None if leaf.grad is None else leaf.grad.clone()
            return Vertex(PARAMETER, name, leaf.detach().clone(), end, leaf, grad_before=before)
        call = self._forward.of_node(end)
        value = call.result if call else tensor
        return Vertex(of_node(end), name, None if value is None else value.detach(), end)

    def _operands_of(self, end: End) -> list[tuple[int, End]]:
        """What each slot leads to; a slot of which nothing is known is left out."""
        if _key(end) not in self._operands:
            found = self._of_tensor(end) if isinstance(end, Tensor) else self._of_node(end)
            self._operands[_key(end)] = found
        return self._operands[_key(end)]

    def _of_tensor(self, tensor: Tensor) -> list[tuple[int, End]]:
        call = self._forward.of_tensor(tensor)
        return [(slot, _end(operand)) for slot, operand in enumerate(call.operands)] if call else []

    def _of_node(self, node: Node) -> list[tuple[int, End]]:
        found = [(slot, following or self._constant(node, slot)) for slot, (following, _) in _following(node)]
        return [(slot, end) for slot, end in found if end is not None]

    def _constant(self, node: Node, slot: int) -> End | None:
        """An operand that no gradient flows to: as the call had it, or as autograd kept it for another operand."""
        call = self._forward.of_node(node)
        if call and all(_leads_to(call.operands, at, following) for at, (following, _) in _following(node)):
            return _end(call.operands[slot])
        return _saved(node, slot)

    def _recall_values(self, vertices: list[Vertex]) -> None:
        """Give values that nobody watched, where an operation that used them had to keep them."""
        for vertex in vertices:
            for use in vertex.operands:
                if use.vertex.value is None and vertex.node is not None:
                    use.vertex.value = _saved(vertex.node, use.slots[0])


def _end(operand: Tensor | float) -> End:
    if not isinstance(operand, Tensor):
        return torch.tensor(operand, dtype=torch.float64)
    return get_gradient_edge(operand).node if operand.requires_grad else operand.detach()


def _key(end: End) -> Hashable:
    """The same for all that stand for one node, or for one piece of memory."""
    return (end.data_ptr(), end.shape) if isinstance(end, Tensor) else end


def _leaf(node: Node) -> Tensor | None:
    """The tensor in whose `.grad` a node leaves what arrives."""
    found: Tensor | None = getattr(node, "variable", None)
    return found


def _following(node: Node) -> list[tuple[int, tuple[Node | None, int]]]:
    return list(enumerate(node.next_functions))


def _leads_to(operands: list[Tensor | float], slot: int, following: Node | None) -> bool:
    """Whether the operands of a call are those of its node: a call may do more than one operation."""
    if slot >= len(operands):
        return False
    end = _end(operands[slot])
    return isinstance(end, Tensor) if following is None else end is following


def _saved(node: Node, slot: int) -> Tensor | None:
    if len(node.next_functions) > len(_SAVED):
        return None
    for name in _SAVED[slot]:
        found = getattr(node, name, None)
        if isinstance(found, Tensor):
            return found.detach()
    return None
