"""Large JSON bodies are read apart from the loop that serves everybody, and mean what small ones mean."""

import json
import sys
import threading
from collections.abc import Iterator
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from anyio import Event, create_task_group, run, wait_all_tasks_blocked
from anyio.lowlevel import checkpoint
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send
from workbench import problem_of

from service.api.guards import route_guards
from service.api.guards.normalization import BodyLimit
from service.api.protocols.kserve import InferenceRequest
from service.api.protocols.mlflow import Invocation
from service.api.request_bodies import json_body, json_documents, json_reader, values
from service.api.request_bodies.json_body import parse_body
from service.api.request_bodies.json_documents import LARGE, join_parts, read_json
from service.api.request_bodies.json_reader import parts_of_document
from service.api.routes.predictions import PredictRequest
from service.errors import InvalidRequest, MalformedRequest, TableTooLarge
from slope.spec import JobRequest, SweepRequest
from slope.spec.graph import GraphRequest

JSON = {"Content-Type": "application/json"}
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=3), inner, max_size=6),
    max_leaves=40,
)

HALF_A_DOCUMENT = """
import sys, marshal
sys.stdin.buffer.read()
dataset = {"x": [1.0, 2.0], "y": [1.0, 2.0]}
for part in (("dict", None), ("entries", {"dataset": dataset})):  # as a whole it would be a job with all defaults
    content = marshal.dumps(part)
    sys.stdout.buffer.write(len(content).to_bytes(8) + content)
"""


def job(rows: int, **changes: Any) -> dict[str, Any]:
    dataset = {"x": [[row / 7.0, 0.123456789] for row in range(rows)], "y": [row / 3.0 for row in range(rows)]}
    return {"dataset": dataset, "hyperparameters": {"epochs": 1, "record": {"steps": "none"}}} | changes


@given(document=DOCUMENTS, piece=st.integers(1, 8))
def test_a_document_in_parts_is_the_document(document: Any, piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_reader, "PIECE", piece)
        assert join_parts(parts_of_document(json.dumps(document).encode())) == document


@given(text=st.text(st.sampled_from('[]{},:"1e9-.nulltrue '), max_size=30) | st.text(max_size=20))
def test_a_text_is_read_the_same_in_parts_and_as_a_whole(text: str) -> None:
    def outcome(read: Any) -> str:
        try:
            return repr(read(text.encode("utf-8", "surrogatepass")))
        except MalformedRequest as error:
            return error.detail

    assert outcome(lambda content: join_parts(parts_of_document(content))) == outcome(read_json)


@pytest.mark.parametrize("text", ["", "[", "[" * 100_000, "9" * 5000, "\ud800"])
def test_what_is_beyond_the_parser_is_refused(text: str) -> None:
    padded = text.encode("utf-8", "surrogatepass") + b" " * LARGE
    for content in (text.encode("utf-8", "surrogatepass"), padded):
        with pytest.raises(MalformedRequest):
            read_json(content)


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(["/no/such/program"], id="never starts"),
        pytest.param([sys.executable, "-c", ""], id="ends before it reads"),
        pytest.param([sys.executable, "-c", HALF_A_DOCUMENT], id="ends amid a document"),
    ],
)
def test_a_reader_that_fails_is_our_fault_and_never_a_shorter_body(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, program: list[str]
) -> None:
    monkeypatch.setattr(json_documents, "_COMMAND", program)

    answer = client.post("/v1/plan", content=json.dumps(job(40_000)), headers=JSON)

    assert problem_of(answer, 503)["type"] == "/problems/body-not-read"
    assert answer.headers["Retry-After"] == "2"


@pytest.mark.parametrize("rows", [3, 5_000, 40_000], ids=["in the loop", "in a thread", "in a process"])
def test_a_body_means_the_same_whatever_its_size(client: TestClient, rows: int) -> None:
    def post(request: Any) -> Any:
        return client.post(
            "/v1/plan", content=request if isinstance(request, bytes) else json.dumps(request), headers=JSON
        )

    whole = json.dumps(job(rows))
    assert (len(whole) >= route_guards.THREADED, len(whole) >= LARGE) == (rows > 3, rows == 40_000)
    plan = post(job(rows))
    assert plan.status_code == 200, plan.text
    assert plan.json()["plan"]["steps"] == rows

    wrong = job(rows)
    wrong["dataset"]["x"][rows - 1][1] = "word"
    for request, pointer in (
        (wrong, f"/dataset/x/{rows - 1}/1"),
        (job(rows, nonsense=1), "/nonsense"),
        (job(rows) | {"hyperparameters": {"epochs": 0}}, "/hyperparameters/epochs"),
    ):
        assert [fault["pointer"] for fault in problem_of(post(request), 422)["errors"]] == [pointer]
    assert "is not JSON" in problem_of(post(whole[:-1].encode()), 400)["detail"]
    problem_of(client.post("/v1/plan", content=whole, headers={"Content-Type": "text/plain"}), 415)


