"""Whether the service can do its work."""

from typing import Literal
from uuid import UUID

from slope.answers.view import View

State = Literal["ready", "degraded", "unavailable"]


class Readiness(View):
    status: State
    """`degraded`: jobs are accepted, and run when what is missing is back."""
    database: bool
    """Whether it answers."""
    storage: bool
    """Whether datasets can be kept and read."""
    broker: bool
    """Whether it answers."""
    workers: int
    """How many are alive."""
    without_broker: list[UUID]
    """Those of them that do not hear the broker: they look for jobs in the database, when they are free."""
