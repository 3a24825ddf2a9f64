"""What a fault is done to, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from faults.stage import Stage
from faults.work import Damage, Json

Make = Callable[[], Json]


@dataclass(frozen=True)
class Trial:
    """What one fault has done: to the records, and for how long nothing was recorded."""

    damage: Damage
    recovery: float | None = None
    """Seconds from the fault to the next recorded epoch; None where the job had no more to record."""
    figures: dict[str, float] = field(default_factory=dict)
    """What else was measured."""


Fault = Callable[[Stage, Make], Trial]
