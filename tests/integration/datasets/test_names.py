"""Datasets by their names: versions, and requests that name one."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from workbench import at_once, problem_of, submit

from service.store.database import Database

CSV = {"Content-Type": "text/csv"}


def uploaded(client: TestClient, slope: float, name: str | None = "rents") -> dict[str, Any]:
    """A dataset y = slope · x."""
    rows = "".join(f"{x},{slope * x}\n" for x in range(1, 4))
    answer = client.post("/v1/datasets", content=f"x,y\n{rows}", headers=CSV, params={"name": name} if name else {})
    dataset: dict[str, Any] = answer.json()
    return dataset


def test_datasets_of_one_name_are_its_versions(client: TestClient) -> None:
    versions = [uploaded(client, slope)["version"] for slope in (1, 2, 3)]
    assert versions == [1, 2, 3]
    assert uploaded(client, 4, "others")["version"] == 1
    assert uploaded(client, 5, None)["name"] is None
    assert uploaded(client, 5, None)["version"] is None
    assert uploaded(client, 2)["version"] == 2, "the same numbers under the same name are that version"


def test_many_who_upload_under_one_name_get_a_version_each(client: TestClient) -> None:
    versions = at_once(4, lambda number: uploaded(client, number + 1.5)["version"])
    assert sorted(versions) == [1, 2, 3, 4]


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/plan", "/v1/sweeps"])
def test_a_request_names_the_newest_or_a_version(client: TestClient, path: str) -> None:
    first, second = uploaded(client, 1), uploaded(client, 2)
    for reference, dataset in (({}, second), ({"version": 1}, first), ({"version": 2}, second)):
        grid = {"grid": {"learning_rate": [0.1, 0.2]}} if path == "/v1/sweeps" else {}
        answer = client.post(path, json={"dataset": {"name": "rents"} | reference} | grid)
        assert answer.status_code in (200, 202), answer.text
        if path == "/v1/jobs":
            assert answer.json()["dataset"]["id"] == dataset["id"]
        if path == "/v1/plan":
            assert answer.json()["analysis"]["exact"]["weights"] == pytest.approx([1.0 if dataset is first else 2.0])


def test_a_dataset_is_predicted_by_its_name(client: TestClient, trained: Callable[[dict[str, Any]], UUID]) -> None:
    uploaded(client, 1), uploaded(client, 2)
    url = f"/v1/jobs/{trained({'dataset': {'name': 'rents', 'version': 1}})}/predict"
    targets = [
        [row["y"] for row in client.post(url, json={"dataset": {"name": "rents"} | version}).json()["data"]]
        for version in ({}, {"version": 1})
    ]
    assert targets == [[2.0, 4.0, 6.0], [1.0, 2.0, 3.0]]


@pytest.mark.parametrize(
    ("reference", "pointer"),
    [
        ({"name": "rent"}, "/dataset/name"),
        ({"name": "rents", "version": 3}, "/dataset/version"),
        ({"name": "rents", "version": 0}, "/dataset/version"),
        ({"name": "rents", "id": "0199a20a-32d3-7725-8abe-b61c9657a327"}, "/dataset/name"),
        ({"id": "0199a20a-32d3-7725-8abe-b61c9657a327", "version": 1}, "/dataset/version"),
        ({"id": None}, "/dataset/id"),
    ],
)
def test_a_name_that_leads_nowhere_is_pointed_at(
    client: TestClient, reference: dict[str, Any], pointer: str, trained: Callable[[dict[str, Any]], UUID]
) -> None:
    uploaded(client, 1)
    problem = problem_of(client.post("/v1/jobs", json={"dataset": reference}), 422)
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


def test_a_renamed_dataset_is_the_newest_of_its_new_name(client: TestClient) -> None:
    rents, others = uploaded(client, 1), uploaded(client, 2, "others")

    def renamed(name: str | None) -> tuple[str | None, int | None]:
        answer = client.patch(f"/v1/datasets/{others['id']}", json={"name": name})
        assert answer.status_code == 200, answer.text
        return answer.json()["name"], answer.json()["version"]

    assert renamed("rents") == ("rents", 2)
    assert renamed("rents") == ("rents", 2)
    assert renamed(None) == (None, None)
    assert renamed("others") == ("others", 1)
    assert client.get(f"/v1/datasets/{rents['id']}").json()["version"] == 1


def test_the_rows_of_a_job_have_no_name(client: TestClient, database: Database) -> None:
    job = client.get(f"/v1/jobs/{submit(database)}").json()
    problem = problem_of(client.patch(f"/v1/datasets/{job['dataset']['id']}", json={"name": "mine"}), 409)
    assert problem["type"] == "/problems/dataset-came-with-job"
