"""Both clients: the same calls, whatever the service answers."""

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest

from service.api.document.openapi import ANSWERS
from slope.answers.jobs import JobView
from slope.client import AsyncClient, AsyncJob, Client, InvalidRequest, Job, Problem, UnexpectedAnswer
from slope.client.calls import training
from slope.client.exchange import address, persistence
from slope.client.exchange.exchange import Request
from slope.client.exchange.persistence import repeat
from slope.spec import JobRequest, TrainingSpec

Handler = Callable[[httpx2.Request], httpx2.Response]
Ask = Callable[..., Any]
"""Calls a method by its name and gives what it returned, or a list of what it yielded."""
Json = dict[str, Any]
GIVEN: dict[str, Json] = {
    name: next(iter(by_status.values())) for name, by_status in json.loads(ANSWERS.read_bytes()).items()
}
"""What the service answers, by operation."""


def job_that_is(status: str) -> Json:
    return GIVEN["get_job"] | {"status": status}


@pytest.fixture(params=["waiting", "awaited"])
def asking(request: pytest.FixtureRequest) -> Callable[[Handler], Ask]:
    return {"waiting": asking_client, "awaited": asking_async_client}[request.param]


def asking_client(handler: Handler) -> Ask:
    def ask(name: str, *args: Any, **options: Any) -> Any:
        with Client(transport=httpx2.MockTransport(handler)) as client:
            answer = getattr(client, name)(*args, **options)
            return list(answer) if isinstance(answer, Iterator) else answer

    return ask


def asking_async_client(handler: Handler) -> Ask:
    async def ask(name: str, *args: Any, **options: Any) -> Any:
        async with AsyncClient(transport=httpx2.MockTransport(handler)) as client:
            answer = getattr(client, name)(*args, **options)
            return [item async for item in answer] if isinstance(answer, AsyncIterator) else await answer

    return lambda name, *args, **options: asyncio.run(ask(name, *args, **options))


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("name", ["statistics", "influence", "path", "surface"])
def test_the_statistics_of_a_job_are_those_of_its_handle(kind: type[Any], name: str) -> None:
    asked: list[tuple[str, dict[str, str]]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append((request.url.path, dict(request.url.params)))
        return httpx2.Response(404, json={"status": 404})

    client, handle = kind(transport=httpx2.MockTransport(answer)), {Client: Job, AsyncClient: AsyncJob}[kind]
    job = handle(client, JobView.model_construct(id=UUID(int=7)))
    with pytest.raises(Problem, match="404"):
        asyncio.run(getattr(job, name)(level=0.9))  # the waiting client has raised before
    assert asked == [(f"/v1/jobs/{UUID(int=7)}/{name}", {"level": "0.9"})]
    assert [*inspect.signature(getattr(handle, name)).parameters] == ["self", "timeout", "options"]


def test_the_clients_have_the_same_calls() -> None:
    names = {name for name in vars(Client) if not name.startswith("_")}
    assert names == {name for name in vars(AsyncClient) if not name.startswith("_")}
    assert {"submit", "wait", "epochs", "save_model"} <= names
    for name in names:
        sync, awaited = inspect.signature(getattr(Client, name)), inspect.signature(getattr(AsyncClient, name))
        assert sync.parameters.keys() == awaited.parameters.keys()
        assert next(iter(sync.parameters)) == "self"
        assert getattr(Client, name).__doc__ == getattr(AsyncClient, name).__doc__ != None  # noqa: E711


def test_whoever_trains_can_say_all_that_a_job_can_be_asked_for() -> None:
    assert JobRequest.model_fields.keys() - inspect.signature(Client.train).parameters == {"dataset"}
    assert training.Hyperparameters.__annotations__.keys() == TrainingSpec.model_fields.keys()
    request = next(training.train([1.0, 2.0], [2.0, 4.0], cross_validation=2, epochs=3)).options["json"]
    assert (request["cross_validation"], request["hyperparameters"]) == (2, {"epochs": 3})


@pytest.mark.parametrize("client", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("localhost:8000", "http://localhost:8000"),
        ("127.0.0.1:8000/slope", "http://127.0.0.1:8000/slope/"),
        ("https://slope.example/", "https://slope.example/"),
    ],
)
def test_an_address_without_a_scheme_is_one_of_http(
    client: type[Client] | type[AsyncClient], told: str, meant: str
) -> None:
    assert str(client(told)._http.base_url).rstrip("/") == meant.rstrip("/")


