"""Keeps a lease alive while a step is long, and learns whether the work is to stop."""

from collections.abc import Mapping
from contextvars import copy_context
from threading import Event, Lock, Thread
from time import monotonic
from types import TracebackType
from typing import Literal, Self
from uuid import UUID

import structlog

from service.errors import LeaseLost, ServiceError
from service.settings import Settings
from service.store.database import Database
from service.store.events import Wish
from service.store.leases.leases import Lease

StopReason = Literal["cancelled", "paused", "lease lost", "stopping", "out of time"]
_LAST_BEAT_SECONDS = 1.0
"""How long the end of the block waits for a beat that is under way: the database may not answer."""

log = structlog.get_logger()


class Heartbeat:
    """A thread that beats while the block runs.

    While the database is away, the work goes on: the lease may expire, but only the database can give it to another.
    """

    def __init__(self, database: Database, settings: Settings, lease: Lease, stopping: Event) -> None:
        self._database = database
        self._settings = settings
        self._lease = lease
        self._stopping = stopping
        self._is_lost = False
        self._wishes: Mapping[UUID, Wish] = {}
        self._job_id: UUID | None = None
        self._deadline: float | None = None
        self._done = Event()
        self._beating = Lock()
        """Held during a beat: the end of the block waits for that, and not for the thread."""
        context = copy_context()  # so that what is logged here names the job, too
        self._thread = Thread(target=context.run, args=(self._run,), name="heartbeat", daemon=True)

    @property
    def stop_reason(self) -> StopReason | None:
        """Why the work that is under way must end; None while it may go on."""
        if self._is_lost:
            return "lease lost"
        wish = self._wishes.get(self._job_id) if self._job_id else None
        if wish == "cancel":
            return "cancelled"
        if self._deadline is not None and monotonic() > self._deadline:
            return "out of time"
        if self._stopping.is_set():
            return "stopping"
        return "paused" if wish == "pause" else None

    @property
    def wishes(self) -> Mapping[UUID, Wish]:
        """The jobs that are to be cancelled or paused."""
        return self._wishes

    def note_wishes(self, wishes: Mapping[UUID, Wish]) -> None:
        """Take note of jobs that are to be cancelled or paused."""
        if wishes:
            self._wishes = {**self._wishes, **wishes}

    def begin(self, seconds: float | None, job_id: UUID | None = None) -> None:
        """The next work is under way, which has this many seconds; of one job, it ends when that is to stop."""
        self._job_id = job_id
        self._deadline = None if seconds is None else monotonic() + seconds

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        if self._beating.acquire(timeout=_LAST_BEAT_SECONDS):
            self._beating.release()

    def _run(self) -> None:
        while not self._done.wait(self._settings.beat_seconds):
            with self._beating:
                if not self._done.is_set():
                    self._try_to_beat()

    def _try_to_beat(self) -> None:
        try:
            self._beat()
        except LeaseLost:
            self._is_lost = True
        except ServiceError as error:
            log.warning("no sign of life could be given", error=str(error))

    def _beat(self) -> None:
        with self._database.writing() as session:
            wishes = self._lease.beat(session, self._settings.lease_seconds)
            session.commit()
        self.note_wishes(wishes)
