"""An attempt at a job, in this process."""

from collections.abc import Callable
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7
from workbench import FakeQueue, claim

from service.settings import Settings
from service.store.database import Database
from service.store.leases.leases import JobLease
from worker.attempt import run_attempt
from worker.devices import Device
from worker.process import Process


@pytest.fixture
def run(settings: Settings, database: Database) -> Callable[..., JobLease]:
    """One attempt at a job by a worker of its own, with these settings."""

    def run(job_id: UUID, stopping: Event | None = None, **different: Any) -> JobLease:
        chosen = settings.model_copy(update=different)
        process = Process(chosen, database, [Device("cpu", "the test's")], uuid7(), FakeQueue(), stopping or Event())
        mine = claim(database, job_id, worker_id=process.worker_id)
        assert mine
        run_attempt(process, mine)
        return mine

    return run
