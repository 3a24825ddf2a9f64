"""The graph of a computation as plain numbers: what went forward, and what came back."""

from dataclasses import dataclass
from typing import Literal

Number = float | None
"""None where there is none: no gradient flows there, or autograd kept no value."""


@dataclass(frozen=True)
class Summary:
    """Many numbers in place of one."""

    count: int
    minimum: float
    maximum: float
    norm: float
    """Euclidean."""


Numbers = float | Summary | None

Kind = Literal["leaf", "constant", "operation", "others"]
"""`leaf`: autograd follows it. `others`: what is not shown one by one, drawn together."""


@dataclass(frozen=True, eq=False)
class Node:
    """A number of the forward pass, or some, and the derivative of the result with respect to it."""

    id: str
    kind: Kind
    operation: str
    """In words: `multiply`, `mean`; `parameter` or `constant` where nothing is computed."""
    symbol: str
    """The operation as it is written: ×, mean."""
    name: str | None
    value: Numbers
    shape: list[int]
    """Of the tensor it stands in."""
    index: list[int] | None
    """Where it is in that tensor; None when it is the whole of it, or all that is not shown of it."""
    tensor: str | None
    """The tensor of several nodes: w of w[0], w[1] and so on."""
    upstream: Numbers
    """The gradient that arrives here: ∂(result)/∂(this), summed over all ways."""
    requires_grad: bool
    grad: Numbers = None
    """What is left in a parameter's `.grad`."""
    grad_before: Numbers = None
    """What was there before the backward pass; None where it was empty."""


@dataclass(frozen=True, eq=False)
class Edge:
    """One way of a number into an operation; on the way back the chain rule holds: product = local · upstream."""

    source: str
    target: str
    local: Numbers
    """∂(target)/∂(source), from autograd alone. None where autograd does not go, or the edge stands for a chain."""
    product: Numbers
    """What flows back along the edge."""


@dataclass(frozen=True)
class Graph:
    """Nodes in the order of the forward pass, edges from operand to operation."""

    title: str
    loss: Numbers
    nodes: list[Node]
    edges: list[Edge]
    notes: list[str]
    """What a reader should know: numbers that are not finite, gradients that accumulate."""
