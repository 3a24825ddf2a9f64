"""Finding what got lost: jobs whose worker is gone, and bells that nobody heard."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby, takewhile
from math import inf
from operator import attrgetter
from time import monotonic, sleep
from uuid import UUID

import structlog

from service.queue import Queue
from service.store.database import Database
from service.store.jobs import bells
from service.store.jobs.bells import Unheard
from service.store.leases import lost_leases, passes
from service.store.leases.lost_leases import RunningJob
from service.store.leases.passes import BELL as PASS_BELL

SILENT_SECONDS = 3.0
"""A bell that was rung this long ago, and is in no queue, has been lost."""
_MOST_BELLS = 1000

log = structlog.get_logger()


class Contact:
    """Whether the database has answered without a break for a whole lease. Only then may others be judged by it.

    Whoever was cut off from it, or stood still, finds that the leases of healthy workers have run out, for these were
    cut off as well. They get a lease's time to give a sign of life again.
    """

    def __init__(self, lease_seconds: float, *, is_trusted: bool) -> None:
        """`is_trusted`: it counts as unbroken while nothing else is known."""
        self._lease_seconds = lease_seconds
        self._answered_at = inf if is_trusted else -inf
        self._unbroken_since = -inf if is_trusted else inf

    @property
    def longest_pause(self) -> float:
        """Seconds between two questions to the database that are few enough to notice every break that counts."""
        return self._lease_seconds / 4

    @property
    def is_unbroken(self) -> bool:
        return self._answered_at - self._unbroken_since >= self._lease_seconds

    def lose(self) -> None:
        """Note that the database has not answered."""
        self._answered_at = -inf

    def note_answer(self) -> None:
        """Note that the database has answered just now. An answer that was long in coming is a break."""
        moment = monotonic()
        if moment - self._answered_at > self._lease_seconds / 2:
            self._unbroken_since = moment
        self._answered_at = moment


def release_expired(database: Database, contact: Contact, *, max_crashes: int) -> list[UUID]:
    """Take the jobs whose lease has run out, and return which. None while the contact was too short to judge."""
    lost = _expired_jobs(database)
    contact.note_answer()
    return release_jobs(database, lost, max_crashes=max_crashes, contact=contact) if contact.is_unbroken else []


def watch_and_release(database: Database, contact: Contact, *, max_crashes: int) -> list[UUID]:
    """The same, but wait until the contact was long enough, if any lease has run out."""
    while _expired_jobs(database):
        released = release_expired(database, contact, max_crashes=max_crashes)
        if contact.is_unbroken:
            return released
        sleep(contact.longest_pause)
    return []


def release_jobs(
    database: Database, lost: Iterable[RunningJob], *, max_crashes: int, contact: Contact | None = None
) -> list[UUID]:
    """Take jobs from attempts that died, and return which: of several reapers that try, one does it.

    With a contact, none is taken any more when that has broken in the meantime. Of jobs or groups that one process was
    to train one after another, claimed together or between others, nobody knows which was under way: the crash counts
    against none of them, and next time each trains alone, so that a deadly one is given up all the same.
    """
    lost, released = list(lost), list[UUID]()
    parts = defaultdict[tuple[UUID, int], set[UUID]](set)
    for job in lost:
        parts[job.worker_id, job.process_id].add(job.group_id or job.lease.job_id)
    by_token = attrgetter("lease.token")
    for _, together in groupby(sorted(lost, key=by_token), by_token):  # a group goes back as one, or not at all
        with database.writing() as session:
            if contact and not _is_still_unbroken(contact):
                return released
            batch = list(together)
            lost_leases.end_transactions(session, batch[0])  # one process trains them all
            counts = len(parts[batch[0].worker_id, batch[0].process_id]) == 1
            taken = [
                job.lease.job_id for job in batch if lost_leases.release_lost(session, job, max_crashes, counts=counts)
            ]
            session.commit()
        for job_id in taken:
            log.warning("took a job from a lost worker", job_id=str(job_id))
        released += taken
    return released


def _expired_jobs(database: Database) -> list[RunningJob]:
    with database.reading() as session:
        return lost_leases.expired_jobs(session)


def _is_still_unbroken(contact: Contact) -> bool:
    """Asked when a transaction has begun: leases are compared with the moment of its begin, however long it takes."""
    contact.note_answer()
    return contact.is_unbroken


def ring_again(database: Database, queue: Queue) -> list[UUID]:
    """Ring for queued jobs that nobody has heard of, and for those whose bell is in no queue any more."""
    with database.reading() as session:
        unheard = bells.unheard_jobs(session, silent_seconds=SILENT_SECONDS, limit=_MOST_BELLS)
    waiting = {device: queue.waiting(device) for device in {job.device for job in unheard if job.rung_before}}
    lost = [job for job in unheard if not job.rung_before or waiting[job.device] == 0]
    return _ring(database, queue, lost)


def ring_for_passes(database: Database, queue: Queue) -> list[UUID]:
    """Ring for looks at rows that nobody takes: their bell was lost, or whoever took them is gone."""
    with database.reading() as session:
        asked = passes.open_passes(session, limit=_MOST_BELLS, silent_seconds=SILENT_SECONDS)
    if not asked or queue.waiting(PASS_BELL):
        return []
    rung = list(takewhile(lambda job_id: queue.ring(job_id, PASS_BELL), asked))
    with database.writing() as session:
        passes.note_rings(session, rung)
        session.commit()
    return rung


def _ring(database: Database, queue: Queue, unheard: list[Unheard]) -> list[UUID]:
    heard = takewhile(lambda job: queue.ring(job.job_id, job.device), unheard)  # one refusal, and the rest can wait
    rung = [job.job_id for job in heard]
    if rung:
        with database.writing() as session:
            bells.note_ring(session, rung, heard=True)
            session.commit()
    return rung
