"""A look at every row of a job that has ended, for its statistics."""

from typing import Any
from uuid import UUID, uuid4

import structlog

from service.errors import ClientGone, LeaseLost, ServiceError
from service.statistics.passes import RowPasses, needs_solution
from service.statistics.training_rows import TrainingRows, finished_job
from service.store.leases.passes import PassLease, claim_pass
from slope.calling_off import called_off_when
from slope.spec.names import counted
from worker.heartbeat import Heartbeat
from worker.process import Process, ProcessStopping, retry_while_away

log = structlog.get_logger()


def run_passes(process: Process, lease: PassLease) -> None:
    """Make a pass, and then the others of its job that nobody makes."""
    following: PassLease | None = lease
    while following and not process.stopping.is_set():
        _run_pass(process, following)
        following = retry_while_away(lambda: _claim(process, lease.job_id, uuid4()), process.stopping)


def _claim(process: Process, job_id: UUID, token: UUID) -> PassLease | None:
    with process.database.writing() as session:
        lease = claim_pass(session, job_id, token, process.claimant)
        session.commit()
    return lease


def _run_pass(process: Process, lease: PassLease) -> None:
    """Keep what it finds or why it failed. What has become another's is left alone."""
    names = {"job_id": str(lease.job_id), "row_pass": lease.name}
    with (
        structlog.contextvars.bound_contextvars(**names),
        Heartbeat(process.database, process.settings, lease, process.stopping) as heartbeat,
    ):
        try:
            _run(process, lease, heartbeat)
        except LeaseLost:
            log.warning("the pass is another's now")
        except ProcessStopping:
            log.warning("ended without a record: the database is away")


def _run(process: Process, lease: PassLease, heartbeat: Heartbeat) -> None:
    if lease.attempt > process.settings.max_crashes:
        detail = f"{counted(lease.attempt - 1, 'worker')} died while they looked at the rows"
        return process.write_when_possible(lambda session: lease.fail(session, "worker-lost", detail))
    try:
        with called_off_when(lambda: heartbeat.stop_reason is not None):
            found = retry_while_away(lambda: _find(process, lease), process.stopping)
    except ClientGone as error:
        if heartbeat.stop_reason != "stopping":
            raise LeaseLost from error
        return process.write_when_possible(lease.put_back)
    except (LeaseLost, ProcessStopping):
        raise
    except ServiceError as error:
        kind, detail = error.type, error.detail
        return process.write_when_possible(lambda session: lease.fail(session, kind, detail))
    except Exception as error:
        log.exception("the pass failed")
        sentence = f"{type(error).__name__}: {error}"
        return process.write_when_possible(lambda session: lease.fail(session, "internal-error", sentence))
    return process.write_when_possible(lambda session: lease.finish(session, found))


def _find(process: Process, lease: PassLease) -> dict[str, Any]:
    """Raises StorageUnavailable and what a pass does."""
    with process.database.reading() as session:
        rows = TrainingRows.of(session, finished_job(session, lease.job_id))
    passes = RowPasses.for_worker(process.database, process.storage, process.queue, process.settings, rows)
    return passes.make(lease.name, passes.solution() if needs_solution(lease.name) else None)
