"""The rows as what learns sees them: what is frozen is taken off, and the parameters that learn are one vector."""

import math
import warnings
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from slope.arrays import Array, Indices
from slope.engines.layouts.rules import LOSSES, Objective
from slope.model import Parameters
from slope.reduced_rows import ReducedRows
from slope.spec import TrainingSpec


@dataclass(frozen=True)
class Design:
    """x is N × the weights that learn, `targets` N; a triangle has a column for the bias as well, where it learns."""

    x: Array
    targets: Array
    start: Parameters
    """Of the whole model; what is frozen stays as it is here."""
    spec: TrainingSpec
    rows: int = 0
    """How many rows a triangle stands for; 0 where the rows are themselves."""
    has_ones: bool = False
    """Whether x has a column for the bias, where that learns: rows that are weighted have no 1 in it."""

    @classmethod
    def of_rows(
        cls, x: Array, y: Array, start: Parameters, spec: TrainingSpec, weights: Array | None = None
    ) -> "Design":
        """A weighted row is one of which x, y and the 1 of the bias are multiplied: by √weight, where it is squared."""
        x, targets = _without_frozen(x, y, np.ones(1), start, spec)
        if weights is None:
            return cls(_read_only(x), _read_only(targets), start, spec)
        assert spec.loss != "huber"  # of which each row had a delta of its own then; the plan sees to it
        scale = np.sqrt(weights) if spec.loss == "squared_error" else weights
        x = x * scale[:, None]
        if spec.learns_bias:
            x = np.column_stack([x, scale])
        return cls(_read_only(x), _read_only(targets * scale), start, spec, has_ones=True)

    @classmethod
    def of_reduction(cls, reduction: ReducedRows, start: Parameters, spec: TrainingSpec) -> "Design":
        """Scaled, so that the sum over its rows is the mean over all that it stands for."""
        scale, ones = reduction.rows**-0.5, reduction.ones
        x, targets = _without_frozen(reduction.x, reduction.y, ones, start, spec)
        if spec.learns_bias:
            x = np.column_stack([x, ones])
        return cls(_read_only(x * scale), _read_only(targets * scale), start, spec, reduction.rows)

    @property
    def without_penalty(self) -> "Design":
        return replace(self, spec=self.spec.model_copy(update={"l1": 0.0, "l2": 0.0}))

    @property
    def parameters(self) -> int:
        """How many learn: K."""
        return int(self.x.shape[1]) + self.adds_bias

    @property
    def adds_bias(self) -> bool:
        return self.spec.learns_bias and not (self.rows or self.has_ones)

    @property
    def penalised(self) -> int:
        """How many of the parameters are weights, from the first."""
        return self.parameters - self.spec.learns_bias

    @property
    def objective(self) -> Objective:
        spec = self.spec
        return Objective(
            loss=LOSSES[spec.loss],
            delta=spec.huber_delta,
            l1=spec.l1,
            l2=spec.l2,
            penalised=self.penalised,
            offset=self.offset,
            divisor=float(self.rows > 0),
            is_triangular=self.rows > 0 and "weights" not in spec.frozen,
            adds_bias=self.adds_bias,
        )

    @cached_property
    def tensors(self) -> tuple[Tensor, Tensor]:
        """x and the targets for autograd, in the same memory, which nothing writes to."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch knows no tensors that are read only
            return torch.from_numpy(self.x), torch.from_numpy(self.targets)

    @cached_property
    def largest(self) -> tuple[Array, float]:
        """The size of the largest number of each column, and 1 for a bias (K); and of the largest target."""
        return self.largest_of(slice(None))

    def largest_of(self, chosen: slice | Indices) -> tuple[Array, float]:
        """The same of some rows."""
        x, targets = self.x[chosen], self.targets[chosen]
        columns = np.maximum(x.max(axis=0, initial=0), -x.min(axis=0, initial=0))
        return np.append(columns, 1.0) if self.adds_bias else columns, float(np.abs(targets).max())

    def with_ones(self, chosen: slice) -> Array:
        """Some rows, with a 1 for the bias where it learns: n × K."""
        x = self.x[chosen]
        return _read_only(np.column_stack([x, np.ones(len(x))])) if self.adds_bias else x

    @property
    def offset(self) -> float:
        """What the penalty of frozen weights adds to every loss."""
        if "weights" not in self.spec.frozen:
            return 0.0
        weights = self.start.weights or []
        return self.spec.l2 * math.hypot(*weights) ** 2 + self.spec.l1 * math.fsum(map(abs, weights))

    def vector(self, parameters: Parameters) -> Array:
        """Those that learn, of the whole model's."""
        weights = [] if "weights" in self.spec.frozen else parameters.weights or []
        return np.array([*weights, parameters.bias] if self.spec.learns_bias else weights, dtype=np.float64)

    def models(self, thetas: Array) -> tuple[Array, Array | None]:
        """The weights (M × D) and biases (M) of whole models from M vectors of what learns."""
        weights, bias = self.gradients(thetas)
        if weights is None:
            weights = np.tile(np.array(self.start.weights), (len(thetas), 1))
        if bias is None and self.start.bias is not None:
            bias = np.full(len(thetas), self.start.bias)
        return weights, bias

    def gradients(self, vectors: Array) -> tuple[Array | None, Array | None]:
        """M vectors in the shape of the model; None for what does not learn."""
        weights = None if "weights" in self.spec.frozen else vectors[:, : self.penalised]
        return weights, vectors[:, -1] if self.spec.learns_bias else None


def _without_frozen(
    x: Array, targets: Array, ones: Array, start: Parameters, spec: TrainingSpec
) -> tuple[Array, Array]:
    """What a frozen parameter adds to the predictions is taken off the targets; `ones` is what it is multiplied by."""
    if "weights" in spec.frozen:
        x, targets = np.empty((len(targets), 0)), targets - x @ np.array(start.weights)
    if "bias" in spec.frozen:
        targets = targets - (start.bias or 0.0) * ones
    return x, targets


def _read_only(values: Array) -> Array:
    """Compiled code makes a difference between arrays of either kind, and is compiled for this one."""
    kept = np.ascontiguousarray(values, dtype=np.float64).view()
    kept.flags.writeable = False
    return kept
