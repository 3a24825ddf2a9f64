"""Small jobs, or small groups, that a process claimed together: what becomes of all of them when it dies."""

from collections import defaultdict
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic
from typing import TypeVar
from uuid import UUID

import psutil
from e2e.processes import until
from sqlalchemy import select

from faults import work
from faults.stage import Stage, kill
from faults.trial import Make, Trial
from faults.work import Damage, Remains
from service.store.tables import Job

Posted = TypeVar("Posted")

_CROWD = 40
"""Jobs that are posted faster than two processes train them: those that wait are claimed together."""
_SWEEPS = 6
"""The same of sweeps, each of several groups."""


def training_process_killed_with_a_batch(stage: Stage, make: Make) -> Trial:
    """Before the first of its jobs has trained, between two, or in the transaction that ends them all."""
    stage.reference(work.small)
    with ThreadPoolExecutor(8) as clients:
        process, batch, posted = _stopped_in(stage, lambda: clients.submit(stage.submit, work.small()), _CROWD)
        kill(process)
        started = monotonic()
        job_ids = [each.result() for each in posted]
    until(lambda: any(work.recorded(stage.database, job_id) for job_id in batch), 120)
    recovery = monotonic() - started
    return Trial(sum((stage.inspect(job_id, work.small) for job_id in job_ids), Damage()), recovery)


def training_process_killed_with_groups(stage: Stage, make: Make) -> Trial:
    """Before the first of the groups has trained, between two, or in the transaction that ends their jobs."""
    expected = [_remains(stage, job_id) for job_id in stage.submit_sweep(work.sweep())]
    with ThreadPoolExecutor(_SWEEPS) as clients:
        process, batch, posted = _stopped_in(stage, lambda: clients.submit(stage.submit_sweep, work.sweep()), _SWEEPS)
        kill(process)
        started = monotonic()
        sweeps = [each.result() for each in posted]
    until(lambda: any(work.recorded(stage.database, job_id) for job_id in batch), 120)
    recovery = monotonic() - started
    compared = [pair for job_ids in sweeps for pair in zip(job_ids, expected, strict=True)]
    return Trial(sum((stage.compare(job_id, remains) for job_id, remains in compared), Damage()), recovery)


def _stopped_in(
    stage: Stage, post: Callable[[], Future[Posted]], crowd: int
) -> tuple[psutil.Process, Collection[UUID], list[Future[Posted]]]:
    """A process that was stopped with several in its hands, those, and all that was posted until then.

    A crowd may be through before anyone looks: then another is posted.
    """
    posted: list[Future[Posted]] = []

    def stopped() -> tuple[psutil.Process, Collection[UUID]] | None:
        if all(each.done() for each in posted):
            posted.extend(post() for _ in range(crowd))
        return _stopped_with_several(stage)

    process, batch = until(stopped)
    return process, batch, posted


def _remains(stage: Stage, job_id: UUID) -> Remains:
    stage.wait(job_id)
    return Remains.of(stage.database, job_id)


def _stopped_with_several(stage: Stage) -> tuple[psutil.Process, Collection[UUID]] | None:
    """A process that stands still, at a random moment, with several jobs or groups in its hands; one job of each."""
    for process_id, seen in _in_hand(stage).items():
        if len(seen) > 1:
            stage.pause(0.02)  # about as long as a batch takes
            process = psutil.Process(process_id)
            process.suspend()
            if len(left := _in_hand(stage)[process_id]) > 1:
                return process, left.values()
            process.resume()
    return None


def _in_hand(stage: Stage) -> dict[int, dict[UUID, UUID]]:
    """What each process runs, by group or by job."""
    running = select(Job.process_id, Job.group_id, Job.id).where(Job.status == "running")
    found: dict[int, dict[UUID, UUID]] = defaultdict(dict)
    with stage.database.reading() as session:
        for process_id, group_id, job_id in session.execute(running):
            found[process_id][group_id or job_id] = job_id
    return found
