"""One model of a fused group, run again without the others and to the same bits."""

from collections.abc import Callable, Iterator

import numpy as np

from slope.data import TrainingData
from slope.engines.fused import Fused
from slope.engines.rounds import Round
from slope.model import Parameters
from slope.records import StepRecord
from slope.spec import TrainingSpec


class FusedMember:
    """The model at a place of a group. The other places are empty: what they hold makes no difference to it."""

    def __init__(
        self,
        data: TrainingData,
        spec: TrainingSpec,
        place: int,
        width: int,
        *,
        pause: Callable[[], None] = lambda: None,
    ) -> None:
        self._place = place
        self._group = Fused(data, {place: spec}, width, keeps_steps=False, pause=pause)

    def blocks(self, until: int) -> Iterator[Round]:
        """Train on to an epoch."""
        if self._group.epoch >= until:
            return
        for found in self._group.epochs():
            yield found
            if self._group.epoch >= until:
                return

    def replayed(self, steps: range) -> Iterator[StepRecord]:
        """Some steps of the epoch to be trained next, all finite; the run cannot go on afterwards."""
        return self._group.replayed(self._place, steps)

    def restore(self, state: bytes) -> None:
        """Stand where the group stood when this state of the model was taken."""
        self._group.restore({self._place: np.frombuffer(state)})

    @property
    def parameters(self) -> Parameters:
        return self._group.parameters(self._place)
