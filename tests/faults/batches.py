"""Small jobs that a process claimed together: what becomes of all of them when it dies."""

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from uuid import UUID

import psutil
from e2e.processes import until
from sqlalchemy import select

from faults import work
from faults.stage import Stage, kill
from faults.trial import Make, Trial
from faults.work import Damage
from service.store.tables import Job

_CROWD = 40
"""Jobs that are posted faster than two processes train them: those that wait are claimed together."""


def training_process_killed_with_a_batch(stage: Stage, make: Make) -> Trial:
    """Before the first of its jobs has trained, between two, or in the transaction that ends them all."""
    stage.reference(work.small)
    with ThreadPoolExecutor(8) as clients:
        posted = [clients.submit(stage.submit, work.small()) for _ in range(_CROWD)]
        process, batch = until(lambda: _stopped_with_several(stage))
        kill(process)
        started = monotonic()
        job_ids = [each.result() for each in posted]
    until(lambda: any(work.recorded(stage.database, job_id) for job_id in batch), 120)
    recovery = monotonic() - started
    return Trial(sum((stage.inspect(job_id, work.small) for job_id in job_ids), Damage()), recovery)


def _stopped_with_several(stage: Stage) -> tuple[psutil.Process, Sequence[UUID]] | None:
    """A process that stands still, at a random moment, with several jobs in its hands."""
    for process_id, seen in _in_hand(stage).items():
        if len(seen) > 1:
            stage.pause(0.1)
            process = psutil.Process(process_id)
            process.suspend()
            if len(left := _in_hand(stage)[process_id]) > 1:
                return process, left
            process.resume()
    return None


def _in_hand(stage: Stage) -> dict[int, list[UUID]]:
    """The running jobs of each process."""
    running = select(Job.process_id, Job.id).where(Job.status == "running")
    found: dict[int, list[UUID]] = defaultdict(list)
    with stage.database.reading() as session:
        for process_id, job_id in session.execute(running):
            found[process_id].append(job_id)
    return found
