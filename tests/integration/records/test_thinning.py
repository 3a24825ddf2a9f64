"""Few of many epochs are chosen from extremes that were kept: the same ones as by a look at every epoch."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from workbench import LECTURE, change, claim_group_of, jobs_of, problem_of, request, submit, submit_sweep

from service.errors import DatabaseUnavailable
from service.records import chunks
from service.store.database import Database
from service.store.records import bulk, extremes, records
from service.store.tables import EpochExtremes
from slope.columns import EpochColumns
from worker.attempt import run_attempt
from worker.process import Process

NUMBERS = ["loss", "gradient_norm", "validation_loss", "gradient_mean_bias", "weights_1", "gradient_last_weights_0"]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Buckets, blocks and what is looked at one by one are small, so that few epochs have all levels."""
    monkeypatch.setattr("slope.extremes.BUCKET", 3)
    monkeypatch.setattr("service.store.records.extremes.FEWEST", 7)
    monkeypatch.setattr("service.records.thinning._MOST_UNKNOWN", 25)
    monkeypatch.setattr("service.records.thinning._BLOCK", 10)


def history(epochs: int, every: int, seed: int) -> EpochColumns:
    """Of two features. Of many numbers there are two the same."""
    kept = np.arange(0, epochs, every)
    random = np.random.RandomState(seed)
    numbers, vectors = random.randint(-9, 9, (8, len(kept))) / 4, random.randint(-9, 9, (3, len(kept), 2)) / 4
    return EpochColumns(
        epoch=kept,
        loss=numbers[0],
        last_loss=numbers[1],
        validation_loss=numbers[2] if seed % 2 else None,
        gradient_mean_weights=vectors[0],
        gradient_mean_bias=numbers[3],
        gradient_last_weights=vectors[1] if seed % 3 else None,
        gradient_last_bias=numbers[4],
        gradient_norm=numbers[5],
        weights=vectors[2],
        bias=numbers[6],
        learning_rate=numbers[7],
        seconds=numbers[7],
    )


def of_two_features(database: Database) -> UUID:
    return submit(database, {"dataset": {"x": [[1.0, 2.0], [3.0, 4.0]], "y": [1.0, 2.0]}})


def record(database: Database, job_id: UUID, epochs: EpochColumns) -> None:
    """As a flush does it."""

    def write(session: Any) -> None:
        bulk.add_epochs(session, [job_id] * len(epochs), epochs)
        extremes.add_extremes_of_jobs(session, {5: job_id}, np.full(len(epochs), 5), epochs)

    change(database, write)


def plainly_chosen(epochs: EpochColumns, by: str, window: range, points: int) -> list[int]:
    """By a look at every epoch: of each stretch the first and the last, and the first with the least and greatest."""
    column, _, place = by.rpartition("_") if by[-1].isdigit() else (by, "", "")
    values = getattr(epochs, column)
    values = np.zeros(len(epochs)) if values is None else values[:, int(place)] if place else values
    value = dict(zip(epochs.epoch.tolist(), values.tolist(), strict=True))
    inside = [epoch for epoch in value if epoch in window]
    if len(inside) <= points:
        return inside
    length = -(-(inside[-1] - inside[0] + 1) // (points // 4))
    chosen: set[int] = set()
    for start in range(inside[0], inside[-1] + 1, length):
        if stretch := [epoch for epoch in inside if start <= epoch < start + length]:
            chosen |= {
                stretch[0],
                stretch[-1],
                min(stretch, key=value.__getitem__),
                max(stretch, key=value.__getitem__),
            }
    return sorted(chosen)


def found(database: Database, job_id: UUID, **wanted: Any) -> list[int]:
    return [
        epoch for chunk in chunks.thinned_epochs(database, job_id, **wanted).chunks for epoch in chunk.epoch.tolist()
    ]


def blocks_of(database: Database, job_id: UUID) -> int:
    with database.reading() as session:
        query = select(func.count()).select_from(EpochExtremes).where(EpochExtremes.job_id == job_id)
        return session.scalars(query).one()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
@pytest.mark.usefixtures("small")
def test_points_are_those_that_a_look_at_every_epoch_finds(database: Database, data: st.DataObject) -> None:
    """Whatever numbers of epochs were recorded together, and however few of them were kept."""
    every, seed = data.draw(st.sampled_from([1, 1, 3])), data.draw(st.integers(0, 5))
    epochs = history(data.draw(st.integers(1, 300)), every, seed)
    job_id, start = of_two_features(database), 0
    for size in _sizes(data, len(epochs)):
        record(database, job_id, epochs.at(np.arange(start, start + size)))
        start += size

    for _ in range(3):
        after, before = sorted(data.draw(st.lists(st.integers(-1, 310), min_size=2, max_size=2)))
        numbers = data.draw(st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=3))
        points, window = data.draw(st.integers(4, 80)), range(after + 1, before)
        chosen = sorted({epoch for by in numbers for epoch in plainly_chosen(epochs, by, window, points)})
        assert found(database, job_id, after=after, before=before, points=points, by=numbers) == chosen


