"""The linear model ŷ = x·w + b, its row losses and its penalties."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from slope.scaling import Scaler
from slope.spec import TrainingSpec
from slope.spec.data import Matrix


class Parameters(NamedTuple):
    """Numbers with the shape of the model: D weights and a bias. What does not exist is None."""

    weights: list[float] | None
    bias: float | None

    def is_close_to(self, others: "Parameters", tolerance: float) -> bool:
        """Whether the same numbers exist, and none differs by more than the tolerance."""
        if (self.weights is None, self.bias is None) != (others.weights is None, others.bias is None):
            return False
        pairs = [*zip(self.weights or (), others.weights or (), strict=True), (self.bias or 0.0, others.bias or 0.0)]
        return all(abs(mine - other) <= tolerance for mine, other in pairs)


class LinearModel:
    """Weights (D) and an optional bias (scalar) as autograd leaves of the job's dtype."""

    def __init__(self, start: Parameters, spec: TrainingSpec, device: torch.device | str = "cpu") -> None:
        dtype = torch_dtype(spec)
        self.spec = spec
        self.weights = torch.tensor(
            start.weights, dtype=dtype, device=device, requires_grad="weights" not in spec.frozen
        )
        self.bias: Tensor | None = None
        if start.bias is not None:
            self.bias = torch.tensor(start.bias, dtype=dtype, device=device, requires_grad="bias" not in spec.frozen)
        self.leaves = [self.weights] if self.bias is None else [self.weights, self.bias]
        self.learnable = [leaf for leaf in self.leaves if leaf.requires_grad]

    def forward(self, x: Tensor) -> Tensor:
        """Predictions (N) for x (N × D)."""
        return x @ self.weights if self.bias is None else x @ self.weights + self.bias

    def loss(self, x: Tensor, y: Tensor, weights: Tensor | None = None) -> Tensor:
        """The mean loss of a batch's rows, each times its weight, plus the penalties."""
        loss = self.row_loss(x, y, weights)
        if self.spec.l2:
            loss = loss + self.spec.l2 * (self.weights**2).sum()
        if self.spec.l1:
            penalised = self.weights.detach() if self.spec.is_proximal else self.weights
            loss = loss + self.spec.l1 * penalised.abs().sum()
        return loss

    def row_loss(self, x: Tensor, y: Tensor, weights: Tensor | None = None) -> Tensor:
        """The mean loss of the rows, without penalties."""
        if weights is not None:
            return (weights * self._losses(x, y)).mean()
        if self.spec.loss == "huber":
            return functional.huber_loss(self.forward(x), y, delta=self.spec.huber_delta)
        residuals = self.forward(x) - y
        if self.spec.loss == "absolute_error":
            return residuals.abs().mean()
        if residuals.numel() == 1:
            return residuals * residuals  # the bits of the mean of one square, in half of its time forward and back
        return residuals.square().mean()

    def _losses(self, x: Tensor, y: Tensor) -> Tensor:
        """Of each row (N)."""
        if self.spec.loss == "huber":
            return functional.huber_loss(self.forward(x), y, delta=self.spec.huber_delta, reduction="none")
        residuals = self.forward(x) - y
        return residuals.abs() if self.spec.loss == "absolute_error" else residuals.square()

    @torch.no_grad()
    def shrink(self, size: float) -> None:
        """The proximal map of size·‖w‖₁: each weight that learns comes nearer to zero by this much, and stays there."""
        if self.weights.requires_grad:
            size = min(size, torch.finfo(self.weights.dtype).max)
            self.weights.sub_(self.weights.clamp(-size, size))  # w − w is +0, where a product would leave a −0

    def parameters(self) -> Parameters:
        return Parameters(self.weights.tolist(), None if self.bias is None else self.bias.item())

    def gradient(self) -> Parameters:
        """What autograd left at the leaves; None where a leaf does not learn."""
        weights, bias = self.weights.grad, None if self.bias is None else self.bias.grad
        return Parameters(None if weights is None else weights.tolist(), None if bias is None else bias.item())


def torch_dtype(spec: TrainingSpec) -> torch.dtype:
    return torch.float32 if spec.dtype == "float32" else torch.float64


def predict_singly(parameters: Parameters, x: Matrix, spec: TrainingSpec, scaler: Scaler | None = None) -> list[float]:
    """Predictions for rows of D numbers, computed as training computes them: in the job's dtype, one row at a time.

    One at a time because a matrix product may round differently with the number of rows around it.
    """
    model = LinearModel(parameters, spec)
    values = np.array(x, float).reshape(len(x), len(model.weights))
    rows = scaler.apply(values) if scaler else values
    with torch.no_grad():
        predictions = [model.forward(torch.tensor(row[None], dtype=torch_dtype(spec))).item() for row in rows]
    return [each + scaler.target_mean for each in predictions] if scaler else predictions
