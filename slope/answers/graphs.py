"""Answers that explain back-propagation."""

from typing import Literal

from pydantic import Field

from slope.answers.records import ParametersView
from slope.answers.view import View


class SummaryView(View):
    """Many numbers in place of one."""

    count: int
    """How many there are."""
    minimum: float | None
    """The least; null, as the two others, where it is not finite."""
    maximum: float | None
    """The greatest."""
    norm: float | None
    """Euclidean."""


NumbersView = float | SummaryView | None


class NodeView(View):
    """A number of the forward pass, or some, and the derivative of the result with respect to it."""

    id: str = Field(examples=["n1"])
    """By which edges name it."""
    kind: Literal["leaf", "constant", "operation", "others"]
    """`leaf`: a parameter that autograd follows; `others`: the rows of the batch that are not shown, as one."""
    operation: str = Field(examples=["multiply"])
    """In words; `parameter` or `constant` where nothing is computed."""
    symbol: str
    """The operation as it is written."""
    name: str | None = Field(examples=["w"])
    """Of a parameter, a constant or an input."""
    value: NumbersView
    """Of the forward pass."""
    shape: list[int]
    """Of the tensor that the node stands in."""
    index: list[int] | None
    """Its place in that tensor; null when it is the whole of it, or all that is not shown of it."""
    tensor: str | None
    """The tensor of several nodes: w of w[0], w[1] and so on."""
    upstream: NumbersView
    """The gradient that arrives here, summed over all ways."""
    requires_grad: bool
    """Whether a gradient goes there."""
    grad: NumbersView
    """What is left in a parameter's `.grad`."""
    grad_before: NumbersView
    """What was there before this pass; null where it was empty."""


class EdgeView(View):
    """One way of a number into an operation. On the way back product = local · upstream of the target."""

    source: str
    """The node that goes in."""
    target: str
    """The operation."""
    local: NumbersView
    """The local derivative ∂(target)/∂(source); null where no gradient goes, or the edge stands for a chain."""
    product: NumbersView
    """What flows back along the edge."""


class GraphView(View):
    """Nodes in the order of the forward pass, the result last; edges from operand to operation."""

    title: str
    """What it is the graph of."""
    loss: NumbersView
    """The result."""
    nodes: list[NodeView]
    """In the order of the forward pass."""
    edges: list[EdgeView]
    """From operand to operation."""
    notes: list[str]
    """What a reader should know: numbers that are not finite, gradients that accumulate."""


class StepGraphView(GraphView):
    """The graph of a step. Its leaves have the recorded gradient in `.grad`, to the bit where the engine is eager."""

    epoch: int
    """Counted from 0."""
    step: int
    """Counted from 0 in its epoch."""
    rows: list[int]
    """Indices in the dataset of the rows of this step's batch."""
    row: int
    """The one that is shown."""
    gradient: ParametersView | None
    """As it was recorded; null of a job's first step where the numbers stopped being finite in it."""


class ContributionView(View):
    row: int
    """Index in the dataset."""
    step: int
    """The step of the epoch whose batch it was in."""
    gradient: ParametersView
    """The row's part of the epoch's mean gradient."""
    norm: float
    """Euclidean."""
    share: float | None
    """Of the whole, along its direction: negative where the row pulled the other way; all shares add up to 1."""


class AuditView(View):
    """An epoch's mean gradient, taken apart by the chain rule: `total` is the sum of all the parts."""

    contributions: list[ContributionView]
    """Largest first."""
    others: ParametersView
    """The sum of the rows that are not listed."""
    others_count: int
    """How many those are."""
    penalties: ParametersView
    """What l1 and l2 contributed."""
    left_before: ParametersView
    """What earlier epochs left in `.grad`, where nobody sets it to zero."""
    total: ParametersView
    recorded: ParametersView
    """The mean of the gradients of the epoch's steps, as they were recorded."""
    difference: float
    """The largest between total and recorded: rounding."""
    tolerance: float
    """What rounding can make of it."""
