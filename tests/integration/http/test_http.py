"""What HTTP says of methods, headers and codings holds on every route."""

import asyncio
import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message
from uuid_utils.compat import uuid7
from workbench import FakeQueue, problem_of, request, submit

from service.api.app import create_app
from service.api.guards.normalization import Decoding, join_lists
from service.settings import Settings
from service.store.database import Database
from slope import __version__

JSON = {"Content-Type": "application/json"}
Trained = Callable[..., UUID]


# methods


def test_head_is_get_without_a_body_on_every_route(app: FastAPI, client: TestClient, database: Database) -> None:
    job_id = submit(database)
    for path in {route.path for route in app.routes if isinstance(route, APIRoute) and "GET" in route.methods}:
        url = path.replace("{job_id}", str(job_id)).replace("{epoch}", "0").replace("{step}", "0")
        url = url.replace("{dataset_id}", str(uuid7())).replace("{sweep_id}", str(uuid7()))
        got, head = client.get(url), client.head(url)
        assert head.status_code == got.status_code, url
        assert head.content == b""
        assert head.headers.get("content-type") == got.headers.get("content-type")
        if url != "/metrics":  # which says more each time
            assert head.headers.get("content-length", "0") == got.headers.get("content-length", "0"), url


def test_head_of_a_stream_does_not_wait_for_its_end(client: TestClient, database: Database) -> None:
    head = client.head(f"/v1/jobs/{submit(database)}/events", headers={"Accept": "text/event-stream"})

    assert head.headers["content-type"].startswith("text/event-stream")
    assert head.headers["x-accel-buffering"] == "no"  # or nginx would hold the events of GET back
    assert head.content == b""


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/jobs", "DELETE, GET, HEAD, POST"),
        ("/v1/sweeps", "GET, HEAD, POST"),
        ("/v1/datasets", "GET, HEAD, POST"),
        ("/v1/jobs/01a216f6-7e94-733b-aab1-78471dd1a01c", "DELETE, GET, HEAD, PATCH"),
        ("/v1/plan", "POST"),
    ],
)
def test_allow_names_all_methods_of_a_path(client: TestClient, path: str, methods: str) -> None:
    answer = client.put(path)

    problem_of(answer, 405)
    assert answer.headers["allow"] == methods


# headers in several lines


def test_a_list_in_several_lines_is_read_as_one(client: TestClient, database: Database) -> None:
    url = f"/v1/jobs/{submit(database)}"
    tag = client.get(url).headers["etag"]

    assert client.get(url, headers=[("If-None-Match", '"a"'), ("If-None-Match", tag)]).status_code == 304
    accept = [("Accept", "text/html"), ("Accept", "text/event-stream")]
    assert client.head(f"{url}/events", headers=accept).headers["content-type"].startswith("text/event-stream")


def test_lines_of_a_list_are_joined_in_their_order_and_others_left() -> None:
    told = [(b"prefer", b"return=representation"), (b"host", b"a"), (b"prefer", b"wait=10"), (b"x", b"1"), (b"x", b"2")]

    assert join_lists(told) == [
        (b"prefer", b"return=representation, wait=10"),
        (b"host", b"a"),
        (b"x", b"1"),
        (b"x", b"2"),
    ]


# what a client accepts


UNREAD = "image/webp, application/xml;q=0.9"


def test_no_route_answers_with_what_its_client_does_not_accept(app: FastAPI, client: TestClient) -> None:
    """Before anything is done: a job is not made whose answer would not be read."""
    refused = 0
    for route in app.routes:
        if not isinstance(route, APIRoute) or route.status_code == 204 or not route.path.startswith(("/v1", "/v2")):
            continue
        if route.path.endswith(("/infer", "/graphs", "/predict")):  # these look at the body first
            continue
        url = re.sub(r"\{(\w+)\}", lambda found: str(uuid7()) if found[1].endswith("_id") else "0", route.path)
        for method in route.methods:
            answer = client.request(method, url, headers={"Accept": UNREAD})
            assert (answer.status_code, answer.json()["type"]) == (406, "/problems/not-acceptable"), url
            assert answer.headers["vary"] == "Accept", url
            refused += 1
    assert refused > 25
    assert client.get("/v1/jobs").json()["data"] == []


@pytest.mark.parametrize(
    "accept",
    [
        "*/*",
        "application/json",
        "application/*;q=0.1",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
        "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
        "application/problem+json, application/json",
        "Application/JSON",
        'image/png; name="a, \\"b", application/json',
        "",
        " , ,",
    ],
)
def test_what_clients_usually_accept_is_json(client: TestClient, accept: str) -> None:
    answer = client.get("/v1/jobs", headers={"Accept": accept})

    assert answer.json() == {"data": [], "next": None}
    assert answer.headers["vary"] == "Accept"


@pytest.mark.parametrize("accept", [UNREAD, "nonsense", "a" * 5000])
def test_probes_are_answered_whatever_they_accept(client: TestClient, accept: str) -> None:
    assert client.get("/livez", headers={"Accept": accept}).json() == {"status": "alive"}


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/event-stream", "text/event-stream"),
        ("text/*", "text/event-stream"),
        ("application/json;q=0.1, text/event-stream", "text/event-stream"),
        ("text/event-stream;q=0.1, application/json", "application/json"),
        ("text/event-stream;q=0, */*", "application/json"),
        ("*/*", "application/json"),
    ],
)
def test_events_come_as_accept_prefers_them(client: TestClient, database: Database, accept: str, kind: str) -> None:
    head = client.head(f"/v1/jobs/{submit(database)}/events", headers={"Accept": accept})

    assert head.headers["content-type"].partition(";")[0] == kind


