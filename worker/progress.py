"""How far a run is: the columns of its job that grow with every epoch."""

from dataclasses import dataclass, replace
from typing import Self

from service.store.tables import Job
from slope.records import EpochRecord


@dataclass(frozen=True)
class Progress:
    """Named as the columns are. Losses are the means of an epoch's steps; parameters are as trained."""

    epochs_done: int = 0
    seconds: float = 0.0
    loss_first: float | None = None
    loss_last: float | None = None
    loss_best: float | None = None
    loss_validation: float | None = None
    weights: list[float] | None = None
    bias: float | None = None

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls(**{name: getattr(job, name) for name in cls.__dataclass_fields__})

    def after(self, record: EpochRecord) -> Self:
        """The progress one epoch later."""
        return replace(
            self,
            epochs_done=record.epoch + 1,
            seconds=self.seconds + record.seconds,
            loss_first=record.loss if self.loss_first is None else self.loss_first,
            loss_last=record.loss,
            loss_best=record.loss if self.loss_best is None else min(self.loss_best, record.loss),
            loss_validation=record.validation_loss,
            weights=record.parameters.weights,
            bias=record.parameters.bias,
        )
