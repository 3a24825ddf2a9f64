"""Which rows moved the model: an epoch's gradient, split into what every row contributed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from slope.arrays import Array, Indices
from slope.data import TrainingData
from slope.graph.step import Batch, after_update, batch_of, bears_out, leave_gradient
from slope.model import LinearModel, Parameters, torch_dtype
from slope.records import StepRecord
from slope.spec import TrainingSpec


@dataclass(frozen=True)
class Contribution:
    """A part of the epoch's mean gradient."""

    row: int
    """In the dataset."""
    step: int
    gradient: Parameters
    norm: float
    """Euclidean."""
    share: float | None
    """Of the whole, along its direction: negative where the row pulled the other way. All shares add up to 1."""


@dataclass(frozen=True)
class Audit:
    """The recorded gradient is the sum of all contributions, of the penalties', and of what was left before."""

    contributions: list[Contribution]
    """Largest first."""
    others: Parameters
    """The sum of the rows that are not listed."""
    others_count: int
    penalties: Parameters
    left_before: Parameters
    """What earlier epochs left in `.grad`, where nobody sets it to zero."""
    total: Parameters
    recorded: Parameters
    """The mean of the gradients of the epoch's steps, as they were recorded."""
    difference: float
    """The largest between the two: rounding."""
    tolerance: float
    """What rounding can make of it."""


class EpochAudit:
    """Takes the steps of an epoch in their order, and then says whose the gradient was.

    Parameters are vectors of P numbers here: D weights, and the bias where there is one. A step's own gradient adds
    to what is in `.grad`; what an update leaves of it is there in the next step again, and in its record.
    """

    def __init__(self, data: TrainingData, spec: TrainingSpec, left: Parameters | None = None) -> None:
        self._data = data
        self._spec = spec
        self._left = left
        self._before = left
        self._origins: list[tuple[int, int]] = []
        self._of_rows: list[Array] = []
        self._penalties: list[Array] = []
        self._recorded: list[Array] = []
        self._kept: list[float] = []
        self._shape = Parameters([], None)

    def add(self, record: StepRecord, rows: list[int], *, to_the_bit: bool = True) -> bool:
        """Split the gradient of a step into what each row contributed.

        False when the step, done again here, leaves another gradient in `.grad` than was recorded.
        """
        batch = batch_of(self._data, self._spec, rows)
        model = _Watched(record.parameters, self._spec)
        if self._left is not None:
            leave_gradient(model, self._left)
        model.loss(batch.x, batch.y, batch.weights).backward()  # type: ignore[no-untyped-call]
        self._shape = record.gradient
        self._origins += [(row, record.step) for row in rows]
        self._of_rows.append(_contributions(model, batch))
        self._penalties.append(_penalty(record.parameters, self._spec))
        self._recorded.append(_flat(record.gradient))
        self._keep(record)
        return bears_out(model, batch, record.gradient, to_the_bit=to_the_bit)

    def result(self, limit: int) -> Audit:
        """The largest contributions, and the sums of the rest."""
        lasting = self._lasting()
        steps = len(self._recorded)
        sizes = [len(each) for each in self._of_rows]
        of_rows = np.concatenate(self._of_rows) * np.repeat(lasting, sizes)[:, None]
        penalties = (np.array(self._penalties) * lasting[:, None]).sum(axis=0)
        left = _flat(self._before) * lasting[0] if self._before else np.zeros_like(penalties)
        recorded = np.array(self._recorded).sum(axis=0) / steps
        total = of_rows.sum(axis=0) + penalties + left
        norms = _norms(of_rows)
        order = np.argsort(-norms, kind="stable")
        return Audit(
            contributions=list(self._largest(of_rows, norms, order[:limit], recorded)),
            others=self._parameters(of_rows[order[limit:]].sum(axis=0)),
            others_count=len(order[limit:]),
            penalties=self._parameters(penalties),
            left_before=self._parameters(left),
            total=self._parameters(total),
            recorded=self._parameters(recorded),
            difference=float(np.abs(total - recorded).max()),
            tolerance=self._tolerance(norms.sum() + _norms(np.stack([penalties, left])).sum()),
        )

    def _largest(self, of_rows: Array, norms: Array, order: Indices, recorded: Array) -> Iterator[Contribution]:
        length = float(recorded @ recorded)
        for index in order.tolist():
            row, step = self._origins[index]
            share = float(of_rows[index] @ recorded) / length if length else None
            yield Contribution(row, step, self._parameters(of_rows[index]), float(norms[index]), share)

    def _keep(self, record: StepRecord) -> None:
        """How much of this step's gradient the next one finds in `.grad`."""
        if self._spec.zero_gradients == "step":
            self._left = None
            self._kept.append(0.0)
            return
        self._left = after_update(self._spec, record.parameters, record.gradient)
        left, was = _flat(self._left), _flat(record.gradient)
        largest = int(np.abs(was).argmax())
        self._kept.append(float(left[largest] / was[largest]) if was[largest] else 1.0)

    def _lasting(self) -> Array:
        """For each step the weight of its own gradient in the mean of the epoch's: it counts again where it is kept."""
        lasting, following = [], 0.0
        for kept in reversed(self._kept):
            following = 1.0 + kept * following
            lasting.append(following)
        return np.array(lasting[::-1]) / len(lasting)

    def _tolerance(self, size: float) -> float:
        """Each addition rounds once, to the precision of the job: of a batch's rows, and of steps that accumulate.

        Numbers below the normal ones are rounded to a multiple of the smallest there is, before a feature multiplies
        them: that is an error of its own, however small what is added up may be.
        """
        additions = 8 + max(len(each) for each in self._of_rows)
        if self._spec.zero_gradients != "step":
            additions += len(self._recorded)
        precision = torch.finfo(torch_dtype(self._spec))
        widest = max(1.0, float(np.abs(self._data.x).max(initial=0.0)))
        smallest = precision.smallest_normal * precision.eps
        return float(precision.eps * size * additions + smallest * widest * len(self._origins) * additions)

    def _parameters(self, flat: Array) -> Parameters:
        weights = None if self._shape.weights is None else flat[: len(self._shape.weights)].tolist()
        return Parameters(weights, None if self._shape.bias is None else float(flat[-1]))


