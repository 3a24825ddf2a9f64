"""Backups that are taken while something breaks: right to the bit, or clearly none, and then the next one is."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import sleep
from uuid import UUID, uuid4

from sqlalchemy import select

from faults import work
from faults.stage import Stage
from faults.trial import Fault, Make, Trial
from faults.work import Damage, Remains
from service.errors import NotDone, ServiceError
from service.storage import Folder, storage_at
from service.store.database import Database
from service.store.tables import Job
from service.upkeep.copies.backup import make_backup
from service.upkeep.copies.manifest import Manifest
from service.upkeep.copies.restore import restore_backup

_SECONDS = 0.4
"""For so long a backup stays where it is, in the middle of its transaction: until the fault has come."""
_MOST_COMPARED = 5
"""The newest jobs."""


class Copy:
    """A backup that begins when a fault is about to come."""

    def __init__(self, stage: Stage, threads: ThreadPoolExecutor) -> None:
        self._stage = stage
        self._threads = threads
        self._place = new_place(stage)
        self._begun: Future[Manifest] | None = None
        self._accepted: set[UUID] = set()

    def begin(self) -> None:
        """Where a fault comes in several parts, at the first of them."""
        if self._begun is None:
            self._accepted = job_ids(self._stage.database)
            self._begun = self._threads.submit(_make, self._stage, self._place)

    def damage(self) -> Damage:
        """Of what is restored from it, or from the next one where it came to nothing."""
        assert self._begun, "no fault was about to come"
        try:
            self._begun.result()
        except ServiceError:  # the database was away
            with restored(self._stage, self._place) as nothing:
                assert nothing is None, "what has no manifest was restored"
            self._place = new_place(self._stage)
            _make(self._stage, self._place)
        return restored_damage(self._stage, self._place, self._accepted)


def with_backup(fault: Fault) -> Fault:
    """The same fault while a backup is taken."""

    def both(stage: Stage, make: Make) -> Trial:
        with ThreadPoolExecutor(1) as threads:
            copy = Copy(stage, threads)
            stage.before_faults.insert(0, copy.begin)  # what comes after it may wait for what is broken
            try:
                trial = fault(stage, make)
            finally:
                stage.before_faults.remove(copy.begin)
            return replace(trial, damage=trial.damage + copy.damage())

    return both


def new_place(stage: Stage) -> Path:
    return stage.folder / f"backup-{uuid4()}"


def job_ids(database: Database) -> set[UUID]:
    with database.reading() as session:
        return set(session.scalars(select(Job.id)))


def restored_damage(stage: Stage, place: Path, accepted: set[UUID]) -> Damage:
    """Restore it, and compare the newest jobs: each is there as it was at some moment, and has gone on from that."""
    with restored(stage, place) as database:
        assert database, "the backup is none"
        there = job_ids(database) & job_ids(stage.database)
        lost = len(accepted & job_ids(stage.database) - there)
        newest = sorted(there, reverse=True)[:_MOST_COMPARED]
        return sum((_damage(stage, database, job_id) for job_id in newest), Damage(lost=lost))


@contextmanager
def restored(stage: Stage, place: Path) -> Iterator[Database | None]:
    """The database that is made of a backup; None where the backup is refused."""
    folder = place.with_name(f"{place.name}-restored")
    folder.mkdir()
    database = Database(f"sqlite:///{folder}/slope.db")
    try:
        restore_backup(database, Folder(folder / "objects"), Folder(place))
        yield database
    except NotDone:
        yield None
    finally:
        database.dispose()


def _damage(stage: Stage, database: Database, job_id: UUID) -> Damage:
    done = work.row(database, job_id).epochs_done
    found, living = (Remains.of(each, job_id) for each in (database, stage.database))
    return work.rows_damage(found, living.upto(done)) + work.events_damage(database, job_id)


def _make(stage: Stage, place: Path) -> Manifest:
    def linger(said: str) -> None:
        if said == "Copying epochs":
            sleep(_SECONDS)

    storage = storage_at(stage.environment["SLOPE_STORAGE_URL"])
    return make_backup(stage.database, storage, Folder(place), linger)