# preconditions


@pytest.mark.parametrize(("method", "call", "status"), [("DELETE", "", 204), ("POST", "/cancel", 202)])
def test_a_job_is_changed_only_while_it_has_the_tag_of_if_match(
    client: TestClient, database: Database, method: str, call: str, status: int
) -> None:
    url = f"/v1/jobs/{submit(database)}"
    tag = client.get(url).headers["etag"]

    for other in ('"1.0"', f"W/{tag}", "nonsense", ""):
        problem = problem_of(client.request(method, url + call, headers={"If-Match": other}), 412)
        assert problem["type"] == "/problems/job-has-changed"
    assert client.get(url).headers["etag"] == tag
    assert client.request(method, url + call, headers={"If-Match": f'"1.0", {tag}'}).status_code == status


def test_any_job_that_is_there_has_the_tag_star(client: TestClient, database: Database) -> None:
    problem_of(client.delete(f"/v1/jobs/{uuid7()}", headers={"If-Match": "*"}), 404)
    assert client.delete(f"/v1/jobs/{submit(database)}", headers={"If-Match": "*"}).status_code == 204


# codings


@pytest.mark.parametrize(
    ("coding", "compress"),
    [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress), ("GZIP", gzip.compress)],
)
def test_a_compressed_body_is_decoded(client: TestClient, coding: str, compress: Callable[[bytes], bytes]) -> None:
    body = compress(json.dumps(request()).encode())

    for content in (body, iter([body[:10], body[10:]])):
        answer = client.post("/v1/jobs", content=content, headers=JSON | {"Content-Encoding": coding})
        assert answer.status_code == 202, answer.text


def test_a_coding_that_is_not_known_is_refused_and_others_named(client: TestClient) -> None:
    for coding in ("nonsense", "br", "gzip, gzip"):
        answer = client.post("/v1/jobs", json=request(), headers={"Content-Encoding": coding})
        problem_of(answer, 415)
        assert answer.headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("content", [b"{}", gzip.compress(b"{}")[:-1], gzip.compress(b"{}")[:-9] + b"12345678"])
def test_what_is_not_compressed_as_it_says_is_told(client: TestClient, content: bytes) -> None:
    problem = problem_of(client.post("/v1/jobs", content=content, headers=JSON | {"Content-Encoding": "gzip"}), 400)

    assert "compressed" in problem["detail"]


def test_the_limit_of_a_body_holds_for_what_is_decoded(settings: Settings, queue: FakeQueue) -> None:
    body = gzip.compress(b" " * 10_000_000 + json.dumps(request()).encode())
    app = create_app(settings.model_copy(update={"max_body_size": 100_000}), queue)

    assert len(body) < 100_000
    with TestClient(app) as client:
        problem_of(client.post("/v1/jobs", content=body, headers=JSON | {"Content-Encoding": "gzip"}), 413)


@given(st.lists(st.binary(max_size=3000), min_size=1, max_size=4), st.integers(1, 400), st.integers(0, 3))
def test_decoding_gives_what_was_compressed_however_it_is_cut(files: list[bytes], cut: int, repeated: int) -> None:
    files = [file * 10**repeated for file in files]
    body = b"".join(gzip.compress(file) for file in files)

    assert decoded(body[start : start + cut] for start in range(0, len(body), cut)) == b"".join(files)


def decoded(pieces: Iterator[bytes]) -> bytes:
    """What an application behind the decoding reads."""
    found: list[bytes] = []

    async def receive() -> Message:
        piece = next(pieces, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    async def read(_scope: Any, receive: Any, _send: Any) -> None:
        message = {"more_body": True}
        while message["more_body"]:
            message = await receive()
            found.append(message["body"])

    scope = {"type": "http", "path": "/v1/jobs", "headers": [(b"content-encoding", b"gzip")]}
    asyncio.run(Decoding(read)(scope, receive, None))  # type: ignore[arg-type]
    return b"".join(found)


# what other servers have


def test_the_first_version_of_a_model_is_the_model(client: TestClient, trained: Trained) -> None:
    url = f"/v2/models/{trained(request())}"
    rows = {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [1.0]}]}

    assert client.get(f"{url}/versions/1").json() == client.get(url).json()
    assert client.get(url).json()["versions"] == ["1"]
    assert client.get(f"{url}/versions/1/ready").json() == client.get(f"{url}/ready").json()
    assert client.post(f"{url}/versions/1/infer", json=rows).json() == client.post(f"{url}/infer", json=rows).json()
    assert client.get(f"{url}/versions/2").status_code == 404


def test_mlflow_s_probes_find_a_model_below_its_job(client: TestClient, trained: Trained, database: Database) -> None:
    url = f"/v1/jobs/{trained(request())}"

    assert client.get(f"{url}/ping").status_code == 200
    assert client.get(f"{url}/version").text == __version__
    problem_of(client.get(f"/v1/jobs/{submit(database)}/ping"), 409)
