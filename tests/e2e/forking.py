"""A worker's main process that looks around without a pause while children are born, each of which writes at once."""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from service.store import schema, workers
from worker.process import Process, current_process
from worker.upkeep.broker_monitor import BrokerMonitor
from worker.upkeep.reaper import Reaper

_CHILDREN = 30


class Silence:
    """A queue that nobody hears."""

    def ring(self, job_id: UUID, device: str) -> bool:
        return False

    def ring_slots(self, job_ids: Sequence[UUID], device: str, slots: int) -> bool:
        return False

    def is_reachable(self) -> bool:
        return False

    def waiting(self, device: str) -> int:
        return 0


def main() -> None:
    parent = current_process()
    schema.upgrade_schema(parent.database)
    parent.database.dispose()
    process = replace(parent, queue=Silence())
    monitor = BrokerMonitor(process, lambda: False)
    reaper = Reaper(process, slots=1, monitor=monitor)
    reaper.run_once()
    for each in (reaper, monitor):
        each.start()
    for _ in range(_CHILDREN):
        if (child := os.fork()) == 0:
            os._exit(_write())
        _, status = os.waitpid(child, 0)
        if status:
            sys.exit("a child could not write")
    os._exit(0)


def _write() -> int:
    """What a child does when it is born and has a job."""
    current_process.cache_clear()
    process: Process = current_process()
    with process.database.writing() as session:
        known = workers.touch_worker(session, process.worker_id)
        session.commit()
    return 0 if known else 1


main()
