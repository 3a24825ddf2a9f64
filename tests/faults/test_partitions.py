"""A reduction that two workers share, with real processes: whichever of them is killed, its rows are not lost."""

import io
from collections.abc import Callable
from uuid import UUID

import httpx2
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import func, select

from faults import work
from faults.stage import Stage, kill
from faults.work import Json, Remains
from service.store.tables import Job, Partition, Worker

ROWS, FEATURES, PARTITIONS = 10_000_000, 9, 11
PIECES = 10


@pytest.fixture(scope="module")
def make(_stage: Stage) -> Callable[[], Json]:
    """A job on a hundred million numbers, which are not many bytes on their way."""
    rows = np.arange(ROWS // PIECES, dtype=float)
    table = pa.table({f"c{place}": (rows * (place + 3)) % (101 + place) for place in range(FEATURES + 1)})
    file = io.BytesIO()
    with pq.ParquetWriter(file, table.schema) as writer:
        for _ in range(PIECES):
            writer.write_table(table)
    answer = httpx2.post(f"{_stage.api.url}/v1/datasets?format=parquet", content=file.getvalue(), timeout=60)
    assert answer.status_code in (200, 201), answer.text
    run = {"engine": "reduced", "epochs": 20, "batch_size": "full", "learning_rate": 1e-5, "validation_fraction": 0.01}
    return lambda: {"dataset": {"id": answer.json()["id"]}, "hyperparameters": run}


def helper(stage: Stage, job_id: UUID) -> psutil.Process | None:
    """The main process of the worker that has a partition of a job which another worker leads."""
    query = (
        select(Worker.process_id)
        .join(Partition, Partition.worker_id == Worker.id)
        .join(Job, Job.id == Partition.job_id)
        .where(Job.id == job_id, Partition.lease_until.is_not(None), Partition.worker_id != Job.worker_id)
    )
    with stage.database.reading() as session:
        process_id = session.scalar(query)
    return psutil.Process(process_id) if process_id else None


def held(stage: Stage, job_id: UUID) -> dict[int, UUID | None]:
    """Which worker has each of the partitions that are taken and not reduced."""
    query = select(Partition.number, Partition.worker_id).where(
        Partition.job_id == job_id, Partition.lease_until.is_not(None)
    )
    with stage.database.reading() as session:
        return {row.number: row.worker_id for row in session.execute(query)}


def workers_of(stage: Stage, job_id: UUID) -> int:
    with stage.database.reading() as session:
        done = Partition.reduced.is_not(None)
        query = select(func.count(Partition.worker_id.distinct())).where(Partition.job_id == job_id, done)
        return session.scalar(query) or 0


def test_two_workers_share_a_reduction(stage: Stage, make: Callable[[], Json]) -> None:
    job_id = stage.submit(make())

    assert stage.wait(job_id) == "succeeded"
    job = work.row(stage.database, job_id)
    assert (job.plan["engine"], job.plan["partitions"], job.partitions_done) == ("reduced", PARTITIONS, PARTITIONS)
    assert workers_of(stage, job_id) == 2


@pytest.mark.parametrize("role", ["helper", "leader"])
def test_whoever_is_killed_the_bits_are_those_of_an_undisturbed_run(
    role: str, stage: Stage, make: Callable[[], Json]
) -> None:
    expected: Remains = stage.reference(make)
    job_id = stage.submit(make())
    while (helping := helper(stage, job_id)) is None:  # for some tenths of a second
        assert not work.row(stage.database, job_id).is_final, "the other worker did not come to help"
    leading = stage.trainer(job_id)
    assert leading

    kill(*(helping.children() if role == "helper" else [leading]))

    assert held(stage, job_id), "what the killed process had"
    assert stage.wait(job_id) == "succeeded"
    assert work.damage(stage.database, job_id, expected) == work.Damage()
    assert work.row(stage.database, job_id).attempt == (1 if role == "helper" else 2)
