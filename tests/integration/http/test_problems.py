"""Every error is a problem (RFC 9457) and repeats no input; health, devices and documentation tell the truth."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response
from jsonschema_rs import meta, validator_for
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Message
from uuid_utils.compat import uuid7
from workbench import LECTURE, FakeQueue, Migrated, change, problem_of, rows_of_every_table, submit

from service.api.app import create_app
from service.api.dependencies import SessionDep
from service.api.guards.own_methods import with_own_methods
from service.errors import InvalidRequest
from service.settings import Settings
from service.store import workers
from service.store.database import Database
from service.store.tables import Worker
from slope import __version__
from slope.spec import Fault

LIMIT = 10_000
SECRET = "Zebra9Crossing"


@pytest.fixture
def narrow(settings: Settings, queue: FakeQueue) -> Iterator[TestClient]:
    """A client of an application that takes only small bodies."""
    app = create_app(settings.model_copy(update={"max_body_size": LIMIT}), queue)
    with TestClient(app) as client:
        yield client


def in_chunks(body: bytes) -> Iterator[bytes]:
    """Sent so, a body does not say how long it is."""
    for start in range(0, len(body), 1000):
        yield body[start : start + 1000]


# errors


def test_a_path_that_is_not_there_is_a_problem(client: TestClient) -> None:
    for path in ("/no", "/v1", "/v1/nothing", f"/v1/{SECRET}", "/v3/jobs", "/%00", "/%ff", "/v1/jobs/../../etc/passwd"):
        answer = client.get(path)
        assert "/docs" in problem_of(answer, 404)["detail"]
        assert SECRET not in answer.text


def test_a_method_that_is_not_there_is_a_problem_that_names_the_others(client: TestClient, database: Database) -> None:
    for method, path in (
        ("PUT", "/v1/jobs"),
        ("PUT", f"/v1/jobs/{submit(database)}"),
        ("POST", "/livez"),
        ("DELETE", "/v1/devices"),
        ("OPTIONS", "/v1/jobs"),
        (SECRET, "/v1/jobs"),
    ):
        answer = client.request(method, path)
        problem = problem_of(answer, 405)
        assert problem["type"] == "/problems/method-not-allowed"
        assert f"takes {answer.headers['allow']}" in problem["detail"]
        assert answer.headers["allow"]
        assert SECRET not in answer.text


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_address_of_a_call_is_not_that_of_a_thing_called_so(client: TestClient, app: FastAPI) -> None:
    """DELETE /v1/jobs/cancel is no call about a job `cancel`: the methods are those of the document."""
    own = {path: set(methods) for path, methods in app.openapi()["paths"].items() if "{" not in path}
    assert "/v1/jobs/cancel" in own
    for path, methods in own.items():
        for method in {"get", "put", "post", "patch", "delete"} - methods:
            answer = client.request(method, path)
            assert answer.status_code == 405
            assert {each.lower() for each in answer.headers["allow"].split(", ")} - {"head"} == methods


def test_a_call_answers_at_its_own_address_whatever_the_order_of_the_routes() -> None:
    def said(text: str, path: str, method: str) -> Route:
        return Route(path, lambda _: PlainTextResponse(text), methods=[method])

    routes = [said("job", "/jobs/{id}", "DELETE"), said("cancel", "/jobs/cancel", "POST")]
    for order in (routes, routes[::-1], [*routes, said("read", "/jobs/cancel", "PUT")]):
        client = TestClient(Starlette(routes=list(with_own_methods(order))))
        assert client.post("/jobs/cancel").text == "cancel"
        assert client.delete("/jobs/7").text == "job"
        assert client.delete("/jobs/cancel").status_code == 405
    assert client.put("/jobs/cancel").text == "read"


def test_a_body_past_the_limit_is_a_problem(narrow: TestClient, database: Database) -> None:
    body = b'{"name": "' + b"x" * LIMIT + b'"}'
    headers = {"content-type": "application/json"}
    answers = [
        narrow.post("/v1/jobs", content=body, headers=headers),
        narrow.post("/v1/jobs", content=in_chunks(body), headers=headers),
        narrow.post("/v1/plan", content=in_chunks(body), headers=headers),
        narrow.post(f"/v1/jobs/{submit(database)}/predict", content=in_chunks(body), headers=headers),
    ]
    before = rows_of_every_table(database)

    assert "content-length" not in answers[1].request.headers
    for answer in answers:
        assert problem_of(answer, 413)["type"] == "/problems/body-too-large"
    assert rows_of_every_table(database) == before
    assert before["jobs"] == 1


def test_a_body_up_to_the_limit_is_read(narrow: TestClient) -> None:
    body = b'{"dataset": {"x": [1], "y": [1]}}'
    headers = {"content-type": "application/json"}

    assert narrow.post("/v1/jobs", content=body.ljust(LIMIT), headers=headers).status_code == 202
    assert narrow.post("/v1/jobs", content=in_chunks(body.ljust(LIMIT)), headers=headers).status_code == 202
    problem_of(narrow.post("/v1/jobs", content=body.ljust(LIMIT + 1), headers=headers), 413)


def test_a_body_that_says_it_is_past_the_limit_is_not_even_read(settings: Settings, queue: FakeQueue) -> None:
    app = create_app(settings.model_copy(update={"max_body_size": LIMIT}), queue)
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("the body was asked for")

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/jobs",
        "query_string": b"",
        "headers": [
            (b"host", b"127.0.0.1"),
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % 10**12),
        ],
    }
    asyncio.run(app(scope, receive, send))

    assert sent[0]["status"] == 413
    assert (b"content-type", b"application/problem+json") in sent[0]["headers"]


def test_an_unforeseen_error_is_a_problem_that_tells_nothing(app: FastAPI) -> None:
    def burst() -> None:
        raise RuntimeError(SECRET)

    app.add_api_route("/burst", burst)
    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.get("/burst")

    assert problem_of(answer, 500)["type"] == "/problems/internal-error"
    assert SECRET not in answer.text


def test_a_very_long_sentence_is_cut(app: FastAPI) -> None:
    def refuse() -> None:
        raise InvalidRequest("a" * 10_001, [Fault("b" * 10_001, "/x")])

    app.add_api_route("/v2/refused", refuse)
    with TestClient(app) as client:
        details = client.get("/v2/refused").json()
    assert details["detail"] == details["error"] == "a" * 10_000 + "…"
    assert details["errors"] == [{"detail": "b" * 10_000 + "…", "pointer": "/x"}]


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (OperationalError(SECRET, {}, Exception(SECRET)), 503, "database-unavailable"),
        (PoolTimeout(SECRET), 503, "database-unavailable"),
        (OperationalError(SECRET, {}, Exception("no such table: jobs")), 503, "schema-missing"),
        (OperationalError(SECRET, {}, Exception("database or disk is full")), 507, "storage-full"),
        (ProgrammingError(SECRET, {}, Exception(SECRET)), 500, "internal-error"),
        (IntegrityError(SECRET, {}, Exception(SECRET)), 500, "internal-error"),
    ],
)
def test_what_the_database_cannot_do_is_a_problem_that_repeats_no_statement(
    app: FastAPI, error: Exception, status: int, kind: str
) -> None:
    def ask(session: SessionDep) -> None:
        raise error

    app.add_api_route("/ask", ask)
    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.get("/ask")

    assert problem_of(answer, status)["type"] == f"/problems/{kind}"
    assert SECRET not in answer.text
    assert ("retry-after" in answer.headers) == (status == 503)


def test_a_database_without_tables_asks_its_operator_for_them(empty_database: Database) -> None:
    url = empty_database.url.render_as_string(hide_password=False)
    with TestClient(create_app(Settings(database_url=url), FakeQueue())) as client:
        problem = problem_of(client.get("/v1/jobs"), 503)
    assert (problem["type"], problem["detail"]) == (
        "/problems/schema-missing",
        "It has no tables, or those of another version: its operator runs `slope db upgrade`",
    )


def test_a_job_that_would_record_too_much_is_refused(settings: Settings, queue: FakeQueue, database: Database) -> None:
    app = create_app(settings.model_copy(update={"max_recorded_numbers": 100}), queue)
    with TestClient(app) as client:
        problem = problem_of(client.post("/v1/jobs", json=LECTURE), 422)

    assert problem["type"] == "/problems/too-many-numbers"
    assert problem["errors"][0]["pointer"] == "/hyperparameters/record"
    assert rows_of_every_table(database)["jobs"] == 0


# health


def worker(name: str = "cpu") -> Worker:
    device = {"name": name, "description": "the test's"}
    return Worker(id=uuid7(), hostname="here", process_id=7, version="1.2.3", devices=[device], slots=2)


def test_a_process_that_answers_is_alive(client: TestClient, queue: FakeQueue) -> None:
    queue.is_up = False

    assert client.get("/livez").json() == {"status": "alive"}


def test_the_service_is_ready_when_database_broker_and_a_worker_are_there(
    client: TestClient, database: Database
) -> None:
    change(database, lambda session: workers.add_worker(session, worker()))

    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "database": True,
        "storage": True,
        "broker": True,
        "workers": 1,
        "without_broker": [],
    }


def test_the_service_is_degraded_without_a_broker_or_a_worker(
    client: TestClient, queue: FakeQueue, database: Database
) -> None:
    assert client.get("/readyz").json() == {
        "status": "degraded",
        "database": True,
        "storage": True,
        "broker": True,
        "workers": 0,
        "without_broker": [],
    }
    change(database, lambda session: workers.add_worker(session, worker()))
    queue.is_up = False
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json().items() >= {"status": "degraded", "broker": False, "workers": 1}.items()


def test_readiness_says_which_workers_do_not_hear_their_broker(client: TestClient, database: Database) -> None:
    hearing, deaf = worker(), worker()
    for one in (hearing, deaf):
        change(database, lambda session, one=one: workers.add_worker(session, one))
    change(database, lambda session: workers.touch_worker(session, deaf.id, hears=False))

    ready = client.get("/readyz").json()
    devices = {row["id"]: row["hears_broker"] for row in client.get("/v1/devices").json()["data"]}

    assert (ready["status"], ready["workers"], ready["without_broker"]) == ("degraded", 2, [str(deaf.id)])
    assert devices == {str(hearing.id): True, str(deaf.id): False}

    change(database, lambda session: workers.touch_worker(session, deaf.id, hears=True))
    assert client.get("/readyz").json()["status"] == "ready"


@pytest.fixture(params=["a file", "a server"])
def houseless(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TestClient]:
    """A client of an application whose database is not to be reached."""
    folder = tmp_path / "gone"
    url = f"sqlite:///{folder}/slope.db" if request.param == "a file" else f"postgresql://x@/x?host={folder}"
    app = create_app(Settings(database_url=url, broker_url="redis+socket:///none.sock"), FakeQueue())
    if folder.exists():
        folder.rmdir()
    with TestClient(app) as client:
        yield client


def test_the_service_is_unavailable_without_its_database(houseless: TestClient) -> None:
    answer = houseless.get("/readyz")

    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert answer.json() == {
        "status": "unavailable",
        "database": False,
        "storage": True,
        "broker": True,
        "workers": 0,
        "without_broker": [],
    }
    assert houseless.get("/livez").status_code == 200


def test_without_its_database_the_service_says_to_come_back(houseless: TestClient) -> None:
    url = f"/v1/jobs/{uuid7()}"
    answers: list[Response] = [
        houseless.post("/v1/jobs", json=LECTURE),
        houseless.get("/v1/jobs"),
        houseless.get(url),
        houseless.get(f"{url}/epochs"),
        houseless.get(f"{url}/events", headers={"accept": "text/event-stream"}),
        houseless.delete(url),
        houseless.post(f"{url}/cancel"),
        houseless.get("/v1/devices"),
    ]

    for answer in answers:
        assert problem_of(answer, 503)["type"] == "/problems/database-unavailable"
        assert int(answer.headers["retry-after"]) > 0


def test_the_service_is_unavailable_when_its_database_is_dropped(
    migrated: Migrated, request: pytest.FixtureRequest
) -> None:
    with migrated("postgresql") as url:
        app = create_app(Settings(database_url=url, broker_url="redis+socket:///none.sock"), FakeQueue())
        with TestClient(app) as client:
            assert client.get("/readyz").status_code == 200
            name = app.state.database.url.database
            request.getfixturevalue("postgresql").execute(f"DROP DATABASE {name} WITH (FORCE)")

            answer = client.get("/readyz")

            assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
            assert client.get("/livez").status_code == 200
            problem_of(client.get("/v1/jobs"), 503)


# devices


def test_devices_are_those_of_the_workers_and_tell_who_lives(client: TestClient, database: Database) -> None:
    assert client.get("/v1/devices").json() == {"data": [], "next": None}
    alive, stopped = worker("cuda:0"), worker()
    for each in (alive, stopped):
        change(database, lambda session, each=each: workers.add_worker(session, each))
    change(database, lambda session: workers.stop_worker(session, stopped.id))

    page = client.get("/v1/devices").json()

    assert [(each["id"], each["alive"]) for each in page["data"]] == [(str(alive.id), True), (str(stopped.id), False)]
    assert (
        page["data"][0].items()
        >= {
            "hostname": "here",
            "process_id": 7,
            "version": "1.2.3",
            "slots": 2,
            "devices": [{"name": "cuda:0", "description": "the test's"}],
            "stopped_at": None,
        }.items()
    )


def test_a_worker_that_has_been_silent_is_not_alive(
    client: TestClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(database, lambda session: workers.add_worker(session, worker()))
    assert client.get("/v1/devices").json()["data"][0]["alive"] is True

    monkeypatch.setattr(workers, "LIVE_SECONDS", -1.0)

    assert client.get("/v1/devices").json()["data"][0]["alive"] is False
    assert client.get("/readyz").json()["status"] == "degraded"


# documentation


def references(value: Any) -> Iterator[str]:
    """Every $ref in a document."""
    if isinstance(value, dict):
        yield from ([value["$ref"]] if isinstance(value.get("$ref"), str) else [])
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from references(each)


def test_the_documentation_is_openapi_whose_references_lead_somewhere(client: TestClient) -> None:
    document = client.get("/openapi.json").json()

    assert document["openapi"].startswith("3.1")
    assert document["info"]["version"] == __version__
    assert len(set(references(document))) > 5
    for reference in references(document):
        place: Any = document
        assert reference.startswith("#/")
        for part in reference.removeprefix("#/").split("/"):
            assert part in place, reference
            place = place[part]
    for name, schema in document["components"]["schemas"].items():
        assert meta.is_valid(schema | {"$schema": "https://json-schema.org/draft/2020-12/schema"}), name


def test_every_call_says_how_it_fails(client: TestClient) -> None:
    for path, calls in client.get("/openapi.json").json()["paths"].items():
        for method, call in calls.items():
            assert call["summary"], (method, path)
            assert call["responses"]["default"]["content"].keys() == {"application/problem+json"}, (method, path)


def examples(document: Any, path: str) -> dict[str, Any]:
    return document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["examples"]


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/plan"])
def test_every_example_is_accepted_as_it_stands(client: TestClient, path: str) -> None:
    document = client.get("/openapi.json").json()
    assert len(examples(document, path)) >= 3

    for name, example in examples(document, path).items():
        answer = client.post(path, json=example["value"])
        assert answer.status_code in (200, 202), (name, answer.text)
        reference = {"$ref": "#/components/schemas/JobRequest", "components": document["components"]}
        assert validator_for(reference).is_valid(example["value"]), name


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_the_documentation_needs_no_other_host(client: TestClient, path: str) -> None:
    page = client.get(path)

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert not re.findall(r"(?:https?:)?//[\w.-]+\.\w+", page.text)
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert links
    for link in links:
        assert client.get(link).status_code == 200, link


def test_the_documentation_draws_no_badge_of_another_host(client: TestClient) -> None:
    assert '"validatorUrl": null' in client.get("/docs").text


# messages for people


@pytest.mark.parametrize(
    ("method", "path", "body", "pointer", "words"),
    [
        ("POST", "/v1/jobs", b"", "", "The body is empty"),
        ("POST", "/v1/graphs", b"", "", "The body is empty"),
        ("GET", "/v1/jobs/lecture", None, "/path/job_id", "like 0199a20a-"),
        ("GET", "/v1/jobs?dataset_id=cars", None, "/query/dataset_id", "like 0199a20a-"),
        ("POST", "/v1/jobs", b'{"dataset": {"id": "cars"}}', "/dataset/id", "like 0199a20a-"),
        ("GET", "/v1/jobs?limit=ten", None, "/query/limit", "a whole number"),
        ("POST", "/v1/jobs", b'{"dataset": {"x": [1], "y": [1]}, "device": "gpu"}', "/device", "as cuda:0"),
    ],
)
def test_what_is_wrong_is_told_in_words(
    client: TestClient, method: str, path: str, body: bytes | None, pointer: str, words: str
) -> None:
    problem = problem_of(client.request(method, path, content=body, headers={"Content-Type": "application/json"}), 422)

    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]
    assert words in problem["detail"]
