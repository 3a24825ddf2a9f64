"""Stopping when the loss no longer falls, and the best parameters so far."""

import math
from typing import Any, Self

from slope.model import Parameters
from slope.records import EpochRecord
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

    def judge(self, record: EpochRecord) -> None:
        """Compare an epoch with the best so far."""
        loss = record.loss if record.validation_loss is None else record.validation_loss
        if loss < self._loss - self._min_delta:
            self._loss, self._waited, self.best = loss, 0, record.parameters
        else:
            self._waited += 1

    def state(self) -> dict[str, Any]:
        """What has to be kept to go on judging: plain numbers."""
        return {"loss": self._loss, "waited": self._waited, "best": None if self.best is None else tuple(self.best)}

    def restore(self, state: dict[str, Any]) -> None:
        self._loss, self._waited = state["loss"], state["waited"]
        self.best = Parameters(*state["best"]) if state["best"] else None