def test_items_come_from_all_pages(asking: Callable[[Handler], Ask]) -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.query.decode())
        page = {"": ("ab", "b"), "after=b": ("", "c"), "after=c": ("c", None)}[
            asked[-1].removeprefix("status=failed").removeprefix("&")
        ]
        jobs = [GIVEN["get_job"] | {"name": name} for name in page[0]]
        return httpx2.Response(200, json={"data": jobs, "next": page[1]})

    assert [job.name for job in asking(answer)("jobs", status="failed")] == ["a", "b", "c"]
    assert len(asked) == 3
    assert all("status=failed" in query for query in asked)


def test_a_job_is_waited_for_until_it_has_ended(asking: Callable[[Handler], Ask]) -> None:
    answers = iter(["queued", "running", "running", "succeeded"])
    held: list[str | None] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        held.append(request.headers.get("prefer"))
        return httpx2.Response(200, json=job_that_is(next(answers)))

    assert asking(answer)("wait", "7").status == "succeeded"
    assert held == [None, "wait=30", "wait=30", "wait=30"]
    with pytest.raises(TimeoutError, match="still queued"):
        asking(lambda request: httpx2.Response(200, json=job_that_is("queued")))("wait", "7", timeout=0.0)


@pytest.mark.parametrize("name", ["statistics", "influence", "statistics_table", "influence_table"])
def test_a_look_at_every_row_is_waited_for(asking: Callable[[Handler], Ask], name: str) -> None:
    answers = iter([202, 202, 200])
    found = GIVEN[f"get_{name.removesuffix('_table')}"]
    requests: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return httpx2.Response(next(answers), json=found, headers={"Retry-After": "0"})

    told = asking(answer)(name, "7", level=0.9)
    assert json.loads(told) == found if name.endswith("_table") else told.rows == found["rows"]
    assert {request.headers["prefer"] for request in requests} == {"wait=30"}
    assert {request.url.path for request in requests} == {f"/v1/jobs/7/{name.removesuffix('_table')}"}
    assert len(requests) == 3

    def underway(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(202, json={}, headers={"Retry-After": "1"})

    with pytest.raises(TimeoutError, match=r"still looks at the rows of job 7 after 0\.5 s"):
        asking(underway)(name, "7", timeout=0.5)


@pytest.mark.parametrize(("name", "what"), [("predict", [4.0]), ("score", {"id": "8"})], ids=["predict", "score"])
def test_bounds_of_predictions_are_waited_for(asking: Callable[[Handler], Ask], name: str, what: Any) -> None:
    interval, answers = {"kind": "prediction"}, iter([503, 200])
    requests: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        status, found = next(answers), {"data": [], "rows": 0, "fit": None}
        return httpx2.Response(status, json=found, headers={"Retry-After": "0"} if status == 503 else {})

    found = asking(answer)(name, "7", what, interval=interval)
    assert (found if name == "predict" else found.data) == []
    assert [json.loads(request.content)["interval"] for request in requests] == [interval] * 2

    underway = {"type": "/problems/pass-underway", "title": "Underway", "status": 503, "detail": "A worker looks"}
    refused = asking(lambda request: httpx2.Response(503, json=underway, headers={"Retry-After": "0"}))
    with pytest.raises(Problem, match="A worker looks"):
        refused(name, "7", what, interval=interval, timeout=0.0)


AWAY: dict[str, httpx2.Response | httpx2.TransportError] = {
    "no connection": httpx2.ConnectError("refused"),
    "a connection that ends": httpx2.RemoteProtocolError("Server disconnected without sending a response"),
    "no answer in time": httpx2.ReadTimeout("no answer"),
    "a busy service": httpx2.Response(429, json={}),
    "a proxy without a service": httpx2.Response(502, text="Bad Gateway"),
    "a service that starts": httpx2.Response(503, json={}, headers={"Retry-After": "0"}),
    "a key that is in use": httpx2.Response(409, json={}, headers={"Retry-After": "0"}),
}


def test_who_may_not_use_more_is_not_told_that_the_service_is_away(caplog: pytest.LogCaptureFixture) -> None:
    asked = persistence.repeat(Request("GET", "/v1/jobs"), 10.0)
    next(asked)
    asked.send(httpx2.Response(429))
    assert caplog.messages == ["The service takes no more for now (it answered 429): trying again"]


FOUND = dict.fromkeys(("wait", "job", "submit"), GIVEN["get_job"]) | {
    "plan": GIVEN["plan_job"],
    "predict": {"data": []},
    "score": {"data": [], "rows": 0, "fit": None},
    **dict.fromkeys(("wait_for_sweep", "submit_sweep"), GIVEN["get_sweep"]),
}


@pytest.mark.parametrize("away", AWAY.values(), ids=AWAY)
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("wait", ["7"]),
        ("job", ["7"]),
        ("plan", [{}]),
        ("wait_for_sweep", ["7"]),
        ("submit", [{}]),
        ("submit_sweep", [{}]),
        ("predict", ["7", [4.0]]),
        ("score", ["7", {"id": "8"}]),
    ],
)
def test_a_service_that_is_away_is_asked_again(
    asking: Callable[[Handler], Ask],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    arguments: list[Any],
    away: httpx2.Response | httpx2.TransportError,
) -> None:
    monkeypatch.setattr(persistence, "FIRST_PAUSE", 0.001)
    requests: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        if len(requests) > 3:
            return httpx2.Response(200, json=FOUND[name])
        if isinstance(away, httpx2.TransportError):
            raise away
        return httpx2.Response(away.status_code, content=away.content, headers=away.headers)

    asking(answer)(name, *arguments)
    assert len(requests) == 4
    assert (
        len({(request.method, request.url.path, request.headers.get("idempotency-key")) for request in requests}) == 1
    )
    assert ("idempotency-key" in requests[0].headers) == name.startswith("submit")


