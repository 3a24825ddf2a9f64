"""What a job recorded and predicts, over HTTP: every number of the run, page by page."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from workbench import LECTURE, change, claim, claimed, end_job, problem_of, read, request, submit

from service.store.database import Database
from service.store.tables import Epoch, Step

Trained = Callable[[dict[str, Any]], UUID]

TWO_FEATURES: dict[str, Any] = {
    "dataset": {"x": [[1.0, 0.5], [2.0, -0.5], [3.0, 1.0], [4.0, 0.0], [5.0, 2.0]], "y": [3.0, 2.5, 6.0, 6.5, 9.0]},
    "hyperparameters": {"epochs": 7, "learning_rate": 0.02, "batch_size": 2, "validation_fraction": 0.2},
    "predict": [[5.0, 1.0], [0.0, 0.0]],
}


def items(client: TestClient, url: str, **parameters: Any) -> list[Any]:
    """All items of all pages."""
    found: list[Any] = []
    following: str | None = ""
    while following is not None:
        page = client.get(url, params=parameters | ({"after": following} if following else {})).json()
        found += page["data"]
        following = page["next"]
    return found


def test_the_lecture_s_numbers_are_behind_the_api(
    client: TestClient, trained: Trained, lecture: dict[str, Any]
) -> None:
    url = f"/v1/jobs/{trained(LECTURE)}"

    epochs = items(client, f"{url}/epochs")

    assert [
        {
            "epoch": epoch["epoch"],
            "last_loss": epoch["last_loss"],
            "weight_after": epoch["weights"][0],
            "steps": [
                {
                    "x": LECTURE["dataset"]["x"][step["rows"][0]],
                    "y": LECTURE["dataset"]["y"][step["rows"][0]],
                    "gradient": step["gradient"]["weights"][0],
                }
                for step in items(client, f"{url}/epochs/{epoch['epoch']}/steps")
            ],
        }
        for epoch in epochs
    ] == lecture["records"]
    assert items(client, f"{url}/predictions") == [
        {"x": [lecture["predict"]], "before": lecture["prediction_before"], "after": lecture["prediction_after"]}
    ]


def test_an_epoch_is_described_in_full(client: TestClient, database: Database, trained: Trained) -> None:
    job_id = trained(TWO_FEATURES)
    with database.reading() as session:
        rows = list(session.scalars(select(Epoch).where(Epoch.job_id == job_id).order_by(Epoch.epoch)))

    epochs = items(client, f"/v1/jobs/{job_id}/epochs")

    assert len(rows) == 7
    assert epochs == [
        {
            "epoch": row.epoch,
            "loss": row.loss,
            "last_loss": row.last_loss,
            "validation_loss": row.validation_loss,
            "gradient_mean": {"weights": row.gradient_mean_weights, "bias": row.gradient_mean_bias},
            "gradient_last": {"weights": row.gradient_last_weights, "bias": row.gradient_last_bias},
            "gradient_norm": row.gradient_norm,
            "weights": row.weights,
            "bias": row.bias,
            "learning_rate": row.learning_rate,
            "seconds": row.seconds,
        }
        for row in rows
    ]
    assert epochs[0]["validation_loss"] is not None


def test_a_step_is_described_in_full(client: TestClient, database: Database, trained: Trained) -> None:
    job_id = trained(TWO_FEATURES)
    with database.reading() as session:
        chosen = select(Step).where(Step.job_id == job_id, Step.epoch == 3).order_by(Step.step)
        rows = list(session.scalars(chosen))

    steps = items(client, f"/v1/jobs/{job_id}/epochs/3/steps")

    assert len(rows) == 2
    assert [{name: value for name, value in step.items() if name != "rows"} for step in steps] == [
        {
            "epoch": 3,
            "step": row.step,
            "loss": row.loss,
            "gradient": {"weights": row.gradient_weights, "bias": row.gradient_bias},
            "weights": row.weights,
            "bias": row.bias,
        }
        for row in rows
    ]


def test_the_rows_of_the_steps_are_the_rows_that_are_trained_on(client: TestClient, trained: Trained) -> None:
    wanted = TWO_FEATURES | {"hyperparameters": TWO_FEATURES["hyperparameters"] | {"shuffle": True}}
    url = f"/v1/jobs/{trained(wanted)}"

    visited = [
        [row for step in items(client, f"{url}/epochs/{epoch}/steps") for row in step["rows"]] for epoch in range(7)
    ]

    assert len({tuple(rows) for rows in visited}) > 1, "the order changes from epoch to epoch"
    assert len({frozenset(rows) for rows in visited}) == 1, "the rows do not"
    assert all(len(set(rows)) == len(rows) == 4 for rows in visited)
    assert set(visited[0]) < set(range(5))


def test_pages_of_epochs_follow_each_other_without_a_gap(client: TestClient, trained: Trained) -> None:
    url = f"/v1/jobs/{trained(TWO_FEATURES)}/epochs"

    for limit in (1, 3, 6, 7, 1000):
        assert [epoch["epoch"] for epoch in items(client, url, limit=limit)] == list(range(7))


def test_epochs_after_one_begin_with_the_next(client: TestClient, trained: Trained) -> None:
    url = f"/v1/jobs/{trained(TWO_FEATURES)}/epochs"

    page = client.get(url, params={"after": 3, "limit": 2}).json()

    assert [epoch["epoch"] for epoch in page["data"]] == [4, 5]
    assert page["next"] == "5"
    assert client.get(url, params={"after": 6}).json() == {"data": [], "next": None}
    assert client.get(url, params={"after": 2**31 - 1}).json() == {"data": [], "next": None}


def test_pages_of_steps_follow_each_other_without_a_gap(client: TestClient, trained: Trained) -> None:
    url = f"/v1/jobs/{trained(LECTURE)}/epochs/9/steps"

    assert [step["step"] for step in items(client, url, limit=1)] == [0, 1, 2]
    assert items(client, url, limit=2) == items(client, url)


def test_only_the_epochs_that_were_asked_for_are_listed(client: TestClient, trained: Trained) -> None:
    url = f"/v1/jobs/{trained(request(epochs=12, record={'every': 5}))}/epochs"

    assert [epoch["epoch"] for epoch in items(client, url)] == [0, 5, 10, 11]


def test_a_job_that_has_not_begun_has_no_records(client: TestClient, database: Database) -> None:
    url = f"/v1/jobs/{submit(database, LECTURE)}"

    assert client.get(f"{url}/epochs").json() == {"data": [], "next": None}
    assert problem_of(client.get(f"{url}/epochs/0/steps"), 404)["type"] == "/problems/epoch-not-found"
    assert client.get(f"{url}/predictions").json()["data"] == [{"x": [4.0], "before": None, "after": None}]


def test_a_job_without_points_has_no_predictions(client: TestClient, trained: Trained) -> None:
    assert client.get(f"/v1/jobs/{trained(request())}/predictions").json() == {"data": [], "next": None}


def test_points_of_any_number_are_predicted_with_the_trained_model(client: TestClient, trained: Trained) -> None:
    url = f"/v1/jobs/{trained(TWO_FEATURES)}"
    stored = client.get(f"{url}/predictions").json()

    answer = client.post(f"{url}/predict", json={"x": TWO_FEATURES["predict"]})

    assert (answer.status_code, answer.json()) == (200, stored)
    assert [prediction["x"] for prediction in stored["data"]] == TWO_FEATURES["predict"]
    assert all(prediction["before"] == 0.0 != prediction["after"] for prediction in stored["data"][:1])


def test_points_are_predicted_with_the_model_after_any_epoch(client: TestClient, trained: Trained) -> None:
    url = f"/v1/jobs/{trained(LECTURE)}"

    for epoch in items(client, f"{url}/epochs"):
        body = {"x": [4, 0.0], "epoch": epoch["epoch"]}
        [four, zero] = client.post(f"{url}/predict", json=body).json()["data"]
        assert four == {"x": [4.0], "before": 4.0, "after": 4 * epoch["weights"][0]}
        assert zero == {"x": [0.0], "before": 0.0, "after": 0.0}


def test_an_epoch_that_was_not_trained_has_no_model(client: TestClient, trained: Trained) -> None:
    url = f"/v1/jobs/{trained(LECTURE)}/predict"

    for epoch in (10, 2**31 - 1):
        answer = client.post(url, json={"x": [4.0], "epoch": epoch})
        assert problem_of(answer, 404)["type"] == "/problems/epoch-not-found"


@pytest.mark.parametrize("status", ["queued", "running", "failed", "cancelled"])
def test_a_job_that_did_not_succeed_has_no_model(client: TestClient, database: Database, status: str) -> None:
    job_id = submit(database, LECTURE)
    if status != "queued":
        mine = claim(database, job_id)
        assert mine
        if status != "running":
            change(database, lambda session: end_job(session, mine, status))

    problem = problem_of(client.post(f"/v1/jobs/{job_id}/predict", json={"x": [4.0]}), 409)

    assert problem["type"] == "/problems/job-has-no-model"
    assert status in problem["detail"]


def test_a_cancelled_job_s_epochs_still_predict(client: TestClient, database: Database, trained: Trained) -> None:
    job_id = trained(LECTURE)
    change(database, lambda session: setattr(session.get_one(type(read(database, job_id)), job_id), "status", "failed"))

    answer = client.post(f"/v1/jobs/{job_id}/predict", json={"x": [4.0], "epoch": 2})

    assert answer.status_code == 200
    assert answer.json()["data"][0]["after"] is not None


def test_a_frozen_parameter_has_no_gradient(client: TestClient, trained: Trained) -> None:
    url = f"/v1/jobs/{trained(request(frozen=['weights'], initial_weights=[2.0]))}"

    [epoch, *_] = items(client, f"{url}/epochs")
    [step] = items(client, f"{url}/epochs/0/steps")

    for gradient in (epoch["gradient_mean"], epoch["gradient_last"], step["gradient"]):
        assert gradient["weights"] is None
        assert gradient["bias"] is not None
    assert epoch["weights"] == step["weights"] == [2.0]


def test_steps_of_a_running_job_are_there_as_soon_as_they_are_written(client: TestClient, database: Database) -> None:
    mine = claimed(database, LECTURE)
    url = f"/v1/jobs/{mine.job_id}"
    row = {"loss": 1.0, "gradient_weights": [1.0], "gradient_bias": None, "weights": [1.0], "bias": None}

    def write(session: Any) -> None:
        mine.extend(session, 60.0, epochs_done=1)
        session.add_all(Step(job_id=mine.job_id, epoch=0, step=step, **row) for step in range(3))

    assert client.get(f"{url}/epochs/0/steps").status_code == 404
    change(database, write)

    assert [step["step"] for step in items(client, f"{url}/epochs/0/steps")] == [0, 1, 2]
    assert client.get(url).json()["progress"]["fraction"] == 0.1


def test_every_number_of_an_answer_is_json(client: TestClient, trained: Trained) -> None:
    """Not even a job that diverged has NaN or Infinity in any of its answers: JSON knows neither."""

    def refuse(token: str) -> None:
        raise AssertionError(token)

    url = f"/v1/jobs/{trained(request(learning_rate=1e6, epochs=100) | {'predict': [1e38]})}"

    for path in (url, f"{url}/epochs", f"{url}/predictions", f"{url}/events", f"{url}/epochs/0/steps"):
        answer = client.get(path)
        assert answer.status_code == 200, answer.text
        json.loads(answer.text, parse_constant=refuse)


def test_a_page_of_steps_lists_only_so_many_rows(
    client: TestClient, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = trained(request(batch_size=2))
    whole = client.get(f"/v1/jobs/{job_id}/epochs/1/steps").json()["data"]
    monkeypatch.setattr("service.records.pages.MOST_ROWS", 3)

    first = client.get(f"/v1/jobs/{job_id}/epochs/1/steps").json()
    second = client.get(f"/v1/jobs/{job_id}/epochs/1/steps?after={first['next']}").json()

    assert first["data"] + second["data"] == whole
    assert [len(page["data"]) for page in (first, second)] == [1, 1]
    assert second["next"] is None


@pytest.mark.parametrize("recorded", ["all", "none"])
def test_too_many_rows_are_not_listed_whatever_the_format(
    recorded: str, client: TestClient, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = trained(request(batch_size="full", record={"steps": recorded}))
    url = f"/v1/jobs/{job_id}/epochs/1/steps"
    [whole] = client.get(url).json()["data"]
    monkeypatch.setattr("service.records.pages.MOST_ROWS", 3)
    monkeypatch.setattr("slope.data.epoch_order", lambda *_: pytest.fail("the order was made"))

    [step] = client.get(url).json()["data"]
    [line] = client.get(url, params={"format": "ndjson"}).text.splitlines()
    cells = next(csv.DictReader(io.StringIO(client.get(url, params={"format": "csv"}).text)))
    table = pa.ipc.open_stream(client.get(url, params={"format": "arrow"}).content).read_all()

    assert whole["rows"] == [0, 1, 2, 3]
    assert step == whole | {"rows": None}
    assert json.loads(line)["rows"] is None
    assert cells["rows"] == ""
    assert table["rows"].to_pylist() == [None]


def test_a_few_chosen_steps_list_no_more_rows_than_a_page(
    client: TestClient, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = trained(request(batch_size=1))
    url = f"/v1/jobs/{job_id}/epochs/1/steps"

    for most, expected in ((4, [[0], [1], [2], [3]]), (3, [None] * 4)):
        monkeypatch.setattr("service.records.pages.MOST_ROWS", most)
        found = client.get(url, params={"points": 4}).json()["data"]
        assert [step["rows"] for step in found] == expected


@pytest.mark.parametrize("path", ["epochs", "epochs/1/steps"])
def test_a_page_of_a_wide_model_ends_early_and_the_next_goes_on(
    path: str, client: TestClient, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"/v1/jobs/{trained(TWO_FEATURES)}/{path}"
    whole = items(client, url)
    monkeypatch.setattr("service.records.pages.MOST_NUMBERS", 20)

    assert [len(client.get(url).json()["data"])] == [1]
    assert items(client, url) == whole


def test_points_of_a_wide_model_are_fewer(
    client: TestClient, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = trained(request(epochs=40, batch_size=1, record={"steps": "none"}))
    monkeypatch.setattr("service.records.pages.MOST_NUMBERS", 1)
    assert 0 < len(client.get(f"/v1/jobs/{job_id}/epochs?points=20").json()["data"]) <= 4
    assert 0 < len(client.get(f"/v1/jobs/{job_id}/epochs/1/steps?points=20").json()["data"]) <= 4
