"""A stream of events that is cut anywhere, and a service that is away: every event is told once, in order."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.document.openapi import ANSWERS
from slope.answers.records import EpochView
from slope.client import AsyncClient, Client, Job, JobFailed, Problem
from slope.client.exchange import watching

GIVEN: dict[str, Any] = {name: next(iter(each.values())) for name, each in json.loads(ANSWERS.read_bytes()).items()}
EPOCHS = 6
KINDS = ("status", "status", *["epoch"] * EPOCHS, "warning", "status")
STATUSES = ("queued", "running", "succeeded")


def events() -> list[tuple[str, bytes]]:
    """The whole stream, each event with its id."""
    told, epoch, seq = [], -1, 0
    for kind in KINDS:
        if kind == "epoch":
            epoch += 1
            data = GIVEN["list_epochs"]["data"][0] | {"epoch": epoch}
        else:
            status = STATUSES[min(seq, 2)] if kind == "status" else None
            seq += 1
            data = GIVEN["list_events"]["data"][0] | {"seq": seq, "kind": kind, "status": status}
        position = f"{epoch}.{seq}"
        told.append((position, f"event: {kind}\nid: {position}\ndata: {json.dumps(data)}\n\n".encode()))
    return told


STREAM = events()


class Cut(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """Some bytes of a stream, and then it breaks off, or ends without a word."""

    def __init__(self, content: bytes, breaks: bool) -> None:
        self._content, self._breaks = content, breaks

    def __iter__(self) -> Iterator[bytes]:
        yield self._content
        if self._breaks:
            raise httpx2.RemoteProtocolError("peer closed connection without sending complete message body")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self:
            yield part


class Service:
    """Goes on behind Last-Event-ID, and is cut or away as often as it is told to be."""

    def __init__(self, troubles: list[tuple[str, int]], forgets: bool = False) -> None:
        self._troubles = list(troubles)
        self._forgets = forgets

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if not request.url.path.endswith("/events"):
            return httpx2.Response(200, json=GIVEN["get_job"])
        last = "" if self._forgets else request.headers.get("last-event-id", "")
        ids = [position for position, _ in STREAM]
        content = b"".join(event for _, event in STREAM[ids.index(last) + 1 if last else 0 :])
        kind, length = self._troubles.pop(0) if self._troubles else ("whole", 0)
        if kind == "refused":
            raise httpx2.ConnectError("refused")
        if kind == "busy":
            return httpx2.Response(503, json={"status": 503}, headers={"Retry-After": "0"})
        if kind == "whole":
            return httpx2.Response(200, stream=Cut(b": keep-alive\n" + content, breaks=False))
        return httpx2.Response(200, stream=Cut(content[:length], breaks=kind == "cut"))


def told_by(service: Service) -> list[str]:
    with Client(transport=httpx2.MockTransport(service)) as client:
        return [name_of(event) for event in client.watch("7", timeout=60.0)]


def name_of(event: watching.Told) -> str:
    return f"epoch {event.epoch}" if isinstance(event, EpochView) else f"{event.kind} {event.seq}"


EXPECTED = ["status 1", "status 2", *(f"epoch {epoch}" for epoch in range(EPOCHS)), "warning 3", "status 4"]
TROUBLE = st.tuples(st.sampled_from(["cut", "ended", "busy", "refused"]), st.integers(0, 3000))


@given(st.lists(TROUBLE, max_size=6), st.booleans())
def test_however_a_stream_is_cut_each_event_is_told_once(troubles: list[tuple[str, int]], forgets: bool) -> None:
    """Also where a proxy loses Last-Event-ID, and the stream begins anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watching, "jittered", lambda delay: 0.0)
        assert told_by(Service(troubles, forgets)) == EXPECTED


def test_the_asynchronous_client_tells_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "jittered", lambda delay: 0.0)

    async def tell() -> list[str]:
        async with AsyncClient(transport=httpx2.MockTransport(Service([("cut", 900), ("busy", 0)]))) as client:
            job = await client.attach("7")
            return [name_of(event) async for event in job.watch()]

    assert asyncio.run(tell()) == EXPECTED


def test_a_stream_that_was_read_to_its_end_and_a_job_that_is_not_there_end_it() -> None:
    with Client(transport=httpx2.MockTransport(lambda request: httpx2.Response(204))) as client:
        assert list(client.watch("7")) == []
    with (
        Client(transport=httpx2.MockTransport(lambda request: httpx2.Response(404, json={"status": 404}))) as client,
        pytest.raises(Problem, match="404"),
    ):
        list(client.watch("7"))


def test_who_has_waited_long_enough_is_told_so() -> None:
    with (
        Client(transport=httpx2.MockTransport(Service([]))) as client,
        pytest.raises(TimeoutError, match="has not ended after -1 s"),
    ):
        list(client.watch("7", timeout=-1.0))


@pytest.mark.parametrize("seconds", ["86400", "9" * 400])
def test_a_service_that_wants_to_be_asked_too_late_keeps_nobody_waiting_so_long(seconds: str) -> None:
    away = httpx2.Response(503, headers={"Retry-After": seconds})
    with Client(transport=httpx2.MockTransport(lambda request: away)) as client, pytest.raises(TimeoutError):
        list(client.watch("7", timeout=0.01))


def test_a_handle_waits_calls_back_and_raises_what_became_of_its_job() -> None:
    seen: list[int] = []
    with Client(transport=httpx2.MockTransport(Service([]))) as client:
        job = client.attach("7").wait(on_epoch=lambda epoch: seen.append(epoch.epoch), progress=True)
    assert (seen, job.status, job.weights) == ([*range(EPOCHS)], "succeeded", GIVEN["get_job"]["weights"])

    failed = GIVEN["get_job"] | {"status": "failed", "error": {"code": "diverged", "detail": "too fast"}}
    answer = httpx2.Response(200, json=failed)
    with (
        Client(transport=httpx2.MockTransport(lambda request: answer)) as client,
        pytest.raises(JobFailed, match=r"failed \(diverged\): too fast"),
    ):
        client.attach("7").wait(progress=True)


def test_a_notebook_shows_a_job_without_a_script_and_without_words_that_are_code() -> None:
    named = GIVEN["get_job"] | {"name": "<script>alert(1)</script>"}

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json=GIVEN["list_epochs"] if request.url.path.endswith("/epochs") else named)

    with Client(transport=httpx2.MockTransport(answer)) as client:
        job: Job = client.attach("7")
        shown = job._repr_html_()
    assert "<svg" in shown
    assert "<polyline" in shown
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


def test_a_notebook_shows_a_job_whose_curve_is_of_another_version() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json={} if request.url.path.endswith("/epochs") else GIVEN["get_job"])

    with Client(transport=httpx2.MockTransport(answer)) as client:
        shown = client.attach("7")._repr_html_()

    assert "succeeded" in shown
    assert "<polyline" not in shown
