"""A reduction that two workers share, with real processes: whichever of them is killed, its rows are not lost."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import httpx2
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import _pgserver
from e2e.processes import until
from sqlalchemy import func, select

from faults import work
from faults.postgres import OwnPostgreSQL
from faults.stage import Stage, kill
from faults.work import Json, Remains
from service.store.tables import Job, Partition, Worker

ROWS, FEATURES, PARTITIONS = 10_000_000, 9, 11
PIECES = 10


@pytest.fixture(scope="module")
def _stage(tmp_path_factory: pytest.TempPathFactory, server_folder: Path) -> Iterator[Stage]:
    """With leases of the usual length: both processors are at work, and no test waits for a lease to run out."""
    folder, socket_path = tmp_path_factory.mktemp("partitions"), server_folder / "partitions.sock"
    with (
        OwnPostgreSQL(server_folder / "partitions", _pgserver(server_folder)) as postgresql,
        Stage(folder, socket_path, postgresql=postgresql, workers=2) as stage,
    ):
        yield stage


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
    """The process that has a partition of a job which another worker leads."""
    query = (
        select(Worker.process_id)
        .join(Partition, Partition.worker_id == Worker.id)
        .join(Job, Job.id == Partition.job_id)
        .where(Job.id == job_id, Partition.lease_until.is_not(None), Partition.worker_id != Job.worker_id)
    )
    with stage.database.reading() as session:
        process_id = session.scalar(query)
    return psutil.Process(process_id).children()[0] if process_id else None


def held(stage: Stage, job_id: UUID) -> dict[int, UUID | None]:
    """Which worker has each of the partitions that are taken and not reduced."""
    query = select(Partition.number, Partition.worker_id).where(
        Partition.job_id == job_id, Partition.lease_until.is_not(None)
    )
    with stage.database.reading() as session:
        return {row.number: row.worker_id for row in session.execute(query)}


def halt(stage: Stage, make: Callable[[], Json]) -> tuple[UUID, psutil.Process, psutil.Process] | None:
    """A job, and the processes of who leads its reduction and of who helps: both stand still, with a partition each.

    None where the job has ended before one came to help.
    """
    job_id = stage.submit(make())
    while not work.row(stage.database, job_id).is_final:
        leading, helping = stage.trainer(job_id), helper(stage, job_id)
        if leading and helping:
            for process in (leading, helping):
                process.suspend()
            if len(set(held(stage, job_id).values())) == 2:
                return job_id, leading, helping
            for process in (leading, helping):
                process.resume()
    return None


def workers_of(stage: Stage, job_id: UUID) -> int:
    with stage.database.reading() as session:
        done = Partition.reduced.is_not(None)
        query = select(func.count(Partition.worker_id.distinct())).where(Partition.job_id == job_id, done)
        return session.scalar(query) or 0


def test_two_workers_share_a_reduction(stage: Stage, make: Callable[[], Json]) -> None:
    def shared() -> UUID | None:
        """One may do everything while the other stands still: then there is another job."""
        job_id = stage.submit(make())
        assert stage.wait(job_id) == "succeeded"
        return job_id if workers_of(stage, job_id) == 2 else None

    job_id = until(shared)
    assert job_id
    job = work.row(stage.database, job_id)
    assert (job.plan["engine"], job.plan["partitions"], job.partitions_done) == ("reduced", PARTITIONS, PARTITIONS)


@pytest.mark.parametrize("role", ["helper", "leader"])
def test_whoever_is_killed_the_bits_are_those_of_an_undisturbed_run(
    role: str, stage: Stage, make: Callable[[], Json]
) -> None:
    expected: Remains = stage.reference(make)
    halted = until(lambda: halt(stage, make))
    assert halted
    job_id, leading, helping = halted
    killed, other = (helping, leading) if role == "helper" else (leading, helping)

    kill(killed)
    other.resume()

    assert stage.wait(job_id) == "succeeded"
    assert work.damage(stage.database, job_id, expected) == work.Damage()
    assert work.row(stage.database, job_id).attempt == (1 if role == "helper" else 2)
