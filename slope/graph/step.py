"""The graph of one step of a training run: its own forward and backward pass, done once more and watched."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from slope.data import TrainingData
from slope.graph.assembly import assemble
from slope.graph.drawn import DrawnGraph
from slope.graph.forward import Forward
from slope.graph.parts import Axis, Focus
from slope.graph.tracing import followed
from slope.graph.vertices import Vertex
from slope.model import LinearModel, Parameters, torch_dtype
from slope.spec import TrainingSpec

MOST_FEATURES = 8
"""With no more than these, every feature is shown."""
WEIGHT = "weight"
"""What the graph calls the weights of the rows."""
_LARGEST = 3
"""Of more features, as many are shown: those with the largest gradients."""

_AXES: dict[str, Axis] = {"x": "rows × features", "y": "rows", "w": "features", WEIGHT: "rows"}


@dataclass(frozen=True)
class Batch:
    """x is n × D and y is n, both of the job's dtype; `rows` are their n indices in the dataset."""

    x: Tensor
    y: Tensor
    rows: Sequence[int]
    weights: Tensor | None = None
    """Of the rows (n); None where they count alike."""


class StepTrace:
    """A step that has been done again: its gradient, and its graph."""

    def __init__(self, spec: TrainingSpec, before: Parameters, batch: Batch, left: Parameters | None = None) -> None:
        """`before` are the parameters before the step, `left` the gradient that was left in `.grad`, if any."""
        self._spec = spec
        self._batch = batch
        self._model = LinearModel(before, spec)
        if left is not None:
            leave_gradient(self._model, left)
        self._vertices = self._follow()

    @property
    def gradient(self) -> Parameters:
        """What is left in the leaves' `.grad` now."""
        return self._model.gradient()

    def bears_out(self, recorded: Parameters, *, to_the_bit: bool) -> bool:
        """Whether the gradient is the recorded one."""
        return bears_out(self._model, self._batch, recorded, to_the_bit=to_the_bit)

    @property
    def loss(self) -> float:
        value = self._vertices[-1].value
        assert value is not None
        return float(value.item())

    def graph(self, row: int, features: Sequence[int] | None = None) -> DrawnGraph:
        """With one row of the batch shown, by its index in the dataset, and some features; by default all or most."""
        shown = self._largest() if features is None else features
        focus = Focus(self._batch.rows.index(row), len(self._batch.rows), shown, _AXES)
        return replace(assemble(self._vertices, focus), title=self._formula())

    def _follow(self) -> list[Vertex]:
        forward, model, batch = Forward(), self._model, self._batch
        with forward:
            loss = model.loss(batch.x, batch.y, batch.weights)
        names = [("x", batch.x), ("y", batch.y), ("w", model.weights)]
        if self._spec.is_proximal:
            names.append(("w", model.weights.detach()))  # as the penalty takes them: no gradient comes back from it
        if batch.weights is not None:
            names.append((WEIGHT, batch.weights))
        vertices = followed(loss, forward, names if model.bias is None else [*names, ("b", model.bias)])
        _name_results(vertices)
        return vertices

    def _largest(self) -> list[int]:
        count = len(self._model.weights)
        if count <= MOST_FEATURES:
            return list(range(count))
        gradient = self._model.weights.grad
        sizes = torch.zeros(count) if gradient is None else gradient.abs()
        return sorted(sizes.topk(_LARGEST).indices.tolist())

    def _formula(self) -> str:
        spec = self._spec
        parts = {"squared_error": "(ŷ − y)²", "absolute_error": "|ŷ − y|", "huber": "Huber(ŷ − y)"}
        weighted = parts[spec.loss] if self._batch.weights is None else f"{WEIGHT}·{parts[spec.loss]}"
        row_loss = weighted if len(self._batch.rows) == 1 else f"mean of {weighted}"
        penalties = f" + {spec.l2:g}·‖w‖²" * bool(spec.l2) + f" + {spec.l1:g}·‖w‖₁" * bool(spec.l1)
        after = "; ‖w‖₁ by a proximal step after the gradient's" * spec.is_proximal
        return f"loss = {row_loss}{penalties}, with ŷ = x·w{' + b' * spec.fit_bias}{after}"


def batch_of(data: TrainingData, spec: TrainingSpec, rows: Sequence[int]) -> Batch:
    """The rows of a batch, given by their indices in the dataset, as training sees them: in memory of their own."""
    indices = np.searchsorted(data.rows, rows)
    dtype = torch_dtype(spec)
    x, y = (torch.tensor(values[indices], dtype=dtype) for values in (data.x, data.y))
    weights = None if data.weights is None else torch.tensor(data.weights[indices], dtype=dtype)
    return Batch(x.contiguous(), y, rows, weights)


def bears_out(model: LinearModel, batch: Batch, recorded: Parameters, *, to_the_bit: bool) -> bool:
    """Whether a model that has been back-propagated has the recorded gradient in its `.grad`."""
    gradient = model.gradient()
    if gradient == recorded or to_the_bit:
        return gradient == recorded
    return gradient.is_close_to(recorded, _rounding(model, batch))


def _rounding(model: LinearModel, batch: Batch) -> float:
    """What an engine that adds in another order, and in between in another precision, may make of a gradient.

    Half of the digits, of what is added up in it at most: a prediction and a target, times a feature.
    """
    with torch.no_grad():
        widest = batch.x.abs().max().clamp(min=1)
        predicted = widest * model.weights.abs().sum() + (0 if model.bias is None else model.bias.abs())
        largest = 1.0 if batch.weights is None else float(batch.weights.max().clamp(min=1))
        from_rows = largest * (predicted + batch.y.abs().max())
        size = widest * (from_rows + model.spec.l1 + model.spec.l2 * model.weights.abs().max())
    return float(size) * math.sqrt(torch.finfo(batch.x.dtype).eps)


def after_update(spec: TrainingSpec, before: Parameters, gradient: Parameters) -> Parameters:
    """What an update leaves of a gradient in `.grad`: clipping changes it in place."""
    model = LinearModel(before, spec)
    leave_gradient(model, gradient)
    if spec.clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(model.learnable, spec.clip_norm)
    return model.gradient()


def leave_gradient(model: LinearModel, gradient: Parameters) -> None:
    """Put a gradient into the leaves' `.grad`, as if an earlier step had left it there."""
    for leaf, values in ((model.weights, gradient.weights), (model.bias, gradient.bias)):
        if leaf is not None and values is not None:
            leaf.grad = torch.tensor(values, dtype=leaf.dtype)


def _name_results(vertices: list[Vertex]) -> None:
    """Give what the model computes on its way the names that a lecture gives it."""
    for vertex in vertices:
        has_bias = any(use.vertex.name == "b" for use in vertex.operands)
        if vertex.operation.word == "dot product" or has_bias:
            vertex.name = "ŷ"
        if vertex.operation.word == "subtract":
            vertex.name = "ŷ − y"
        if vertex.operation.word == "multiply" and len({use.vertex for use in vertex.operands}) == 1:
            vertex.call_square()  # the model multiplies the residual of a single row by itself: it is faster
    predictions = [vertex for vertex in vertices if vertex.name == "ŷ"]
    for vertex in predictions[:-1]:
        vertex.name = "x·w"
    vertices[-1].name = "loss"
