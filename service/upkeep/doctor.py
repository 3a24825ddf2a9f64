"""What an operator wants to know: what is wrong, why, and what to do about it."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from service.addresses import without_secrets
from service.errors import DatabaseUnavailable, ServiceError
from service.queue import Queue
from service.settings import Settings, misspelt_settings
from service.storage import storage_at
from service.store import schema, workers
from service.store.connections import condition
from service.store.database import Database, now
from service.store.jobs import bells, jobs
from service.store.leases import lost_leases

_LITTLE_DISK = 1024**3
_SAFE_SQLITE = (3, 51, 3)
_START = "Jobs are accepted and wait: start `slope serve`, or {} where the parts run on their own"


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was looked at. `advice` is None where all is well."""

    subject: str
    finding: str
    advice: str | None = None


def diagnose(settings: Settings, database: Database, queue: Queue) -> Iterator[Diagnosis]:
    """Look at the database, the broker, the workers and the jobs."""
    if database.is_sqlite and not Path(database.url.database or "").exists():  # asking would make an empty file
        advice = "Start `slope serve`, which makes one, or say by --data-dir where it is"
        yield Diagnosis("database", f"is not there: {database.url.database}", advice)
        return
    for name, meant in misspelt_settings().items():
        yield Diagnosis("setting", f"{name} is none, and is ignored", f"Set {meant}, if you mean that")
    try:
        if not database.is_sqlite:
            database.query(condition.refuse_other_encodings)
        if not schema.is_current(database):
            yield Diagnosis("schema", "is not the one this version works with", "Run `slope db upgrade`")
            return
        yield from _examine_database(settings, database)
        yield _examine_storage(settings.storage)
        yield _examine_broker(queue)
        yield _examine_workers(database)
        yield from _examine_jobs(database)
    except DatabaseUnavailable as error:
        yield Diagnosis("database", f"does not answer: {_in_one_line(error)}", error.advice)
    except ServiceError as error:
        finding = f"{error.title.removeprefix('The database ')}: {_in_one_line(error)}"
        yield Diagnosis("database", finding, error.advice)


def _examine_database(settings: Settings, database: Database) -> Iterator[Diagnosis]:
    yield Diagnosis("database", f"answers at {database.url.set(query={}).render_as_string()}")
    if database.is_sqlite:
        yield from _examine_sqlite(database)
        free = shutil.disk_usage(settings.data_dir).free
        advice = "Make room: jobs fail when the disk is full" if free < _LITTLE_DISK else None
        yield Diagnosis("disk", f"has {free / 1024**3:.1f} GiB free", advice)


def _in_one_line(error: object) -> str:
    return " ".join(str(error).split())


def _examine_sqlite(database: Database) -> Iterator[Diagnosis]:
    with database.reading() as session:
        version, damage = condition.examine_sqlite(session)
    is_safe = tuple(map(int, version.split("."))) >= _SAFE_SQLITE
    yield Diagnosis(
        "SQLite",
        f"is version {version}",
        None if is_safe else "Before 3.51.3 two writers can corrupt the file: install pysqlite3, or use PostgreSQL",
    )
    if damage != "ok":
        yield Diagnosis("SQLite", f"finds damage: {damage}", "Restore the file from a copy")


def _examine_storage(url: str) -> Diagnosis:
    try:
        storage_at(url).check()
    except ServiceError as error:
        finding = f"does not answer at {without_secrets(url)}: {_in_one_line(error.__cause__)}"
        return Diagnosis("storage", finding, error.advice)
    return Diagnosis("storage", f"answers at {without_secrets(url)}")


def _examine_broker(queue: Queue) -> Diagnosis:
    if queue.is_reachable():
        return Diagnosis("broker", "answers")
    return Diagnosis("broker", "does not answer", _START.format("the broker that SLOPE_BROKER_URL names"))


def _examine_workers(database: Database) -> Diagnosis:
    with database.reading() as session:
        alive = [worker for worker, is_alive in workers.list_workers(session) if is_alive]
    if not alive:
        return Diagnosis("workers", "none is alive", _START.format("`slope worker`"))
    devices = sorted({device["name"] for worker in alive for device in worker.known_devices})
    deaf = [f"{worker.hostname} ({worker.id})" for worker in alive if not worker.hears_broker]
    if deaf:
        advice = "They look for jobs in the database meanwhile: see why they do not reach the broker"
        return Diagnosis("workers", f"{len(alive)} alive; {', '.join(deaf)} hear no bells", advice)
    return Diagnosis("workers", f"{len(alive)} alive, with {', '.join(devices)}")


def _examine_jobs(database: Database) -> Iterator[Diagnosis]:
    with database.reading() as session:
        counts, moment = jobs.count_by_status(session), now(session)
        devices, expired = workers.live_devices(session), lost_leases.expired_jobs(session)
        waiting = bells.oldest_queued(session)
    yield Diagnosis("jobs", ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) or "none")
    for job in expired:
        advice = "A worker takes it up within seconds; without one, run `slope jobs reap`"
        yield Diagnosis("job", f"{job.lease.job_id} runs, and its worker is gone", advice)
    for device, oldest in waiting.items():
        age = (moment - oldest).total_seconds()
        if device != "auto" and device not in devices:
            yield Diagnosis("job", f"one has waited {age:.0f} s for {device}", f"Start a worker that has {device}")
        elif age > 600:
            yield Diagnosis("job", f"one has waited {age:.0f} s", "Start more workers, or look at their logs")
