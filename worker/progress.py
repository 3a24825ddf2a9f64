"""How far a run is: the columns of its job that grow with every epoch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from service.store.tables import Job
from slope.records import EpochRecord, numbers_of


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

    def after(self, block: Sequence[EpochRecord]) -> Self:
        """The progress some epochs later: at least one."""
        last, losses = block[-1], numbers_of(block, "loss")
        known = [] if self.loss_best is None else [self.loss_best]
        return replace(
            self,
            epochs_done=last.epoch + 1,
            seconds=self.seconds + sum(numbers_of(block, "seconds")),
            loss_first=losses[0] if self.loss_first is None else self.loss_first,
            loss_last=last.loss,
            loss_best=min([*known, *losses]),
            loss_validation=last.validation_loss,
            weights=last.parameters.weights,
            bias=last.parameters.bias,
        )
