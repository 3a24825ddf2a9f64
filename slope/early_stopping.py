"""Stopping when the loss no longer falls, and the best parameters so far."""

import math
from collections.abc import Callable, Sequence
from copy import copy
from typing import Any, Self

from slope.model import Parameters
from slope.records import EpochRecord, numbers_of
from slope.spec import TrainingSpec


class Patience:
    """Watches the validation loss, or the training loss where no rows are held back."""

    def __init__(self, patience: int, min_delta: float) -> None:
        self._patience = patience
        self._min_delta = min_delta
        self._loss = math.inf
        self._waited = 0
        self.best: Parameters | None = None

    @classmethod
    def of(cls, spec: TrainingSpec) -> Self | None:
        rule = spec.early_stopping
        return cls(rule.patience, rule.min_delta) if rule else None

    @property
    def exhausted(self) -> bool:
        return self._waited >= self._patience

    def judge(self, block: Sequence[EpochRecord]) -> None:
        """Compare epochs with the best so far, as long as there is patience left."""
        is_held_back = block[0].validation_loss is not None
        for index, loss in enumerate(numbers_of(block, "validation_loss" if is_held_back else "loss")):
            if self.exhausted:
                return
            self._compare(loss, lambda index=index: block[index].parameters)  # type: ignore[misc]

    def epochs_left(self, losses: Sequence[float]) -> int:
        """How many epochs with these losses would be trained: all, or those up to the one that exhausts it."""
        trial = copy(self)
        for index, loss in enumerate(losses):
            trial._compare(loss, lambda: None)
            if trial.exhausted:
                return index + 1
        return len(losses)

    def _compare(self, loss: float, parameters: Callable[[], Parameters | None]) -> None:
        if loss < self._loss - self._min_delta:
            self._loss, self._waited, self.best = loss, 0, parameters()
        else:
            self._waited += 1

    def state(self) -> dict[str, Any]:
        """What has to be kept to go on judging: plain numbers."""
        return {"loss": self._loss, "waited": self._waited, "best": None if self.best is None else tuple(self.best)}

    def restore(self, state: dict[str, Any]) -> None:
        self._loss, self._waited = state["loss"], state["waited"]
        self.best = Parameters(*state["best"]) if state["best"] else None
