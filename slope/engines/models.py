"""K linear models as one: their weights are the columns of one matrix, their biases one vector."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from slope.data import Array, Scaler, initial_parameters
from slope.model import Parameters, torch_dtype
from slope.spec import TrainingSpec


class Pair(NamedTuple):
    """Numbers in the shape of K models: D × K for the weights, K for the biases. What does not exist is None."""

    weights: Tensor | None
    bias: Tensor | None

    def of(self, place: int) -> Parameters:
        """The numbers of one model."""
        weights = None if self.weights is None else self.weights[:, place].tolist()
        return Parameters(weights, None if self.bias is None else self.bias[place].item())


class Models:
    """Weights and optional biases as autograd leaves; the K specs are alike in all but numbers."""

    def __init__(
        self,
        specs: Sequence[TrainingSpec],
        features: int,
        device: torch.device | str,
        scaler: Scaler | None = None,
    ) -> None:
        """The scaler is that of the data, where it is standardized."""
        first = specs[0]
        self._specs = specs
        self._kind = first.loss
        self._tensor_options: dict[str, Any] = {"dtype": torch_dtype(first), "device": device}
        starts = [initial_parameters(features, spec, scaler) for spec in specs]
        self.weights = self._tensor([weights for weights, _ in starts]).T.contiguous()
        self.weights.requires_grad_("weights" not in first.frozen)
        self.bias: Tensor | None = None
        if first.fit_bias:
            self.bias = self._tensor([bias for _, bias in starts]).requires_grad_("bias" not in first.frozen)
        self.leaves = [self.weights] if self.bias is None else [self.weights, self.bias]
        self.learnable = [leaf for leaf in self.leaves if leaf.requires_grad]
        self._l1, self._l2 = self._unless_zero(lambda spec: spec.l1), self._unless_zero(lambda spec: spec.l2)
        self._delta = self.vector(lambda spec: spec.huber_delta)

    def vector(self, read: Callable[[TrainingSpec], float]) -> Tensor:
        """A hyperparameter of each model (K)."""
        return self._tensor([read(spec) for spec in self._specs])

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """The K mean losses of B rows plus the penalties; x is B × D, with a column of ones where there is a bias."""
        loss = self.row_loss(x, y)
        if self._l2 is not None:
            loss = loss + self._l2 * (self.weights**2).sum(0)
        if self._l1 is not None:
            loss = loss + self._l1 * self.weights.abs().sum(0)
        return loss

    def row_loss(self, x: Tensor, y: Tensor) -> Tensor:
        """The K mean losses of the rows, without penalties."""
        parameters = self.weights if self.bias is None else torch.cat([self.weights, self.bias[None]])
        residuals = torch.addmm(-y[:, None], x, parameters)
        if self._kind == "absolute_error":
            return residuals.abs().sum(0) / len(y)
        if self._kind == "huber":
            size = residuals.abs()
            rows = torch.where(size <= self._delta, 0.5 * size * size, self._delta * (size - 0.5 * self._delta))
            return rows.sum(0) / len(y)
        return (residuals * residuals).sum(0) / len(y)

    def gradient(self) -> Pair:
        """A copy of what autograd left at the leaves; None where a leaf does not learn."""
        return Pair(_copy(self.weights.grad), None if self.bias is None else _copy(self.bias.grad))

    def parameters(self) -> Pair:
        """A copy of the parameters as they stand."""
        return Pair(_copy(self.weights), _copy(self.bias))

    def _unless_zero(self, read: Callable[[TrainingSpec], float]) -> Tensor | None:
        return self.vector(read) if any(map(read, self._specs)) else None

    def _tensor(self, values: Sequence[Any]) -> Tensor:
        return torch.tensor(values, **self._tensor_options)


def per_model(values: Tensor) -> Array:
    """In float64 on the CPU, one row a model: D × K become K × D, and K stay K."""
    turned = values.detach().T if values.dim() == 2 else values.detach()
    array: Array = turned.to("cpu", torch.float64, copy=True).numpy()
    return array


def _copy(values: Tensor | None) -> Tensor | None:
    return None if values is None else values.detach().clone()
