"""The API while its database does not answer: every route says so soon, and what needs no database goes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event as Flag
from threading import Thread
from typing import Any
from uuid import UUID

import anyio
import httpx2
import pytest
import uvicorn
from anyio import to_thread
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from faults.proxy import Proxy
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from structlog.testing import capture_logs
from workbench import LECTURE, FakeQueue, at_once, problem_of, submit

import service.api.routes.health
from service.api.app import create_app
from service.api.files.streaming import Stream
from service.records import feed
from service.settings import Settings
from service.store import database as connections
from service.store.connections import postgresql
from service.store.database import Database, translated_errors

_BODIES: dict[str, Any] = {
    "/v1/jobs": LECTURE,
    "/v1/sweeps": {"dataset": LECTURE["dataset"], "grid": {"learning_rate": [0.1, 0.2]}},
    "/v1/datasets": {"x": [1.0], "y": [2.0]},
    "/v1/jobs/{job_id}": {"name": "renamed"},
    "/v1/jobs/{job_id}/rerun": {},
    "/v1/datasets/{dataset_id}": {"name": "renamed"},
    "/v1/keys": {"name": "alice"},
    "/v1/webhooks": {"url": "https://example.org/slope", "events": ["job.failed"]},
    "/v1/webhooks/{webhook_id}": {"enabled": False},
    "/v1/webhooks/{webhook_id}/rotate": {},
    "/v1/aliases/{name}": {"job": str(UUID(int=7))},
    "/v1/jobs/{job_id}/predict": {"x": [1.0]},
    "/v1/jobs/{job_id}/invocations": {"instances": [[1.0]]},
    "/v2/models/{job_id}/infer": {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP64", "data": [1.0]}]},
}
_FILTERED = {("DELETE", "/v1/jobs"), ("POST", "/v1/jobs/cancel")}
"""Without a filter they change nothing, and ask nobody."""
_WITHOUT_DATABASE = {"/v1/plan", "/v1/graphs", "/v1/session", "/v2", "/v2/health/live"}


@pytest.fixture
def host(postgresql_url: str) -> Iterator[Proxy]:
    """The way to PostgreSQL."""
    url = make_url(postgresql_url)
    with Proxy(f"{url.query.get('host') or url.host}/.s.PGSQL.{url.port or 5432}") as proxy:
        yield proxy


@pytest.fixture
def far(postgresql_url: str, host: Proxy, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """An application whose database is behind it."""
    monkeypatch.setattr(postgresql, "ASK_AFTER", 0.3)
    monkeypatch.setattr(postgresql, "ANSWER_SECONDS", 0.3)
    url = make_url(postgresql_url).set(host="127.0.0.1", port=host.port, query={"sslmode": "disable"})
    settings = Settings(database_url=url.render_as_string(hide_password=False), broker_url="redis+socket:///none.sock")
    return create_app(settings, FakeQueue())


def routes(app: FastAPI) -> list[tuple[str, str]]:
    """Every method and path that asks the database."""
    return [
        (method, route.path)
        for route in app.routes
        if isinstance(route, APIRoute) and route.path.startswith("/v") and route.path not in _WITHOUT_DATABASE
        for method in route.methods
    ]


def ask(client: TestClient, method: str, path: str, **values: Any) -> Any:
    ids = {name: UUID(int=7) for name in ("job_id", "dataset_id", "sweep_id", "webhook_id", "delivery_id")}
    url = path.format(**ids | {"epoch": 0, "step": 0, "name": "champion", "key_id": "4fJ2k0QxWv7A"})
    body = _BODIES.get(path)
    params = {"status": "failed"} if (method, path) in _FILTERED else None
    return client.request(
        method, url, json=body if method in ("POST", "PUT", "PATCH") else None, params=params, **values
    )


def test_every_route_says_that_the_database_does_not_answer_however_many_ask(far: FastAPI, host: Proxy) -> None:
    asked = routes(far) * 2
    assert len(asked) > 40, "more than there are threads"
    with TestClient(far) as client:
        client.get("/v1/jobs")
        host.hold()
        answers = at_once(len(asked), lambda number: ask(client, *asked[number]))

        for (method, path), answer in zip(asked, answers, strict=True):
            assert answer.status_code == 503, f"{method} {path}: {answer.text}"
            assert int(answer.headers["retry-after"]) > 0, f"{method} {path}"
        assert client.get("/livez").status_code == 200
        assert client.get("/readyz").json()["database"] is False


def test_polls_go_on_when_the_database_is_back(far: FastAPI, host: Proxy, postgresql_url: str) -> None:
    database = Database(postgresql_url)
    job_id = submit(database)
    with TestClient(far) as client:
        tag = client.get(f"/v1/jobs/{job_id}").headers["etag"]
        at_once(10, lambda _: client.get("/v1/jobs"))
        host.hold()
        problem_of(client.get(f"/v1/jobs/{job_id}"), 503)
        host.let_go()
        while client.get(f"/v1/jobs/{job_id}").status_code == 503:
            pass  # until somebody has asked the server again

        assert client.get(f"/v1/jobs/{job_id}", headers={"if-none-match": tag}).status_code == 304
        assert all(answer.status_code == 200 for answer in at_once(10, lambda _: client.get("/v1/jobs")))
    database.dispose()


def test_one_query_that_is_lost_does_not_hold_the_polls(far: FastAPI, host: Proxy, postgresql_url: str) -> None:
    database = Database(postgresql_url)
    job_ids = [submit(database) for _ in range(5)]
    with TestClient(far) as client:
        for job_id in job_ids:
            client.get(f"/v1/jobs/{job_id}")
        host.cut()

        answers = at_once(5, lambda number: client.get(f"/v1/jobs/{job_ids[number]}"))

    database.dispose()
    assert [answer.status_code for answer in answers] == [200] * 5


def test_who_cannot_write_is_told_and_those_who_read_go_on(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_TURN_SECONDS", 1.0)
    another = Database(sqlite_url)
    job_id = submit(another)
    app = create_app(Settings(database_url=sqlite_url, broker_url="redis+socket:///none.sock"), FakeQueue())

    def act(number: int) -> int:
        if number % 3:
            return client.post("/v1/jobs", json=LECTURE).status_code
        return client.get(f"/v1/jobs/{job_id}").status_code

    with TestClient(app) as client:
        client.get(f"/v1/jobs/{job_id}")
        with another.writing():
            codes = at_once(90, act)
            problem = problem_of(client.post("/v1/jobs", json=LECTURE), 503)
        assert client.post("/v1/jobs", json=LECTURE).status_code == 202
    another.dispose()

    assert set(codes[::3]) == {200}
    assert {code for number, code in enumerate(codes) if number % 3} == {503}
    assert problem["type"] == "/problems/database-unavailable"


@pytest.mark.parametrize("path", ["/livez", "/v2/health/live"])
def test_a_process_is_alive_while_all_its_threads_are_busy(client: TestClient, path: str) -> None:
    with all_threads_busy(client):
        assert client.get(path).status_code == 200


def test_readiness_and_polls_need_no_thread_of_the_others(client: TestClient, database: Database) -> None:
    job_id = submit(database)
    with all_threads_busy(client):
        assert client.get("/readyz").json()["database"] is True
        assert client.get(f"/v1/jobs/{job_id}").json()["id"] == str(job_id)


@contextmanager
def all_threads_busy(client: TestClient) -> Iterator[None]:
    """For the length of a block no thread of the application's pool is free."""
    busy = [object() for _ in range(40)]

    async def begin() -> None:
        for each in busy:
            to_thread.current_default_thread_limiter().acquire_on_behalf_of_nowait(each)

    async def end() -> None:
        for each in busy:
            to_thread.current_default_thread_limiter().release_on_behalf_of(each)

    assert client.portal
    client.portal.call(begin)
    try:
        yield
    finally:
        client.portal.call(end)


