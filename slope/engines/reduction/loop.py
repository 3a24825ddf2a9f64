"""lbfgs on the few rows that stand for all: it evaluates the loss as often as it likes, and takes torch to do it."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from slope.data import initial_parameters
from slope.engines.descent.reach import in_double, largest_loss, largest_number
from slope.engines.reduction.reduced import Pause, Reductions
from slope.engines.reduction.reduction import Reduction
from slope.loop import Loop
from slope.model import LinearModel, Parameters
from slope.optimizers import build_optimizer
from slope.recorder import EpochRecorder
from slope.scaling import Scaler
from slope.spec import TrainingSpec


class ReducedModel(LinearModel):
    """Its rows end with what has become of the 1 by which the bias is multiplied, if there is one."""

    def row_loss(self, x: Tensor, y: Tensor, weights: Tensor | None = None) -> Tensor:
        """‖x·(w, b) + y‖², in as few operations as there can be: they are so small that each costs as much."""
        parameters = self.weights if self.bias is None else torch.cat((self.weights, self.bias[None]))
        residuals = torch.addmv(y, x, parameters)
        return torch.dot(residuals, residuals)


class ReducedLoop(Loop):
    """The textbook loop on D + 2 rows that stand for all."""

    def __init__(
        self,
        features: int,
        reduce: Callable[[Pause], Reductions],
        spec: TrainingSpec,
        **options: Any,
    ) -> None:
        """`reduce` gives the reductions when the first epoch begins; now and then it calls what it is given."""
        double = in_double(spec)
        model = ReducedModel(Parameters(*initial_parameters(features, spec)), double)
        optimizer = build_optimizer(model.learnable, double, fused=True)
        super().__init__(model, double, optimizer=optimizer, **options)
        self._asked = spec
        self._reduce = reduce
        self._reductions: Reductions | None = None
        self._batch: tuple[Tensor, Tensor] | None = None
        self._is_restored = False

    def _batches(self) -> Iterable[tuple[Tensor, Tensor]]:
        if self._batch is None:
            self._batch = self._rows_of(self._reduced().training)
        return [self._batch]

    def _rows_of(self, reduction: Reduction) -> tuple[Tensor, Tensor]:
        """Scaled, so that their squares add up to the mean over all rows; y with its sign changed."""
        scale = reduction.rows**-0.5
        x = np.column_stack([reduction.x, reduction.ones]) if self._model.bias is not None else reduction.x
        return self._tensor(x * scale), self._tensor(reduction.y * -scale)

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self._model.weights.device)

    def _reduced(self) -> Reductions:
        if self._reductions is None:
            self._reductions = self._reduce(self._pause)
            if self._reductions.scaler and self.epoch == 0 and not self._is_restored:
                self._start_at(self._reductions.scaler)
        return self._reductions

    def restore(self, checkpoint: bytes) -> None:
        super().restore(checkpoint)
        self._is_restored = True

    def _start_at(self, scaler: Scaler) -> None:
        """Only now the scale is known."""
        start = initial_parameters(len(self._model.weights), self._asked, scaler)
        with torch.no_grad():
            for leaf, numbers in zip(self._model.leaves, start, strict=False):  # there may be no bias
                leaf.copy_(torch.tensor(numbers, dtype=leaf.dtype))

    def _recorder(self) -> EpochRecorder:
        return EpochRecorder(
            self._model,
            self.epoch,
            1,
            keep_steps=self._keeps_steps_of(self.epoch),
            largest=largest_number(self._asked),
            largest_loss=largest_loss(self._asked, self._reduced().training.rows),
        )

    def _validation_loss(self) -> float | None:
        return validation_loss(self._reduced().validation, self._model.parameters())


def validation_loss(reduction: Reduction, parameters: Parameters) -> float | None:
    """The mean squared error of held-back rows; None where there are none."""
    if reduction.rows == 0:
        return None
    assert parameters.weights is not None  # a model has weights, whether they learn or not
    with np.errstate(over="ignore", invalid="ignore"):
        squares = reduction.squared_error(np.array(parameters.weights), parameters.bias or 0.0)
    return squares / reduction.rows
