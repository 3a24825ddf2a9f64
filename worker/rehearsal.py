"""A job that is trained and rolled back, so that the first real one finds everything loaded and connected."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from math import inf
from random import random
from typing import Any
from uuid import UUID

import numpy as np
import structlog
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from service.data import numbers
from service.data.new_datasets import ensure_stored, inline_dataset
from service.data.numbers import Arrays
from service.errors import ServiceError
from service.store.database import now
from service.store.jobs import jobs
from service.store.leases.claims import claim_job, find_prospect
from service.store.leases.leases import JobLease
from slope.engines.plan import plan
from slope.spec import TrainingSpec
from slope.spec.data import DEFAULT_TARGET, default_features
from worker.attempt import Loaded
from worker.heartbeat import Heartbeat
from worker.jobs.attempt import JobAttempt
from worker.jobs.batch import Batch
from worker.process import Process

_SPEC = TrainingSpec(epochs=1, learning_rate=0.01)
_ROWS = 2

log = structlog.get_logger()


def rehearse(process: Process) -> None:
    """Claim, train, record and end a job in a transaction that is not committed. An error is left to real jobs.

    No flush is due before the end, however slow this is: another transaction would wait for this one.
    """
    settings = process.settings.model_copy(update={"flush_seconds": inf})
    process = replace(process, settings=settings, is_rehearsing=True)
    own = random()  # of several that rehearse the same content, one would wait for another  # noqa: S311
    rows = inline_dataset(process.storage, Arrays(np.array([[0.0], [own]]), np.array([0.0, 1.0])))
    try:
        with ensure_stored(process.database, rows), process.database.writing() as session, _in_silence():
            _play(session, process, rows.adopt(session))
        numbers.prepare_storage(process.storage)  # the job above has few numbers, and does without
    except ServiceError as error:
        log.info("no rehearsal", error=str(error))


class _Rehearsed(Batch):
    """Writes in the session of the rehearsal."""

    def __init__(self, session: Session, process: Process, lease: JobLease) -> None:
        super().__init__(process, lease)
        self._session = session

    def commit(self, write: Callable[[Session], None]) -> None:
        write(self._session)


def _play(session: Session, process: Process, dataset_id: UUID) -> None:
    row = _job(session, dataset_id)
    jobs.add_job(session, row)
    process.database.query(find_prospect, row["id"], process.claimant)
    lease = claim_job(session, row["id"], process.claimant)
    assert lease  # nobody else has seen it
    loaded, batch = Loaded.of(session, lease, None), _Rehearsed(session, process, lease)
    heartbeat = Heartbeat(process.database, process.settings, lease, process.stopping)
    for _ in batch.turns():
        JobAttempt(process, batch, lease, loaded.jobs[0], heartbeat).train()


@contextmanager
def _in_silence() -> Iterator[None]:
    """Nobody is told of a job that there never was."""
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _job(session: Session, dataset_id: UUID) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "created_at": now(session),
        "dataset_id": dataset_id,
        "features": default_features(1),
        "target": DEFAULT_TARGET,
        "row_weights": None,
        "spec": _SPEC.model_dump(mode="json"),
        "predict": [0.0],
        "device": "cpu",
        "metadata": {},
        "plan": asdict(plan(_SPEC, _ROWS, 1)),
        "status": "queued",
        "epochs": _SPEC.epochs,
    }
