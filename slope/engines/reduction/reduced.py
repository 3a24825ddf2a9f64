"""Full batch and squared error: after one pass over the data an epoch's cost is free of its rows."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from slope.data import TrainingData, initial_parameters
from slope.engines.descent.descent import Descent
from slope.engines.descent.design import Design
from slope.engines.reduction.reduction import Reduction
from slope.model import Parameters
from slope.scaling import Scaler
from slope.spec import TrainingSpec

Pause = Callable[[], None]


@dataclass(frozen=True)
class Reductions:
    """Of the rows to train on, and of those to validate with, which may be none."""

    training: Reduction
    validation: Reduction
    test: Reduction
    """Of the rows to test with at the end, which may be none."""
    scaler: Scaler | None = None
    """By which the rows are standardized, if they are."""


class Reduced(Descent):
    """Any optimizer but lbfgs, any schedule and penalty, on D + 2 rows that stand for all."""

    def __init__(
        self, features: int, reduce: Callable[[Pause], Reductions], spec: TrainingSpec, **options: Any
    ) -> None:
        """`reduce` gives the reductions when the first epoch begins; now and then it calls what it is given."""
        whole = spec.model_copy(update={"batch_size": "full"})
        super().__init__(features + 2, Parameters(*initial_parameters(features, spec)), whole, **options)
        self._reduce = reduce

    @cached_property
    def _reductions(self) -> Reductions:
        found = self._reduce(self._pause)
        if found.scaler:  # only now the scale is known
            self._start = Parameters(*initial_parameters(found.training.features, self.spec, found.scaler))
        return found

    @cached_property
    def _design(self) -> Design:
        return Design.of_reduction(self._reductions.training, self._start, self.spec)

    @cached_property
    def _validation(self) -> Design | None:
        reduction = self._reductions.validation
        return Design.of_reduction(reduction, self._start, self.spec).without_penalty if reduction.rows else None


def reductions_of(data: TrainingData, device: torch.device | str = "cpu") -> Callable[[Pause], Reductions]:
    """Reduces data that is in memory; the rows to test with are left as they are."""

    def reduce(pause: Pause) -> Reductions:
        features = data.x.shape[1]
        validation = (data.validation_x, data.validation_y, data.validation_weights)
        parts = [(data.x, data.y, data.weights)], [validation]
        trained, held_back = (Reduction.of(part, features, device=device, pause=pause) for part in parts)
        return Reductions(trained, held_back, Reduction.of_nothing(features), data.scaler)

    return reduce
