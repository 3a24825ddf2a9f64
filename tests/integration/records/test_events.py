"""A job's events: a list, and a stream that tells everything exactly once to a client that is cut off anywhere."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import httpx
import httpx_sse
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert
from workbench import LECTURE, add_warning, change, claim, claimed, end_job, problem_of, read, request, submit

import service.api.polling.feeds
import service.api.routes.events
import service.records.feed
from service.api.polling.feeds import Chunk
from service.records.feed import Position, next_batch
from service.store.database import Database
from service.store.jobs import jobs
from service.store.leases.leases import JobLease
from service.store.tables import Epoch

Trained = Callable[[dict[str, Any]], UUID]


@dataclass(frozen=True)
class Told:
    """One event of a stream."""

    kind: str
    id: str
    data: dict[str, Any]


def told(block: str) -> Told | None:
    """The event of a block (between two empty lines); None for a comment."""
    fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
    return Told(fields["event"], fields["id"], json.loads(fields["data"])) if fields else None


def stream(client: TestClient, job_id: UUID, last: str | None = None) -> list[Told]:
    """The whole stream of a job that has ended, after an event."""
    headers = {"accept": "text/event-stream"} | ({"last-event-id": last} if last else {})
    answer = client.get(f"/v1/jobs/{job_id}/events", headers=headers)
    if answer.status_code == 204:
        assert answer.content == b""
        return []
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    return [each for block in answer.text.split("\n\n") if (each := told(block))]


def write_epochs(database: Database, mine: JobLease, count: int) -> None:
    """What a flush writes: the next epochs, and how many there are."""
    row = {"loss": 1.0, "last_loss": 1.0, "gradient_norm": 0.0, "weights": [1.0], "learning_rate": 0.1, "seconds": 0.0}
    done = read(database, mine.job_id).epochs_done
    rows = [{"job_id": mine.job_id, "epoch": epoch} | row for epoch in range(done, done + count)]

    def write(session: Any) -> None:
        mine.extend(session, 60.0, epochs_done=done + count)
        if rows:
            session.execute(insert(Epoch), rows)

    change(database, write)


def finish(database: Database, mine: JobLease) -> None:
    change(database, lambda session: end_job(session, mine, "succeeded"))


# the list


def test_events_are_listed_in_order(client: TestClient, trained: Trained) -> None:
    job_id = trained(LECTURE)

    page = client.get(f"/v1/jobs/{job_id}/events").json()

    assert page["next"] is None
    assert [(event["seq"], event["kind"], event["status"], event["epochs_done"]) for event in page["data"]] == [
        (1, "status", "queued", 0),
        (2, "status", "running", 0),
        (3, "status", "succeeded", 10),
    ]
    assert [event["at"] for event in page["data"]] == sorted(event["at"] for event in page["data"])


def test_pages_of_events_follow_each_other(client: TestClient, trained: Trained) -> None:
    url = f"/v1/jobs/{trained(LECTURE)}/events"

    first = client.get(url, params={"limit": 2}).json()
    rest = client.get(url, params={"limit": 2, "after": first["next"]}).json()

    assert first["data"] + rest["data"] == client.get(url).json()["data"]
    assert (first["next"], rest["next"]) == ("2", None)


def test_events_are_listed_of_some_types_and_from_a_time_on(client: TestClient, trained: Trained) -> None:
    job_id = trained(request(learning_rate=0.3))
    url = f"/v1/jobs/{job_id}/events"
    everything = client.get(url).json()["data"]
    assert {event["kind"] for event in everything} == {"status", "warning"}

    def listed(**query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = client.get(url, params=query).json()["data"]
        return found

    for kind in ("status", "warning"):
        assert listed(types=kind) == [event for event in everything if event["kind"] == kind]
    assert listed(types=["status", "warning"]) == everything
    for event in everything:
        assert listed(since=event["at"]) == [each for each in everything if each["at"] >= event["at"]]
    assert listed(since="2999-01-01T00:00:00Z") == []
    first = client.get(url, params={"types": "status", "limit": 1}).json()
    rest = client.get(url, params={"types": "status", "after": first["next"]}).json()
    assert first["data"] + rest["data"] == listed(types="status")


@pytest.mark.parametrize(
    ("query", "accept", "pointer"),
    [
        ("types=epoch", "application/json", "/query/types"),
        ("types=progress&types=status", "application/json", "/query/types"),
        ("types=error", "application/json", "/query/types/0"),
        ("since=2026-01-01T00:00:00", "application/json", "/query/since"),
        ("since=1769900400.5", "application/json", "/query/since"),
        ("since=2026-01-01T00:00:00Z", "text/event-stream", "/query/since"),
    ],
)
def test_what_the_list_or_the_stream_does_not_have_is_refused(
    client: TestClient, database: Database, query: str, accept: str, pointer: str
) -> None:
    answer = client.get(f"/v1/jobs/{submit(database)}/events?{query}", headers={"accept": accept})

    assert [error["pointer"] for error in problem_of(answer, 422)["errors"]] == [pointer]


# the stream of a job that has ended


def test_a_stream_tells_what_is_asked_for(client: TestClient, trained: Trained) -> None:
    job_id = trained(LECTURE)

    def kinds(query: str) -> list[str]:
        answer = client.get(f"/v1/jobs/{job_id}/events?{query}", headers={"accept": "text/event-stream"})
        return [line.removeprefix("event: ") for line in answer.text.splitlines() if line.startswith("event: ")]

    assert kinds("types=status") == ["status"] * 3
    assert kinds("types=epoch") == ["epoch"] * 10
    assert kinds("types=status&types=epoch") == kinds("")
    assert kinds("types=progress&types=status") == ["progress", "status", "status", "status"]


def test_progress_is_told_without_an_id(client: TestClient, trained: Trained) -> None:
    job_id = trained(LECTURE)

    answer = client.get(f"/v1/jobs/{job_id}/events?types=progress", headers={"accept": "text/event-stream"})

    fields = dict(line.split(": ", 1) for line in answer.text.strip().splitlines())
    assert fields.keys() == {"event", "data"}
    told, job = json.loads(fields["data"]), client.get(f"/v1/jobs/{job_id}").json()
    assert told == {"status": "succeeded", "progress": job["progress"], "loss": job["loss"]["last"]}


def test_progress_is_told_at_most_ten_times_a_second_and_the_last_is_not_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, told = [0.0], []
    monkeypatch.setattr(service.api.routes.events, "monotonic", lambda: clock[0])

    class Changing:
        """A job that changes every 30 ms, and has ended after the twentieth change."""

        closing = asyncio.Event()
        number = 0

        async def changed(self, job_id: UUID, version: int, seconds: float) -> None:
            clock[0] += min(0.03, seconds)

        async def following(self, *_: Any) -> Chunk:
            self.number += 1
            return Chunk(b"", Position(), self.number, self.number == 20, is_full=False, progress=b"%d" % self.number)

    async def read_all() -> None:
        job: Any = Changing()
        first = await job.following()
        async for content in service.api.routes.events._stream(job, job, uuid4(), first, frozenset({"progress"})):
            if content != b": keep-alive\n":
                told.append((clock[0], content))

    asyncio.run(read_all())

    times = [moment for moment, _ in told]
    assert times[0] == 0.0
    assert min(later - earlier for earlier, later in pairwise(times[:-1])) >= 0.1 - 1e-9
    assert len(told) > 4
    assert told[-1][1] == b"20"


def test_a_stream_tells_every_epoch_between_its_start_and_its_end(client: TestClient, trained: Trained) -> None:
    job_id = trained(LECTURE)

    told = stream(client, job_id)

    assert [(each.kind, each.data.get("status"), each.data.get("epoch")) for each in told] == [
        ("status", "queued", None),
        ("status", "running", None),
        *(("epoch", None, epoch) for epoch in range(10)),
        ("status", "succeeded", None),
    ]
    epochs = client.get(f"/v1/jobs/{job_id}/epochs").json()["data"]
    listed = client.get(f"/v1/jobs/{job_id}/events").json()["data"]
    assert [each.data for each in told if each.kind == "epoch"] == epochs
    assert [each.data for each in told if each.kind != "epoch"] == listed


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(LECTURE, id="the lecture"),
        pytest.param(request(epochs=20, record={"every": 7}), id="not every epoch recorded"),
        pytest.param(request(epochs=50, learning_rate=5.0), id="diverged"),
        pytest.param(request(epochs=9, learning_rate=0.3), id="warned"),
    ],
)
def test_a_client_that_was_cut_off_anywhere_goes_on_with_the_next_event(
    client: TestClient, trained: Trained, wanted: dict[str, Any]
) -> None:
    job_id = trained(wanted)
    whole = stream(client, job_id)

    assert len(whole) > 4
    assert len({each.id for each in whole}) == len(whole)
    for place, last in enumerate(whole, start=1):
        assert stream(client, job_id, last.id) == whole[place:]


def test_a_long_stream_is_told_once_across_its_batches(
    client: TestClient, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = trained(LECTURE)
    whole = stream(client, job_id)

    for batch in (1, 2, 3, 12, 13, 14):
        monkeypatch.setattr(service.records.feed, "_BATCH", batch)
        assert stream(client, job_id) == whole
        assert stream(client, job_id, whole[4].id) == whole[5:]


def test_a_stream_that_was_read_to_its_end_needs_no_reconnection(client: TestClient, trained: Trained) -> None:
    job_id = trained(LECTURE)
    headers = {"accept": "text/event-stream", "last-event-id": stream(client, job_id)[-1].id}

    answer = client.get(f"/v1/jobs/{job_id}/events", headers=headers)

    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(
    "text", ["x", "1", "1.", ".1", "1.x", "--1.2", "1.-2", "1.2.3", " 1.2", "1.0e3", "9" * 41 + ".1", "1²", "\xb9.1"]
)
def test_a_place_in_the_stream_that_is_none_is_refused(client: TestClient, database: Database, text: str) -> None:
    headers = {"accept": "text/event-stream", "last-event-id": text.encode("latin-1")}

    problem = problem_of(client.get(f"/v1/jobs/{submit(database)}/events", headers=headers), 422)

    assert [error["pointer"] for error in problem["errors"]] == ["/header/last-event-id"]


@given(st.integers(-1, 2**31), st.integers(0, 2**31))
def test_a_place_in_the_stream_is_read_as_it_was_written(epoch: int, seq: int) -> None:
    assert Position.parse(str(Position(epoch, seq))) == Position(epoch, seq)


def test_a_place_beyond_the_end_is_the_end(client: TestClient, trained: Trained) -> None:
    assert stream(client, trained(LECTURE), f"{'9' * 20}.{'9' * 19}") == []


# the stream of a job that runs


def test_a_stream_goes_on_over_a_pause(client: TestClient, database: Database) -> None:
    mine = claimed(database)
    write_epochs(database, mine, 2)
    client.post(f"/v1/jobs/{mine.job_id}/pause")
    change(database, lambda session: mine.put_back(session, "leaving"))

    with database.reading() as session:
        batch = next_batch(session, mine.job_id, Position())

    assert [sort_of(item) for item in batch.items][-1] == ("event", 3)
    assert (batch.items[-1].status, batch.is_last) == ("paused", False)


def sort_of(item: Any) -> tuple[str, int]:
    return ("epoch", item.epoch) if isinstance(item, Epoch) else ("event", item.seq)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_happens_between_two_readings_everything_is_told_once_and_in_order(
    database: Database, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    """A reader that is cut off at any place, while a worker flushes, warns, and hands the job to another."""
    monkeypatch.setattr(service.records.feed, "_BATCH", data.draw(st.integers(1, 6)))
    mine: JobLease | None = claimed(database)
    assert mine
    job_id, seen, position = mine.job_id, [], Position()
    for _ in range(data.draw(st.integers(1, 6))):
        match data.draw(st.sampled_from(["flush", "warn", "hand over", "read"])):
            case "flush":
                write_epochs(database, mine, data.draw(st.integers(1, 8)))
            case "warn":
                change(database, lambda session: add_warning(session, job_id, "look out"))
            case "hand over":
                held = mine
                change(database, lambda session, held=held: held.put_back(session, "for the test"))
                mine = claim(database, job_id)
                assert mine
            case "read":
                with database.reading() as session:
                    batch = next_batch(session, job_id, position)
                assert not batch.is_last
                for item in batch.items[: data.draw(st.integers(0, len(batch.items)))]:
                    seen.append(sort_of(item))
                    position = Position.parse(str(position.after(item)))
    finish(database, mine)

    is_last = False
    while not is_last:
        with database.reading() as session:
            batch = next_batch(session, job_id, position)
        is_last = batch.is_last
        for item in batch.items:
            seen.append(sort_of(item))
            position = position.after(item)

    job = read(database, job_id)
    assert [number for kind, number in seen if kind == "epoch"] == list(range(job.epochs_done))
    assert [number for kind, number in seen if kind == "event"] == list(range(1, job.event_count + 1))
    assert seen[-1] == ("event", job.event_count)
    for event in job.events:
        before = seen[: seen.index(("event", event.seq))]
        assert sum(kind == "epoch" for kind, _ in before) == event.epochs_done


class Listener:
    """A client of the application that reads a stream as it comes, and may hang up."""

    def __init__(self, app: FastAPI, path: str, last: str | None) -> None:
        headers = [(b"host", b"127.0.0.1"), (b"accept", b"text/event-stream")] + (
            [(b"last-event-id", last.encode())] if last else []
        )
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        self._app = app
        self._blocks: asyncio.Queue[str | None] = asyncio.Queue()
        self._hung_up = asyncio.Event()
        self._asked = False
        self.status = 0
        self.content = b""
        """All that was heard."""

    async def run(self) -> None:
        await self._app(self._scope, self._receive, self._send)
        self._blocks.put_nowait(None)

    def hang_up(self) -> None:
        self._hung_up.set()

    async def next(self) -> Told | None:
        """The next event; None at the end."""
        while (block := await asyncio.wait_for(self._blocks.get(), 30)) is not None:
            if event := told(block):
                return event
        return None

    async def rest(self) -> list[Told]:
        found = []
        while event := await self.next():
            found.append(event)
        return found

    async def until_it_waits(self) -> None:
        """Return when the stream has said that there is nothing new."""
        while (block := await asyncio.wait_for(self._blocks.get(), 30)) != ": keep-alive":
            assert block is not None

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._hung_up.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        self.content += message.get("body", b"")
        for block in message.get("body", b"").decode().split("\n\n"):
            if block:
                self._blocks.put_nowait(block.removesuffix("\n"))


@asynccontextmanager
async def listening(app: FastAPI, job_id: UUID, last: str | None = None) -> AsyncIterator[Listener]:
    listener = Listener(app, f"/v1/jobs/{job_id}/events", last)
    running = asyncio.create_task(listener.run())
    try:
        yield listener
    finally:
        listener.hang_up()
        await asyncio.wait_for(running, 30)


@asynccontextmanager
async def watching(app: FastAPI) -> AsyncIterator[None]:
    async with app.router.lifespan_context(app):
        yield


def test_a_stream_goes_on_as_the_job_does_and_ends_with_it(app: FastAPI, database: Database) -> None:
    mine = claimed(database)

    async def scenario() -> list[Told]:
        async with watching(app), listening(app, mine.job_id) as listener:
            heard = []
            for count in (2, 1, 3):
                await listener.until_it_waits()
                write_epochs(database, mine, count)
                heard += [await listener.next() for _ in range(count)]
            await listener.until_it_waits()
            finish(database, mine)
            return [each for each in heard if each] + await listener.rest()

    heard = asyncio.run(scenario())

    assert [each.data["epoch"] for each in heard[:-1]] == [0, 1, 2, 3, 4, 5]
    assert heard[-1].data["status"] == "succeeded"


def test_a_client_that_hangs_up_and_calls_again_misses_nothing_of_a_running_job(
    app: FastAPI, database: Database
) -> None:
    mine = claimed(database)

    async def scenario() -> list[Told]:
        heard: list[Told] = []
        async with watching(app):
            for cut in (1, 3, 2, 5, 1):
                write_epochs(database, mine, 4)
                async with listening(app, mine.job_id, heard[-1].id if heard else None) as listener:
                    for _ in range(cut):
                        event = await listener.next()
                        assert event
                        heard.append(event)
            finish(database, mine)
            async with listening(app, mine.job_id, heard[-1].id) as listener:
                heard += await listener.rest()
            async with listening(app, mine.job_id, heard[-1].id) as listener:
                assert await listener.rest() == []
                assert listener.status == 204
        return heard

    heard = asyncio.run(scenario())

    assert [each.data["epoch"] for each in heard if each.kind == "epoch"] == list(range(20))
    assert [each.data["seq"] for each in heard if each.kind == "status"] == [1, 2, 3]
    assert heard[-1].data["status"] == "succeeded"


def test_a_stream_without_news_shows_that_it_lives(
    app: FastAPI, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.api.routes.events, "KEEP_ALIVE_SECONDS", 0.01)
    mine = claimed(database)

    async def scenario() -> None:
        async with watching(app), listening(app, mine.job_id) as listener:
            for _ in range(3):
                await listener.until_it_waits()

    asyncio.run(scenario())


def test_a_client_is_given_no_empty_events_while_a_stream_waits(app: FastAPI, database: Database) -> None:
    mine = claimed(database)

    async def scenario() -> bytes:
        async with watching(app), listening(app, mine.job_id) as listener:
            for _ in range(3):
                await listener.until_it_waits()
                write_epochs(database, mine, 2)
            await listener.until_it_waits()
            finish(database, mine)
            await listener.rest()
            return listener.content

    content = asyncio.run(scenario())
    response = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=content)
    found = list(httpx_sse.EventSource(response).iter_sse())

    assert content.count(b": keep-alive\n") >= 4
    assert [each.event for each in found if each.event != "epoch"] == ["status"] * 3
    assert [json.loads(each.data)["epoch"] for each in found if each.event == "epoch"] == list(range(6))


def test_a_stream_ends_when_the_process_does(app: FastAPI, database: Database) -> None:
    mine = claimed(database)

    async def scenario() -> list[Told]:
        async with watching(app), listening(app, mine.job_id) as listener:
            await listener.until_it_waits()
            app.state.watch.close()
            return await listener.rest()

    assert asyncio.run(scenario()) == []


def test_a_stream_of_a_job_that_is_deleted_ends(app: FastAPI, database: Database) -> None:
    job_id = submit(database)

    async def scenario() -> list[Told]:
        async with watching(app), listening(app, job_id) as listener:
            await listener.until_it_waits()
            assert change(database, lambda session: jobs.remove_job(session, job_id))
            return await listener.rest()

    assert asyncio.run(scenario()) == []


def test_many_streams_of_one_job_hear_the_same(app: FastAPI, database: Database) -> None:
    mine = claimed(database)

    async def scenario() -> list[list[Told]]:
        async with watching(app), listening(app, mine.job_id) as one, listening(app, mine.job_id) as two:
            await one.until_it_waits()
            write_epochs(database, mine, 3)
            await two.until_it_waits()
            finish(database, mine)
            return [await listener.rest() for listener in (one, two)]

    one, two = asyncio.run(scenario())

    assert one[-1] == two[-1]
    assert [each.data["epoch"] for each in one[:-1]] == [0, 1, 2]


# what many read is made once


def test_a_history_that_many_read_is_made_once(
    client: TestClient, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, made = trained(LECTURE), []
    monkeypatch.setattr(service.records.feed, "_BATCH", 4)
    make = service.api.polling.feeds._encode
    monkeypatch.setattr(service.api.polling.feeds, "_encode", lambda item, at: made.append(at) or make(item, at))

    whole = stream(client, job_id)
    first = len(made)
    assert first == len(whole) == 13
    assert stream(client, job_id) == whole
    assert len(made) - first == 1  # the end, which is no full batch


def test_those_who_ask_at_once_share_one_query(app: FastAPI, trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id, read_ = trained(LECTURE), []
    make = service.records.feed.next_batch
    monkeypatch.setattr(service.records.feed, "next_batch", lambda *of: read_.append(of) or make(*of))

    async def scenario() -> None:
        feeds = app.state.feeds
        chunks = await asyncio.gather(*(feeds.following(job_id, Position()) for _ in range(20)))
        assert len(set(map(id, chunks))) == 1

    asyncio.run(scenario())
    assert len(read_) == 1


def test_a_stream_of_a_deleted_job_is_not_found_though_it_was_kept(
    client: TestClient, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.records.feed, "_BATCH", 2)
    job_id = trained(LECTURE)
    stream(client, job_id)
    assert client.delete(f"/v1/jobs/{job_id}").status_code == 204
    answer = client.get(f"/v1/jobs/{job_id}/events", headers={"accept": "text/event-stream"})
    assert problem_of(answer, 404)["type"] == "/problems/job-not-found"


def test_a_batch_of_a_wide_model_has_fewer_epochs(
    client: TestClient, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = trained(LECTURE)
    whole = stream(client, job_id)
    monkeypatch.setattr(service.records.feed, "_NUMBERS", 1)
    assert stream(client, job_id) == whole
