"""Steps that a job did not record are behind the same GET, with the same bits."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, update
from workbench import request

import slope.engines.costs
import slope.engines.plan
from service.store.database import Database
from service.store.tables import Epoch, Snapshot, Step

Trained = Callable[[dict[str, Any]], UUID]
RUN = {"epochs": 9, "batch_size": 3, "shuffle": True, "standardize": True, "optimizer": {"name": "adam"}}


@pytest.fixture(autouse=True)
def _frequent_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slope.engines.plan, "REPLAYED_STEPS", 6)  # of two steps an epoch: every third epoch


def steps(client: TestClient, job_id: UUID, epoch: int) -> list[dict[str, Any]]:
    answer = client.get(f"/v1/jobs/{job_id}/epochs/{epoch}/steps")
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def test_steps_that_were_not_recorded_are_those_that_would_have_been(
    client: TestClient, trained: Trained, database: Database
) -> None:
    with_steps = trained(request(**RUN))
    without = trained(request(**RUN, record={"steps": "none", "every": 4}))
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Step).where(Step.job_id == without)) == 0
        kept = list(session.scalars(select(Epoch.epoch).where(Epoch.job_id == without).order_by(Epoch.epoch)))
        snapshots = list(session.scalars(select(Snapshot.epoch).where(Snapshot.job_id == without)))
    assert kept == [0, 4, 8]
    assert sorted(snapshots) == [3, 6, 9]
    for epoch in range(9):
        assert steps(client, without, epoch) == steps(client, with_steps, epoch)


def test_a_job_that_records_every_step_needs_no_snapshots(trained: Trained, database: Database) -> None:
    trained(request(**RUN))
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Snapshot)) == 0


def test_pages_of_replayed_steps_join_without_a_gap(client: TestClient, trained: Trained) -> None:
    job_id = trained(request(epochs=3, batch_size=1, record={"steps": "none"}))
    url = f"/v1/jobs/{job_id}/epochs/1/steps"
    first = client.get(url, params={"limit": 3}).json()
    rest = client.get(url, params={"limit": 3, "after": first["next"]}).json()
    assert [step["step"] for step in first["data"] + rest["data"]] == [0, 1, 2, 3]
    assert rest["next"] is None


def test_a_page_beyond_the_last_step_is_empty(client: TestClient, trained: Trained) -> None:
    for record in ({"steps": "none"}, {"steps": "all"}):
        job_id = trained(request(epochs=3, batch_size=1, record=record))
        assert client.get(f"/v1/jobs/{job_id}/epochs/1/steps?after=99").json() == {"data": [], "next": None}


def test_predictions_after_an_epoch_that_was_not_recorded(client: TestClient, trained: Trained) -> None:
    with_epochs, without = trained(request(**RUN)), trained(request(**RUN, record={"steps": "none", "every": 9}))
    answers = [
        client.post(f"/v1/jobs/{job_id}/predict", json={"x": [1.5], "epoch": 5}).json()
        for job_id in (with_epochs, without)
    ]
    assert answers[0]["data"][0]["after"] is not None
    assert answers[0] == answers[1]


def test_an_epoch_that_was_never_trained_is_not_found(client: TestClient, trained: Trained) -> None:
    job_id = trained(request(**RUN))
    assert client.get(f"/v1/jobs/{job_id}/epochs/9/steps").status_code == 404
    assert client.post(f"/v1/jobs/{job_id}/predict", json={"x": [1.0], "epoch": 9}).status_code == 404


def test_a_replay_that_does_not_meet_the_record_is_not_told_as_truth(
    client: TestClient, trained: Trained, database: Database
) -> None:
    job_id = trained(request(**RUN, record={"steps": "none"}))
    with database.writing() as session:
        session.execute(update(Epoch).where(Epoch.job_id == job_id, Epoch.epoch == 4).values(weights=[0.123]))
        session.commit()
    answer = client.get(f"/v1/jobs/{job_id}/epochs/5/steps")
    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/replay-differs"
    assert client.get(f"/v1/jobs/{job_id}/epochs/4/steps").status_code == 200


@pytest.mark.parametrize("held_back", [0.0, 0.25])
def test_data_that_is_read_in_parts_gives_the_bits_of_data_in_memory(
    held_back: float, client: TestClient, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = {"epochs": 9, "engine": "reduced", "validation_fraction": held_back, "optimizer": {"name": "adam"}}
    wanted = request(**run, record={"steps": "none", "every": 4})
    in_memory = trained(wanted)
    monkeypatch.setattr(slope.engines.costs, "MOST_NUMBERS_AT_ONCE", 0)
    monkeypatch.setattr("slope.tabular.stored.NUMBERS_AT_ONCE", 2)
    monkeypatch.setattr("service.data.numbers.load_columns", lambda *_: pytest.fail("the data was loaded as a whole"))
    streamed = trained(wanted)
    jobs = [client.get(f"/v1/jobs/{job_id}").json() for job_id in (in_memory, streamed)]
    assert [job["plan"]["streams"] for job in jobs] == [False, True]
    assert jobs[1]["status"] == "succeeded"
    assert jobs[0]["weights"] == jobs[1]["weights"]
    measured = [job["loss"].pop("training") for job in jobs]  # of the rows, and of what stands for them
    assert measured[0] == pytest.approx(measured[1], rel=1e-12)
    assert jobs[0]["loss"] == jobs[1]["loss"]
    own = steps(client, streamed, 7)
    monkeypatch.undo()
    assert own == steps(client, in_memory, 7)
