"""The examples of the OpenAPI document are answers that were given: this test gives them again.

Where answers have changed, `WRITE_ANSWERS=1 pytest tests/integration/document/test_examples.py` keeps the new ones.
"""

import json
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response
from workbench import LECTURE

from service.api.document import openapi

Json = dict[str, Any]
Train = Callable[[str], None]

WITHOUT_EXAMPLE = {
    "get_path": "a hundred penalties",
    "get_surface": "thousands of losses",
    "create_key": "whoever would try the example has another",
    "get_key": "as list_keys",
    "list_keys": "keys have ids of chance",
    "list_deeds": "they are of keys",
    "rotate_key": "as create_key",
    "revoke_key": "as list_keys",
    "get_session": "it has the id of a key",
    "sign_in": "it has the id of a key",
    "list_devices": "workers have machines, which have names",
    "upload_dataset 200": "as 201",
    "submit_job 200": "as get_job",
    "rerun_job 200": "as get_job",
    "get_statistics 202": "told while a worker looks at large data",
    "get_influence 202": "told while a worker looks at large data",
    "get_path 202": "told while a worker looks at large data",
    "get_surface 202": "told while a worker looks at large data",
    "readyz": "there is no broker here",
    "infer": "its data is opaque to the document",
}
TABLE = "speed,dist\n4,2\n7,4\n8,16\n9,10\n10,18\n11,17\n"
OF_A_MACHINE = ("seconds", "per_second", "memory_bytes", "version")
"""What the names of numbers end with that are others each time."""


def answers(client: TestClient, train: Train, train_sweep: Callable[[Json], str]) -> Iterator[tuple[str, Response]]:
    """What the document calls each operation, and what it answers."""
    yield from _of_datasets(client)
    yield "plan_job", client.post("/v1/plan", json=LECTURE)
    yield "submit_job", (submitted := client.post("/v1/jobs", json=LECTURE))
    train(submitted.json()["id"])
    job = f"/v1/jobs/{submitted.json()['id']}"
    yield from _of_a_job(client, job)
    yield from _of_other_tools(client, submitted.json()["id"])
    yield "rerun_job", (again := client.post(f"{job}/rerun", json={"hyperparameters": {"epochs": 20}}))
    waiting = f"/v1/jobs/{again.json()['id']}"
    yield "pause_job", client.post(f"{waiting}/pause")
    yield "resume_job", client.post(f"{waiting}/resume")
    yield "cancel_job", client.post(f"{waiting}/cancel")
    yield "cancel_jobs", client.post("/v1/jobs/cancel?status=queued&dry_run=true")
    yield "delete_jobs", client.request("DELETE", "/v1/jobs?status=cancelled&dry_run=true")
    yield from _of_sweeps(client, train_sweep)
    formula = {"expression": "(x*w - y)**2", "values": {"x": 1, "y": 2, "w": 1}, "requires_grad": ["w"]}
    yield "draw_expression", client.post("/v1/graphs", json=formula)
    yield from _of_webhooks(client)
    yield "livez", client.get("/livez")


def _of_datasets(client: TestClient) -> Iterator[tuple[str, Response]]:
    headers = {"Content-Type": "text/csv"}
    yield "upload_dataset", (kept := client.post("/v1/datasets?name=cars", content=TABLE, headers=headers))
    dataset = f"/v1/datasets/{kept.json()['id']}"
    yield "get_dataset", client.get(dataset)
    yield "rename_dataset", client.patch(dataset, json={"name": "stopping distances"})
    yield "list_datasets", client.get("/v1/datasets?limit=1")
    yield "list_rows", client.get(f"{dataset}/rows?limit=2")


def _of_a_job(client: TestClient, job: str) -> Iterator[tuple[str, Response]]:
    yield "get_job", client.get(job)
    yield "put_alias", client.put("/v1/aliases/champion", json={"job": job.rpartition("/")[2]})
    yield "list_aliases", client.get("/v1/aliases")
    yield "list_jobs", client.get("/v1/jobs?limit=1")
    yield "describe_job", client.patch(job, json={"name": "the lecture's"})
    yield "list_epochs", client.get(f"{job}/epochs?limit=2")
    yield "list_steps", client.get(f"{job}/epochs/0/steps")
    yield "list_recorded_steps", client.get(f"{job}/steps", params={"limit": 3})
    yield "get_step_graph", client.get(f"{job}/epochs/0/steps/0/graph")
    yield "audit_epoch", client.get(f"{job}/epochs/0/audit")
    yield "list_events", client.get(f"{job}/events")
    yield "list_predictions", client.get(f"{job}/predictions")
    yield "predict", client.post(f"{job}/predict", json={"x": [4.0, 5.0]})
    yield "get_model", client.get(f"{job}/model")
    yield "get_statistics", client.get(f"{job}/statistics")
    yield "get_influence", client.get(f"{job}/influence")


