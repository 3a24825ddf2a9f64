"""Letting go of what is old: jobs that have ended, with all their records, and datasets that nobody uses.

What somebody has named stays: jobs with an alias, the sweeps they are of, and datasets with a name.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from time import monotonic, sleep
from uuid import UUID

import structlog

from service.data import numbers
from service.storage import Storage
from service.store import datasets, retention
from service.store.database import Database, now
from service.store.jobs import jobs
from service.store.tables import Job
from slope.statuses import FINAL

_MOST_JOBS, _MOST_RECORDS = 50, 5_000
"""Of one transaction: it takes some hundredths of a second, and the next begins after as long a pause."""
_LOOKED_UP = 500

log = structlog.get_logger()


@dataclass(frozen=True)
class Pruned:
    """How much has gone, or would go."""

    jobs: int
    records: int
    """Epochs and steps of these jobs."""
    datasets: int
    """Those that had been uploaded; what came with jobs goes with them."""


def find_prunable(database: Database, age: timedelta, statuses: Sequence[str] = FINAL) -> Pruned:
    """What `prune` would delete."""
    found = records = 0
    last: UUID | None = None
    with database.reading() as session:
        before = now(session) - age
        while some := retention.ended_jobs(session, before, statuses, after=last, limit=_LOOKED_UP):
            found, records, last = found + len(some), records + retention.count_records(session, some), some[-1]
        return Pruned(found, records, len(retention.unused_datasets(session, before)))


def prune(
    database: Database,
    storage: Storage,
    age: timedelta,
    statuses: Sequence[str] = FINAL,
    is_ending: Callable[[], bool] = lambda: False,
) -> Pruned:
    """Delete jobs that ended this long ago, and datasets that are as old and that nobody uses any more.

    Where this process ends meanwhile, it stops after the transaction that is under way.
    """
    found = records = 0
    last: UUID | None = None
    with database.reading() as session:
        before = now(session) - age
    while not is_ending() and (some := _ended_jobs(database, before, statuses, last)):
        waiting, last = deque(some), some[-1]
        while waiting and not is_ending():
            started = monotonic()
            gone, deleted = _delete_some(database, storage, waiting)
            found, records = found + gone, records + deleted
            sleep(monotonic() - started)  # SQLite gives the next turn to whoever asks at the right moment
    _delete_sweeps(database, before)
    pruned = Pruned(found, records, _delete_datasets(database, storage, before))
    log.info("pruned", jobs=pruned.jobs, records=pruned.records, datasets=pruned.datasets)
    return pruned


def _ended_jobs(database: Database, before: datetime, statuses: Sequence[str], last: UUID | None) -> list[UUID]:
    with database.reading() as session:
        return retention.ended_jobs(session, before, statuses, after=last, limit=_LOOKED_UP)


def _delete_some(database: Database, storage: Storage, waiting: deque[UUID]) -> tuple[int, int]:
    """Delete some of the jobs that wait, or some records of the first. How many jobs and records they were.

    A job with many records loses them first, in several transactions.
    """
    chosen, left, emptied = list(islice(waiting, _MOST_JOBS)), _MOST_RECORDS, list[UUID]()
    with database.writing() as session:
        jobs.lock_jobs(session, Job.id.in_(chosen))
        unnamed = retention.unnamed_jobs(session, chosen)
        for job_id in chosen:
            left -= retention.remove_records(session, job_id, left) if job_id in unnamed else 0
            if left <= 0:
                break
            emptied.append(waiting.popleft())
        learnt_from = jobs.remove_jobs(session, emptied)
        removed = datasets.remove_inline(session, set(learnt_from))
        session.commit()
    for each in removed:
        numbers.release_numbers(database, storage, each)
    return len(learnt_from), _MOST_RECORDS - left


def _delete_sweeps(database: Database, before: datetime) -> None:
    with database.writing() as session:
        if empty := retention.empty_sweeps(session, before):
            retention.remove_sweeps(session, empty)
            session.commit()


def _delete_datasets(database: Database, storage: Storage, before: datetime) -> int:
    with database.reading() as session:
        unused = retention.unused_datasets(session, before)
    deleted = 0
    for dataset_id in unused:
        with database.writing() as session:
            removed = datasets.remove_dataset(session, dataset_id)
            session.commit()
        if removed:
            numbers.release_numbers(database, storage, removed)
            deleted += 1
    return deleted
