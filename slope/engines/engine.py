"""What the rest of the house knows of an engine: records come out of it, and it can be left and taken up again."""

from collections.abc import Iterator
from typing import Protocol

from slope.model import Parameters
from slope.records import EpochRecord, StepRecord


class Engine(Protocol):
    """A run of one job. `slope.run.Run` is what the engines of this package have in common."""

    epoch: int
    """The epoch to be trained next."""

    def epochs(self, until: int | None = None) -> Iterator[EpochRecord]:
        """Train on from where the run stands. Raises Diverged, and Interrupted when asked to stop."""
        ...

    def replayed(self, steps: range) -> Iterator[StepRecord]:
        """Some steps of the epoch to be trained next, all of them finite; the run cannot go on afterwards."""
        ...

    def checkpoint(self) -> bytes:
        """All that the rest of the run depends on beside data and spec. Only between two epochs."""
        ...

    def restore(self, checkpoint: bytes) -> None:
        """Stand where the run stood when the checkpoint was taken."""
        ...

    @property
    def parameters(self) -> Parameters:
        """The parameters as they stand."""
        ...

    @property
    def result(self) -> Parameters:
        """The parameters to predict with: the best where early stopping watches, otherwise the last."""
        ...

    @property
    def stopped_early(self) -> bool: ...