def _sizes(data: st.DataObject, count: int) -> Iterator[int]:
    """Of flushes."""
    while count > 0:
        size = min(count, data.draw(st.sampled_from([1, 2, 6, 7, 8, 20, 50, 100])))
        yield size
        count -= size


def test_a_long_job_keeps_extremes_while_it_is_recorded(database: Database, trained: Any) -> None:
    short = trained(LECTURE)
    long = trained(request(epochs=3000, batch_size="full", engine="reduced"))

    assert blocks_of(database, short) == 0
    assert blocks_of(database, long) > 0
    with database.reading() as session:
        epochs = records.epoch_columns_in(session, long, range(3000), 3000)
        spans = extremes.select_spans(session, long, range(3000))
    assert all(earlier.stop <= later.start for earlier, later in pairwise(spans))
    for by in ("loss", "weights_0", "bias"):
        for window in (range(3000), range(7, 2222)):
            chosen = found(database, long, points=40, by=[by], after=window.start - 1, before=window.stop)
            assert chosen == plainly_chosen(epochs, by, window, 40)


@pytest.mark.usefixtures("small")
def test_epochs_without_extremes_get_them_when_points_are_asked_for(database: Database) -> None:
    """As those that an earlier version recorded."""
    epochs, job_id = history(200, 1, 1), of_two_features(database)
    change(database, lambda session: bulk.add_epochs(session, [job_id] * 200, epochs))
    assert blocks_of(database, job_id) == 0

    chosen = found(database, job_id, points=8)

    assert blocks_of(database, job_id) == 20
    assert found(database, job_id, points=8) == chosen == plainly_chosen(epochs, "loss", range(200), 8)


@pytest.mark.usefixtures("small")
def test_points_are_answered_where_extremes_cannot_be_kept(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    epochs, job_id = history(200, 1, 1), of_two_features(database)
    change(database, lambda session: bulk.add_epochs(session, [job_id] * 200, epochs))

    def fail(*_: Any) -> None:
        raise DatabaseUnavailable("it is busy")

    monkeypatch.setattr("service.store.records.extremes.add_extremes", fail)

    assert found(database, job_id, points=8) == plainly_chosen(epochs, "loss", range(200), 8)


def test_extremes_go_with_their_job(database: Database, client: TestClient, trained: Any) -> None:
    job_id = trained(request(epochs=3000, batch_size="full", engine="reduced"))
    assert blocks_of(database, job_id) > 0

    assert client.delete(f"/v1/jobs/{job_id}").status_code == 204

    assert blocks_of(database, job_id) == 0


@pytest.mark.usefixtures("small")
def test_the_jobs_of_a_sweep_keep_extremes_too(database: Database, process: Process) -> None:
    wanted = request(epochs=40, batch_size=2, record={"steps": "none"}) | {"grid": {"learning_rate": [0.01, 0.02]}}
    together = jobs_of(database, submit_sweep(database, wanted))
    mine = claim_group_of(database, together[0].id, worker_id=process.worker_id)
    assert mine

    run_attempt(process, mine)

    for job in together:
        with database.reading() as session:
            epochs = records.epoch_columns_in(session, job.id, range(40), 40)
        assert blocks_of(database, job.id) > 0
        assert found(database, job.id, points=8) == plainly_chosen(epochs, "loss", range(40), 8)


@pytest.mark.parametrize("by", ["epoch", "weights", "weights_1", "weights_00", "weights_-1", "losses", "bias_0", ""])
def test_a_number_that_epochs_do_not_have_is_refused(client: TestClient, trained: Any, by: str) -> None:
    url = f"/v1/jobs/{trained(LECTURE)}/epochs"

    problem = problem_of(client.get(url, params={"points": 4, "by": by}), 422)

    assert problem["errors"][0]["pointer"] == "/query/by"


def test_epochs_end_before_the_one_that_is_given(client: TestClient, trained: Any) -> None:
    url = f"/v1/jobs/{trained(LECTURE)}/epochs"

    def epochs(**params: int) -> tuple[list[int], int | None]:
        page = client.get(url, params=params).json()
        return [item["epoch"] for item in page["data"]], page["next"]

    assert epochs(before=3) == ([0, 1, 2], None)
    assert epochs(after=4, before=8, limit=2) == ([5, 6], "6")
    assert epochs(after=6, before=8, limit=2) == ([7], None)
    assert epochs(after=5, before=5) == ([], None)
    assert epochs(after=7, before=2) == ([], None)
    assert epochs(before=7, points=4)[0] == [0, 6]
    assert client.get(url, params={"before": 2, "format": "csv"}).text.count("\n") == 3
