"""What is answered while a worker looks at every row."""

from typing import Literal

from service.api.schemas.view import View
from service.errors import PassUnderway


class UnderwayView(View):
    """The statistics are not there yet: ask again, with `Prefer: wait=60` to be answered when they are."""

    state: Literal["queued", "running"]
    """Whether a worker has taken it."""
    rows: int
    """How many it looks at."""

    @classmethod
    def of(cls, underway: PassUnderway) -> "UnderwayView":
        return cls(state=underway.state, rows=underway.rows)