class _Watched(LinearModel):
    """Keeps its prediction, and the gradient that comes back to it."""

    prediction: Tensor | None = None
    """None before the forward pass."""

    def forward(self, x: Tensor) -> Tensor:
        prediction = self.prediction = super().forward(x)
        prediction.retain_grad()
        return prediction


class _PenaltiesOnly(LinearModel):
    """Its loss is what the penalties add to that of the rows."""

    def row_loss(self, x: Tensor, y: Tensor, weights: Tensor | None = None) -> Tensor:
        return torch.zeros_like(self.weights).sum()


def _norms(vectors: Array) -> Array:
    """Of n × P numbers. hypot loses neither the smallest, whose squares vanish, nor the largest."""
    norms: Array = np.hypot.reduce(vectors, axis=1)
    return norms


def _contributions(model: _Watched, batch: Batch) -> Array:
    """What each row of a batch (n) sends to each parameter (n × P): autograd's, for a copy of the parameters a row."""
    assert model.prediction is not None  # the step has just been done
    count = len(batch.y)
    copies = [leaf.detach().expand(count, *leaf.shape).clone().requires_grad_() for leaf in model.learnable]
    weights, bias = model.weights.detach(), model.bias
    own = iter(copies)
    products = batch.x * (next(own) if model.weights.requires_grad else weights)
    prediction = products.sum(dim=1)
    if bias is not None and bias.requires_grad:
        prediction = prediction + next(own)
    sent = torch.autograd.grad(prediction, copies, model.prediction.grad)
    return torch.cat([each.reshape(count, -1) for each in sent], dim=1).double().numpy()


def _penalty(parameters: Parameters, spec: TrainingSpec) -> Array:
    """The gradient (P) of the penalties."""
    model = _PenaltiesOnly(parameters, spec)
    if model.weights.requires_grad and (spec.l2 or (spec.l1 and not spec.is_proximal)):
        model.loss(model.weights, model.weights).backward()  # type: ignore[no-untyped-call]
    leaves = [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in model.learnable]
    return np.array([number for leaf in leaves for number in leaf.reshape(-1).tolist()])


def _flat(parameters: Parameters) -> Array:
    """The numbers of those that learn (P)."""
    weights: Iterable[float] = parameters.weights or ()
    return np.array([*weights, *([] if parameters.bias is None else [parameters.bias])])
