"""Descent on the rows themselves, in any batches and any order."""

from functools import cached_property
from typing import Any

from slope.data import TrainingData, initial_parameters
from slope.engines.descent.descent import Descent
from slope.engines.descent.design import Design
from slope.engines.reduction.reduction import Reduction
from slope.model import Parameters
from slope.spec import TrainingSpec


class Compiled(Descent):
    """Every step in compiled code, one after another."""

    def __init__(self, data: TrainingData, spec: TrainingSpec, **options: Any) -> None:
        start = Parameters(*initial_parameters(data.x.shape[1], spec, data.scaler))
        super().__init__(len(data.y), start, spec, **options)
        self._data = data

    @cached_property
    def _design(self) -> Design:
        return Design.of_rows(self._data.x, self._data.y, self._start, self.spec, self._data.weights)

    @cached_property
    def _validation(self) -> Design | None:
        """The rows held back, or the few that stand for them."""
        x, y, weights = self._data.validation_x, self._data.validation_y, self._data.validation_weights
        if len(y) == 0:
            return None
        if self.spec.loss != "squared_error":
            return Design.of_rows(x, y, self._start, self.spec, weights).without_penalty
        reduction = Reduction.of([(x, y, weights)], x.shape[1], pause=self._pause)
        return Design.of_reduction(reduction, self._start, self.spec).without_penalty