def test_a_submission_is_repeated_under_the_caller_s_key_or_one_of_its_own(asking: Callable[[Handler], Ask]) -> None:
    keys: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        keys.append(request.headers["idempotency-key"])
        return httpx2.Response(202, json=GIVEN["submit_job"])

    asking(answer)("submit", {}, idempotency_key="mine")
    for _ in range(2):
        asking(answer)("submit", {})
    assert keys[0] == "mine"
    assert len(set(keys)) == 3


@pytest.mark.parametrize("name", ["wait", "submit"])
def test_what_will_not_pass_is_not_repeated(asking: Callable[[Handler], Ask], name: str) -> None:
    asked: list[str] = []

    def refuse(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.path)
        return httpx2.Response(int(codes[-1]), json={})

    codes = ["404", "409", "422", "500"]
    while codes:
        with pytest.raises(Problem):
            asking(refuse)(name, {})
        codes.pop()
    assert len(asked) == 4

    def misdirect(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.UnsupportedProtocol("no such protocol")

    with pytest.raises(httpx2.UnsupportedProtocol):
        asking(misdirect)(name, {})


def test_when_the_time_is_over_the_last_try_tells_why(asking: Callable[[Handler], Ask]) -> None:
    def lose(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    for name in ("wait", "submit"):
        with pytest.raises(httpx2.ConnectError, match="refused"):
            asking(lose)(name, {}, timeout=0.0)
        with pytest.raises(Problem, match="503"):
            asking(lambda request: httpx2.Response(503, json={"status": 503}))(name, {}, timeout=0.0)


@pytest.mark.parametrize("kind", [httpx2.ConnectError, httpx2.ConnectTimeout])
@pytest.mark.parametrize(
    ("name", "arguments", "options"),
    [("submit", [{}], {"timeout": 0.0}), ("cancel", ["7"], {}), ("save_epochs", ["7", "epochs.csv"], {})],
    ids=["submit", "cancel", "save_epochs"],
)
def test_where_nobody_answers_the_error_says_where_and_what_to_do(
    asking: Callable[[Handler], Ask], kind: type[httpx2.TransportError], name: str, arguments: Any, options: Any
) -> None:
    def lose(request: httpx2.Request) -> httpx2.Response:
        raise kind("[Errno 111] Connection refused")

    with pytest.raises(kind) as raised:
        asking(lose)(name, *arguments, **options)
    assert str(raised.value) == (
        "There is no answer from http://127.0.0.1:8000: [Errno 111] Connection refused. Start a service there by"
        " `slope serve`, or give another address by `url` or SLOPE_URL"
    )
    assert str(raised.value.__cause__) == "[Errno 111] Connection refused"


def test_who_waits_for_a_service_that_is_not_there_is_told_immediately(caplog: pytest.LogCaptureFixture) -> None:
    asked = persistence.repeat(Request("GET", "/v1/jobs"), 10.0)
    next(asked)
    asked.throw(httpx2.ConnectError("refused", request=httpx2.Request("GET", "http://me:secret@far:9/v1/jobs")))
    assert "no answer from http://far:9: refused. Start a service there by `slope serve`" in caplog.text


def test_pauses_grow_and_are_no_shorter_than_the_service_asks_for() -> None:
    steps = repeat(Request("GET", "/"), 1000.0)
    assert next(steps).delay == 0.0
    refused = httpx2.ConnectError("refused", request=httpx2.Request("GET", "http://127.0.0.1:8000"))
    pauses = [steps.throw(refused).delay for _ in range(8)]
    for pause, least in zip(pauses, [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0], strict=True):
        assert least <= pause <= 1.5 * least
    asked = steps.send(httpx2.Response(503, headers={"Retry-After": "60"}))
    assert 60.0 <= asked.delay <= 90.0
    dated = steps.send(httpx2.Response(503, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}))
    assert 10.0 <= dated.delay <= 15.0


def test_a_job_is_planned_and_not_queued(asking: Callable[[Handler], Ask]) -> None:
    asked: list[tuple[str, str, Any]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append((request.method, request.url.path, json.loads(request.content)))
        return httpx2.Response(200, json=GIVEN["plan_job"])

    assert asking(answer)("plan", {"dataset": {}}).plan.engine == "eager"
    assert asked == [("POST", "/v1/plan", {"dataset": {}})]


def test_values_that_cannot_be_are_a_value_error(asking: Callable[[Handler], Ask]) -> None:
    for status, kind in ((422, True), (400, False)):
        with pytest.raises(Problem) as raised:
            asking(lambda request, status=status: httpx2.Response(status, json={"status": status}))("submit", {})
        assert isinstance(raised.value, ValueError) is kind
        assert isinstance(raised.value, InvalidRequest) is kind


def test_a_sweep_is_waited_for_and_ranked_over_all_pages(asking: Callable[[Handler], Ask]) -> None:
    ended = iter([0, 1, 2])
    pages = {"": ([3, 1], "b"), "b": ([2], None)}
    given = GIVEN["get_sweep"]

    def answer(request: httpx2.Request) -> httpx2.Response:
        items, following = pages[request.url.params.get("after", "")]
        progress = given["progress"] | {"jobs": 2, "jobs_ended": next(ended, 2)}
        ranked = [given["ranking"]["data"][0] | {"epochs_done": item} for item in items]
        page = {"data": ranked, "next": following}
        return httpx2.Response(200, json=given | {"progress": progress, "ranking": page})

    assert asking(answer)("wait_for_sweep", "7").progress.jobs_ended == 2
    assert [each.epochs_done for each in asking(answer)("ranking", "7", by="loss")] == [3, 1, 2]
    ended = iter([0])
    with pytest.raises(TimeoutError, match="has not ended"):
        asking(answer)("wait_for_sweep", "7", timeout=-1.0)


def test_a_refusal_is_raised_with_its_faults(asking: Callable[[Handler], Ask], tmp_path: Path) -> None:
    problem = {"title": "Wrong", "status": 422, "detail": "So", "errors": [{"detail": "no", "pointer": "/x"}]}
    ask = asking(lambda request: httpx2.Response(422, json=problem))
    file = tmp_path / "model.onnx"

    for name, args in (("submit", ({},)), ("job", ("7",)), ("delete", ("7",)), ("save_model", ("7", file))):
        with pytest.raises(Problem, match=r"Wrong \(422\): So\n  /x: no") as raised:
            ask(name, *args)
        assert (raised.value.status, raised.value.errors) == (422, problem["errors"])
    assert list(tmp_path.iterdir()) == []
    for detail, said in (("2 things are wrong: no", "2 things are wrong\n  /x: no"), ("no", "\n  /x: no")):
        assert str(Problem(problem | {"detail": detail})).removeprefix("Wrong (422):").strip(" ") == said
    with pytest.raises(Problem, match="502"):
        asking(lambda request: httpx2.Response(502, text="a proxy's own words"))("cancel", "7")
    missing = {"database": False, "storage": True, "broker": True, "workers": 0, "without_broker": []}
    unready = httpx2.Response(503, json=missing | {"status": "unavailable"})
    assert asking(lambda request: unready)("readiness").status == "unavailable"


@pytest.mark.parametrize(
    "answer",
    [
        {"json": {"detail": [{"loc": ["body"], "msg": "another service's"}]}},
        {"json": {"errors": "many"}},
        {"json": {"errors": [{"code": 7}]}},
        {"json": ["a list"]},
        {"json": None},
        {"content": b"{broken", "headers": {"Content-Type": "application/json"}},
        {"text": "words"},
    ],
    ids=["detail", "errors", "fault", "list", "null", "broken", "text"],
)
def test_a_refusal_in_other_words_than_the_service_s_is_a_problem(
    asking: Callable[[Handler], Ask], answer: Json
) -> None:
    with pytest.raises(Problem, match="400") as raised:
        asking(lambda request: httpx2.Response(400, **answer))("job", "7")

    assert raised.value.status == 400


def test_a_redirect_is_no_answer(asking: Callable[[Handler], Ask], tmp_path: Path) -> None:
    ask = asking(lambda request: httpx2.Response(302, headers={"Location": "https://log.in/"}))
    file = tmp_path / "model.onnx"

    for name, args in (("job", ("7",)), ("delete", ("7",)), ("save_model", ("7", file)), ("watch", ("7", 1.0))):
        with pytest.raises(Problem, match=r"302.* leads to https://log\.in/"):
            ask(name, *args)
    assert not file.exists()


@pytest.mark.parametrize("job_id", ["", "..", "?status=failed", "7?a=b", "7#a", "../datasets/7", "a//b"])
def test_an_id_that_makes_another_address_asks_for_nothing(asking: Callable[[Handler], Ask], job_id: str) -> None:
    asked: list[httpx2.Request] = []
    ask = asking(lambda request: asked.append(request) or httpx2.Response(204))  # type: ignore[func-returns-value]

    with pytest.raises(ValueError, match="no address of this call"):
        ask("delete", job_id)

    assert asked == []


@pytest.mark.parametrize(
    ("name", "args", "path", "format"),
    [
        ("save_epochs", ("7", "epochs.csv"), "/v1/jobs/7/epochs", "csv"),
        ("save_steps", ("7", 3, "steps.arrow"), "/v1/jobs/7/epochs/3/steps", "arrow"),
        ("save_model", ("7", "model.safetensors"), "/v1/jobs/7/model", "safetensors"),
        ("save_scores", ("7", {"id": "9"}, "scores.parquet"), "/v1/jobs/7/predict", "parquet"),
    ],
)
def test_a_file_s_name_says_its_format(
    asking: Callable[[Handler], Ask], tmp_path: Path, name: str, args: tuple[Any, ...], path: str, format: str
) -> None:
    asked: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(200, content=b"all of it")

    asking(answer)(name, *args[:-1], tmp_path / args[-1])

    assert (asked[0].url.path, asked[0].url.params["format"]) == (path, format)
    assert name != "save_scores" or json.loads(asked[0].content) == {"dataset": {"id": "9"}}
    assert (tmp_path / args[-1]).read_bytes() == b"all of it"
    with pytest.raises(ValueError, match="says which format"):
        asking(answer)(name, *args[:-1], tmp_path / "file.xls")


class Broken(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """Some bytes, and then the connection is gone."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"some"
        raise httpx2.ReadError("gone")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"some"
        raise httpx2.ReadError("gone")


def test_a_download_that_breaks_off_leaves_the_file_that_was_there(
    asking: Callable[[Handler], Ask], tmp_path: Path
) -> None:
    file = tmp_path / "epochs.csv"
    file.write_text("from before")

    with pytest.raises(httpx2.ReadError):
        asking(lambda request: httpx2.Response(200, stream=Broken()))("save_epochs", "7", file)

    assert [each.name for each in tmp_path.iterdir()] == ["epochs.csv"]
    assert file.read_text() == "from before"


def test_a_file_is_uploaded_with_its_name_and_options(asking: Callable[[Handler], Ask], tmp_path: Path) -> None:
    file = tmp_path / "course.csv.gz"
    file.write_bytes(b"content")
    seen = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append((request.method, request.url.path, dict(request.url.params), request.read()))
        return httpx2.Response(201, json=GIVEN["upload_dataset"])

    assert asking(handler)("upload", file, text="drop", nulls="drop", delimiter=None).name == "cars"
    [(method, path, parameters, body)] = seen
    assert (method, path, parameters) == ("POST", "/v1/datasets", {"text": "drop", "nulls": "drop"})
    assert b'filename="course.csv.gz"' in body
    assert b"content" in body


def test_datasets_are_listed_read_and_deleted(asking: Callable[[Handler], Ask]) -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        if request.method == "DELETE":
            return httpx2.Response(204)
        names = {"/v1/datasets": "list_datasets", "/v1/datasets/d/rows": "list_rows"}
        page = {"next": None} if request.url.path in names else {}
        return httpx2.Response(200, json=GIVEN[names.get(request.url.path, "get_dataset")] | page)

    ask = asking(handler)
    assert [each.name for each in ask("datasets")] == ["stopping distances"]
    assert ask("dataset_rows", "d") == [{"speed": 4.0, "dist": 2.0}, {"speed": 7.0, "dist": 4.0}]
    assert [column.name for column in ask("dataset", "d").columns] == ["speed", "dist"]
    assert ask("delete_dataset", "d") is None


def test_an_answer_of_another_version_is_no_riddle(asking: Callable[[Handler], Ask]) -> None:
    """What a service has besides is left out; where it lacks something, a client of its own version is asked for."""
    newer = GIVEN["get_job"] | {"of_the_future": 1}
    assert asking(lambda request: httpx2.Response(200, json=newer))("job", "7").status == "succeeded"
    older = {name: value for name, value in newer.items() if name != "weights"}
    with pytest.raises(UnexpectedAnswer, match=r"no JobView as this client, Slope .*\n?.*weights"):
        asking(lambda request: httpx2.Response(200, json=older))("job", "7")


def test_every_answer_that_the_document_shows_is_read_and_written_again_alike() -> None:
    job = JobView.model_validate(GIVEN["get_job"])
    assert json.loads(job.model_dump_json(exclude_unset=True)) == GIVEN["get_job"]


def test_the_service_and_the_key_are_as_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, json=GIVEN["get_job"])

    monkeypatch.setenv("SLOPE_URL", "slope.example:1234")
    monkeypatch.setenv("SLOPE_API_KEY", "secret")
    for options in ({}, {"url": "http://other", "api_key": "own"}):
        with Client(**options, transport=httpx2.MockTransport(answer)) as client:
            client.job("7")
    assert [request.url.host for request in sent] == ["slope.example", "other"]
    assert [request.headers["authorization"] for request in sent] == ["Bearer secret", "Bearer own"]


def test_clients_share_the_authorities_that_they_trust_while_the_environment_names_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    first, again = (address.options(None, None, 1.0, None)["verify"] for _ in range(2))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))

    assert first is again
    assert address.options(None, None, 1.0, None)["verify"] is not first