def test_readiness_does_not_wait_for_what_hangs(
    client: TestClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.api.routes.health, "_ANSWER_SECONDS", 2.0)  # the database answers within them anywhere
    end = Flag()
    monkeypatch.setattr(app.state.queue, "is_reachable", lambda: end.wait(60))
    monkeypatch.setattr(app.state.storage, "check", lambda: end.wait(60))

    answer = client.get("/readyz")
    end.set()

    assert answer.status_code == 503
    assert answer.json().items() >= {"database": True, "storage": False, "broker": False}.items()


def gone(*_: Any) -> Any:
    with translated_errors():
        raise OperationalError("SELECT", {}, Exception("gone"))


def test_a_stream_of_events_ends_when_the_database_goes(
    client: TestClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit(database)
    url, headers = f"/v1/jobs/{job_id}/events", {"accept": "text/event-stream"}
    following = feed.next_batch
    asked: list[UUID] = []

    def once(session: Session, job_id: UUID, *of: Any) -> feed.Batch:
        asked.append(job_id)
        return following(session, job_id, *of) if len(asked) == 1 else gone()

    monkeypatch.setattr(feed, "next_batch", once)
    with capture_logs() as logged:
        told = client.get(url, headers=headers)

    assert told.status_code == 200
    assert '"queued"' in told.text
    [line] = [each for each in logged if "exc_info" in each or "stream" in each["event"]]
    assert line["event"] == "a stream of events ends: the database does not answer"
    problem_of(client.get(url, headers=headers | {"last-event-id": "-1.1"}), 503)


def test_a_file_that_cannot_be_read_to_its_end_is_left_without_one() -> None:
    sent: list[Any] = []

    def content() -> Iterator[bytes]:
        yield b"epoch,loss\n"
        gone()

    async def send(message: Any) -> None:
        sent.append(message)

    with capture_logs() as logged:
        anyio.run(Stream(content()).stream_response, send)

    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[-1]["more_body"] is True
    assert [line["event"] for line in logged] == ["an answer was cut short"]


def test_a_client_sees_that_a_file_was_cut_short() -> None:
    def content() -> Iterator[bytes]:
        yield b"epoch,loss\n"
        gone()

    with served(Stream(content())) as url, pytest.raises(httpx2.RemoteProtocolError):
        httpx2.get(url, timeout=60)


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The application's URL, on a real server."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    thread = Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
