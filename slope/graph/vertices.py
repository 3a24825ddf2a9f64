"""The computation tensor by tensor: what every vertex is made of, what it was, and what came back to it."""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.autograd.graph import Node

from slope.graph.backward import Backward, Gradients, derivatives
from slope.graph.operations import SQUARE, Operation


@dataclass(eq=False)
class Vertex:
    """A tensor of the computation: a leaf, a constant, or what an operation gave."""

    operation: Operation
    name: str | None
    value: Tensor | None
    """None where nobody watched and autograd had no need to keep it."""
    node: Node | None = None
    """Autograd's; None for what it does not follow."""
    leaf: Tensor | None = None
    """The tensor whose `.grad` the gradient is left in."""
    operands: "list[Use]" = field(default_factory=list)
    upstream: Tensor | None = None
    grad_before: Tensor | None = None

    @property
    def shape(self) -> torch.Size | None:
        like = self.upstream if self.value is None else self.value
        return None if like is None else like.shape

    @property
    def count(self) -> int:
        """How many numbers it has; 1 where nothing is known of it."""
        return 1 if self.shape is None else self.shape.numel()

    def call_square(self) -> None:
        """Take a product of something by itself for its square: one operand, to which both slots send."""
        first, second = self.operands
        self.operation = SQUARE
        self.operands = [Use(first.vertex, first.slots + second.slots, _total([first.product, second.product]))]

    def sends(self, upstream: Tensor) -> Gradients:
        """What goes to each slot for such a gradient, asked of autograd's node."""
        assert self.node is not None
        return derivatives(self.node, upstream)


@dataclass(eq=False)
class Use:
    """An operand, and the slots of autograd's node that it fills."""

    vertex: Vertex
    slots: tuple[int, ...]
    product: Tensor | None = None
    """What flowed back to it."""

    def share_of(self, sent: Gradients) -> Tensor | None:
        """The part of what a node sends that goes to this operand, in its shape."""
        total = _total([sent[slot] for slot in self.slots if slot < len(sent)])
        shape = self.vertex.shape
        if total is None or shape is None or total.shape == shape:
            return total
        return total.sum_to_size(shape)  # the engine does so too, after it has called a node

    def take(self, node: Node, backward: Backward) -> None:
        """Remember what flowed back in a pass."""
        self.product = _total([backward.product(node, slot) for slot in self.slots])


def back_propagate(result: Tensor, upstream: Tensor | None, vertices: list[Vertex]) -> None:
    """`result.backward(upstream)`, and keep in the vertices what autograd's engine computed at each."""
    backward = Backward()
    backward.run(result, upstream, [vertex.node for vertex in vertices if vertex.node is not None])
    for vertex in vertices:
        if vertex.node is not None:
            vertex.upstream = backward.upstream(vertex.node)
            for use in vertex.operands:
                use.take(vertex.node, backward)


def _total(parts: list[Tensor | None]) -> Tensor | None:
    """Added as the engine adds what comes to one place by several ways."""
    present = [part for part in parts if part is not None]
    if not present:
        return None
    total = present[0]
    for part in present[1:]:
        total = total + part
    return total
