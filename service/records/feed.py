"""A job's history as one ordered stream: its events and its epochs, each exactly once."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from sqlalchemy.orm import Session

from service.errors import InvalidRequest
from service.jobs import jobs
from service.store import events
from service.store.records import records
from service.store.tables import Epoch, Event
from slope.spec import Fault

KINDS = ("status", "warning", "epoch")
"""Of the items of a stream."""
_BATCH = 500
_NUMBERS = 100_000
"""Of a batch: fewer epochs where the model is wide, about 2 MB."""


@dataclass(frozen=True)
class Position:
    """A place in the stream: the last epoch and the last event that were read. Both only ever grow."""

    epoch: int = -1
    seq: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """From what `str` made of one. Raises InvalidRequest."""
        epoch, _, seq = text.partition(".")
        if not (epoch.removeprefix("-").isdecimal() and seq.isdecimal() and len(text) <= 40):
            detail = "Last-Event-ID is none that this stream gave"
            raise InvalidRequest(detail, [Fault(detail, "/header/last-event-id")])
        return cls(min(int(epoch), 2**31), min(int(seq), 2**31))

    def __str__(self) -> str:
        return f"{self.epoch}.{self.seq}"

    def after(self, item: Epoch | Event) -> "Position":
        return Position(item.epoch, self.seq) if isinstance(item, Epoch) else Position(self.epoch, item.seq)


@dataclass(frozen=True)
class Batch:
    """What follows a position, and whether anything can still come after it."""

    items: list[Epoch | Event]
    version: int
    is_last: bool
    is_full: bool = False
    """Whether what follows the position is this for ever, whatever happens to the job."""


def next_batch(session: Session, job_id: UUID, position: Position, kinds: Collection[str] = KINDS) -> Batch:
    """The next items of these kinds of the stream, all from one moment of the database."""
    job = jobs.get_outline(session, job_id)
    size = max(1, min(_BATCH, _NUMBERS // records.numbers_of_epoch(job.features)))
    epochs = records.epochs_after(session, job_id, position.epoch, size) if "epoch" in kinds else []
    happened = events.events_after(session, job_id, position.seq, size, kinds=kinds)
    both: list[Epoch | Event] = [*epochs, *happened]
    items = sorted(both, key=_order)
    if len(epochs) == size or len(happened) == size:
        items = items[:size]  # what sorts behind them may not have been read yet
        return Batch(items, job.version, is_last=False, is_full=True)
    return Batch(items, job.version, is_last=job.is_final)


def list_events(
    session: Session,
    job_id: UUID,
    *,
    after: int,
    limit: int,
    kinds: Collection[str] | None = None,
    since: datetime | None = None,
) -> tuple[list[Event], int | None]:
    """Events ascending, without the epochs, and the event after which the next page begins."""
    jobs.get_outline(session, job_id)  # or there is none
    found = events.events_after(session, job_id, after, limit + 1, kinds=kinds, since=since)
    return found[:limit], found[limit - 1].seq if len(found) > limit else None


def _order(item: Epoch | Event) -> tuple[int, int, int]:
    """An event comes after the epochs that were done when it happened, and before the next."""
    return (item.epoch, 1, 0) if isinstance(item, Epoch) else (item.epochs_done, 0, item.seq)
