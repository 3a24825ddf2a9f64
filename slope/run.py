"""A run: parameters that are trained epoch by epoch, left after any of them, and taken up again bit for bit."""

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import torch

from slope.early_stopping import Patience
from slope.model import LinearModel, Parameters
from slope.optimizers import build_optimizer, build_scheduler
from slope.records import EpochRecord, StepRecord
from slope.spec import TrainingSpec


class Interrupted(Exception):
    """The caller asked the run to stop. An epoch that had begun left no record."""


class Run(ABC):
    """What all engines have in common: model, optimizer, schedule and patience. How an epoch is trained is theirs."""

    def __init__(
        self,
        model: LinearModel,
        spec: TrainingSpec,
        *,
        keeps_steps: Callable[[int], bool] = lambda epoch: True,
        interrupted: Callable[[], bool] = lambda: False,
        optimizer: torch.optim.Optimizer | None = None,
        steps: int = 1,
    ) -> None:
        """`keeps_steps` says of an epoch whether its steps are recorded; `steps` is how many an epoch has.

        `interrupted` is asked before every epoch, whatever engine trains it, and by the engine within a long one.
        """
        self.spec = spec
        self._epoch = 0
        self._keeps_steps = keeps_steps
        self._interrupted = interrupted
        self._model = model
        self._optimizer = optimizer or build_optimizer(model.learnable, spec)
        self._scheduler = build_scheduler(self._optimizer, spec, steps)
        self._rate_moves_within_epochs = spec.schedule_counts_steps and steps > 1
        self._patience = Patience.of(spec)

    def epochs(self, until: int | None = None) -> Iterator[EpochRecord]:
        """Train on from where the run stands. Raises Diverged, and Interrupted when asked to stop."""
        end = self.spec.epochs if until is None else until
        while self._epoch < end and not self.stopped_early:
            self._pause()
            record = self._train_epoch()
            self._epoch += 1
            if self._scheduler and not self._rate_moves_within_epochs:
                self._scheduler.step()
            if self._patience:
                self._patience.judge(record)
            yield record

    @abstractmethod
    def replayed(self, steps: range) -> Iterator[StepRecord]:
        """Some steps of the epoch to be trained next, all of them finite; the run cannot go on afterwards."""

    @abstractmethod
    def _train_epoch(self) -> EpochRecord: ...

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
    def parameters(self) -> Parameters:
        """The parameters as they stand."""
        return self._model.parameters()

    @property
    def result(self) -> Parameters:
        """The parameters to predict with: the best where early stopping watches, otherwise the last."""
        best = self._patience.best if self._patience else None
        return best or self._model.parameters()

    @property
    def learning_rate(self) -> float:
        """Of the first step of the epoch to be trained next."""
        return float(self._optimizer.param_groups[0]["lr"])

    def checkpoint(self) -> bytes:
        """All that the rest of the run depends on besides data and spec. Only between two epochs."""
        state = {
            "epoch": self.epoch,
            "parameters": [leaf.detach() for leaf in self._model.leaves],
            "gradients": [leaf.grad for leaf in self._model.leaves],
            "optimizer": self._optimizer.state_dict(),
            "scheduler": self._scheduler.state_dict() if self._scheduler else None,
            "patience": self._patience.state() if self._patience else None,
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        return buffer.getvalue()

    def restore(self, checkpoint: bytes) -> None:
        """Stand where the run stood when the checkpoint was taken."""
        device = self._model.weights.device
        state: dict[str, Any] = torch.load(io.BytesIO(checkpoint), weights_only=True, map_location=device)
        self._epoch = state["epoch"]
        with torch.no_grad():
            for leaf, value, gradient in zip(self._model.leaves, state["parameters"], state["gradients"], strict=True):
                leaf.copy_(value)
                leaf.grad = gradient
        self._optimizer.load_state_dict(state["optimizer"])
        if self._scheduler:
            self._scheduler.load_state_dict(state["scheduler"])
        if self._patience:
            self._patience.restore(state["patience"])
