"""The messages that the OpenAPI document shows were sent to a webhook: this test sends them again.

Where messages have changed, `WRITE_ANSWERS=1 pytest tests/integration/webhooks/test_examples.py` keeps the new ones.
"""

import json
import os
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import jsonschema_rs
import pytest
from fastapi import FastAPI
from integration.document.test_examples import assert_alike
from integration.webhooks.receiver import Received, Receiver
from integration.webhooks.test_outbox import hook
from standardwebhooks import Webhook as Verifier
from workbench import LECTURE, submit, submit_sweep

from service.api.document.webhooks import BODIES, MESSAGES
from service.jobs import jobs, pauses
from service.settings import Settings
from service.store.database import Database
from service.webhooks import webhooks
from worker.process import Process
from worker.upkeep.webhooks import WebhookSender

Json = dict[str, Any]
SWEEP = {name: LECTURE[name] for name in ("dataset", "hyperparameters")} | {"name": "rates", "grid": {"seed": [1, 2]}}
DIVERGING = LECTURE | {"hyperparameters": LECTURE["hyperparameters"] | {"learning_rate": 1e30}}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"webhooks_allow_private": True, "reap_seconds": 0.01})


@pytest.fixture
def sent(
    database: Database,
    process: Process,
    trained: Callable[[Json], UUID],
    train_groups: Callable[[str], None],
) -> dict[str, Received]:
    """What a webhook has received, by its type; of jobs, what is told of one that is of no sweep."""
    with Receiver() as receiver:
        webhook = hook(database, url=receiver.url)
        for request in (LECTURE, DIVERGING):
            trained(request)
        pauses.pause_job(database, paused := submit(database, LECTURE))
        jobs.cancel_job(database, paused)
        train_groups(str(submit_sweep(database, SWEEP)))
        webhooks.send_test(database, webhook.id)
        WebhookSender(process).run_once()
    for each in receiver.received:
        Verifier(webhook.secret).verify(each.body, each.headers)
    return {each.document["type"]: each for each in receiver.received if not each.document["data"].get("sweep_id")}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_messages_of_the_document_were_sent_and_are_as_it_describes_them(
    app: FastAPI, sent: dict[str, Received]
) -> None:
    shown = {name: _shown(received) for name, received in sent.items()}
    if "WRITE_ANSWERS" in os.environ:
        ordered = {name: shown[name] for name in BODIES}
        MESSAGES.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n", "utf-8")
    kept: Json = json.loads(MESSAGES.read_bytes())
    document = app.openapi()

    assert kept.keys() == shown.keys() == document["webhooks"].keys() == BODIES.keys()
    for name, message in shown.items():
        assert_alike(message["body"], kept[name]["body"], name)
        operation = document["webhooks"][name]["post"]
        _check_headers(operation["parameters"], message["headers"])
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        validator = jsonschema_rs.validator_for(schema | {"components": document["components"]})
        validator.validate(message["body"])
        assert not validator.is_valid(message["body"] | {"type": "job.forgotten"})


def _shown(received: Received) -> Json:
    headers = {name: value for name, value in received.headers.items() if name.startswith("webhook-")}
    return {"headers": headers, "body": received.document}


def _check_headers(described: list[Json], headers: dict[str, str]) -> None:
    assert {each["name"] for each in described} == headers.keys()
    for each in described:
        for value in (headers[each["name"]], each["example"]):
            assert each["schema"].get("format") == "uuid" or re.fullmatch(each["schema"]["pattern"], value)
    UUID(headers["webhook-id"])
