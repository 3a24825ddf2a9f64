"""Watching a backward pass: the gradient that arrives at every node, and what goes on from it."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node

Gradients = tuple[Tensor | None, ...]


class Backward:
    """What autograd's own engine computed, node by node, in one backward pass."""

    def __init__(self) -> None:
        self._upstream: dict[Node, Tensor | None] = {}
        self._products: dict[Node, Gradients] = {}

    def run(self, result: Tensor, upstream: Tensor | None, nodes: Iterable[Node]) -> None:
        """`result.backward(upstream)`, watched at these nodes. What is saved for the way back stays."""
        handles = [self._watch(node) for node in nodes]
        try:
            torch.autograd.backward(result, upstream, retain_graph=True)
        finally:
            for handle in handles:
                handle.remove()

    def upstream(self, node: Node) -> Tensor | None:
        """The gradient of the result with respect to what the node's operation gave."""
        return self._upstream.get(node)

    def product(self, node: Node, slot: int) -> Tensor | None:
        """What flowed on to the operand in this slot."""
        products = self._products.get(node)
        return products[slot] if products else None

    def _watch(self, node: Node) -> Any:
        if not node.next_functions:  # a leaf: what is accumulated there goes nowhere
            return node.register_prehook(self._take_arriving(node))
        return node.register_hook(self._take(node))

    def _take(self, node: Node) -> Callable[[Gradients, Gradients], None]:
        def take(products: Gradients, upstream: Gradients) -> None:
            self._products[node] = products
            self._upstream[node] = upstream[0]

        return take

    def _take_arriving(self, node: Node) -> Callable[[Gradients], None]:
        def take(upstream: Gradients) -> None:
            # The engine may go on to add to this very tensor, once the leaf has taken it for its own.
            self._upstream[node] = None if upstream[0] is None else upstream[0].clone()

        return take


def derivatives(node: Node, upstream: Tensor) -> Gradients:
    """What a node sends to each operand for the gradient that it is given: with a one in it, the local derivatives."""
    with torch.no_grad():
        found = node(upstream)  # type: ignore[operator]  # autograd's nodes can be called; their stubs do not say so
    return found if isinstance(found, tuple) else (found,)
