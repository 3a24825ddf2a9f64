"""A job that is trained and rolled back, so that the first real one finds everything loaded and connected."""

from dataclasses import asdict
from random import random
from typing import Any
from uuid import UUID

import numpy as np
import structlog
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from service.data import datasets, numbers
from service.data.datasets import ensure_stored
from service.data.numbers import Arrays
from service.errors import ServiceError
from service.store import jobs
from service.store.claims import claim_job
from service.store.database import now
from slope.data import prepare
from slope.loop import train_epochs
from slope.spec import TrainingSpec
from slope.spec.data import DEFAULT_TARGET, default_features
from worker.process import Process
from worker.recorder import Progress, write_records

_SPEC = TrainingSpec(epochs=1, learning_rate=0.01)

log = structlog.get_logger()


def rehearse(process: Process) -> None:
    """Claim, train, record and end a job in a transaction that is not committed. An error is left to real jobs."""
    own = random()  # of several that rehearse the same content, one would wait for another  # noqa: S311
    rows = datasets.inline_dataset(process.storage, Arrays(np.array([[0.0], [own]]), np.array([0.0, 1.0])))
    try:
        with ensure_stored(process.database, rows), process.database.writing() as session:
            _play(session, process, rows.adopt(session))
        numbers.prepare_storage(process.storage)  # the job above has few numbers, and does without
    except ServiceError as error:
        log.info("no rehearsal", error=str(error))


def _play(session: Session, process: Process, dataset_id: UUID) -> None:
    row = _job(session, dataset_id)
    jobs.add_job(session, row)
    lease = claim_job(session, row["id"], process.claimant)
    assert lease  # nobody else has seen it
    [claimed] = lease.jobs_to_train(session)
    arrays = numbers.load_job_data(process.storage, claimed)
    [record] = train_epochs(prepare(arrays.x, arrays.y, _SPEC), _SPEC)
    lease.extend(session, process.settings.lease_seconds, **asdict(Progress().after([record])))
    write_records(session, row["id"], [[record]], [record.steps])
    lease.finish(session, "succeeded")


def _job(session: Session, dataset_id: UUID) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "created_at": now(session),
        "dataset_id": dataset_id,
        "features": default_features(1),
        "target": DEFAULT_TARGET,
        "spec": _SPEC.model_dump(mode="json"),
        "predict": [],
        "device": "cpu",
        "metadata": {},
        "plan": {},
        "status": "queued",
        "epochs": _SPEC.epochs,
    }
