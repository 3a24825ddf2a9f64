"""Webhooks over HTTP: made, looked at, changed, and what they were sent."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from workbench import problem_of, rows_of_every_table, submit

from service.settings import Settings
from service.store import webhooks
from service.store.database import Database

WANTED: dict[str, Any] = {"url": "https://example.org/slope", "events": ["job.failed", "sweep.finished"], "name": "lab"}
HOOKS = "/v1/webhooks"


def made(client: TestClient, **changes: Any) -> dict[str, Any]:
    answer = client.post(HOOKS, json=WANTED | changes)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"{HOOKS}/{found['id']}"
    return found


def test_a_webhook_is_made_with_a_secret_that_is_shown_once(client: TestClient) -> None:
    webhook = made(client)
    secret = webhook.pop("secret")
    assert secret.startswith("whsec_")
    assert webhook | {"created_at": None} == {
        "id": webhook["id"],
        "name": "lab",
        "url": "https://example.org/slope",
        "events": ["job.failed", "sweep.finished"],
        "created_at": None,
        "enabled": True,
        "disabled_reason": None,
        "failing_since": None,
        "previous_secret_until": None,
    }
    for answer in (client.get(HOOKS), client.get(f"{HOOKS}/{webhook['id']}")):
        assert secret not in answer.text
    assert client.get(f"{HOOKS}/{webhook['id']}").json() == webhook


def test_webhooks_come_by_the_page_the_newest_first(client: TestClient) -> None:
    ids = [made(client)["id"] for _ in range(3)]
    first = client.get(f"{HOOKS}?limit=2").json()
    second = client.get(f"{HOOKS}?limit=2&after={first['next']}").json()
    assert [each["id"] for each in first["data"] + second["data"]] == ids[::-1]
    assert second["next"] is None


def test_what_a_change_does_not_name_stays(client: TestClient) -> None:
    webhook = made(client)
    changed = client.patch(f"{HOOKS}/{webhook['id']}", json={"events": ["job.paused"], "name": None}).json()
    del webhook["secret"]
    assert changed == webhook | {"events": ["job.paused"], "name": None}


def test_a_disabled_webhook_is_sent_nothing_until_it_is_enabled(client: TestClient) -> None:
    webhook = f"{HOOKS}/{made(client)['id']}"
    message = client.post(f"{webhook}/test").json()["id"]
    disabled = client.patch(webhook, json={"enabled": False}).json()
    assert (disabled["enabled"], disabled["disabled_reason"]) == (False, "It was disabled by a call")
    for call in ("test", f"deliveries/{message}/send"):
        assert problem_of(client.post(f"{webhook}/{call}"), 409)["type"] == "/problems/webhook-is-disabled"
    enabled = client.patch(webhook, json={"enabled": True}).json()
    assert (enabled["enabled"], enabled["disabled_reason"]) == (True, None)
    assert client.post(f"{webhook}/deliveries/{message}/send").status_code == 202


def test_a_rotation_shows_a_new_secret_and_how_long_the_old_one_counts(client: TestClient) -> None:
    webhook = made(client)
    rotated = client.post(f"{HOOKS}/{webhook['id']}/rotate", json={"overlap_seconds": 60}).json()
    assert rotated["secret"] != webhook["secret"]
    assert rotated["previous_secret_until"] > webhook["created_at"]


def test_deliveries_are_listed_by_status_the_newest_first(client: TestClient) -> None:
    webhook = f"{HOOKS}/{made(client)['id']}"
    ids = [client.post(f"{webhook}/test").json()["id"] for _ in range(3)]
    page = client.get(f"{webhook}/deliveries?limit=2&status=waiting").json()
    assert [each["id"] for each in page["data"]] == ids[:0:-1]
    assert page["data"][0]["type"] == "webhook.test"
    rest = client.get(f"{webhook}/deliveries?status=waiting&after={page['next']}").json()
    assert [each["id"] for each in rest["data"]] == ids[:1]
    assert client.get(f"{webhook}/deliveries?status=failed").json() == {"data": [], "next": None}


def test_a_webhook_goes_with_its_messages(client: TestClient, database: Database) -> None:
    webhook = f"{HOOKS}/{made(client)['id']}"
    client.post(f"{webhook}/test")
    assert client.delete(webhook).status_code == 204
    assert problem_of(client.get(webhook), 404)["type"] == "/problems/webhook-not-found"
    assert set(rows_of_every_table(database).values()) == {0}


def test_of_many_messages_of_a_webhook_some_go_in_each_transaction(
    client: TestClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook, removed = f"{HOOKS}/{made(client)['id']}", []
    for _ in range(5):
        client.post(f"{webhook}/test")
    remove = webhooks.remove_deliveries
    monkeypatch.setattr("service.webhooks.webhooks._MOST_REMOVED", 2)
    monkeypatch.setattr(webhooks, "remove_deliveries", lambda *given: removed.append(remove(*given)) or removed[-1])
    assert client.delete(webhook).status_code == 204
    assert removed == [2, 2, 1]
    assert rows_of_every_table(database)["deliveries"] == 0


def test_a_job_that_is_cancelled_is_among_the_messages(client: TestClient, database: Database) -> None:
    webhook = made(client, events=["job.cancelled"])
    job_id = submit(database)
    client.post(f"/v1/jobs/{job_id}/cancel")
    [message] = client.get(f"{HOOKS}/{webhook['id']}/deliveries").json()["data"]
    assert (message["type"], message["job_id"], message["status"]) == ("job.cancelled", str(job_id), "waiting")


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"url": "ftp://example.org/"}, "/url"),
        ({"url": "https://"}, "/url"),
        ({"url": "https://example.org:99999/"}, "/url"),
        ({"url": "https://ada:secret@example.org/"}, "/url"),
        ({"url": "https://example.org/#part"}, "/url"),
        ({"url": "https://exämple.org/"}, "/url"),
        ({"url": "https://example.org/a b"}, "/url"),
        ({"url": "https://example.org/" + "a" * 2000}, "/url"),
        ({"url": "http://127.0.0.1:6379/"}, "/url"),
        ({"url": "http://[::1]/"}, "/url"),
        ({"url": "http://169.254.169.254/latest/meta-data"}, "/url"),
        ({"url": "http://localhost./"}, "/url"),
        ({"events": []}, "/events"),
        ({"events": ["job.queued"]}, "/events/0"),
        ({"event": ["job.failed"]}, "/event"),
    ],
    ids=str,
)
def test_what_cannot_be_told_is_refused_at_once_and_changes_nothing(
    client: TestClient, database: Database, changes: dict[str, Any], pointer: str
) -> None:
    problem = problem_of(client.post(HOOKS, json=WANTED | changes), 422)
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert "secret" not in str(problem)
    assert "pattern" not in str(problem)
    assert rows_of_every_table(database)["webhooks"] == 0


def test_private_addresses_are_taken_where_the_operator_says_so(app: FastAPI, client: TestClient) -> None:
    app.state.settings = Settings(webhooks_allow_private=True)
    assert made(client, url="http://127.0.0.1:9000/hook")["url"] == "http://127.0.0.1:9000/hook"


def test_an_owner_has_no_more_webhooks_than_all_ends_can_be_told_to(client: TestClient) -> None:
    for _ in range(20):
        made(client)
    assert problem_of(client.post(HOOKS, json=WANTED), 409)["type"] == "/problems/too-many-webhooks"


def test_messages_of_others_are_not_found(client: TestClient) -> None:
    one, other = (f"{HOOKS}/{made(client)['id']}" for _ in range(2))
    message: UUID = client.post(f"{one}/test").json()["id"]
    for path in (f"{other}/deliveries/{message}/send", f"{one}/deliveries/{uuid4()}/send"):
        assert problem_of(client.post(path), 404)["type"] == "/problems/delivery-not-found"


def test_who_makes_webhooks_together_has_no_more_of_them(client: TestClient) -> None:
    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(lambda _: client.post(HOOKS, json=WANTED).status_code, range(28)))

    assert sorted(set(statuses)) == [201, 409]
    assert statuses.count(201) == 20