def test_a_large_body_is_not_read_in_the_loop(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []
    read = route_guards.read_json
    monkeypatch.setattr(
        route_guards, "read_json", lambda body: (threads.append(threading.current_thread().name), read(body))[1]
    )

    assert client.post("/v1/plan", content=json.dumps(job(5_000)), headers=JSON).status_code == 200
    assert [name for name in threads if "AnyIO worker" in name] == threads != []


def test_no_list_or_object_of_a_body_collects_faults_without_a_bound(app: FastAPI) -> None:
    models = {route.body_field.field_info.annotation for route in app.routes if getattr(route, "body_field", None)}
    models |= {InferenceRequest, Invocation}
    assert {JobRequest, SweepRequest, GraphRequest, PredictRequest} < models

    for body in models:
        assert list(unbounded(body.__pydantic_core_schema__)) == []


def unbounded(schema: Any) -> Iterator[Any]:
    """Lists and objects whose items can be wrong, and that tell of every item."""
    if isinstance(schema, list | tuple):
        for each in schema:
            yield from unbounded(each)
    if not isinstance(schema, dict) or schema.get("type") == "function-wrap":
        return
    kind = schema.get("type")
    items = {"list": schema.get("items_schema"), "dict": schema.get("values_schema")}.get(str(kind), {"type": "any"})
    has_bound = schema.get("fail_fast") or (kind == "list" and "max_length" in schema)  # a list ends at its length
    if items["type"] != "any" and not has_bound:
        yield schema
    yield from unbounded([each for name, each in schema.items() if name not in ("metadata", "serialization")])


def test_a_faulty_number_is_told_at_its_place_in_whichever_piece(client: TestClient) -> None:
    for index in (0, 19_999, 20_000, 45_000):
        request = {"dataset": {"x": [1.0] * 45_001, "y": [1.0] * 45_001}}
        request["dataset"]["y"][index] = None  # type: ignore[call-overload]
        problem = problem_of(client.post("/v1/plan", json=request), 422)
        assert [fault["pointer"] for fault in problem["errors"]] == [f"/dataset/y/{index}"]


@pytest.mark.parametrize("rows", [10, 40_000], ids=["as a whole", "in a process"])
def test_what_others_protocols_send_means_the_same_whatever_its_size(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = [[row / 7.0, 0.123456789] for row in range(rows)]
    text = json.dumps({"inputs": [{"name": "x", "shape": [rows, 2], "datatype": "FP64", "data": x}], "id": "é"})
    assert (len(text) >= LARGE) == (rows > 10)

    found = parse_body(InferenceRequest, text.encode())
    assert found == InferenceRequest.model_validate_json(text)

    wrong = json.loads(text)
    wrong["inputs"][0]["data"][-1][1] = "word"
    read = Mock(wraps=read_json)
    monkeypatch.setattr(json_body, "read_json", read)
    with pytest.raises(InvalidRequest) as raised:
        parse_body(InferenceRequest, json.dumps(wrong).encode())
    assert read.call_count == 1
    assert [fault.pointer for fault in raised.value.faults] == [f"/inputs/0/data/{rows - 1}/1"]
    with pytest.raises(MalformedRequest):
        parse_body(InferenceRequest, text[:-1].encode())


@given(document=DOCUMENTS)
def test_no_document_has_more_values_than_are_counted_in_its_text(document: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(values, "MAX_VALUES", values_in(document) - 2)  # a sign for each but the first
        with pytest.raises(TableTooLarge):
            values.refuse_many_values(json.dumps(document).encode())


def values_in(document: Any) -> int:
    inner = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    return 1 + sum(map(values_in, inner))


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_cells_are_counted_by_commas_and_ends_of_lines(monkeypatch: pytest.MonkeyPatch, end: bytes) -> None:
    table = (b"a,b" + end) * 3
    monkeypatch.setattr(values, "MAX_VALUES", 6)
    values.refuse_many_cells(table)
    with pytest.raises(TableTooLarge, match="7 values by its commas and ends of lines; 6 are allowed"):
        values.refuse_many_cells(table + end)


def test_of_a_list_that_is_too_long_no_item_is_looked_at() -> None:
    for model, name, most in ((PredictRequest, "x", 10_000), (InferenceRequest, "inputs", 20_000)):
        with pytest.raises(ValidationError) as raised:
            model.model_validate({name: [None] * (most + 1)})
        [fault] = raised.value.errors()
        assert fault["loc"] == (name,)
        assert "at most" in fault["msg"]


def test_bodies_in_memory_come_to_eight_of_the_largest_and_little_ones_always_come_in() -> None:
    most, read = 2**20, [0]

    async def app(_: Scope, receive: Receive, __: Send) -> None:
        read[0] += len((await receive())["body"])
        await over.wait()

    async def post(size: int) -> None:
        async def receive() -> Message:
            return {"type": "http.request", "body": b" " * size}

        head = {"type": "http", "method": "POST", "path": "/v1/jobs", "headers": [(b"transfer-encoding", b"chunked")]}
        await limit(head, receive, AsyncMock())

    async def scene() -> None:
        async with create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(post, most)
            await wait_all_tasks_blocked()
            with pytest.raises(HTTPException) as refused:
                await post(most)
            assert refused.value.status_code == 503
            tasks.start_soon(post, 1000)
            await wait_all_tasks_blocked()
            over.set()
        await post(most)

    limit, over = BodyLimit(app, max_size=most, max_upload_size=most), Event()
    run(scene)

    assert read == [9 * most + 1000]


def test_what_two_tasks_of_a_request_receive_is_counted_once() -> None:
    pieces = [b"", b" " * 1000]

    async def receive() -> Message:
        await checkpoint()
        return {"type": "http.request", "body": pieces.pop()}

    async def app(_: Scope, receive: Receive, __: Send) -> None:
        async with create_task_group() as tasks:
            tasks.start_soon(receive)
            tasks.start_soon(receive)

    limit = BodyLimit(app, max_size=10_000, max_upload_size=10_000)
    head = {"type": "http", "method": "POST", "path": "/v1/jobs", "headers": [(b"content-length", b"1000")]}
    run(limit, head, receive, AsyncMock())

    assert limit._held == 0


def test_a_body_for_which_there_is_no_room_is_told_to_come_again(
    app: FastAPI, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.guards.normalization._BODIES", 0)

    problem = problem_of(client.post("/v1/jobs", json=job(10_000)), 503)

    assert problem["type"] == "/problems/out-of-resources"
    assert client.get("/v1/jobs").json()["data"] == []