def _of_other_tools(client: TestClient, job_id: str) -> Iterator[tuple[str, Response]]:
    yield "invoke", client.post(f"/v1/jobs/{job_id}/invocations", json={"instances": [[4.0]]})
    yield "describe_server", client.get("/v2")
    yield "is_live", client.get("/v2/health/live")
    yield "is_ready", client.get("/v2/health/ready")
    yield "describe_model", client.get(f"/v2/models/{job_id}")
    yield "is_model_ready", client.get(f"/v2/models/{job_id}/ready")


def _of_sweeps(client: TestClient, train_sweep: Callable[[Json], str]) -> Iterator[tuple[str, Response]]:
    wanted = {name: LECTURE[name] for name in ("dataset", "hyperparameters")} | {
        "grid": {"learning_rate": [0.01, 0.02]}
    }
    of_sweep = wanted["hyperparameters"] | {"engine": "fused"}
    sweep_id = train_sweep(wanted | {"hyperparameters": of_sweep})
    yield "get_sweep", client.get(f"/v1/sweeps/{sweep_id}")
    yield "list_sweeps", client.get("/v1/sweeps")
    yield "submit_sweep", (waiting := client.post("/v1/sweeps", json=wanted))
    yield "cancel_sweep", client.post(f"/v1/sweeps/{waiting.json()['id']}/cancel")


def _of_webhooks(client: TestClient) -> Iterator[tuple[str, Response]]:
    wanted = {"url": "https://example.org/slope", "events": ["job.succeeded", "sweep.finished"], "name": "the lab's"}
    yield "create_webhook", (made := client.post("/v1/webhooks", json=wanted))
    webhook = f"/v1/webhooks/{made.json()['id']}"
    yield "get_webhook", client.get(webhook)
    yield "list_webhooks", client.get("/v1/webhooks")
    yield "change_webhook", client.patch(webhook, json={"events": ["job.failed"]})
    yield "rotate_webhook_secret", client.post(f"{webhook}/rotate", json={"overlap_seconds": 3600})
    yield "try_webhook", (tried := client.post(f"{webhook}/test"))
    yield "list_deliveries", client.get(f"{webhook}/deliveries")
    yield "send_again", client.post(f"{webhook}/deliveries/{tried.json()['id']}/send")


def test_the_examples_of_the_document_are_answers_that_were_given(
    client: TestClient, train: Train, train_sweep: Callable[[Json], str]
) -> None:
    given = {}
    for operation, response in answers(client, train, train_sweep):
        assert response.is_success, (operation, response.text)
        given[operation] = {str(response.status_code): response.json()}
    if "WRITE_ANSWERS" in os.environ:
        openapi.ANSWERS.write_text(json.dumps(given, indent=1, ensure_ascii=False) + "\n", "utf-8")
    kept = json.loads(openapi.ANSWERS.read_bytes())

    assert kept.keys() == given.keys()
    for operation, answer in given.items():
        assert_alike(answer, kept[operation], operation)


def test_every_answer_that_is_json_has_an_example(app: FastAPI) -> None:
    lacking = set()
    for operations in app.openapi()["paths"].values():
        for operation in operations.values():
            told = {status: each for status, each in operation["responses"].items() if status.startswith("2")}
            for status, response in told.items():
                media = response.get("content", {}).get("application/json")
                if media is not None and "example" not in media:
                    lacking.add(operation["operationId"] + (f" {status}" if len(told) > 1 else ""))
    names = {each.partition(" ")[0] for each in WITHOUT_EXAMPLE}
    assert {each for each in lacking if each not in WITHOUT_EXAMPLE and each.partition(" ")[0] not in names} == set()


def assert_alike(found: Any, kept: Any, place: str) -> None:
    """The same but for ids, times, and what depends on the machine."""
    if place.endswith(OF_A_MACHINE) and not isinstance(kept, dict | list):
        return
    if isinstance(kept, dict):
        assert found.keys() == kept.keys(), place
        for name in kept:
            assert_alike(found[name], kept[name], f"{place}/{name}")
    elif isinstance(kept, list):
        assert len(found) == len(kept), place
        for number, (each, other) in enumerate(zip(found, kept, strict=True)):
            assert_alike(each, other, f"{place}/{number}")
    elif isinstance(kept, float):
        assert found == pytest.approx(kept, rel=1e-6, abs=1e-9), place
    else:
        assert kind_of(found) == kind_of(kept), place


def kind_of(value: Any) -> Any:
    for kind in (UUID, datetime.fromisoformat):
        try:
            kind(value)
        except (ValueError, TypeError, AttributeError):
            continue
        return kind
    return "secret" if isinstance(value, str) and value.startswith("whsec_") else value
