"""A run: parameters that are trained epoch by epoch, left after any of them, and taken up again bit for bit.

Early stopping watches it: it ends when the loss no longer falls, and keeps the best parameters so far.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from typing import Any, Self

from slope.model import Parameters
from slope.records import EpochRecord, StepRecord, numbers_of
from slope.spec import TrainingSpec


class Interrupted(Exception):
    """The caller asked the run to stop. An epoch that had begun left no record."""


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


class Run(ABC):
    """What all engines have in common. How epochs are trained, and in how large blocks, is theirs."""

    def __init__(
        self,
        spec: TrainingSpec,
        *,
        keeps_steps: bool = True,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        """`keeps_steps` says whether the steps are recorded of the epochs that are.

        `interrupted` is asked before every block of epochs, and by the engine within a long one.
        """
        self.spec = spec
        self._epoch = 0
        self._keeps_steps = keeps_steps
        self._interrupted = interrupted
        self._patience = Patience.of(spec)

    def epochs(self, until: int | None = None) -> Iterator[EpochRecord]:
        """The same one by one. The run may be ahead of the record: it stands at the end of a block."""
        for block in self.blocks(until):
            yield from block

    def blocks(self, until: int | None = None) -> Iterator[Sequence[EpochRecord]]:
        """Train on from where the run stands, some epochs at a time, as many as take some hundredths of a second.

        Raises Diverged, and Interrupted when asked to stop.
        """
        end = self.spec.epochs if until is None else until
        while self._epoch < end and not self.stopped_early:
            self._pause()
            block = self._train(end)
            self._epoch += len(block)
            if self._patience:
                self._patience.judge(block)
            yield block

    @abstractmethod
    def replayed(self, steps: range) -> Iterator[StepRecord]:
        """Some steps of the epoch to be trained next, all of them finite; the run cannot go on afterwards."""

    @abstractmethod
    def _train(self, end: int) -> Sequence[EpochRecord]:
        """Train at least one epoch, and none from `end` on, nor after the one at which the run stops early."""

    def _keeps_steps_of(self, epoch: int) -> bool:
        return self._keeps_steps and self.spec.keeps_epoch(epoch)

    def _pause(self) -> None:
        """Raise Interrupted where the caller asks to stop. An engine calls it within an epoch that may be long."""
        if self._interrupted():
            raise Interrupted

    @property
    def epoch(self) -> int:
        """The epoch to be trained next."""
        return self._epoch

    @property
    def stopped_early(self) -> bool:
        return self._patience is not None and self._patience.exhausted

    @property
    @abstractmethod
    def parameters(self) -> Parameters:
        """The parameters as they stand."""

    @property
    def result(self) -> Parameters:
        """The parameters to predict with: the best where early stopping watches, otherwise the last."""
        best = self._patience.best if self._patience else None
        return best or self.parameters

    @abstractmethod
    def checkpoint(self) -> bytes:
        """All that the rest of the run depends on besides data and spec. Only between two blocks."""

    @abstractmethod
    def restore(self, checkpoint: bytes) -> None:
        """Stand where the run stood when the checkpoint was taken."""
