"""Finding what got lost: jobs whose worker is gone, and bells that nobody heard."""

from collections.abc import Iterable
from itertools import groupby, takewhile
from operator import attrgetter
from uuid import UUID

import structlog

from service.queue import Queue
from service.store import jobs, leases
from service.store.database import Database
from service.store.jobs import Unheard
from service.store.leases import Held

SILENT_SECONDS = 3.0
"""A bell that was rung this long ago, and is in no queue, has been lost."""
_MOST_BELLS = 1000

log = structlog.get_logger()


def expired(database: Database) -> list[Held]:
    """Running jobs whose lease has run out."""
    with database.reading() as session:
        return leases.expired(session)


def release(database: Database, lost: Iterable[Held], *, max_crashes: int) -> list[UUID]:
    """Take jobs from attempts that died, and tell which: of several reapers that try, one does it."""
    released = []
    by_token = attrgetter("claim.token")
    for _, together in groupby(sorted(lost, key=by_token), by_token):  # a group goes back as one, or not at all
        with database.writing() as session:
            group = list(together)
            leases.end_transactions(session, group[0])  # one process holds them all
            taken = [held for held in group if leases.release_lost(session, held, max_crashes)]
            session.commit()
        for held in taken:
            log.warning("took a job from a lost worker", job_id=str(held.claim.job_id))
            released.append(held.claim.job_id)
    return released


def ring_again(database: Database, queue: Queue) -> list[UUID]:
    """Ring for queued jobs that nobody has heard of, and for those whose bell is in no queue any more."""
    with database.reading() as session:
        unheard = jobs.unheard(session, silent_seconds=SILENT_SECONDS, limit=_MOST_BELLS)
    waiting = {device: queue.waiting(device) for device in {job.device for job in unheard if job.rung_before}}
    lost = [job for job in unheard if not job.rung_before or waiting[job.device] == 0]
    return _ring(database, queue, lost)


def _ring(database: Database, queue: Queue, unheard: list[Unheard]) -> list[UUID]:
    heard = takewhile(lambda job: queue.ring(job.job_id, job.device), unheard)  # one refusal, and the rest can wait
    rung = [job.job_id for job in heard]
    if rung:
        with database.writing() as session:
            jobs.note_ring(session, rung, heard=True)
            session.commit()
    return rung
