"""Which numbers of a tensor are shown one by one, and which together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from slope.graph.graph import Numbers, Summary
from slope.graph.vertices import Vertex

Axis = Literal["rows", "features", "rows × features"]
"""What the numbers of a tensor are counted by."""


@dataclass(frozen=True)
class Focus:
    """The row of a batch and the features that are shown one by one."""

    row: int
    """Its index in the batch."""
    rows: int
    features: Sequence[int]
    axes: dict[str, Axis] = field(default_factory=dict)
    """Of the leaves and constants, by name; the others' follow from them."""


@dataclass(frozen=True)
class Part:
    """One number of a vertex, all of them, or all but some."""

    vertex: Vertex
    index: tuple[int, ...] | None = None
    besides: tuple[int, ...] | None = None
    """The numbers that it is all but."""

    def of(self, tensor: Tensor | None) -> Numbers:
        """What the part has of a tensor with the vertex's shape."""
        if tensor is None:
            return None
        if self.index is not None:
            return tensor[self.index].item()
        return numbers_of(tensor if self.besides is None else without(tensor, self.besides))


def parts_of_vertex(vertex: Vertex, axis: Axis | None, focus: Focus | None) -> list[Part]:
    if focus is None or axis is None:
        return [Part(vertex)]
    if axis == "rows":
        return [Part(vertex, (focus.row,))]
    if axis == "rows × features":
        return [Part(vertex, (focus.row, feature)) for feature in focus.features]
    if vertex.operands:
        return [Part(vertex)]
    shown = [Part(vertex, (feature,)) for feature in focus.features]
    return shown if len(shown) == vertex.count else [*shown, Part(vertex, besides=tuple(focus.features))]


def axes_of(vertices: list[Vertex], focus: Focus) -> dict[Vertex, Axis]:
    """What the numbers of each vertex are counted by, where there is more than one of them."""
    axes: dict[Vertex, Axis] = {}
    for vertex in vertices:
        axis = focus.axes.get(vertex.name or "") or _axis_of_operation(vertex, axes)
        if vertex.count > 1 and axis:
            axes[vertex] = axis
    return axes


def _axis_of_operation(vertex: Vertex, axes: dict[Vertex, Axis]) -> Axis | None:
    operands = [axes[use.vertex] for use in vertex.operands if use.vertex in axes]
    if vertex.operation.elementwise:
        return next(iter(operands), None)
    return "rows" if vertex.operation.word == "dot product" and "rows × features" in operands else None


def without(tensor: Tensor, indices: tuple[int, ...]) -> Tensor:
    """A vector without the numbers at these indices."""
    kept = torch.ones(len(tensor), dtype=torch.bool, device=tensor.device)
    kept[list(indices)] = False
    return tensor[kept]


def numbers_of(tensor: Tensor | None) -> Numbers:
    """The one number of a tensor, or a summary of its many."""
    if tensor is None:
        return None
    if tensor.numel() == 1:
        return float(tensor.item())
    if tensor.numel() == 0:
        return None
    least, most = tensor.aminmax()
    return Summary(tensor.numel(), float(least), float(most), float(tensor.double().norm()))


def is_finite(numbers: Numbers) -> bool:
    if isinstance(numbers, Summary):
        return math.isfinite(numbers.norm)
    return numbers is None or math.isfinite(numbers)
