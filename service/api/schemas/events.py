"""Answers about what happened to a job."""

from datetime import datetime

from pydantic import Field

from service.api.schemas.view import View
from service.store.tables import Event


class EventView(View):
    seq: int
    kind: str = Field(examples=["status"])
    level: str
    """`info`, `warning` or `error`."""
    code: str | None
    """What kind of warning, for programs."""
    at: datetime
    epochs_done: int
    """How many epochs the job had behind it."""
    status: str | None
    detail: str | None

    @classmethod
    def of(cls, row: Event) -> "EventView":
        return cls.model_validate(row)
