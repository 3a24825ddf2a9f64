"""Long work takes turns: few at a time, few that wait, and none for a client that has gone."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from workbench import LECTURE, problem_of, request

import service.records.graphs
from service.api.turns import Turns
from service.errors import ClientGone, TooBusy
from service.records import replay
from service.settings import Settings
from slope.calling_off import is_called_off

Trained = Callable[[dict[str, Any]], UUID]
LIMIT = 120.0


async def stays() -> None:
    await asyncio.Event().wait()


def scenario(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(main(), LIMIT))


class Work:
    """Begins, and goes on until it is let go or called off."""

    def __init__(self) -> None:
        self.has_begun = Event()
        self.let_go = Event()
        self.was_called_off = Event()

    def __call__(self) -> str:
        self.has_begun.set()
        while not self.let_go.wait(0.01):
            if is_called_off():
                self.was_called_off.set()
                raise RuntimeError("nobody waits")
        return "done"


def test_so_many_work_at_once_so_many_wait_and_the_next_is_refused() -> None:
    async def main() -> None:
        turns, works = Turns(1, 1), [Work(), Work()]
        taken = [asyncio.create_task(turns.take(stays, work)) for work in works]
        await asyncio.to_thread(works[0].has_begun.wait, LIMIT)
        with pytest.raises(TooBusy) as refused:
            await turns.take(stays, Work())
        assert refused.value.headers["Retry-After"]
        assert not works[1].has_begun.is_set()
        for work in works:
            work.let_go.set()
        assert await asyncio.gather(*taken) == ["done", "done"]
        assert await turns.take(stays, lambda: "again") == "again"

    scenario(main)


def test_work_hears_that_its_client_has_gone_and_makes_room() -> None:
    async def main() -> None:
        turns, work, gone = Turns(1, 0), Work(), asyncio.Event()

        async def leaves() -> None:
            await gone.wait()

        taken = asyncio.create_task(turns.take(leaves, work))
        await asyncio.to_thread(work.has_begun.wait, LIMIT)
        gone.set()
        with pytest.raises(ClientGone):
            await taken
        await asyncio.to_thread(work.was_called_off.wait, LIMIT)
        while turns._taken:
            await asyncio.sleep(0.01)
        assert await turns.take(stays, lambda: "next") == "next"

    scenario(main)


def test_work_whose_client_leaves_before_its_turn_is_never_begun() -> None:
    async def main() -> None:
        turns, first, second = Turns(1, 1), Work(), Work()

        async def leaves() -> None:
            return

        taken = asyncio.create_task(turns.take(stays, first))
        await asyncio.to_thread(first.has_begun.wait, LIMIT)
        with pytest.raises(ClientGone):
            await turns.take(leaves, second)
        first.let_go.set()
        await taken
        assert await turns.take(stays, lambda: "next") == "next"
        assert not second.has_begun.is_set()

    scenario(main)


def test_work_that_runs_out_of_items_is_an_error_and_keeps_nobody_waiting() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="StopIteration"):
            await Turns(at_once=1, waiting=1).take(stays, lambda: next(iter(())))

    scenario(main)


def test_chunks_of_an_answer_that_has_begun_are_not_refused() -> None:
    async def main() -> None:
        turns, work = Turns(1, 0), Work()

        def chunks() -> Iterator[bytes]:
            yield b"one"
            yield b"two"

        taken = asyncio.create_task(turns.take(stays, work))
        await asyncio.to_thread(work.has_begun.wait, LIMIT)
        reading = asyncio.create_task(anext(each := turns.each(stays, chunks())))  # type: ignore[arg-type]
        work.let_go.set()
        assert await taken == "done"
        assert [await reading, *[chunk async for chunk in each]] == [b"one", b"two"]

    scenario(main)


@pytest.mark.parametrize(
    "path", ["/v1/jobs/{id}/epochs/0/steps/0/graph", "/v1/jobs/{id}/epochs/0/audit", "/v1/jobs/{id}/epochs/0/steps"]
)
def test_a_request_that_hangs_up_stops_what_is_computed_for_it(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    work = Work()
    monkeypatch.setattr(service.records.graphs, "graph_of_step", lambda *_, **__: work())
    monkeypatch.setattr(service.records.graphs, "audit_epoch", lambda *_, **__: work())
    monkeypatch.setattr("service.records.pages.page_of_steps", lambda *_, **__: work())
    path = path.format(id=UUID(int=1))

    async def main() -> None:
        async def receive() -> dict[str, Any]:
            await asyncio.to_thread(work.has_begun.wait, LIMIT)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            pass

        scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b""}
        headers = [(b"host", b"localhost")]
        await app({**scope, "headers": headers, "http_version": "1.1", "scheme": "http"}, receive, send)
        assert work.has_begun.is_set()
        assert await asyncio.to_thread(work.was_called_off.wait, LIMIT)

    scenario(main)


def test_beyond_the_queue_the_answer_is_503_and_says_when_to_ask_again(
    app: FastAPI, client: TestClient, trained: Trained
) -> None:
    job_id = trained(LECTURE)
    app.state.turns = Turns(1, 0)
    app.state.turns._count(1)  # somebody's

    answer = client.get(f"/v1/jobs/{job_id}/epochs/0/steps/0/graph")
    assert problem_of(answer, 503)["type"] == "/problems/too-busy"
    assert int(answer.headers["Retry-After"]) > 0
    assert client.get(f"/v1/jobs/{job_id}/epochs/0/steps").status_code == 200  # they are recorded, and only read


@pytest.mark.parametrize("setting", [{"replay_seconds": 1e-9}, {"replay_numbers": 1}])
def test_what_would_take_too_long_to_compute_again_is_refused_before_it_begins(
    client: TestClient, trained: Trained, monkeypatch: pytest.MonkeyPatch, setting: dict[str, Any]
) -> None:
    job_id = trained(request(batch_size=1, record={"steps": "none", "every": 5}))
    monkeypatch.setattr(replay, "get_settings", lambda: Settings(**setting))
    monkeypatch.setattr(replay, "_run_of", lambda *_: pytest.fail("it has begun"))

    for path in ("epochs/3/steps", "epochs/3/steps/2/graph", "epochs/3/audit", "model?epoch=3"):
        problem = problem_of(client.get(f"/v1/jobs/{job_id}/{path}"), 422)
        assert problem["type"] == "/problems/replay-too-long"
        assert "train again with these steps recorded" in problem["detail"]


def test_the_cost_of_a_replay_counts_from_its_snapshot(
    client: TestClient, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slope.engines.plan.REPLAYED_STEPS", 4)  # of four steps an epoch: every epoch
    job_id = trained(request(batch_size=1, epochs=9, record={"steps": "none"}))
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(replay, "_refuse_too_long", lambda job, epochs, through: asked.append((epochs, through)))

    assert client.get(f"/v1/jobs/{job_id}/epochs/7/steps?after=0&limit=2").status_code == 200
    assert client.get(f"/v1/jobs/{job_id}/epochs/7/steps?after=0&format=csv").status_code == 200
    assert asked == [(0, 3), (0, 1)]  # a file is sent as it is computed
