"""One model of a fused group, run again without the others and to the same bits."""

from collections.abc import Callable, Iterator

import numpy as np

from slope.data import TrainingData
from slope.engines.groups.fused import Fused
from slope.engines.groups.rounds import Round
from slope.engines.reduction.reduced import Reductions
from slope.model import Parameters
from slope.records import StepRecord
from slope.spec import TrainingSpec


class FusedMember:
    """A model of a group, whatever its place was: neither that nor the others make a difference to it."""

    def __init__(
        self,
        data: TrainingData,
        spec: TrainingSpec,
        *,
        reductions: Reductions | None = None,
        pause: Callable[[], None] = lambda: None,
    ) -> None:
        self._group = Fused(data, {0: spec}, 1, keeps_steps=False, pause=pause, reductions=reductions)

    def blocks(self, until: int) -> Iterator[Round]:
        """Train on to an epoch."""
        return self._group.epochs(until)

    def replayed(self, steps: range) -> Iterator[StepRecord]:
        """Some steps of the epoch to be trained next, all finite; the run cannot go on afterwards."""
        return self._group.replayed(0, steps)

    def restore(self, state: bytes) -> None:
        """Stand where the group stood when this state of the model was taken."""
        self._group.restore({0: np.frombuffer(state)})

    @property
    def parameters(self) -> Parameters:
        return self._group.parameters(0)
